"""The random numbers of a member: its own streams, whoever shares its group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator

from ensemble.bag.bits import CountedBits
from ensemble.bag.plan import Member

USES = ("weights", "order", "dropout", "noise", "views")


@dataclass(frozen=True)
class Streams:
    """The random numbers of a group: for each use one stream a member."""

    weights: Sequence[Generator]
    dropout: CountedBits
    noise: Sequence[Generator]
    views: Sequence[Generator]


def group_streams(members: Sequence[Member], device: str) -> Streams:
    """First weights and dropout masks are the same on every device."""

    def of(use: str, device: str) -> list[Generator]:
        return [member_stream(member, use, device) for member in members]

    return Streams(
        weights=of("weights", "cpu"),
        dropout=CountedBits([use_seed(m, "dropout") for m in members], device),
        noise=of("noise", device),
        views=of("views", device),
    )


def idle_streams(n_members: int) -> Streams:
    """For members that are not trained: any numbers will do."""
    idle = [Generator() for _ in range(n_members)]
    return Streams(idle, CountedBits([0] * n_members, "cpu"), idle, idle)


def member_stream(member: Member, use: str, device: str = "cpu") -> Generator:
    """A member's own stream of random numbers for one use of them."""
    return Generator(device).manual_seed(use_seed(member, use))


def use_seed(member: Member, use: str) -> int:
    """The seed of a member's stream for one use of random numbers."""
    sequence = np.random.SeedSequence([member.seed, USES.index(use)])
    return int(sequence.generate_state(1)[0])


class RowOrder:
    """Endless passes over a member's rows, each in a new order.

    All members of a bag take equally many rows an epoch although their folds differ by
    a few rows, and no last batch is short.
    """

    def __init__(self, rows: NDArray[np.intp], generator: Generator) -> None:
        self.rows, self.generator = rows, generator
        self.left = rows[:0]

    def take(self, n: int) -> NDArray[np.intp]:
        """The next n rows of the stream."""
        while len(self.left) < n:
            order = torch.randperm(len(self.rows), generator=self.generator)
            self.left = np.concatenate([self.left, self.rows[order.numpy()]])
        taken, self.left = self.left[:n], self.left[n:]
        return taken


def steps_per_epoch(n_rows: int, n_splits: int, batch_size: int) -> int:
    """How many batches cover a training fold of average size.

    >>> steps_per_epoch(16_000, n_splits=2, batch_size=96)
    83
    """
    return max(1, round(n_rows * (n_splits - 1) / n_splits / batch_size))
