"""Which groups are still to be trained, and what became of those that did not work.

A group whose worker died or hung goes to another one; the third that is lost makes its
members failed. A group that does not fit into memory is cut into halves, and so are
those as large that are still to come; a single member that does not fit fails.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensemble.bag.plan import Member
from ensemble.bag.train import TrainedMember

ATTEMPTS = 3  # at a group


@dataclass(frozen=True)
class Piece:
    """A group or a part of it, with the number of the group that it is shown under."""

    group: int
    members: tuple[Member, ...]
    n_lost: int = 0  # attempts at it

    def __str__(self) -> str:
        first, last = self.members[0].index, self.members[-1].index
        return f"member {first}" if first == last else f"members {first} to {last}"


class Backlog:
    """The groups that no worker has yet; `tell` hears of what went wrong."""

    def __init__(
        self, groups: Iterable[Sequence[Member]], tell: Callable[[str], None]
    ) -> None:
        pieces = (Piece(g, tuple(group)) for g, group in enumerate(groups))
        self._waiting = deque(pieces)
        self._tell = tell

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Piece:
        """The next piece to be trained."""
        return self._waiting.popleft()

    def lost(self, piece: Piece, reason: str) -> list[TrainedMember]:
        """Another attempt, or its members as failed ones."""
        n_lost = piece.n_lost + 1
        if n_lost >= ATTEMPTS:
            return _failed(piece, f"{n_lost} workers were lost with it, {reason}")
        self._tell(f"{piece}: the worker was lost, {reason}; tried again")
        self._waiting.append(replace(piece, n_lost=n_lost))
        return []

    def too_large(self, piece: Piece, reason: str) -> list[TrainedMember]:
        """Its halves, or the one member as a failed one."""
        size = len(piece.members)
        if size == 1:
            return _failed(
                piece, f"alone it does not fit: {reason}; fewer --jobs may do"
            )
        self._tell(f"{piece}: {reason}; tried again in halves")
        pieces = [piece, *self._waiting]
        self._waiting = deque(
            half
            for one in pieces
            for half in (_halves(one) if len(one.members) >= size else [one])
        )
        return []


def _halves(piece: Piece) -> list[Piece]:
    middle = (len(piece.members) + 1) // 2
    parts = (piece.members[:middle], piece.members[middle:])
    return [replace(piece, members=part) for part in parts]


def _failed(piece: Piece, reason: str) -> list[TrainedMember]:
    """Members that nothing is known of; a resumed run tries them again."""
    none = np.empty(0, np.float32)
    return [
        TrainedMember(
            member=member,
            oof_P=none,
            test_T=none,
            weights={},
            record={
                "index": member.index,
                "repeat": member.repeat,
                "fold": member.fold,
                "seed": member.seed,
                "lost": True,
            },
            failed=reason,
        )
        for member in piece.members
    ]
