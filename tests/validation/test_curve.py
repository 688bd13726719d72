"""The smooth AMS curve and its errors, against slower ways to the same numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import PoissonRegressor

from ensemble.validation.curve import (
    GRID,
    RankedRows,
    counted_ams,
    error_of_difference,
    fit_log_linear,
    n_selected,
    scale_rows,
    smooth_ams,
)
from ensemble.validation.rules import _bootstrap

TOTALS = (400_000.0, 700.0)


def drawn_rows(n: int, seed: int) -> RankedRows:
    """A third signal, normal scores; the background in light and in heavy events."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(n) < 1 / 3
    score = rng.normal(size=n) + 2 * is_signal
    weight = np.where(is_signal, 1, rng.choice([1.0, 30.0, 80.0], n))
    order = np.argsort(-score)
    return scale_rows(is_signal[order], weight[order], TOTALS)


def test_of_many_rows_the_smooth_curve_is_the_counted_one():
    rows = drawn_rows(1_000_000, 1)
    counted = counted_ams(rows)[n_selected(GRID, len(rows))]
    sure = GRID > 0.03  # where even a million rows leave little to luck
    np.testing.assert_allclose(smooth_ams(rows)[sure], counted[sure], rtol=0.05)


def test_of_few_rows_the_smooth_curve_is_nearer_to_the_truth():
    truth = counted_ams(drawn_rows(1_000_000, 1))[n_selected(GRID, 1_000_000)]
    samples = [drawn_rows(2000, seed) for seed in range(30)]
    counted = [counted_ams(rows)[n_selected(GRID, 2000)] for rows in samples]
    smooth = [smooth_ams(rows) for rows in samples]
    counted_error, smooth_error = (
        np.sqrt(np.mean((np.array(curves) - truth) ** 2, axis=0))
        for curves in (counted, smooth)
    )
    few = GRID < 0.05
    assert smooth_error[few].mean() < counted_error[few].mean() / 1.5
    assert smooth_error[~few].mean() < counted_error[~few].mean()


def test_the_regression_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    x_JP = np.polynomial.legendre.legvander(np.linspace(-1, 1, 40), 3)
    width_J = rng.integers(1, 50, 40)
    sum_J = width_J * rng.exponential(size=40) * np.exp(x_JP @ [0.5, -2, 1, 0.3])
    twin = PoissonRegressor(
        alpha=3 / width_J.sum(), fit_intercept=False, tol=1e-9, max_iter=1000
    ).fit(x_JP, sum_J / width_J, sample_weight=width_J)
    found = fit_log_linear(x_JP, sum_J, width_J, penalty=np.full(4, 3.0))
    np.testing.assert_allclose(found, x_JP @ twin.coef_, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_any_rows_have_a_smooth_curve(labels):
    is_signal = np.array([True, *labels, False])
    for one in (is_signal, ~is_signal, np.sort(is_signal), np.sort(is_signal)[::-1]):
        curve = smooth_ams(scale_rows(one, np.ones(len(one)), TOTALS))
        assert np.isfinite(curve).all()
        assert (curve >= 0).all()


def test_classes_that_never_mix_have_a_smooth_curve():
    is_signal = np.arange(5000) < 100
    curve = smooth_ams(scale_rows(is_signal, np.ones(5000), TOTALS))
    assert np.isfinite(curve).all()


def test_the_error_of_a_difference_is_that_of_the_bootstrap():
    rows, k = drawn_rows(20_000, 1), np.array([2000, 3500, 4000, 6000, 9000])
    samples = _bootstrap(rows, k / 20_000, 400, np.random.default_rng(1))
    expected = (samples - samples[:, [2]]).std(axis=0)
    found = error_of_difference(rows, k, best=2)
    np.testing.assert_allclose(found, expected, rtol=0.15)
    assert found[2] == 0
