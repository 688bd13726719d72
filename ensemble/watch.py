"""Who wants to hear how a run goes: on a terminal, in a log, or nobody."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Plan:
    """What is about to be trained."""

    n_members: int
    n_finished: int
    group_sizes: tuple[int, ...]
    n_epochs: int
    n_workers: int


class Watch(Protocol):
    """Told by a run what happens, in this order."""

    def note(self, text: str) -> None:
        """Something a user should know."""

    def begin(self, plan: Plan) -> None:
        """Training starts."""

    def epoch(self, group: int, epoch: int, loss: float) -> None:
        """A group has finished so many epochs."""

    def group(self, n_finished: int, score: str) -> None:
        """A group is saved; so many members are finished, the bag scores so."""

    def end(self) -> None:
        """Training is over, well or not."""


class Silent:
    """Nobody wants to hear."""

    def note(self, text: str) -> None:
        """Not heard."""

    def begin(self, plan: Plan) -> None:
        """Not heard."""

    def epoch(self, group: int, epoch: int, loss: float) -> None:
        """Not heard."""

    def group(self, n_finished: int, score: str) -> None:
        """Not heard."""

    def end(self) -> None:
        """Not heard."""
