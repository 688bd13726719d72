"""The figures behind the plots: histograms, ROC, calibration, correlation, strata.

Arrays have one entry per row, in one order; weights are expected numbers of events, or
ones. Results are plain numbers and lists; what cannot be told is None.

Shape letters: M members, N rows, B bins.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_curve

N_BINS = 50
N_ROC_POINTS = 300
N_CALIBRATION_BINS = 20

Section = dict[str, Any]


def histogram(score: np.ndarray, weight: np.ndarray, edges: np.ndarray) -> Section:
    """Weight per bin and its statistical error, the root of the summed squares.

    >>> score, weight = np.array([0.1, 0.2, 0.9]), np.array([3.0, 4.0, 2.0])
    >>> h = histogram(score, weight, edges=np.array([0, 0.5, 1]))
    >>> h["sum"], h["error"], h["rows"], h["total"]
    ([7.0, 2.0], [5.0, 2.0], 3, 9.0)
    """
    total, _ = np.histogram(score, edges, weights=weight)
    squares, _ = np.histogram(score, edges, weights=weight**2)
    return {
        "rows": len(score),
        "total": float(weight.sum()),
        "sum": plain(total),
        "error": plain(np.sqrt(squares)),
    }


def roc_points(score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> Section:
    """Efficiencies of all cuts on the score, thinned where the curve is smooth.

    Half of the points are even in signal efficiency, half in the logarithm of the
    background efficiency, where searches for rare signals work.
    """
    background, signal, _ = roc_curve(positive, score, sample_weight=weight)
    half = N_ROC_POINTS // 2
    some = background[background > 0].min(initial=1.0)
    kept = np.concatenate(
        [
            [0, len(signal) - 1],
            np.searchsorted(signal, np.linspace(0, 1, half)),
            np.searchsorted(background, np.geomspace(some, 1, half)),
        ]
    )
    kept = np.unique(kept.clip(0, len(signal) - 1))
    return {"positive": plain(signal[kept]), "negative": plain(background[kept])}


def calibration_bins(
    probability: np.ndarray, positive: np.ndarray, weight: np.ndarray
) -> list[Section]:
    """Predicted and observed share of positives in bins of equally many rows.

    `error` is the standard error of the observed share, given the weights.

    >>> p, y = np.array([.2, .2, .8, .8]), np.array([0, 1, 1, 1])
    >>> [(b["predicted"], b["observed"]) for b in calibration_bins(p, y, np.ones(4))][1]
    (0.2, 1.0)
    """
    order = np.argsort(probability, kind="stable")
    n_bins = max(1, min(N_CALIBRATION_BINS, len(order)))
    bins = []
    for rows in np.array_split(order, n_bins):
        w, p, y = weight[rows], probability[rows], positive[rows]
        total = w.sum()
        if total <= 0:
            continue
        observed = float(w @ y / total)
        error = math.sqrt(float(w**2 @ (y - observed) ** 2)) / total
        bins.append(
            {
                "rows": len(rows),
                "low": float(p[0]),
                "high": float(p[-1]),
                "predicted": float(w @ p / total),
                "observed": observed,
                "error": float(error),
                "weight": float(total),
            }
        )
    return bins


def calibration_error(bins: Sequence[Section]) -> float | None:
    """Mean distance of predicted and observed, each bin by its weight."""
    total = sum(b["weight"] for b in bins)
    if not total:
        return None
    gaps = (b["weight"] * abs(b["predicted"] - b["observed"]) for b in bins)
    return float(sum(gaps) / total)


def correlation_matrix(score_MN: np.ndarray, chunk: int = 16_384) -> np.ndarray:
    """Pearson's correlation of each pair of members on the rows both predicted.

    NaN for pairs with fewer than three common rows, such as the folds of one repeat.

    Shape: ``(M, N) -> (M, M)``, NaN in `score_MN` where a member did not predict.
    """
    M, N = score_MN.shape
    n_MM, x_MM, xx_MM, xy_MM = (np.zeros((M, M)) for _ in range(4))
    for start in range(0, N, chunk):
        part = score_MN[:, start : start + chunk].astype(float)
        known = np.isfinite(part)
        z, seen = np.where(known, part - 0.5, 0.0), known.astype(float)
        n_MM += seen @ seen.T
        x_MM += z @ seen.T
        xx_MM += z**2 @ seen.T
        xy_MM += z @ z.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = x_MM / n_MM
        variance = xx_MM / n_MM - mean**2
        variance[variance < 1e-12] = np.nan  # constant, up to rounding
        r_MM = (xy_MM / n_MM - mean * mean.T) / np.sqrt(variance * variance.T)
    return np.where(n_MM >= 3, r_MM, np.nan)


def strata_table(
    stratum: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    selected: np.ndarray,
    classes: Sequence[str],
) -> list[Section]:
    """For each class and stratum: rows, weights, and what the rule selects of them."""
    table = []
    for label, name in enumerate(classes):
        for part in np.unique(stratum[target == label]):
            rows = (target == label) & (stratum == part)
            w, chosen = weight[rows], weight[rows & selected].sum()
            table.append(
                {
                    "class": name,
                    "stratum": int(part),
                    "rows": int(rows.sum()),
                    "least_weight": float(w.min()),
                    "greatest_weight": float(w.max()),
                    "weight": float(w.sum()),
                    "selected_rows": int((rows & selected).sum()),
                    "selected_weight": float(chosen),
                    "selected_share": float(chosen / w.sum()) if w.sum() else None,
                }
            )
    return table


def plain(values: Iterable[float]) -> list[float | None]:
    """Numbers as JSON knows them, to seven digits: None where not finite."""
    return [finite(value) for value in values]


def finite(value: Any) -> float | None:
    """
    >>> finite(0.1 + 0.2), finite(float("nan")), finite(None)
    (0.3, None, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")
