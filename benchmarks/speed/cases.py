"""What is trained: rows, network, optimiser and batch, the same for every contestant.

All members see a half of the rows, as in 2-fold cross-validation; an epoch is as many
whole batches as lie in that half.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEARNING_RATE = {"sgd": 0.01, "adamw": 1e-3}
MOMENTUM = 0.9
WEIGHT_DECAY = 0.01  # of AdamW
N_CLASSES = 2


@dataclass(frozen=True)
class Case:
    """A bag and how long it is trained.

    Who starts processes anew each time trains `n_epochs_apart` epochs: processes never
    start at the same moment, and only the time in which all train counts.
    """

    name: str
    hidden: tuple[int, ...]
    activation: Literal["relu", "silu"]
    dropout: float
    optimizer: Literal["sgd", "adamw"]
    batch_size: int
    n_members: int
    n_epochs: int = 1
    n_epochs_apart: int = 1
    n_rows: int = 16_000
    n_inputs: int = 35

    @property
    def n_in_bag(self) -> int:
        """The rows that a member is trained on."""
        return self.n_rows // 2

    @property
    def steps_per_epoch(self) -> int:
        return self.n_in_bag // self.batch_size

    @property
    def n_updates(self) -> int:
        """Updates of each member in what is measured."""
        return self.n_epochs * self.steps_per_epoch

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.n_inputs, *self.hidden, N_CLASSES)

    @property
    def n_weights(self) -> int:
        """Entries of a member's weight matrices.

        >>> WIDE_96.n_weights
        742200
        """
        return sum(i * o for i, o in zip(self.sizes, self.sizes[1:], strict=False))

    @property
    def flops(self) -> int:
        """Operations of the matrix products for one row of one member's batch.

        Two for each weight on the way forward, four on the way back; the gradient with
        respect to the first layer's input is nobody's wish and not counted.

        >>> WIDE_96.flops
        4411200
        """
        return 6 * self.n_weights - 2 * self.sizes[0] * self.sizes[1]

    def describe(self) -> str:
        """The case in words, for titles."""
        dropout = f"dropout {self.dropout:g}" if self.dropout else "no dropout"
        optimizer = {"sgd": "momentum SGD", "adamw": "AdamW"}[self.optimizer]
        return (
            f"{'-'.join(map(str, self.sizes))}, {self.activation}, {dropout},"
            f" {optimizer}, batch {self.batch_size}, {self.n_members} members"
        )


# fewer rows where an epoch would take too long: what is measured takes about a second
WIDE_96 = Case("wide, batch 96", (600,) * 3, "relu", 0.5, "sgd", 96, 8, 1, 3, 8_000)
WIDE_256 = Case("wide, batch 256", (600,) * 3, "relu", 0.5, "sgd", 256, 8, 1, 3, 8_000)
NARROW_256 = Case("narrow, batch 256", (33,) * 6, "silu", 0.0, "adamw", 256, 32, 2, 6)
NARROW_96 = Case("narrow, batch 96", (33,) * 6, "silu", 0.0, "adamw", 96, 32, 1, 6)
TABM = Case("TabM's size", (512,) * 3, "relu", 0.1, "adamw", 256, 32, 1, 6, 4_000)

CASES = (WIDE_96, WIDE_256, NARROW_256, NARROW_96, TABM)


def cases_for(device: str) -> tuple[Case, ...]:
    """A GPU gets at least 64 members: it has room for them, and is fast."""
    if device == "cpu":
        return CASES
    return tuple(
        case if case is TABM else replace(case, n_members=64) for case in CASES
    )


def make_rows(case: Case) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Random features and classes: what is learned is of no interest here."""
    rng = np.random.default_rng(0)
    x_RI = rng.standard_normal((case.n_rows, case.n_inputs), np.float32)
    return x_RI, rng.integers(0, N_CLASSES, case.n_rows)


def make_halves(case: Case) -> NDArray[np.int64]:
    """The rows of each member, (members, n_in_bag): halves of random splits."""
    rng = np.random.default_rng(1)
    halves: list[NDArray[np.int64]] = []
    while len(halves) < case.n_members:
        order = rng.permutation(case.n_rows)
        halves += [order[: case.n_in_bag], order[-case.n_in_bag :]]
    return np.stack(halves[: case.n_members])
