"""Scores of a bag from its members' out-of-fold predictions.

An out-of-fold array holds NaN where a member was trained on the row. Every score is
taken on the rows that have a prediction, the weight of each class there scaled to its
total in the whole.

Array letters: M members, N rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import ArrayLike

from ensemble.validation.metrics import Array, rescale_classes

ScoreFunction = Callable[[Array, Array, Array], float]  # of prediction, truth, weight


@dataclass(frozen=True)
class MemberCurve:
    """The score of the mean of 1, 2, ... M members, over random orders of them.

    `mean` and `spread` (standard deviation) are over the orders; `coverage` is the mean
    share of the rows that any of the members predicts. The orders share their members,
    so the spread goes to 0 towards M whatever the bag is.

    Shape: `(M,)` each
    """

    n_members: Array
    mean: Array
    spread: Array
    coverage: Array


@dataclass(frozen=True)
class RepeatScores:
    """The score of each repeat alone, beside that of the whole bag.

    In one repeat every row is predicted once. `mean` and `standard_error` are over the
    repeats: the error of other splits and seeds, not that of other rows. A repeat that
    lacks a row is NaN and left out of both; `coverage` is the share of the rows that
    the bag predicts.
    """

    values: tuple[float, ...]
    mean: float
    standard_error: float
    bag: float
    coverage: float


def score_rows(
    prediction: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    function: ScoreFunction,
    class_totals: Sequence[float] | None = None,
) -> float:
    """The score on the rows whose prediction is not NaN; NaN where there are none.

    With one class only among these rows, a score that needs both is NaN.

    >>> from ensemble.validation.metrics import auc
    >>> score_rows([0.3, 0.7, np.nan], [0, 1, 1], None, auc)
    1.0
    """
    p, label = np.asarray(prediction, float), np.asarray(target)
    w = np.ones(len(label)) if weight is None else np.asarray(weight, float)
    if not p.shape == label.shape == w.shape:
        raise ValueError(
            "a score takes three arrays of one length, got shapes"
            f" {p.shape}, {label.shape} and {w.shape}"
        )
    known = ~np.isnan(p)
    if not known.any():
        return math.nan
    p, label, w = p[known], label[known], w[known]
    if class_totals is not None:
        w = rescale_classes(w, label, class_totals)
    return float(function(p, label, w))


def score_members(
    oof_MN: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    function: ScoreFunction,
    class_totals: Sequence[float] | None = None,
) -> Array:
    """The score of each member alone, on its own out-of-fold rows.

    Shape: `(M, N) -> (M,)`
    """
    return np.array(
        [
            score_rows(oof_N, target, weight, function, class_totals)
            for oof_N in _members(oof_MN)
        ]
    )


def score_repeats(
    oof_MN: ArrayLike,
    repeats: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    function: ScoreFunction,
    class_totals: Sequence[float] | None = None,
) -> RepeatScores:
    """The score with its spread; `repeats` names the repeat of each member."""
    oof, repeat = _members(oof_MN), np.asarray(repeats)
    if repeat.shape != oof.shape[:1]:
        raise ValueError(
            f"score_repeats takes a repeat for each of {len(oof)} members, got"
            f" {repeat.shape}"
        )

    def score(mean_N: Array) -> float:
        return score_rows(mean_N, target, weight, function, class_totals)

    whole = _mean(oof)
    alone = [_mean(oof[repeat == one]) for one in np.unique(repeat)]
    values = [math.nan if np.isnan(mean).any() else score(mean) for mean in alone]
    mean, error = _mean_and_error(np.array(values))
    return RepeatScores(
        values=tuple(values),
        mean=mean,
        standard_error=error,
        bag=score(whole),
        coverage=float(np.mean(~np.isnan(whole))),
    )


def score_by_members(
    oof_MN: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None,
    function: ScoreFunction,
    class_totals: Sequence[float] | None = None,
    *,
    n_orders: int = 5,
    seed: int = 0,
) -> MemberCurve:
    """The score of the mean prediction as a function of the number of members.

    The last point is the whole bag, the same in every order.
    """
    oof, generator = _members(oof_MN), default_rng(seed)
    values, coverage = np.empty((2, n_orders, len(oof)))
    for order in range(n_orders):
        sums, counts = np.zeros(oof.shape[1]), np.zeros(oof.shape[1])
        for n, member in enumerate(generator.permutation(len(oof))):
            _add(oof[member], sums, counts)
            mean_N = _divided(sums, counts)
            values[order, n] = score_rows(
                mean_N, target, weight, function, class_totals
            )
            coverage[order, n] = np.mean(counts > 0)
    return MemberCurve(
        n_members=np.arange(1, len(oof) + 1),
        mean=values.mean(axis=0),
        spread=values.std(axis=0, ddof=min(1, n_orders - 1)),
        coverage=coverage.mean(axis=0),
    )


def _members(oof_MN: ArrayLike) -> Array:
    oof = np.asarray(oof_MN)
    if oof.ndim != 2 or not len(oof):
        raise ValueError(
            f"out-of-fold predictions are of shape (members, rows), got {oof.shape}"
        )
    return oof


def _add(oof_N: Array, sums: Array, counts: Array) -> None:
    known = ~np.isnan(oof_N)
    sums[known] += oof_N[known]
    counts += known


def _mean(oof_MN: Array) -> Array:
    """The mean prediction of each row, NaN where no member predicted it."""
    sums, counts = np.zeros(oof_MN.shape[1]), np.zeros(oof_MN.shape[1])
    for oof_N in oof_MN:
        _add(oof_N, sums, counts)
    return _divided(sums, counts)


def _divided(sums: Array, counts: Array) -> Array:
    nothing = np.full(len(sums), math.nan)
    mean: Array = np.divide(sums, counts, out=nothing, where=counts > 0)
    return mean


def _mean_and_error(values: Array) -> tuple[float, float]:
    """Mean and its standard error; NaN where there are too few values for it."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else math.nan
    if len(known) < 2:
        return mean, math.nan
    return mean, float(known.std(ddof=1) / math.sqrt(len(known)))
