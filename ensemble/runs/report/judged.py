"""Predictions beside the truth: the one place where a report scores anything.

Shape letters: M members, N train rows.
"""

from collections.abc import Sequence
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
from ensemble.validation.scores import ScoreFunction, score_rows

EQUAL = (0.5, 0.5)  # totals of two classes that count alike, as in training


@dataclass(frozen=True)
class Judged:
    """The train rows with what the bag makes of them.

    `weight` are expected events, ones where the competition has none, and `totals`
    their sums by class in the whole. `measures` are the scores by name: a function and
    the totals that it is taken with.

    Shape: `score` is `(N,)`, NaN where no member predicted; `oof_MN` is of each member.
    """

    oof_MN: np.ndarray
    score: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    totals: tuple[float, ...]
    fraction: float
    measures: dict[str, tuple[ScoreFunction, Sequence[float]]]

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
        totals = competition.class_totals or tuple(sums.tolist())
        return cls(
            oof_MN=predictions.oof_MNK[:, :, -1],
            score=predictions.mean_oof()[:, -1],
            target=train.target,
            weight=weight,
            totals=totals,
            fraction=rule.fraction,
            measures={
                "metric": (_metric_at(competition.metric, rule.fraction), totals),
                "auc": (auc, totals),
                "log_loss": (log_loss, EQUAL),
            },
        )

    @property
    def known(self) -> np.ndarray:
        known: np.ndarray = np.isfinite(self.score)
        return known

    @property
    def selected(self) -> np.ndarray:
        """What the rule calls positive; False where nobody predicted."""
        selected, known = np.zeros(len(self.score), bool), self.known
        selected[known] = select_top(self.score[known], self.fraction)
        return selected

    def events(self, rows: np.ndarray) -> np.ndarray:
        """Weights of some rows, each class scaled to its total in the whole."""
        return rescale_classes(self.weight[rows], self.target[rows], self.totals)

    def balanced(self, rows: np.ndarray) -> np.ndarray:
        """The same with equal totals: both classes count alike."""
        return rescale_classes(self.weight[rows], self.target[rows], EQUAL)

    def scores(self, score: np.ndarray) -> Section:
        """All measures of a score, on the rows where it is not NaN."""
        return {
            name: finite(score_rows(score, self.target, self.weight, function, totals))
            for name, (function, totals) in self.measures.items()
        }


def _metric_at(name: str, fraction: float) -> ScoreFunction:
    """The competition's metric; one of a selection is that of the top `fraction`."""
    metric = METRICS[name]
    if metric.needs == "probability":
        return metric.function

    def of_the_top(p: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
        return metric.function(select_top(p, fraction), label == 1, weight)

    return of_the_top
