"""The AMS against the cutoff: as counted, smoothed, and its errors.

Array letters: N rows, K numbers of selected rows, J bins of rows, P coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ensemble.validation.metrics import (
    B_REG,
    Array,
    ams_of_sums,
    rescale_classes,
)

LOWEST, HIGHEST = 0.005, 0.5  # fractions between which a cutoff is looked for
GRID = np.geomspace(LOWEST, HIGHEST, 400)  # of the curve, denser where few are selected
FIRST, LAST = 0.002, 0.6  # fit beyond both: a polynomial is loosest at its ends
N_BINS = 150
PRIOR = np.array([20, 20, 2, 2 / 4, 2 / 9, 2 / 16])  # standard deviations: few bends
N_STEPS, LONGEST_STEP, SHORTEST_STEP = 60, 2.0, 1e-6  # of the fit, in log density


@dataclass(frozen=True)
class RankedRows:
    """Rows from the highest score down, each class scaled to its total."""

    is_signal: Array
    weight: Array
    class_totals: tuple[float, float]

    def __len__(self) -> int:
        return len(self.weight)

    def part(self, inside: Array) -> "RankedRows":
        return scale_rows(
            self.is_signal[inside], self.weight[inside], self.class_totals
        )

    def of_class(self, c: int) -> Array:
        """The weights with those of the other class set to 0."""
        of_class: Array = self.weight * (self.is_signal == bool(c))
        return of_class


def scale_rows(
    is_signal: Array, weight: Array, class_totals: Sequence[float]
) -> RankedRows:
    """Rows that stand from the highest score down, scaled to the totals."""
    totals = (float(class_totals[0]), float(class_totals[1]))
    scaled = rescale_classes(weight, is_signal.astype(int), totals)
    return RankedRows(is_signal, scaled, totals)


def n_selected(fraction: ArrayLike, n_rows: int) -> Array:
    """How many of n rows a fraction is: rounded, halves up."""
    return np.floor(np.asarray(fraction) * n_rows + 0.5).astype(np.int64)


def counted_ams(rows: RankedRows) -> Array:
    """AMS of the k highest scores, k = 0 to N."""
    return ams_of_sums(_running(rows.of_class(1)), _running(rows.of_class(0)))


def smooth_ams(rows: RankedRows) -> Array:
    """AMS at each fraction of `GRID`, from smooth densities of both classes.

    The background among few selected rows is a handful of heavy events, and the AMS
    divides by it: a curve that is smoothed afterwards keeps the spikes that luck makes
    there. So it is the weight per row of each class that is smoothed: its logarithm is
    a polynomial of the logarithm of the rank, fitted to the rows themselves. A prior
    leaves level and slope free and lets it bend as far as the rows demand. (Without
    it, degree 5 is too loose for 4,000 rows, and degree 3 too stiff for 100,000.)

    Shape: `(G,)`
    """
    b, s = (_smooth_sums(rows.of_class(c)) for c in (0, 1))
    return ams_of_sums(s, b)


def error_of_difference(rows: RankedRows, k_K: Array, best: int) -> Array:
    """Standard error of AMS(top k) - AMS(top k[best]), both on the same rows.

    To first order in the rows (the delta method), with the total of each class known:
    a row of weight w moves AMS(top k) by w x slope x (1 if it is selected - share of
    its class selected). The bootstrap gives the same, for a thousand times the work.
    """
    low, high = np.minimum(k_K, k_K[best]), np.maximum(k_K, k_K[best])
    sums = [_running(rows.of_class(c)) for c in (0, 1)]
    slopes = _slopes(sums[1][k_K], sums[0][k_K] + B_REG)
    variance_K = np.zeros(len(k_K))
    for c, sum_, slope_K in zip((0, 1), sums, slopes, strict=True):
        share_K = sum_[k_K] / sum_[-1]
        inside, outside = slope_K * (1 - share_K), -slope_K * share_K
        squares = _running(rows.of_class(c) ** 2)
        between = np.where(
            k_K > k_K[best], inside - outside[best], outside - inside[best]
        )
        variance_K += squares[low] * (inside - inside[best]) ** 2
        variance_K += (squares[high] - squares[low]) * between**2
        variance_K += (squares[-1] - squares[high]) * (outside - outside[best]) ** 2
    return np.sqrt(variance_K)


def _running(value: Array) -> Array:
    """Sums of the first k values, k = 0 to N."""
    return np.concatenate([[0.0], np.cumsum(value)])


def _smooth_sums(weight: Array) -> Array:
    """Weight among the top rows, for each fraction of `GRID`, from a smooth density."""
    n = len(weight)
    edges = np.unique(n_selected(np.append(0, np.geomspace(FIRST, LAST, N_BINS)), n))
    edges = edges if len(edges) > 1 else np.array([0, n])  # one row
    width_J, middle_J = np.diff(edges), (edges[1:] + edges[:-1]) / (2 * n)
    place_J = 2 * np.log(middle_J / FIRST) / np.log(LAST / FIRST) - 1
    x_JP = np.polynomial.legendre.legvander(place_J, len(PRIOR) - 1)
    sums = np.diff(_running(weight)[edges])
    mean, per_row = weight.sum() / n, (weight**2).sum() / weight.sum()
    log_density_J = fit_log_linear(
        x_JP, sums / mean, width_J, penalty=per_row / mean / PRIOR**2
    )
    fitted = mean * _running(width_J * np.exp(log_density_J))
    smooth: Array = np.interp(GRID * n, edges, fitted)
    return smooth


def fit_log_linear(x_JP: Array, sum_J: Array, width_J: Array, penalty: Array) -> Array:
    """ln(expected sum / width) = x @ coefficients, by quasi-Poisson regression.

    Newton's method, in steps that move no bin by more than a factor of e^2; to the loss
    is added half the `penalty` (one for each coefficient) times their squares.

    >>> x_JP = np.ones((2, 1))
    >>> fit_log_linear(x_JP, np.array([1.0, 5.0]), np.ones(2), np.zeros(1)).round(3)
    array([1.099, 1.099])
    """
    coefficients = np.zeros(x_JP.shape[1])
    for _ in range(N_STEPS):
        expected_J = width_J * np.exp(x_JP @ coefficients)
        slope = x_JP.T @ (sum_J - expected_J) - penalty * coefficients
        bend = (x_JP.T * expected_J) @ x_JP + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        length = np.abs(x_JP @ step).max()
        coefficients += step * min(1, LONGEST_STEP / max(length, SHORTEST_STEP))
        if length < SHORTEST_STEP:
            break
    log_density: Array = x_JP @ coefficients
    return log_density


def _slopes(s: Array, b: Array) -> tuple[Array, Array]:
    """Derivatives of the AMS by b and by s, where b has its 10 already."""
    value = ams_of_sums(s, b - B_REG)
    log, some = np.log1p(s / b), value > 1e-6
    by_s = np.divide(log, value, out=1 / np.sqrt(b), where=some)
    by_b = np.divide(log - s / b, value, out=np.zeros(len(b)), where=some)
    return by_b, by_s
