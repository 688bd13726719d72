"""What the members of a run predicted: out-of-fold and for the test rows.

Shape letters:
    M  members      N  training rows      T  test rows
    K  outputs: 1 for a binary task, the probability of the positive class
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ensemble.bag.plan import Member, plan_bag
from ensemble.errors import DamagedError, UserError
from ensemble.runs.document import Document
from ensemble.runs.store import RunFolder

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Predictions:
    """What every member predicted; out-of-fold NaN where it was trained on the row."""

    members: tuple[Member, ...]
    oof_MNK: NDArray[np.float32]
    test_MTK: NDArray[np.float32]

    @property
    def coverage(self) -> NDArray[np.int64]:
        """By how many members each training row was predicted.

        Shape: `(N,)`
        """
        count_N = np.zeros(self.oof_MNK.shape[1], np.int64)
        for oof_NK in self.oof_MNK:
            count_N += ~np.isnan(oof_NK).any(axis=-1)
        return count_N

    def mean_oof(self, n_members: int | None = None) -> Floats:
        """The mean over the members that did not see the row, NaN where there is none.

        With `n_members` only the first so many count.

        Shape: `(N, K)`

        >>> oof = np.array([[[0.5], [np.nan], [np.nan]], [[1.0], [0.25], [np.nan]]])
        >>> members = tuple(plan_bag(2, 1, seed=0))
        >>> predictions = Predictions(members, oof, np.zeros((2, 1, 1)))
        >>> predictions.mean_oof().ravel().tolist()
        [0.75, 0.25, nan]
        """
        return _mean_known(self.oof_MNK[: self._checked(n_members)])

    def mean_test(self, n_members: int | None = None) -> Floats:
        """The mean over the (first) members.

        Shape: `(T, K)`
        """
        return _mean_known(self.test_MTK[: self._checked(n_members)])

    def _checked(self, n_members: int | None) -> int:
        n = len(self.members)
        if n_members is not None and not 1 <= n_members <= n:
            raise ValueError(
                f"the mean of 1 to {n} members can be had, not {n_members}"
            )
        return n if n_members is None else n_members


def load_predictions(run: RunFolder) -> Predictions:
    """The predictions of all members that did not fail, checked by their checksums."""
    members = finished_members(run)
    if not members:
        raise UserError(
            f"{run.path} has no member with predictions; resume the run first"
        )
    return Predictions(
        members, _stack(run, members, "oof"), _stack(run, members, "test")
    )


def finished_members(run: RunFolder) -> tuple[Member, ...]:
    """The members that predicted, in order: those whose record tells no failure."""
    planned = planned_members(run.document)
    if beyond := [index for index in run.members if index not in planned]:
        raise DamagedError(
            f"{run.path} holds member {beyond[0]}, but its recipe plans"
            f" {len(planned)} members"
        )
    return tuple(
        planned[index]
        for index, record in run.members.items()
        if not record.get("failed")
    )


def planned_members(document: Document) -> dict[int, Member]:
    """All members that a run's recipe plans, by index."""
    bag = document["recipe"]["bag"]
    plan = plan_bag(bag["n_splits"], bag["n_repeats"], bag["seed"])
    return {member.index: member for member in plan}


def _stack(run: RunFolder, members: Sequence[Member], name: str) -> NDArray[np.float32]:
    """One array of all members, filled member by member: no second copy is held."""
    first = run.load_array(members[0].index, name)
    stacked = np.empty((len(members), *first.shape), np.float32)
    for place, member in enumerate(members):
        array = first if place == 0 else run.load_array(member.index, name)
        _check_array(run, member, name, array, first.shape)
        stacked[place] = array
    return stacked


def _check_array(
    run: RunFolder,
    member: Member,
    name: str,
    array: NDArray[Any],
    shape: tuple[int, ...],
) -> None:
    if array.ndim != 2 or array.shape != shape or array.dtype != np.float32:
        raise DamagedError(
            f"{name}.npy of member {member.index} in {run.path} is"
            f" {array.dtype.name}{array.shape} where float32{shape} is due"
        )


def _mean_known(values_MRK: NDArray[np.float32]) -> Floats:
    """Mean over members, running: never M x R x K in double precision."""
    total_RK = np.zeros(values_MRK.shape[1:])
    count_RK = np.zeros(values_MRK.shape[1:], np.int64)
    for values_RK in values_MRK:
        known_RK = ~np.isnan(values_RK)
        np.add(total_RK, values_RK, out=total_RK, where=known_RK)
        count_RK += known_RK
    nothing_RK = np.full(total_RK.shape, np.nan)
    mean_RK: Floats = np.divide(total_RK, count_RK, out=nothing_RK, where=count_RK > 0)
    return mean_RK
