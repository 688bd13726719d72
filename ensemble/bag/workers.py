"""Groups of members over processes, through joblib.

Workers get arrays and plain values and give back what a group has learned; only the
driver writes files. Threads are shared out so that workers x threads never exceed the
cores: two processes of two threads on two cores run at a sixth of the speed of two of
one thread each.

Workers never hear of Ctrl-C: the driver ends them. And they end when the driver does,
however it ended.
"""

import os
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from ensemble.bag.board import Board, find_board, new_board
from ensemble.bag.model import Views
from ensemble.bag.plan import Member
from ensemble.bag.train import TrainedMember, TrainingData, train_group
from ensemble.catalog import load_hook
from ensemble.errors import UserError
from ensemble.recipe import Recipe

POLL_SECONDS = 0.2
ATTEMPTS = 3  # at a group, while workers die
SIGNALS = (signal.SIGINT, signal.SIGTERM)

EpochHook = Callable[[int, int, float], None]


@dataclass(frozen=True)
class ViewHooks:
    """Where a worker finds the random views of a recipe: functions cannot be sent."""

    folder: Path
    augment: str
    columns: tuple[str, ...]
    n_test_views: int


def train_groups(
    groups: Sequence[Sequence[Member]],
    data: TrainingData,
    recipe: Recipe,
    view_hooks: ViewHooks | None = None,
    jobs: int = 1,
    device: str = "cpu",
    on_epoch: EpochHook = lambda group, epoch, loss: None,
    scratch: Path | None = None,
) -> Generator[list[TrainedMember]]:
    """Train all groups, `jobs` at a time; each is handed over once it is finished.

    There are never more workers than groups, and one alone where all would share a GPU.

    `on_epoch(group, epoch, loss)` hears of the progress of the groups, from 0. A
    temporary file may lie in `scratch`. Closing the generator ends the workers.
    """
    jobs = 1 if device.startswith("cuda") else max(1, min(jobs, len(groups)))
    if jobs == 1:
        views = load_views(view_hooks)
        with _threads(threads_of(jobs)):
            for g, group in enumerate(groups):
                hear = _for_group(on_epoch, g)
                yield train_group(data, group, recipe, views, device, hear)
        return
    with _watched_board(len(groups), on_epoch, scratch) as board:
        n_threads = threads_of(jobs)
        tasks = {
            g: joblib.delayed(_train_in_worker)(
                g, len(groups), group, data, recipe, view_hooks, device, board.path,
                n_threads,
            )
            for g, group in enumerate(groups)
        }  # fmt: skip
        yield from _work_off(tasks, jobs)


def _work_off(tasks: dict[int, Any], jobs: int) -> Generator[list[TrainedMember]]:
    """What the tasks make, as it comes; a worker that dies costs an attempt only."""
    for _ in range(ATTEMPTS):
        workers = joblib.Parallel(
            jobs, return_as="generator_unordered", batch_size=1, **_of_loky()
        )
        try:
            with (
                _manager_fails_silently(),
                _started(workers, list(tasks.values())) as results,
            ):
                for g, trained in results:
                    del tasks[g]
                    yield trained
            return
        except TerminatedWorkerError:
            continue
    raise UserError(
        f"a worker process died {ATTEMPTS} times (killed, or out of memory);"
        " what was finished is saved, resume the run, perhaps with fewer --jobs"
    )


def load_views(hooks: ViewHooks | None) -> Views | None:
    """The random views that a recipe names."""
    if hooks is None:
        return None
    augment: Any = load_hook(hooks.folder, hooks.augment)
    test_views = augment.test_views(hooks.n_test_views) if hooks.n_test_views else ()
    return Views(augment, hooks.columns, augment.n_uniform, tuple(test_views))


def check_jobs(jobs: int) -> int:
    """How many workers there will be: -1 asks for one a core, as in scikit-learn."""
    cores = joblib.cpu_count()
    if jobs == -1:
        return int(cores)
    if not 1 <= jobs <= cores:
        raise UserError(
            f"--jobs {jobs}: this machine has {cores} cores, so take 1 to {cores},"
            " or -1 for all"
        )
    return jobs


def threads_of(jobs: int) -> int:
    """How many threads each of so many workers may have; OMP_NUM_THREADS is obeyed."""
    share = int(joblib.cpu_count()) // jobs
    return max(1, min(share, torch.get_num_threads()))


def pick_device(device: str) -> str:
    """`auto` is the GPU where there is one that torch can use."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UserError(
            f"--device {device} cannot be used here, take auto, cpu or cuda"
        )
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:80]
        raise UserError(
            f"--device {device} cannot be used here, take auto, cpu, cuda or cuda:N"
            f" ({reason})"
        ) from error
    return device


def _train_in_worker(
    g: int,
    n_groups: int,
    members: Sequence[Member],
    data: TrainingData,
    recipe: Recipe,
    view_hooks: ViewHooks | None,
    device: str,
    board_path: Path,
    n_threads: int,
) -> tuple[int, list[TrainedMember]]:
    board = find_board(board_path, n_groups)

    def hear(epoch: int, loss: float) -> None:
        if board is not None:
            board.write(g, epoch, loss)

    with _threads(n_threads):
        views = load_views(view_hooks)
        return g, train_group(data, members, recipe, views, device, hear)


def _of_loky() -> dict[str, Any]:
    """What loky's workers do first; those of clusters are somebody else's."""
    backend, _ = joblib.parallel.get_active_backend()
    if type(backend).__name__ != "LokyBackend":
        return {}
    return {"initializer": _end_with, "initargs": (os.getpid(),)}


def _end_with(driver: int) -> None:
    """End this worker when the driver is gone, even if it was killed.

    Else it would train its group to the end, and then wait five minutes for another.
    """

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _started(
    workers: joblib.Parallel, tasks: list[Any]
) -> Iterator[Generator[tuple[int, list[TrainedMember]]]]:
    """Results as they come; given up in the middle, it ends the workers."""
    trained = None
    try:
        with _signals_wait():
            trained = workers(tasks)
        yield trained
    finally:
        if trained is not None:
            with warnings.catch_warnings():  # work is given up on purpose
                warnings.simplefilter("ignore")
                trained.close()


@contextmanager
def _manager_fails_silently() -> Iterator[None]:
    """loky's thread misses tasks that an end took from it, which is no news."""
    before = threading.excepthook

    def tell(failure: threading.ExceptHookArgs) -> None:
        name = failure.thread.name if failure.thread else ""
        if name != "ExecutorManagerThread" or failure.exc_type is not KeyError:
            before(failure)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and the like wait until the block is left.

    Processes that are started here never hear of them: they inherit the mask. In the
    driver that is not enough, since a signal may reach another thread of it.
    """
    resource_tracker.ensure_running()  # its start would unblock them (Python 3.11)
    waiting: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {
            number: signal.signal(number, lambda number, _: waiting.append(number))
            for number in SIGNALS
        }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _watched_board(
    n_groups: int, on_epoch: EpochHook, folder: Path | None
) -> Iterator[Board]:
    """A board that is read now and then by a thread, which tells what is new."""
    board, stop = new_board(n_groups, folder), threading.Event()

    def watch() -> None:
        seen = [0] * n_groups
        while not stop.wait(POLL_SECONDS):
            for g in range(n_groups):
                epoch, loss = board.read(g)
                if epoch > seen[g]:
                    seen[g] = epoch
                    on_epoch(g, epoch, loss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield board
    finally:
        stop.set()
        watcher.join()
        board.path.unlink()


def _for_group(on_epoch: EpochHook, g: int) -> Callable[[int, float], None]:
    return lambda epoch, loss: on_epoch(g, epoch, loss)
