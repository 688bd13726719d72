"""How far a run is: the score of its members so far, and the time it has taken."""

import time

import numpy as np
from numpy.typing import NDArray

from ensemble.data.examples import Examples
from ensemble.runs.store import RunFolder
from ensemble.validation.metrics import auc


class RunningScore:
    """The score of the members so far, on the rows that some of them left out."""

    def __init__(self, train: Examples) -> None:
        self.train = train
        self.sum, self.count = np.zeros(len(train)), np.zeros(len(train))

    def add(self, oof_N: NDArray[np.float32]) -> None:
        known = ~np.isnan(oof_N)
        self.sum[known] += oof_N[known]
        self.count += known

    def __str__(self) -> str:
        known = self.count > 0
        if self.train.target is None or not known.any():
            return ""
        mean, is_positive = (
            self.sum[known] / self.count[known],
            self.train.target[known],
        )
        weight = None if self.train.weight is None else self.train.weight[known]
        return f"OOF AUC {auc(mean, is_positive, weight):.4f}"


class Clock:
    """The time a run has taken, over all the times it was resumed."""

    def __init__(self, store: RunFolder) -> None:
        self.store, self.since = store, time.perf_counter()

    def save(self, device: str) -> None:
        """Add what has passed since the last time."""
        now = time.perf_counter()
        spent = self.store.document.get("seconds", 0.0) + now - self.since
        self.since = now
        self.store.update(seconds=spent, device=device)
