"""Worker processes of this machine: those of loky, which joblib brings.

Each has its own pipe, so that one that dies takes nobody with it; in a pool of joblib
all running calls are lost then. They are started, never forked: forks and CUDA do not
go together. Large arrays are one file that all of them map.
"""

import os
import secrets
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import joblib
from joblib.externals.loky.backend.context import get_context

from ensemble.bag.plan import Member
from ensemble.bag.pool import Epoch, News
from ensemble.bag.signals import end_with, signals_wait
from ensemble.bag.work import Died, Hear, Work, answer, exit_reason
from ensemble.files import TEMPORARY, disk_errors

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
NO_TICKET = -1


class Processes:
    """A pool with a process for each device; it starts them when they are needed.

    The file with the arrays lies in `scratch`, where the next owner of a run folder
    removes it, should this process be killed; else where temporary files are.
    """

    def __init__(
        self, work: Work, devices: Sequence[str], n_threads: int, scratch: Path | None
    ) -> None:
        self._n_workers, self._n_threads = len(devices), n_threads
        self._free_devices = list(devices)
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}
        self._news: SimpleQueue[tuple[_Worker, News]] = SimpleQueue()
        self._file = _write(work, scratch)

    def n_workers(self) -> int:
        return self._n_workers

    def start(self, ticket: int, members: Sequence[Member]) -> None:
        resource_tracker.ensure_running()  # it would unblock signals (Python 3.11)
        with signals_wait():  # so that it is known to `close` once it is there
            worker = self._idle.pop() if self._idle else self._new_worker()
            self._busy[ticket] = worker
        worker.ask(ticket, members)

    def wait(self, seconds: float) -> list[News]:
        found: list[News] = []
        with suppress(Empty):
            while True:
                worker, news = self._news.get(timeout=0 if found else seconds)
                self._free(worker, news)
                found.append(news)
        return found

    def end(self, ticket: int) -> None:
        worker = self._busy.pop(ticket)
        worker.kill()
        self._free_devices.append(worker.device)

    def close(self) -> None:
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.kill()
        self._file.unlink(missing_ok=True)

    def _new_worker(self) -> "_Worker":
        device = self._free_devices.pop(0)
        return _Worker(self._file, device, self._n_threads, self._news)

    def _free(self, worker: "_Worker", news: News) -> None:
        """A worker whose group has come to an end may have another, if it lives."""
        if isinstance(news.what, Epoch):
            return
        if self._busy.get(news.ticket) is worker:
            del self._busy[news.ticket]
            if not isinstance(news.what, Died):
                self._idle.append(worker)
                return
        elif worker in self._idle and isinstance(news.what, Died):
            self._idle.remove(worker)
        else:  # it was ended
            return
        self._free_devices.append(worker.device)


class _Worker:
    """A process that trains one group after another, and a thread that hears of it."""

    def __init__(
        self,
        file: Path,
        device: str,
        n_threads: int,
        news: SimpleQueue[tuple["_Worker", News]],
    ) -> None:
        self.device, self._news, self._ticket = device, news, NO_TICKET
        context = get_context("loky")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, file, device, n_threads, os.getpid()),
            daemon=True,
            env=dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
        )
        self._process.start()
        theirs.close()
        self._ear = Thread(target=self._listen, daemon=True)
        self._ear.start()

    def ask(self, ticket: int, members: Sequence[Member]) -> None:
        """Let it train a group; if it cannot be asked, it is dead."""
        self._ticket = ticket
        try:
            self._pipe.send((ticket, members))
        except OSError:
            self._tell(ticket, Died("it was gone before it began"))

    def kill(self) -> None:
        """End it, whatever it does, and wait until it has."""
        if self._ear.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        self._ear.join()

    def _listen(self) -> None:
        try:
            while True:
                self._tell(*self._pipe.recv())
        except (EOFError, OSError):
            self._process.join()
            reason = exit_reason(self._process.exitcode)
        except Exception as error:  # no memory for what it says
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
            reason = f"its answer could not be read ({error!r})"
        self._pipe.close()
        self._tell(self._ticket, Died(reason))

    def _tell(self, ticket: int, what: Any) -> None:
        self._news.put((self, News(ticket, what)))


def _serve(
    pipe: Connection, file: Path, device: str, n_threads: int, driver: int
) -> None:
    """Train the groups that come through the pipe, until it is closed."""
    end_with(driver)
    work: Work = joblib.load(file, mmap_mode="r")
    with suppress(EOFError):
        while True:
            ticket, members = pipe.recv()
            hear = _hear(pipe, ticket)
            pipe.send((ticket, answer(work, members, device, n_threads, hear)))


def _hear(pipe: Connection, ticket: int) -> Hear:
    return lambda epoch, loss: pipe.send((ticket, Epoch(epoch, loss)))


def _write(work: Work, folder: Path | None) -> Path:
    folder = folder or Path(tempfile.gettempdir())
    path = folder / f".work-{secrets.token_hex(4)}{TEMPORARY}"
    with disk_errors(folder):
        try:
            joblib.dump(work, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path
