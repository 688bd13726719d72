"""Rows drawn with replacement: what other data, as many, would have given."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from ensemble.validation.metrics import Array, ams_of_sums

INTERVAL = (0.025, 0.975)  # quantiles of the samples: 95 %
BAND = (0.16, 0.84)  # one standard deviation on either side, were they normal


def draw_counts(is_positive: Array, generator: Generator) -> Array:
    """How often each row is drawn; each class gives as many rows as it has."""
    count = np.empty(len(is_positive), np.int64)
    for rows in (np.flatnonzero(is_positive), np.flatnonzero(~is_positive)):
        drawn = generator.integers(max(len(rows), 1), size=len(rows))
        count[rows] = np.bincount(drawn, minlength=len(rows))
    return count


def top_ams(
    n_selected: Array,
    is_signal: Array,
    weight: Array,
    count: Array,
    class_totals: Sequence[float],
) -> Array:
    """AMS of the top rows of a sample, for each number of selected rows.

    Rows stand from the highest score down; `count` is how often each was drawn. The
    classes keep their totals.

    >>> rows = np.array([True, False, True, False]), np.ones(4)
    >>> top_ams(np.array([2]), *rows, np.array([1, 1, 1, 1]), (180, 60)).round(3)
    array([2.866])
    """
    last = np.searchsorted(np.cumsum(count), np.maximum(n_selected, 1))
    drawn = weight * count
    b, s = (
        _scaled(np.cumsum(drawn * (is_signal == bool(c))), class_totals[c])[last]
        for c in (0, 1)
    )
    return ams_of_sums(s, b)


def _scaled(sums: Array, total: float) -> Array:
    return sums * (total / sums[-1]) if sums[-1] > 0 else sums
