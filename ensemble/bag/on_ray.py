"""Groups over the workers of a ray cluster, a CPU or a GPU each.

joblib's ray backend loses the whole call when one worker dies; so each group is a task
of its own here, which ray must not try again by itself.

A signal that comes while ray works is turned into a SystemError, so it has to wait.
"""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from ensemble.bag.cluster import (
    About,
    about_here,
    import_backend,
    must_be_reachable,
)
from ensemble.bag.plan import Member
from ensemble.bag.pool import LOOK_SECONDS, Epoch, News
from ensemble.bag.signals import signals_wait
from ensemble.bag.work import Died, OutOfMemory, Trained, Work, answer
from ensemble.errors import UserError

START = "see docs/cluster.md for the two commands that start one"
SECONDS_TO_ANSWER = 60.0  # ray starts a process for the first task on a machine
SECONDS_TO_SEND = 300.0  # a result

Beat = tuple[int, int, float, str, int]  # ticket, epoch, loss, machine, process


def ray_workers(
    address: str | None, device: str = "auto"
) -> tuple[int, dict[str, About]]:
    """How many groups a cluster trains at once, and its machines by address."""
    with _connected(address) as ray:
        nodes = [n for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        asked = [_on(ray, node["NodeID"], about_here) for node in nodes]
        try:
            told = _take(ray, asked)
        except Exception as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(
                f"a machine of {address} cannot be used ({reason}): is this package"
                " installed there?"
            ) from error
        found = {
            node["NodeManagerAddress"]: replace(about, has_gpu=_gpus(node) > 0)
            for node, about in zip(nodes, told, strict=True)
        }
        return count_places(nodes, device), found


def count_places(nodes: Sequence[dict[str, Any]], device: str) -> int:
    """The GPUs of a cluster, if they are what groups will take, else its CPUs.

    >>> nodes = [{"Resources": {"CPU": 32.0, "GPU": 2.0}}, {"Resources": {"CPU": 8.0}}]
    >>> [count_places(nodes[:1], device) for device in ("auto", "cuda", "cpu")]
    [2, 2, 32]
    >>> count_places(nodes, "auto"), count_places([], "auto")
    (40, 0)
    """
    takes_gpus = device != "cpu" and all(_gpus(node) > 0 for node in nodes)
    resource = "GPU" if takes_gpus else "CPU"
    return int(sum(node["Resources"].get(resource, 0) for node in nodes))


class RayPool:
    """A pool with at most `n_most` of a cluster's CPUs, or of its GPUs."""

    def __init__(self, work: Work, address: str, n_most: int, device: str) -> None:
        self._n_most, self._device = n_most, device
        self._resource = "GPU" if device == "cuda" else "CPU"
        self._tickets: dict[Any, int] = {}  # by task
        self._places: dict[int, tuple[str, int]] = {}  # machine and process
        self._ray, self._is_mine = _connect(address)
        self._work = self._ray.put(work)
        here = self._ray.get_runtime_context().get_node_id()
        self._board = (  # on the driver's machine: no other can take it along
            self._ray.remote(Board)
            .options(num_cpus=0, scheduling_strategy=_at(self._ray, here))
            .remote()
        )
        self._task = self._ray.remote(_train_on_ray).options(
            num_cpus=1,
            num_gpus=1 if device == "cuda" else 0,
            max_retries=0,
        )

    def n_workers(self) -> int:
        with signals_wait():
            there = self._ray.cluster_resources().get(self._resource, 0)
        return min(self._n_most, int(there))

    def start(self, ticket: int, members: Sequence[Member]) -> None:
        words = (self._work, members, self._device, self._board, ticket)
        with signals_wait():
            self._tickets[self._task.remote(*words)] = ticket

    def wait(self, seconds: float) -> list[News]:
        if not self._tickets:
            time.sleep(seconds)
            return []
        with signals_wait():
            done, _ = self._ray.wait(list(self._tickets), timeout=seconds)
            news = [self._hear(beat) for beat in self._beats()]
            for task in done:
                ticket = self._tickets.pop(task)
                news.append(News(ticket, self._result(task)))
        return news

    def end(self, ticket: int) -> None:
        task = next(one for one, its in self._tickets.items() if its == ticket)
        del self._tickets[task]
        with signals_wait():
            done, _ = self._ray.wait([task], timeout=0)
            if not done and ticket in self._places:  # a stopped process hears nothing
                node, pid = self._places[ticket]
                _on(self._ray, node, _kill, pid)
            self._ray.cancel(task, force=True)

    def close(self) -> None:
        with suppress(Exception):  # the cluster is gone
            for task in self._tickets:
                self._ray.cancel(task, force=True)
            self._ray.kill(self._board)
        if self._is_mine:
            self._ray.shutdown()

    def _beats(self) -> list[Beat]:
        with suppress(self._ray.exceptions.RayError):  # no news, then
            beats: list[Beat] = self._ray.get(self._board.take.remote(), timeout=5)
            return beats
        return []

    def _hear(self, beat: Beat) -> News:
        ticket, epoch, loss, node, pid = beat
        self._places[ticket] = node, pid
        return News(ticket, Epoch(epoch, loss))

    def _result(self, task: Any) -> Trained | OutOfMemory | Died | BaseException:
        """What the worker said; what fails here is the way to it."""
        try:
            said: Trained | OutOfMemory | BaseException = self._ray.get(
                task, timeout=SECONDS_TO_SEND
            )
            return said
        except self._ray.exceptions.OutOfMemoryError:
            return OutOfMemory("ray ended the worker, its machine had no memory left")
        except Exception as error:
            return Died(f"ray lost it ({type(error).__name__})")


class Board:
    """Where tasks say how far they are; an actor on the cluster."""

    def __init__(self) -> None:
        self._beats: list[Beat] = []

    def tell(self, beat: Beat) -> None:
        """A group has got so far."""
        self._beats.append(beat)

    def take(self) -> list[Beat]:
        """All that was told since the last time."""
        beats, self._beats = self._beats, []
        return beats


def _train_on_ray(
    work: Work, members: Sequence[Member], device: str, board: Any, ticket: int
) -> Trained | OutOfMemory | Exception:
    """What a worker does: one thread, for the CPU it has."""
    import ray

    node = ray.get_runtime_context().get_node_id()

    def hear(epoch: int, loss: float) -> None:
        board.tell.remote((ticket, epoch, loss, node, os.getpid()))

    return answer(work, members, device, 1, hear)


def _take(ray: Any, tasks: list[Any]) -> list[Any]:
    """What tasks return, for which Ctrl-C does not wait."""
    until, rest = time.monotonic() + SECONDS_TO_ANSWER, tasks
    while rest:
        with signals_wait():
            _, rest = ray.wait(tasks, num_returns=len(tasks), timeout=LOOK_SECONDS)
        if time.monotonic() > until:
            raise TimeoutError(f"no answer within {SECONDS_TO_ANSWER:.0f} s")
    with signals_wait():
        return list(ray.get(tasks))


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _on(ray: Any, node: str, function: Any, *words: object) -> Any:
    """Call a function on one machine of the cluster, whatever else it does."""
    task = ray.remote(function).options(
        num_cpus=0, max_retries=0, scheduling_strategy=_at(ray, node)
    )
    return task.remote(*words)


def _at(ray: Any, node: str) -> Any:
    """This machine of the cluster, and no other."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, False)


def _gpus(node: dict[str, Any]) -> float:
    return float(node["Resources"].get("GPU", 0))


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    ray, is_mine = _connect(address)
    try:
        yield ray
    finally:
        if is_mine:
            ray.shutdown()


def _connect(address: str | None) -> tuple[Any, bool]:
    """ray, and whether the connection is ours, not the caller's."""
    if address is None:
        raise UserError(f"--backend ray takes --address HOST:PORT; {START}")
    must_be_reachable(address, START)
    ray = import_backend("ray")
    import_backend("ray.util.scheduling_strategies")
    if ray.is_initialized():
        return ray, False
    try:
        with signals_wait():
            ray.init(address=address, log_to_driver=False, logging_level="critical")
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"--address {address} is no ray cluster that can be used here ({reason});"
            f" {START}"
        ) from error
    return ray, True
