"""Slow and obvious twins of what the package does fast."""

import itertools

import numpy as np

from ensemble.validation.metrics import ams

# --- validation: metrics -----------------------------------------------------------


def slow_ams_curve(score, is_signal, weight):
    """One `ams` for each number of selected rows; of equal scores the earlier first."""
    order = sorted(range(len(score)), key=lambda row: (-score[row], row))
    values = []
    for k in range(len(score) + 1):
        selected = np.isin(np.arange(len(score)), order[:k])
        values.append(ams(selected, is_signal, weight))
    return np.array(values)


def slow_auc(score, is_positive, weight):
    """The share of pairs in the right order, ties half, each by its two weights."""
    right = pairs = 0.0
    for i, j in itertools.product(range(len(score)), repeat=2):
        if is_positive[i] and not is_positive[j]:
            pairs += weight[i] * weight[j]
            right += weight[i] * weight[j] * (score[i] > score[j])
            right += weight[i] * weight[j] * (score[i] == score[j]) / 2
    return right / pairs if pairs > 0 else np.nan
