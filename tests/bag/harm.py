"""Groups whose training does harm to its worker: see `mischief/augment.py`."""

from pathlib import Path

import numpy as np

from ensemble.bag.hooks import ViewHooks
from ensemble.bag.plan import make_groups
from ensemble.bag.workers import Workers, train_groups
from ensemble.catalog import load_hook
from tests.bag.test_train import DATA, MEMBERS, MODERN

FOLDER = Path(__file__).parent / "mischief"
HOOKS = ViewHooks(FOLDER, "augment:augment", tuple("abcdef"), 0)
GROUPS = make_groups(MEMBERS[:6], 2)
ONE_ALONE = [MEMBERS[:1], MEMBERS[1:3], MEMBERS[3:4]]  # a pair that can be told apart


def plan(monkeypatch, harm, folder, times=1, n_members=1) -> None:
    """What the next training does to its workers."""
    words = {"harm": harm, "folder": str(folder)}
    words |= {"times": times, "n_members": n_members}
    for key, value in words.items():
        loaded = load_hook(FOLDER, "augment:augment").__globals__["PLAN"]
        monkeypatch.setitem(loaded, key, value)


def n_done(folder) -> int:
    """How often harm was done."""
    return len([path for path in folder.iterdir() if path.name.isdecimal()])


def train(workers: Workers, groups=GROUPS, scratch=None, **words):
    """The trained members by index, and what was told meanwhile."""
    told: list[str] = []
    trained = train_groups(
        groups, DATA, MODERN, HOOKS, workers, tell=told.append, scratch=scratch, **words
    )
    return {one.member.index: one for group in trained for one in group}, told


def must_be_equal(some, others) -> None:
    """To the bit."""
    assert some.keys() == others.keys()
    for index, one in some.items():
        assert one.failed is None
        np.testing.assert_array_equal(one.oof_P, others[index].oof_P)
        np.testing.assert_array_equal(one.test_T, others[index].test_T)
        for name, weight in one.weights.items():
            np.testing.assert_array_equal(weight, others[index].weights[name])
