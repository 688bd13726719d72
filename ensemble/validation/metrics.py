"""Scores of answers against the truth.

Functions named `*_loss` or `*_error` are better when lower, all others when higher.
Every array has one entry per example, in the same order: answers first, then the truth,
then the weight. A score that these rows cannot give, as when one class is absent or
weighs nothing, is NaN, never 0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

B_REG = 10.0  # added to the background, so that tiny selections cannot score high
SMALLEST_PROBABILITY = 1e-15  # log losses stay finite where a network is quite sure

Array = NDArray[Any]
MetricFunction = Callable[[ArrayLike, ArrayLike, ArrayLike | None], float]


def ams(selected: ArrayLike, is_signal: ArrayLike, weight: ArrayLike | None) -> float:
    """Approximate median significance of a selection, in standard deviations.

    With s and b the weight of the selected signal and background and b' = b + 10, this
    is `sqrt(2 ((s + b') ln(1 + s / b') - s))`, close to `s / sqrt(b')` while s is small
    beside b.

    Weights are expected numbers of events: on a part of the data, such as one fold,
    first scale each class up to its weight in the whole (`rescale_classes`), or the
    score is too low.

    >>> round(ams([True, True, False], [True, False, True], [30.0, 90.0, 50.0]), 3)
    2.866

    Adam-Bourdarios et al., "The Higgs boson machine learning challenge", 2015.
    """
    chosen, truth, w = _aligned("ams", bool, selected, is_signal, weight)
    if not _both_classes(truth, w):
        return math.nan
    s, b = w[chosen & truth].sum(), w[chosen & ~truth].sum()
    return float(ams_of_sums(s, b))


def ams_of_sums(s: ArrayLike, b: ArrayLike) -> Array:
    """AMS of so much selected signal and background weight.

    >>> round(float(ams_of_sums(217.039, 4379.252)), 4)
    3.2495
    """
    s, b = np.asarray(s, float), np.asarray(b, float) + B_REG
    inside: Array = (s + b) * np.log1p(s / b) - s
    value: Array = np.sqrt(2 * np.maximum(inside, 0))  # rounding may leave -1e-17
    return value


def ams_curve(score: ArrayLike, is_signal: ArrayLike, weight: ArrayLike) -> Array:
    """AMS of the k highest scores, for every k from 0 to N: N + 1 values.

    Of equal scores the earlier row counts as the higher, as in `rules.rank_order`.

    >>> ams_curve([0.2, 0.9, 0.5], [True, True, False], [50.0, 30.0, 90.0]).round(3)
    array([0.   , 7.135, 2.866, 7.184])
    """
    answer, truth, w = _aligned("ams_curve", float, score, is_signal, weight)
    truth = truth.astype(bool)
    if not _both_classes(truth, w):
        return np.full(len(w) + 1, math.nan)
    order = np.argsort(-answer, kind="stable")
    w, truth = w[order], truth[order]
    s = np.concatenate([[0.0], np.cumsum(w * truth)])
    b = np.concatenate([[0.0], np.cumsum(w * ~truth)])
    return ams_of_sums(s, b)


def auc(
    score: ArrayLike, is_positive: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Area under the ROC curve: how often a positive scores above a negative.

    Pairs of equal scores count half; a pair counts by the product of its weights.

    >>> auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    0.875
    """
    answer, truth, w = _aligned("auc", float, score, is_positive, weight)
    truth = truth.astype(bool)
    _, level = np.unique(answer, return_inverse=True)
    return auc_of_levels(level, truth, w)


def auc_of_levels(level: Array, is_positive: Array, weight: Array) -> float:
    """AUC where scores were turned into levels 0, 1, ... before, lowest first.

    Levels are dearer than the rest, and stay the same under resampling of rows.
    """
    if not _both_classes(is_positive, weight):
        return math.nan
    n_levels = int(level.max()) + 1
    positive = np.bincount(level, weight * is_positive, n_levels)
    negative = np.bincount(level, weight * ~is_positive, n_levels)
    below = np.cumsum(negative) - negative / 2
    return float((positive / positive.sum()) @ (below / negative.sum()))


def log_loss(
    probability: ArrayLike, is_positive: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Mean of -ln(probability given to what was true).

    >>> round(log_loss([0.5, 0.25], [True, False]), 4)
    0.4904
    """
    p, truth, w = _aligned("log_loss", float, probability, is_positive, weight)
    return _mean(log_losses(p, truth.astype(bool)), w)


def log_losses(probability: Array, is_positive: Array) -> Array:
    """-ln(probability given to what was true), row by row."""
    _must_be_probabilities("log_loss", probability)
    likelihood = np.where(is_positive, probability, 1 - probability)
    loss: Array = -np.log(np.maximum(likelihood, SMALLEST_PROBABILITY))
    return loss


def brier_loss(
    probability: ArrayLike, is_positive: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Mean squared difference between the probability and what was true (1 or 0).

    >>> brier_loss([0.5, 1.0], [True, True])
    0.125
    """
    p, truth, w = _aligned("brier_loss", float, probability, is_positive, weight)
    _must_be_probabilities("brier_loss", p)
    return _mean((p - truth) ** 2, w)


def accuracy(
    answer: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None
) -> float:
    """Share of the weight whose answer is the truth; any number of classes.

    >>> accuracy([0, 2, 1], [0, 2, 2], [1.0, 1.0, 2.0])
    0.5
    """
    guess, right, w = _aligned("accuracy", None, answer, truth, weight)
    return _mean((guess == right).astype(float), w)


@dataclass(frozen=True)
class Metric:
    """A score and how to use it.

    `needs` says what the function takes as answers: "probability" (or any score that
    orders the rows, where the metric only looks at their order) or "selection", the
    rows that were called positive.
    """

    name: str
    function: MetricFunction
    greater_is_better: bool
    needs: Literal["probability", "selection"]


METRICS = {
    metric.name: metric
    for metric in (
        Metric("ams", ams, greater_is_better=True, needs="selection"),
        Metric("auc", auc, greater_is_better=True, needs="probability"),
        Metric("logloss", log_loss, greater_is_better=False, needs="probability"),
        Metric("brier", brier_loss, greater_is_better=False, needs="probability"),
        Metric("accuracy", accuracy, greater_is_better=True, needs="selection"),
    )
}


def rescale_classes(
    weight: ArrayLike, target: ArrayLike, totals: Sequence[float]
) -> Array:
    """The weights, each class c scaled so that it sums to `totals[c]`.

    A class without weight stays without: nothing can be scaled up to its total.

    >>> rescale_classes([1.0, 3.0, 5.0], [0, 0, 1], [8.0, 1.0])
    array([2., 6., 1.])
    """
    w, label = np.asarray(weight, float), np.asarray(target)
    if w.shape != label.shape or w.ndim != 1:
        raise ValueError(
            "rescale_classes takes weights and labels of one length, got shapes"
            f" {w.shape} and {label.shape}"
        )
    if label.size and not 0 <= label.min() <= label.max() < len(totals):
        raise ValueError(
            f"rescale_classes takes labels from 0 to {len(totals) - 1}, one for each"
            f" total, got {label.min()} to {label.max()}"
        )
    sums = np.bincount(label, w, minlength=len(totals))
    share = np.divide(w, sums[label], out=np.zeros(len(w)), where=sums[label] > 0)
    scaled: Array = share * np.asarray(totals, float)[label]
    return scaled


def _aligned(
    name: str,
    kind: type | None,
    answer: ArrayLike,
    truth: ArrayLike,
    weight: ArrayLike | None,
) -> tuple[Array, Array, Array]:
    """The three as arrays of one length, or a ValueError in the metric's name."""
    first, second = np.asarray(answer, kind), np.asarray(truth)
    if kind is bool:
        second = second.astype(bool)
    w = np.ones(second.shape) if weight is None else np.asarray(weight, float)
    if not first.shape == second.shape == w.shape or first.ndim != 1:
        raise ValueError(
            f"{name} takes three arrays of one length, got shapes"
            f" {first.shape}, {second.shape} and {w.shape}"
        )
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(f"{name} takes finite weights >= 0, got {_worst(w):g}")
    if kind is float and np.isnan(first).any():
        raise ValueError(f"{name} takes numbers, got {np.isnan(first).sum()} NaN")
    return first, second, w


def _worst(weight: Array) -> float:
    return float(weight[~(np.isfinite(weight) & (weight >= 0))][0])


def _must_be_probabilities(name: str, p: Array) -> None:
    if p.size and not 0 <= p.min() <= p.max() <= 1:
        raise ValueError(
            f"{name} takes probabilities from 0 to 1, got {p.min():g} to {p.max():g}"
        )


def _both_classes(is_positive: Array, weight: Array) -> bool:
    return bool(weight[is_positive].sum() > 0 and weight[~is_positive].sum() > 0)


def _mean(value: Array, weight: Array) -> float:
    total = weight.sum()
    return float(value @ weight / total) if total > 0 else math.nan
