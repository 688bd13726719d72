"""Predictions beside the truth: the one place where a report scores anything.

Shape letters: M members, N train rows, n rows that somebody predicted.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.data.examples import Examples
from ensemble.runs.predictions import Predictions
from ensemble.runs.report.measure import Section, finite
from ensemble.spec import Competition
from ensemble.validation.metrics import (
    METRICS,
    auc,
    log_loss,
    rescale_classes,
)
from ensemble.validation.rules import FittedRule, select_top


@dataclass(frozen=True)
class Judged:
    """The train rows with what the bag makes of them.

    Shape: all arrays ``(N,)``; `score` is NaN where no member predicted the row.
    """

    score: np.ndarray
    target: np.ndarray
    weight: np.ndarray  # expected events; ones where the competition has no weights
    totals: tuple[float, ...]  # weight of each class in the whole
    fraction: float  # share of rows that the rule selects
    metric: str

    @classmethod
    def of(
        cls,
        competition: Competition,
        train: Examples,
        predictions: Predictions,
        rule: FittedRule,
    ) -> "Judged":
        if train.target is None:
            raise ValueError("a report takes train rows with their target, got none")
        weight = np.ones(len(train)) if train.weight is None else train.weight
        sums = np.bincount(train.target, weight, minlength=len(competition.classes))
        return cls(
            score=predictions.mean_oof()[:, -1],
            target=train.target,
            weight=weight,
            totals=competition.class_totals or tuple(sums.tolist()),
            fraction=rule.fraction,
            metric=competition.metric,
        )

    @property
    def known(self) -> np.ndarray:
        known: np.ndarray = np.isfinite(self.score)
        return known

    @property
    def selected(self) -> np.ndarray:
        """What the rule calls positive; False where nobody predicted."""
        selected = np.zeros(len(self.score), bool)
        selected[self.known] = select_top(self.score[self.known], self.fraction)
        return selected

    def events(self, rows: np.ndarray) -> np.ndarray:
        """Weights of some rows, each class scaled to its total in the whole."""
        return rescale_classes(self.weight[rows], self.target[rows], self.totals)

    def balanced(self, rows: np.ndarray) -> np.ndarray:
        """The same with equal totals: both classes count alike, as in training."""
        return rescale_classes(self.weight[rows], self.target[rows], (0.5, 0.5))

    def scores(self, score: np.ndarray | None = None) -> Section:
        """Metric at the rule's fraction, AUC and balanced log loss of a score.

        Rows where the score is NaN are left out; the classes of the others are scaled
        up to the whole. The metric is None where one class is missing.
        """
        score = self.score if score is None else score
        rows = np.isfinite(score)
        truth = self.target[rows] == 1
        if truth.all() or not truth.any():
            return {"metric": None, "auc": None, "log_loss": None}
        p, events = score[rows].astype(float), self.events(rows)
        metric = METRICS[self.metric]
        answer = select_top(p, self.fraction) if metric.needs == "selection" else p
        return {
            "metric": finite(metric.function(answer, truth, events)),
            "auc": finite(auc(p, truth, events)),
            "log_loss": finite(log_loss(p, truth, self.balanced(rows))),
        }
