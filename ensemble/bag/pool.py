"""Groups over workers, whoever these are: processes here, or those of a cluster."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from ensemble.bag.backlog import Backlog, Piece
from ensemble.bag.patience import Patience
from ensemble.bag.plan import Member
from ensemble.bag.work import Died, OutOfMemory, Trained
from ensemble.errors import UserError

LOOK_SECONDS = 0.2
NOBODY = -1  # who is waited for while there is no worker

EpochHook = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Epoch:
    """A group has finished so many epochs; with 0, a worker has begun with it."""

    epoch: int
    loss: float


@dataclass(frozen=True)
class News:
    """What is heard of a group; `ticket` is the number of the attempt at it."""

    ticket: int
    what: Epoch | Trained | OutOfMemory | Died | BaseException


class Pool(Protocol):
    """Workers that train one group at a time each."""

    def n_workers(self) -> int:
        """How many there are now."""

    def start(self, ticket: int, members: Sequence[Member]) -> None:
        """Let a free worker train a group."""

    def wait(self, seconds: float) -> list[News]:
        """What has come, or comes within so many seconds."""

    def end(self, ticket: int) -> None:
        """End the worker that has a group: nothing more is heard of this ticket."""

    def close(self) -> None:
        """End what is still being trained, within seconds."""


def work_off(
    pool: Pool, backlog: Backlog, patience: Patience, on_epoch: EpochHook
) -> Generator[Trained]:
    """What the groups have learned, as it comes.

    A worker that dies or hangs costs the attempt at its group, and no other.
    """
    running: dict[int, Piece] = {}
    tickets = count()
    while backlog or running:
        _hand_out(pool, backlog, patience, running, tickets)
        for news in pool.wait(LOOK_SECONDS):
            if news.ticket not in running:  # of a worker that was given up
                continue
            if isinstance(news.what, Epoch):
                patience.heard(news.ticket, news.what.epoch)
                _pass_on(on_epoch, running[news.ticket], news.what)
                continue
            patience.forget(news.ticket)
            if trained := _outcome(backlog, running.pop(news.ticket), news.what):
                yield trained
        for ticket in patience.exhausted():
            limit = f"{patience.limit(ticket):.0f} s"
            patience.forget(ticket)
            if ticket == NOBODY:
                raise UserError(
                    f"no worker was free for {limit}; start some, and `ensemble resume`"
                    " goes on"
                )
            pool.end(ticket)
            reason = f"it made no progress for {limit}"
            if failed := backlog.lost(running.pop(ticket), reason):
                yield failed


def _hand_out(
    pool: Pool,
    backlog: Backlog,
    patience: Patience,
    running: dict[int, Piece],
    tickets: "count[int]",
) -> None:
    """Give groups to the workers that have none."""
    n_free = pool.n_workers() - len(running) if backlog else 0
    for _ in range(min(n_free, len(backlog))):
        ticket, piece = next(tickets), backlog.take()
        running[ticket] = piece
        patience.begin(ticket)
        pool.start(ticket, piece.members)
    if running:
        patience.forget(NOBODY)
    else:
        patience.begin(NOBODY)


def _pass_on(on_epoch: EpochHook, piece: Piece, epoch: Epoch) -> None:
    if epoch.epoch > 0:
        on_epoch(piece.group, epoch.epoch, epoch.loss)


def _outcome(
    backlog: Backlog, piece: Piece, what: Trained | OutOfMemory | Died | BaseException
) -> Trained:
    """The members to hand over: those of the group, failed ones, or none yet."""
    if isinstance(what, BaseException):
        raise what
    if isinstance(what, Died):
        return backlog.lost(piece, what.reason)
    if isinstance(what, OutOfMemory):
        return backlog.too_large(piece, what.reason)
    return what
