"""Who trains what, when workers die, hang and run out of memory: with workers in play.

The workers here are a script: what becomes of each attempt at each group.
"""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.bag.backlog import ATTEMPTS, Backlog
from ensemble.bag.patience import EPOCHS, FIRST_SECONDS, LEAST_SECONDS, Patience
from ensemble.bag.plan import make_groups, plan_bag
from ensemble.bag.pool import Epoch, News, work_off
from ensemble.bag.train import TrainedMember
from ensemble.bag.work import Died, OutOfMemory, exit_reason, is_out_of_memory
from ensemble.errors import UserError

MEMBERS = plan_bag(n_splits=2, n_repeats=5, seed=1)
NONE = np.empty(0, np.float32)


def trained(members):
    return [TrainedMember(one, NONE, NONE, {}, {}, None) for one in members]


class Clock:
    """A second passes whenever somebody looks."""

    def __init__(self, step=1.0):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


class Script:
    """A pool whose workers do with a group what the script says, attempt by attempt."""

    def __init__(self, script, n_workers=2):
        self.script = {first: list(whats) for first, whats in script.items()}
        self.n, self.running, self.most = n_workers, {}, 0
        self.attempts, self.ended = defaultdict(int), []

    def n_workers(self):
        return self.n

    def start(self, ticket, members):
        self.attempts[members[0].index, len(members)] += 1
        whats = self.script.get(members[0].index, [])
        what = whats.pop(0) if whats else "well"
        if what == "memory" and len(members) == 1:
            what = "well"
        self.running[ticket] = what, members
        self.most = max(self.most, len(self.running))

    def wait(self, seconds):
        for ticket, (what, members) in list(self.running.items()):
            if what != "hangs":
                del self.running[ticket]
                begun = News(ticket, Epoch(0, 0.0))
                whats = {
                    "well": trained(members),
                    "dies": Died("killed by SIGSEGV"),
                    "memory": OutOfMemory("out of memory on cpu (5 GB)"),
                }
                stale = News(ticket, Died("told twice"))
                return [begun, News(ticket, whats[what]), stale]
        return []

    def end(self, ticket):
        self.ended.append(ticket)
        del self.running[ticket]


def run(pool, size=2, tell=lambda text: None, **words):
    groups = make_groups(MEMBERS, size)
    patience = Patience(None, Clock())
    hear = words.get("hear", lambda group, epoch, loss: None)
    return list(work_off(pool, Backlog(groups, tell), patience, hear))


WHATS = st.lists(st.sampled_from(["well", "dies", "hangs", "memory"]), max_size=6)


@given(
    st.dictionaries(st.sampled_from(range(10)), WHATS),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_whatever_happens_each_member_comes_out_once(script, n_workers, size):
    pool = Script(script, n_workers)
    handed_over = run(pool, size)
    indices = sorted(one.member.index for group in handed_over for one in group)
    assert indices == list(range(10))
    assert pool.most <= n_workers
    assert max(pool.attempts.values()) <= ATTEMPTS


@pytest.mark.parametrize("what", ["dies", "hangs"])
def test_a_lost_worker_costs_its_own_group_one_attempt(what):
    pool, told = Script({2: [what]}), []
    handed_over = run(pool, tell=told.append)
    assert all(one.failed is None for group in handed_over for one in group)
    assert pool.attempts == {(i, 2): 2 if i == 2 else 1 for i in range(0, 10, 2)}
    assert len(pool.ended) == (what == "hangs")
    (line,) = told
    assert line.startswith("members 2 to 3: the worker was lost, ")
    assert line.endswith("; tried again")


@pytest.mark.parametrize("what", ["dies", "hangs"])
def test_members_whose_group_always_loses_its_worker_fail_by_name(what):
    pool = Script({2: [what] * 9})
    handed_over = run(pool)
    failed = {o.member.index: o.failed for group in handed_over for o in group}
    assert pool.attempts[2, 2] == ATTEMPTS == 3
    assert [i for i, why in failed.items() if why] == [2, 3]
    assert failed[2].startswith("3 workers were lost with it, ")


def test_a_failed_member_says_which_it_was():
    (lost,) = [g for g in run(Script({2: ["dies"] * 3})) if g[0].failed]
    for one, member in zip(lost, MEMBERS[2:4], strict=True):
        plan = {"index": member.index, "repeat": member.repeat, "fold": member.fold}
        assert one.record == plan | {"seed": member.seed, "lost": True}


def test_a_group_without_memory_is_halved_and_so_are_those_as_large():
    pool, told = Script({0: ["memory", "memory"]}, n_workers=1), []
    handed_over = run(pool, size=4, tell=told.append)
    sizes = {group[0].member.index: len(group) for group in handed_over}
    assert sizes == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 9: 1}
    assert told == [
        "members 0 to 3: out of memory on cpu (5 GB); tried again in halves",
        "members 0 to 1: out of memory on cpu (5 GB); tried again in halves",
    ]


def test_a_member_that_does_not_fit_alone_fails_by_name():
    backlog = Backlog([MEMBERS[:1]], lambda text: None)
    (failed,) = backlog.too_large(backlog.take(), "out of memory on cpu (5 GB)")
    assert failed.failed.startswith("alone it does not fit: out of memory on cpu")


def test_epochs_are_passed_on_under_the_number_of_the_group():
    class Telling(Script):
        def wait(self, seconds):
            news = super().wait(seconds)
            return [News(n.ticket, Epoch(7, 0.5)) for n in news[:1]] + news

    heard = []
    run(Telling({}), hear=lambda *words: heard.append(words))
    assert sorted(heard) == [(g, 7, 0.5) for g in range(5)]


def test_what_a_worker_raises_is_raised_here():
    class Raising(Script):
        def wait(self, seconds):
            return [News(ticket, ValueError("a bug")) for ticket in self.running]

    with pytest.raises(ValueError, match="a bug"):
        run(Raising({}))


def test_a_cluster_that_loses_all_its_workers_is_not_waited_for_forever():
    with pytest.raises(UserError, match="no worker was free for 1800 s"):
        run(Script({}, n_workers=0))


def test_patience_follows_the_longest_epoch():
    clock = Clock(step=0.0)
    patience = Patience(None, clock)
    patience.begin(1)
    assert patience.limit(1) == FIRST_SECONDS
    for seconds, limit in [(1, LEAST_SECONDS), (100, EPOCHS * 100), (1, EPOCHS * 100)]:
        for _ in range(seconds):
            clock.now += 1
            patience.exhausted()
        patience.heard(1, epoch=1)
        assert patience.limit(1) == pytest.approx(limit)


def test_patience_that_is_given_counts_from_the_beginning_of_a_group():
    patience = Patience(12.0)
    patience.begin(1)
    assert patience.limit(1) == LEAST_SECONDS  # torch is being loaded
    patience.heard(1, epoch=0)
    assert patience.limit(1) == 12.0


def test_time_in_which_the_driver_stood_still_is_not_silence():
    clock = Clock(step=0.0)
    patience = Patience(10.0, clock)
    patience.begin(1)
    patience.heard(1, epoch=0)
    clock.now += 3600
    assert patience.exhausted() == []
    for _ in range(12):
        clock.now += 1
        found = patience.exhausted()
    assert found == [1]


def test_being_without_memory_is_told_from_other_errors():
    real = [lambda: bytearray(1 << 60), lambda: __import__("torch").empty(10**15)]
    for run_out in real:
        with pytest.raises((MemoryError, RuntimeError)) as one:
            run_out()
        assert is_out_of_memory(one.value)
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_a_killed_worker_says_by_what():
    assert exit_reason(-9) == "killed by SIGKILL, perhaps because memory ran out"
