"""How much each training row counts, for one member.

Shape letters: R rows of the training table, B rows a member is trained on.
"""

import numpy as np
from numpy.typing import NDArray

from ensemble.recipe import Emphasis

Floats = NDArray[np.float64]


def training_weights(
    weight_R: Floats,
    target_R: NDArray[np.int64],
    rows_B: NDArray[np.intp],
    balance: bool,
) -> Floats:
    """Weights of all R rows, scaled so that their mean over the in-bag rows is 1.

    With `balance` each class is scaled by itself and gets the same in-bag total:
    `w n / (n_classes x class total)`.

    >>> w, y, rows = np.array([1.0, 3.0, 4.0]), np.array([0, 0, 1]), np.array([0, 1, 2])
    >>> training_weights(w, y, rows, balance=True).tolist()
    [0.375, 1.125, 1.5]
    >>> training_weights(w, y, rows, balance=False).tolist()
    [0.375, 1.125, 1.5]
    """
    groups_R = target_R if balance else np.zeros_like(target_R)
    totals = np.bincount(groups_R[rows_B], weight_R[rows_B], groups_R.max() + 1)
    n_groups = np.count_nonzero(totals)
    return weight_R * (len(rows_B) / (n_groups * totals))[groups_R]


def emphasised(
    weight_B: Floats, target_B: NDArray[np.int64], score_B: Floats, emphasis: Emphasis
) -> Floats:
    """Weights of the in-bag rows with more on those near the selection boundary.

    See `ensemble.recipe.Emphasis`. Equal scores are ranked by row order.
    """
    rank_B = np.empty(len(score_B))
    rank_B[np.argsort(score_B, kind="stable")] = np.arange(len(score_B))
    factor = emphasis.factor
    quantile_B = rank_B / len(score_B)
    raised_B = weight_B * np.interp(
        quantile_B, emphasis.quantiles, [1.0, factor, factor, 1.0]
    )
    before, after = np.bincount(target_B, weight_B), np.bincount(target_B, raised_B)
    return raised_B * (before / np.where(after > 0, after, 1.0))[target_B]


def emphasis_is_due(emphasis: Emphasis | None, epoch: int) -> bool:
    """Whether rows are weighed anew before this epoch, counted from 0.

    >>> [e for e in range(120) if emphasis_is_due(Emphasis(), e)]
    [60, 80, 100]
    """
    if emphasis is None or epoch < emphasis.first_epoch:
        return False
    return (epoch - emphasis.first_epoch) % emphasis.every == 0


def mean_and_scale(
    features_RI: NDArray[np.float32], weight_R: Floats
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weighted mean and standard deviation of each column, missing values left out.

    A column without spread gets the scale 1, one without values the mean 0.

    >>> x = np.array([[1, 5, np.nan], [3, 5, np.nan]], np.float32)
    >>> mean, scale = mean_and_scale(x, np.ones(2))
    >>> mean.tolist(), scale.tolist()
    ([2.0, 5.0, 0.0], [1.0, 1.0, 1.0])
    """
    there_RI = ~np.isnan(features_RI)
    weight_RI = there_RI * weight_R[:, None]
    total_I = weight_RI.sum(0)
    total_I[total_I == 0] = 1.0
    value_RI = np.where(there_RI, features_RI, 0.0)
    mean_I = (weight_RI * value_RI).sum(0) / total_I
    variance_I = (weight_RI * (value_RI - mean_I) ** 2).sum(0) / total_I
    scale_I = np.sqrt(variance_I)
    scale_I[scale_I <= 1e-7 * np.abs(mean_I)] = 1.0  # a constant, up to rounding
    return mean_I.astype(np.float32), scale_I.astype(np.float32)
