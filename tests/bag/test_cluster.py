"""Groups over real clusters on this machine, with workers that die, hang and are alone.

The clusters are started by the commands of docs/cluster.md.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from distributed import Client

import ensemble.bag.on_dask as on_dask_module
from ensemble.bag.cluster import (
    About,
    about_here,
    common_device,
    count_jobs,
    must_be_like_here,
)
from ensemble.bag.workers import Workers, find_workers
from ensemble.errors import UserError
from tests.bag.harm import GROUPS, must_be_equal, n_done, plan, train
from tests.bag.test_train import MEMBERS
from tests.bag.test_workers import HERE
from tests.program import living, wait_until

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "tiny"
BIN = Path(sys.executable).parent
ENDLESS = ["--set", "training.epochs=1000000", "--set", "training.curve_points=0"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As each worker has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed():
    return train(HERE)[0]


def documented(begin: str) -> list[str]:
    """The words of the command in docs/cluster.md that begins so, for this machine."""
    text = (ROOT / "docs" / "cluster.md").read_text()
    (line,) = re.findall(rf"^({re.escape(begin)}.*?)(?: +#.*)?$", text, re.M)
    return shlex.split(line.replace("HOST", "127.0.0.1"))


@contextmanager
def running(*commands: list[str], cwd: Path) -> Iterator[None]:
    """Programs that run in a session of their own, ended with all that they start."""
    env = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    env |= {"PYTHONPATH": str(ROOT)}
    with (cwd / "log.txt").open("w") as log:
        programs = [
            subprocess.Popen(
                words, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True
            )
            for words in commands
        ]
        try:
            yield
        finally:
            for program in reversed(programs):
                program.terminate()  # killed at once, they leave semaphores behind
                with suppress(subprocess.TimeoutExpired):
                    program.wait(10)
                for pid in living(session=program.pid):
                    os.kill(pid, signal.SIGKILL)
                program.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def on_port(words: list[str], port: int) -> list[str]:
    return [re.sub(r"8786|6379", str(port), word) for word in words]


@pytest.fixture(scope="module")
def dask(tmp_path_factory) -> Iterator[str]:
    """The address of a dask cluster with two workers of a thread each."""
    cwd, port = tmp_path_factory.mktemp("dask"), free_port()
    scheduler = on_port(documented("dask scheduler"), port)
    worker = on_port(documented("dask worker"), port)
    quiet = ["--dashboard-address", ":0"]
    two = ["--nworkers", "2", "--nthreads", "1"]
    with running(
        [*scheduler, *quiet], [*_without(worker, "--nworkers"), *quiet, *two], cwd=cwd
    ):
        address = f"127.0.0.1:{port}"
        wait_until(lambda: _has_two_workers(address))
        yield address


def _without(words: list[str], option: str) -> list[str]:
    at = words.index(option)
    return words[:at] + words[at + 2 :]


def _has_two_workers(address: str) -> bool:
    try:
        return find_workers("dask", address).n == 2
    except UserError:
        return False


def on_dask(address: str, patience: float | None = None) -> Workers:
    return Workers("dask", 2, ("cpu",), address, patience)


def test_a_dask_cluster_comes_to_the_bits_of_this_machine(
    dask, undisturbed, monkeypatch
):
    found = find_workers("dask", dask, device="cpu")
    assert found == on_dask(dask)
    heard, sent, scatter = [], [], Client.scatter
    monkeypatch.setattr(
        Client, "scatter", lambda *a, **k: sent.append(k) or scatter(*a, **k)
    )
    trained, told = train(found, on_epoch=lambda *words: heard.append(words))
    assert told == []
    must_be_equal(trained, undisturbed)
    assert {group for group, _, _ in heard} == {0, 1, 2}
    assert 1 <= len(sent) <= 2 < len(GROUPS)  # the data, once for each worker


SILENT = "it made no progress for 5 s"
HARMS = [
    ("SIGKILL", None, "left the cluster"),
    pytest.param("SIGSEGV", None, "left the cluster", marks=pytest.mark.slow),
    pytest.param("SIGSTOP", 5.0, SILENT, marks=pytest.mark.slow),
    pytest.param("sleep", 5.0, SILENT, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("harm", "patience", "reason"), HARMS)
def test_a_lost_worker_of_a_dask_cluster_changes_nothing(
    harm, patience, reason, dask, undisturbed, monkeypatch, tmp_path
):
    plan(monkeypatch, harm, tmp_path)
    trained, told = train(on_dask(dask, patience))
    assert n_done(tmp_path) == 1
    assert reason in told[0]
    must_be_equal(trained, undisturbed)


@pytest.mark.slow
def test_a_group_that_always_ends_its_dask_worker_fails(dask, monkeypatch, tmp_path):
    plan(monkeypatch, "SIGKILL", tmp_path, times=9, n_members=2)
    trained, _ = train(on_dask(dask), [GROUPS[0][:1], GROUPS[1]])
    assert n_done(tmp_path) == 3
    failed = [index for index, one in trained.items() if one.failed]
    assert failed == [one.index for one in GROUPS[1]]


@pytest.mark.slow
def test_a_group_without_memory_is_halved_on_dask_too(dask, monkeypatch, tmp_path):
    plan(monkeypatch, "torch memory", tmp_path, times=99, n_members=2)
    trained, told = train(on_dask(dask))
    assert "tried again in halves" in told[0]
    assert all(one.failed is None for one in trained.values())


def test_a_run_on_dask_that_is_interrupted_leaves_nothing_at_work(
    dask, nursery, tiny_data, tmp_path
):
    where = ["--backend", "dask", "--address", dask]
    words = ["run", TINY, "--data", tiny_data, *where, *ENDLESS]
    program = nursery.start(*words, cwd=tmp_path)
    wait_until(lambda: n_at_work(dask) == 2)
    program.kill(signal.SIGINT)
    since = time.monotonic()
    assert program.wait() == 130, program.err
    assert time.monotonic() - since < 5
    assert program.err.count("\n") == 1, program.err
    wait_until(lambda: n_at_work(dask) == 0, seconds=5)


@pytest.mark.slow
def test_a_dask_cluster_does_not_go_on_for_a_driver_that_was_killed(
    dask, nursery, tiny_data, tmp_path
):
    where = ["--backend", "dask", "--address", dask]
    words = ["run", TINY, "--data", tiny_data, *where, *ENDLESS]
    program = nursery.start(*words, cwd=tmp_path)
    wait_until(lambda: n_at_work(dask) == 2)
    program.kill()
    assert program.wait() == -signal.SIGKILL
    wait_until(lambda: n_at_work(dask) == 0, seconds=20)


class Task:
    """A future of dask that never comes."""

    def add_done_callback(self, call):
        pass

    def cancel(self):
        pass


class Scheduler:
    """A client of dask whose scheduler is a script: two workers, until it is gone."""

    def __init__(self):
        self.is_gone, self.is_closed = False, False
        self.heard_by, self.restarted = None, []

    def subscribe_topic(self, topic, handler):
        self.heard_by = handler

    def nthreads(self):
        if self.is_gone:
            raise OSError("timed out")
        return {"one": 1, "other": 1}

    def scatter(self, work, **words):
        return work

    def submit(self, *words, **named):
        return Task()

    def restart_workers(self, workers, **words):
        self.restarted += workers

    def cancel(self, futures):
        self.nthreads()

    def close(self, timeout):
        self.is_closed = True


@pytest.fixture
def script(monkeypatch):
    """A pool of dask whose workers are a script, and what it talks to."""
    client = Scheduler()
    monkeypatch.setattr(on_dask_module, "_connect", lambda address: client)
    monkeypatch.setattr(on_dask_module, "LOOK_SECONDS", -1.0)
    return on_dask_module.DaskPool(None, "here:1", 2, "cpu"), client


def test_a_scheduler_that_has_gone_is_told_and_the_pool_closes(script):
    pool, client = script
    pool.start(0, MEMBERS[:1])
    client.is_gone = True
    with pytest.raises(UserError, match=r"the scheduler of dask has gone .*resume"):
        pool.n_workers()
    pool.close()
    assert client.is_closed


def test_only_a_worker_that_has_begun_is_ended(script):
    pool, client = script
    for ticket in (0, 1):
        pool.start(ticket, MEMBERS[ticket : ticket + 1])
    client.heard_by((0.0, (1, 0, 0.0)))
    pool.end(0)  # its worker may be at work for somebody else
    pool.end(1)
    assert client.restarted == ["other"]
    assert pool.n_workers() == 0


def n_at_work(address: str) -> int:
    """How many groups the workers of a dask cluster are training."""

    def here(dask_worker) -> int:
        return dask_worker.state.executing_count

    with Client(address, set_as_default=False) as client:
        return sum(client.run(here).values())


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_something_else_at_an_address_is_told_within_seconds(backend, monkeypatch):
    monkeypatch.setattr("ensemble.bag.cluster.SECONDS_TO_ANSWER", 0.3)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        since = time.monotonic()
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(UserError, match=r"cannot be reached \(timed out"):
            find_workers(backend, address)
        assert time.monotonic() - since < 15


def test_workers_of_another_version_are_named():
    here = about_here()
    other = About(here.versions | {"torch": "1.0"}, False)
    with pytest.raises(UserError, match=r"the worker b has torch 1\.0, but here it is"):
        must_be_like_here([("a", here), ("b", other)])


def test_the_device_of_a_cluster_is_what_all_workers_have():
    gpu, none = About({}, True), About({}, False)
    assert common_device("auto", [gpu, gpu]) == common_device("cuda", [gpu]) == "cuda"
    assert common_device("auto", [gpu, none]) == common_device("cpu", [gpu]) == "cpu"
    with pytest.raises(UserError, match="not every worker of the cluster sees a GPU"):
        common_device("cuda", [gpu, none])
    with pytest.raises(UserError, match="take auto, cpu or cuda"):
        common_device("cuda:1", [gpu])


def test_a_cluster_is_used_as_far_as_it_goes():
    assert [count_jobs(jobs, 3) for jobs in (None, -1, 2, 8)] == [3, 3, 2, 3]
    with pytest.raises(UserError, match="the cluster has no workers"):
        count_jobs(None, 0)
    with pytest.raises(UserError, match="--jobs 0"):
        count_jobs(0, 3)


@pytest.fixture(scope="module")
def ray(tmp_path_factory) -> Iterator[str]:
    """The address of a ray cluster with two CPUs."""
    pytest.importorskip("ray")
    cwd, port = tmp_path_factory.mktemp("ray"), free_port()
    head = on_port(documented("ray start --head"), port)
    more = ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    with running([*head, *more, "--block"], cwd=cwd):
        address = f"127.0.0.1:{port}"
        wait_until(lambda: "started" in (cwd / "log.txt").read_text(), seconds=60)
        yield address


def on_ray(address: str, patience: float | None = None) -> Workers:
    return Workers("ray", 2, ("cpu",), address, patience)


@pytest.mark.ray
def test_a_ray_cluster_comes_to_the_bits_of_this_machine(ray, undisturbed):
    found = find_workers("ray", ray, device="cpu")
    assert found == on_ray(ray)
    heard = []
    trained, told = train(found, on_epoch=lambda *words: heard.append(words))
    assert told == []
    must_be_equal(trained, undisturbed)
    assert heard
    assert {group for group, _, _ in heard} <= {0, 1, 2}  # ray may drop a late word


RAY_HARMS = [
    ("SIGKILL", None, "ray lost it (WorkerCrashedError)"),
    ("SIGSEGV", None, "ray lost it (WorkerCrashedError)"),
    ("SIGSTOP", 5.0, SILENT),
    ("sleep", 5.0, SILENT),
]


@pytest.mark.ray
@pytest.mark.parametrize(("harm", "patience", "reason"), RAY_HARMS)
def test_a_lost_worker_of_a_ray_cluster_changes_nothing(
    harm, patience, reason, ray, undisturbed, monkeypatch, tmp_path
):
    plan(monkeypatch, harm, tmp_path)
    trained, told = train(on_ray(ray, patience))
    assert n_done(tmp_path) == 1
    assert reason in told[0]
    must_be_equal(trained, undisturbed)


@pytest.mark.ray
def test_a_group_that_always_ends_its_ray_worker_fails(ray, monkeypatch, tmp_path):
    plan(monkeypatch, "SIGKILL", tmp_path, times=9, n_members=2)
    trained, _ = train(on_ray(ray), [GROUPS[0][:1], GROUPS[1]])
    assert n_done(tmp_path) == 3
    failed = [index for index, one in trained.items() if one.failed]
    assert failed == [one.index for one in GROUPS[1]]


@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_on_ray_that_is_ended_leaves_nothing_at_work(
    number, ray, nursery, tiny_data, tmp_path
):
    where = ["--backend", "ray", "--address", ray]
    words = ["run", TINY, "--data", tiny_data, *where, *ENDLESS]
    program = nursery.start(*words, cwd=tmp_path)
    wait_until(lambda: len(ray_tasks()) == 2, seconds=60)
    program.kill(number)
    since = time.monotonic()
    assert program.wait() == (130 if number == signal.SIGINT else -number), program.err
    assert program.err.count("\n") == (number == signal.SIGINT), program.err
    assert time.monotonic() - since < 5
    wait_until(lambda: not ray_tasks(), seconds=10)


def ray_tasks() -> list[int]:
    """The processes of this machine that train a group for ray."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"ray::_train_on_ray" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found
