"""Two score vectors on the same rows: which is better, and how sure is that?

One AMS on 16,000 events is uncertain by more than a tenth; the difference of two on the
same events is known far better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import ArrayLike

from ensemble.validation.bootstrap import INTERVAL, draw_counts, top_ams
from ensemble.validation.curve import n_selected
from ensemble.validation.metrics import (
    Array,
    auc_of_levels,
    log_losses,
    rescale_classes,
)

FRACTIONS = (0.10, 0.125, 0.15, 0.175, 0.20)


@dataclass(frozen=True)
class Difference:
    """A metric of two score vectors, and `difference` = b - a with its 95 % interval.

    `error` is the standard deviation of the difference under resampling of rows.
    """

    metric: str
    a: float
    b: float
    difference: float
    error: float
    interval: tuple[float, float]


def compare_scores(
    score_a: ArrayLike,
    score_b: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike,
    class_totals: Sequence[float],
    n_bootstrap: int = 200,
    seed: int = 0,
    *,
    fractions: Sequence[float] = FRACTIONS,
) -> tuple[Difference, ...]:
    """AUC, log loss and AMS of the top fractions, paired on the same drawn rows.

    Rows are drawn with replacement, class by class. Scores are probabilities; the log
    loss gives both classes the same total weight, as training with balanced classes
    does. The AMS gives them `class_totals`.
    """
    label, w = np.asarray(target).astype(int), np.asarray(weight, float)
    a, b = np.asarray(score_a, float), np.asarray(score_b, float)
    if not a.shape == b.shape == label.shape == w.shape:
        raise ValueError(
            "compare_scores takes four arrays of one length, got shapes"
            f" {a.shape}, {b.shape}, {label.shape} and {w.shape}"
        )
    truth = label == 1
    pair = [_Answer.of(score, truth, w, class_totals, fractions) for score in (a, b)]
    found = np.array([each.scores(np.ones(len(w), np.int64)) for each in pair])
    generator = default_rng(seed)
    counts = (draw_counts(truth, generator) for _ in range(n_bootstrap))
    drawn = np.array([[each.scores(count) for each in pair] for count in counts])
    names = ["auc", "logloss", *(f"ams@{fraction:g}" for fraction in fractions)]
    return tuple(
        _difference(name, found[:, i], drawn[:, :, i]) for i, name in enumerate(names)
    )


@dataclass(frozen=True)
class _Answer:
    """What of one score vector stays the same whichever rows are drawn."""

    level: Array
    order: Array
    loss: Array
    is_signal: Array
    weight: Array
    class_totals: Sequence[float]
    n_selected: Array

    @staticmethod
    def of(
        score: Array,
        is_signal: Array,
        weight: Array,
        class_totals: Sequence[float],
        fractions: Sequence[float],
    ) -> "_Answer":
        return _Answer(
            level=np.unique(score, return_inverse=True)[1],
            order=np.argsort(-score, kind="stable"),
            loss=log_losses(score, is_signal),
            is_signal=is_signal,
            weight=weight,
            class_totals=class_totals,
            n_selected=n_selected(fractions, len(score)),
        )

    def scores(self, count: Array) -> list[float]:
        """AUC, log loss and the AMS of each fraction, where rows count so often."""
        weight, order = self.weight * count, self.order
        balanced = rescale_classes(weight, self.is_signal.astype(int), (0.5, 0.5))
        significance = top_ams(
            self.n_selected,
            self.is_signal[order],
            self.weight[order],
            count[order],
            self.class_totals,
        )
        return [
            auc_of_levels(self.level, self.is_signal, weight),
            float(balanced @ self.loss),
            *significance.tolist(),
        ]


def _difference(metric: str, found_2: Array, drawn_B2: Array) -> Difference:
    differences = drawn_B2[:, 1] - drawn_B2[:, 0]
    low, high = np.quantile(differences, INTERVAL)
    return Difference(
        metric=metric,
        a=float(found_2[0]),
        b=float(found_2[1]),
        difference=float(found_2[1] - found_2[0]),
        error=float(differences.std(ddof=1)),
        interval=(float(low), float(high)),
    )
