"""Worker processes that are killed, hang and run out of memory, and their number."""

import os
import subprocess
import sys
from multiprocessing.connection import Connection

import joblib
import numpy as np
import pytest
import torch

from ensemble.bag.hooks import pack_views
from ensemble.bag.processes import Processes
from ensemble.bag.work import Work
from ensemble.bag.workers import (
    Workers,
    check_jobs,
    find_workers,
    spread_devices,
    threads_of,
    train_groups,
)
from ensemble.errors import UserError
from tests.bag.harm import (
    GROUPS,
    HOOKS,
    ONE_ALONE,
    must_be_equal,
    n_done,
    plan,
    train,
)
from tests.bag.test_train import DATA, MEMBERS, MODERN
from tests.program import living

HERE = Workers("loky", 1, ("cpu",))
TWO = Workers("loky", 2, ("cpu", "cpu"))
SOON = Workers("loky", 2, ("cpu", "cpu"), patience=5.0)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in each of two workers on two cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed():
    return train(HERE)[0]


def family() -> list[int]:
    names = living(parent=os.getpid())
    return [pid for pid, name in names.items() if "LokyProcess" in name]


SILENT = "it made no progress for 5 s"
HARMS = [
    ("SIGKILL", TWO, "killed by SIGKILL"),
    pytest.param("SIGSEGV", TWO, "killed by SIGSEGV", marks=pytest.mark.slow),
    pytest.param("exit", TWO, "it left with exit code 3", marks=pytest.mark.slow),
    ("SIGSTOP", SOON, SILENT),
    pytest.param("sleep", SOON, SILENT, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("harm", "workers", "reason"), HARMS)
def test_a_lost_worker_changes_nothing(
    harm, workers, reason, undisturbed, monkeypatch, tmp_path
):
    plan(monkeypatch, harm, tmp_path)
    trained, told = train(workers, scratch=tmp_path)
    assert n_done(tmp_path) == 1
    assert reason in told[0]
    must_be_equal(trained, undisturbed)
    assert not list(tmp_path.glob(".work*"))
    assert not family()


@pytest.mark.slow
def test_a_group_that_always_kills_its_worker_fails_by_name(monkeypatch, tmp_path):
    plan(monkeypatch, "SIGKILL", tmp_path, times=9, n_members=2)
    trained, told = train(TWO, ONE_ALONE)
    assert n_done(tmp_path) == 3
    assert len(told) == 2
    failed = {index: one.failed for index, one in trained.items() if one.failed}
    assert list(failed) == [1, 2]
    assert failed[1].startswith("3 workers were lost with it, killed by SIGKILL")
    assert trained[0].failed is trained[3].failed is None


@pytest.mark.parametrize("harm", ["memory", "torch memory"])
def test_a_group_that_runs_out_of_memory_here_is_halved(
    harm, undisturbed, monkeypatch, tmp_path
):
    plan(monkeypatch, harm, tmp_path, times=99, n_members=2)
    trained, told = train(HERE)
    assert n_done(tmp_path) == 1
    assert told[0].startswith("members 0 to 1: out of memory on cpu (")
    assert sorted(trained) == list(range(6))
    for index, one in trained.items():
        np.testing.assert_allclose(one.test_T, undisturbed[index].test_T, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["memory", "torch memory"])
def test_a_group_that_runs_out_of_memory_in_a_worker_is_halved(
    harm, undisturbed, monkeypatch, tmp_path
):
    plan(monkeypatch, harm, tmp_path, times=99, n_members=2)
    trained, told = train(TWO)
    assert n_done(tmp_path) in (1, 2)  # the second may have begun already
    assert "tried again in halves" in told[0]
    for index, one in trained.items():
        np.testing.assert_allclose(one.test_T, undisturbed[index].test_T, atol=1e-5)


def test_a_member_that_does_not_fit_alone_fails_by_name(monkeypatch, tmp_path):
    plan(monkeypatch, "memory", tmp_path, times=99)
    trained, _ = train(HERE)
    assert n_done(tmp_path) == 1 + 6
    for one in trained.values():
        assert one.failed.startswith("alone it does not fit: out of memory on cpu (")


def test_an_error_in_a_worker_is_raised_here(monkeypatch, tmp_path):
    plan(monkeypatch, "error", tmp_path)
    with pytest.raises(ValueError, match="no number") as one:
        train(TWO, scratch=tmp_path)
    assert "in augment" in one.value.__notes__[0]  # where it happened
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert not family()


def test_an_answer_for_which_there_is_no_memory_costs_an_attempt(
    undisturbed, monkeypatch
):
    recv, failed = Connection.recv, []

    def fail_once(pipe):
        ticket, what = recv(pipe)
        if isinstance(what, list) and not failed:
            failed.append(ticket)
            raise MemoryError
        return ticket, what

    monkeypatch.setattr(Connection, "recv", fail_once)
    trained, told = train(TWO)
    assert "its answer could not be read (MemoryError())" in told[0]
    must_be_equal(trained, undisturbed)
    assert not family()


def test_large_arrays_are_one_file_that_workers_map(tmp_path):
    pool = Processes(Work(DATA, MODERN), ("cpu",), 1, tmp_path)
    (file,) = tmp_path.iterdir()
    work = joblib.load(file, mmap_mode="r")
    assert isinstance(work.data.features_RI, np.memmap)
    pool.close()
    assert not list(tmp_path.iterdir())


def test_given_up_in_the_middle_nothing_stays(tmp_path):
    trained = train_groups(GROUPS, DATA, MODERN, HOOKS, TWO, scratch=tmp_path)
    next(trained)
    assert len(family()) == 2
    trained.close()
    assert not family()
    assert not list(tmp_path.iterdir())


def test_packed_views_need_no_folder():
    packed = pack_views(HOOKS)
    code = (
        "import pickle, sys, torch; views = pickle.load(sys.stdin.buffer);"
        "x = torch.ones(2, 3, 4); assert (views.augment(x, (), None) == x).all();"
        "assert not any(name.startswith('competition') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], input=packed, check=True)


def test_workers_times_threads_are_never_more_than_the_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    for cores in (1, 2, 3, 8, 64):
        monkeypatch.setattr(joblib, "cpu_count", lambda cores=cores: cores)
        for jobs in range(1, cores + 1):
            assert check_jobs(jobs) * threads_of(jobs) <= cores
        with pytest.raises(UserError, match=f"has {cores} cores"):
            check_jobs(cores + 1)


@pytest.mark.parametrize(
    ("device", "jobs", "n_gpus", "devices"),
    [
        ("cuda", 4, 2, ("cuda:0", "cuda:1")),
        ("cuda", 2, 8, ("cuda:0", "cuda:1")),
        ("cuda", 1, 8, ("cuda",)),
        ("cuda", 8, 1, ("cuda",)),
        ("cuda:3", 8, 8, ("cuda:3",)),
        ("cpu", 2, 8, ("cpu", "cpu")),
    ],
)
def test_each_worker_has_a_gpu_of_its_own(monkeypatch, device, jobs, n_gpus, devices):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    assert spread_devices(device, jobs) == devices


def test_a_worker_after_another_takes_the_device_that_is_free(monkeypatch):
    class Worker:
        def __init__(self, file, device, n_threads, news):
            self.device = device

        def ask(self, ticket, members):
            pass

        def kill(self):
            pass

    monkeypatch.setattr("ensemble.bag.processes._Worker", Worker)
    pool = Processes(Work(DATA, MODERN), ("cuda:0", "cuda:1"), 1, None)
    pool.start(0, MEMBERS[:1])
    pool.start(1, MEMBERS[1:2])
    pool.end(0)
    pool.start(2, MEMBERS[:1])
    assert {t: worker.device for t, worker in pool._busy.items()} == {
        1: "cuda:1",
        2: "cuda:0",
    }
    pool.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"backend": "spark"}, "--backend spark is not known: loky, dask, ray"),
        ({"address": "here:1"}, "--address here:1 is for --backend dask or ray"),
        ({"patience": 0.0}, "--patience 0 must be above 0 seconds"),
        ({"patience": float("nan")}, "--patience nan must be above 0 seconds"),
        ({"jobs": 0}, "--jobs 0: this machine has"),
        ({"backend": "dask"}, "--backend dask takes --address HOST:PORT"),
        ({"backend": "ray"}, "--backend ray takes --address HOST:PORT"),
        ({"backend": "dask", "address": "here"}, "--address here must be HOST:PORT"),
        ({"backend": "dask", "address": "127.0.0.1:9"}, "cannot be reached"),
        ({"backend": "ray", "address": "127.0.0.1:9"}, "cannot be reached"),
        ({"backend": "dask", "address": "no..host:9"}, "cannot be reached"),
        ({"backend": "dask", "address": "127.0.0.1:99999"}, "cannot be reached"),
    ],
)
def test_a_wrong_word_about_workers_is_one_sentence(words, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        find_workers(**words)


def test_one_worker_here_is_the_default():
    assert find_workers(device="cpu") == Workers("loky", 1, ("cpu",))
