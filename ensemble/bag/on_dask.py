"""Groups over the workers of a dask cluster, by their addresses.

A task is given to one worker, and no other may take it: so it is known who has which
group, a worker that dies costs its group an attempt, and one that hangs can be ended.
joblib's dask backend would leave both to dask, and waits forever for a task that always
ends its worker.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

from ensemble.bag.cluster import (
    SECONDS_TO_ANSWER,
    About,
    about_here,
    import_backend,
    must_be_reachable,
)
from ensemble.bag.plan import Member
from ensemble.bag.pool import Epoch, News
from ensemble.bag.work import Died, OutOfMemory, Trained, Work, answer
from ensemble.errors import UserError

START = (
    "start it with `dask scheduler` and `dask worker HOST:8786`, see docs/cluster.md"
)
LOOK_SECONDS = 1.0  # between two looks at which workers there are
SECONDS_TO_RESTART = 30.0
SECONDS_TO_SEND = 300.0  # the data to a worker, or a result from it
SECONDS_TO_CLOSE = 2.0


def dask_workers(address: str | None) -> tuple[int, dict[str, About]]:
    """How many workers a cluster has, and these by address."""
    with _connected(address) as client:
        with suppress(TimeoutError):  # who has no workers is told so later
            client.wait_for_workers(1, timeout=SECONDS_TO_ANSWER)
        try:
            found: dict[str, About] = client.sync(
                client._run, about_here, callback_timeout=4 * SECONDS_TO_ANSWER
            )
            return len(found), found
        except Exception as error:
            raise UserError(
                f"a worker of {address} cannot be used"
                f" ({type(error).__name__}: {error}): is this package installed there?"
            ) from error


class DaskPool:
    """A pool with at most `n_most` of a cluster's workers."""

    def __init__(self, work: Work, address: str, n_most: int, device: str) -> None:
        self._work, self._n_most, self._device = work, n_most, device
        self._topic = f"ensemble-{uuid.uuid4().hex}"
        self._news: SimpleQueue[News | int] = SimpleQueue()
        self._data: dict[str, Any] = {}  # by worker
        self._given_up: set[str] = set()
        self._tasks: dict[int, tuple[str, Any]] = {}  # worker and future
        self._begun: set[int] = set()
        self._client = _connect(address)
        self._client.subscribe_topic(self._topic, self._hear)
        self._looked, self._threads = 0.0, self._look()

    def n_workers(self) -> int:
        if time.monotonic() > self._looked + LOOK_SECONDS:
            self._threads = self._look()
        return min(self._n_most, len(self._threads))

    def start(self, ticket: int, members: Sequence[Member]) -> None:
        busy = {worker for worker, _ in self._tasks.values()}
        worker = next(one for one in self._threads if one not in busy)
        try:
            future = self._submit(ticket, members, worker)
        except Exception as error:  # it went away meanwhile
            self._news.put(News(ticket, Died(f"its data could not be sent ({error})")))
            self._forget(worker)
            return
        self._tasks[ticket] = worker, future
        future.add_done_callback(lambda _: self._news.put(ticket))

    def wait(self, seconds: float) -> list[News]:
        found: list[News] = []
        with suppress(Empty):
            while True:
                news = self._news.get(timeout=0 if found else seconds)
                if isinstance(news, News):
                    found.append(news)
                elif news in self._tasks:
                    worker, future = self._tasks.pop(news)
                    found.append(News(news, _result(worker, future)))
                    if isinstance(found[-1].what, Died):
                        self._forget(worker)
        return found

    def end(self, ticket: int) -> None:
        worker, future = self._tasks.pop(ticket)
        future.cancel()
        self._forget(worker)
        self._given_up.add(worker)  # a restarted one has another address
        if ticket not in self._begun:  # it may be at work for somebody else
            return
        with suppress(Exception):  # no nanny watches it, or it is gone
            self._client.restart_workers(
                [worker], timeout=SECONDS_TO_RESTART, raise_for_error=False
            )

    def close(self) -> None:
        with suppress(Exception):  # the scheduler is gone
            self._client.cancel([future for _, future in self._tasks.values()])
        self._client.close(timeout=SECONDS_TO_CLOSE)

    def _forget(self, worker: str) -> None:
        """It gets nothing until the next look: gone, it would lose that at once."""
        self._threads.pop(worker, None)
        self._data.pop(worker, None)
        self._looked = time.monotonic()

    def _submit(self, ticket: int, members: Sequence[Member], worker: str) -> Any:
        if worker not in self._data:
            self._data[worker] = self._client.scatter(
                self._work, workers=[worker], hash=False, timeout=SECONDS_TO_SEND
            )
        return self._client.submit(
            _train_on_dask,
            self._data[worker],
            members,
            self._device,
            self._threads[worker],
            self._topic,
            ticket,
            key=f"{self._topic}-{ticket}",
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )

    def _look(self) -> dict[str, int]:
        """The threads of each worker that is there; who has left is told of."""
        self._looked = time.monotonic()
        threads = self._ask_threads()
        for ticket, (worker, future) in list(self._tasks.items()):
            if worker not in threads and not future.done():
                del self._tasks[ticket]
                future.cancel()
                self._news.put(News(ticket, Died(f"{worker} left the cluster")))
        self._data = {w: data for w, data in self._data.items() if w in threads}
        return {w: n for w, n in threads.items() if w not in self._given_up}

    def _ask_threads(self) -> dict[str, int]:
        try:
            threads: dict[str, int] = self._client.nthreads()
        except Exception as error:
            raise UserError(
                f"the scheduler of dask has gone ({error}); start the cluster again,"
                " and `ensemble resume` goes on"
            ) from error
        return threads

    def _hear(self, event: tuple[float, tuple[int, int, float]]) -> None:
        ticket, epoch, loss = event[1]
        self._begun.add(ticket)
        self._news.put(News(ticket, Epoch(epoch, loss)))


def _train_on_dask(
    work: Work,
    members: Sequence[Member],
    device: str,
    n_threads: int,
    topic: str,
    ticket: int,
) -> Trained | OutOfMemory | Exception:
    """What a worker does: it stops after the epoch in which its driver has gone."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def hear(epoch: int, loss: float) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":
            raise RuntimeError("nobody waits for this group any more")
        worker.log_event(topic, [ticket, epoch, loss])

    return answer(work, members, device, n_threads, hear)


def _result(worker: str, future: Any) -> Trained | OutOfMemory | Died | BaseException:
    """What the worker said; what fails here is the way to it.

    A task is cancelled with its data, which were at the worker that is gone.
    """
    if future.cancelled():
        return Died(f"{worker} left the cluster")
    try:
        said: Trained | OutOfMemory | BaseException = future.result(SECONDS_TO_SEND)
        return said
    except Exception as error:
        return Died(f"dask lost it ({type(error).__name__}: {error})")
    finally:
        future.release()


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    client = _connect(address)
    try:
        yield client
    finally:
        client.close(timeout=SECONDS_TO_CLOSE)


def _connect(address: str | None) -> Any:
    if address is None:
        raise UserError(f"--backend dask takes --address HOST:PORT; {START}")
    must_be_reachable(address, START)
    distributed = import_backend("distributed")
    try:
        return distributed.Client(
            address, timeout=SECONDS_TO_ANSWER, set_as_default=False
        )
    except Exception as error:  # also of an unknown protocol, or TLS without keys
        raise UserError(
            f"--address {address} is no scheduler of dask that can be used here"
            f" ({error}); {START}"
        ) from error
