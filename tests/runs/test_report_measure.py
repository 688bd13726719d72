from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ensemble.runs.report import measure


def rows(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, truth and weights that have something to do with each other."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    score = 1 / (1 + np.exp(-rng.normal(2 * positive - 1, 1)))
    return score, positive, rng.gamma(1, size=n)


@given(seed=st.integers(0, 1000))
def test_the_bins_of_a_histogram_hold_all_the_weight(seed):
    score, _, weight = rows(seed)
    told = measure.histogram(score, weight, np.linspace(0, 1, 51))
    assert sum(told["sum"]) == pytest.approx(weight.sum(), rel=1e-5)
    assert told["total"] == pytest.approx(weight.sum())
    errors = np.array(told["error"])
    assert (errors**2).sum() == pytest.approx((weight**2).sum(), rel=1e-5)


@given(seed=st.integers(0, 1000))
def test_the_thinned_roc_keeps_the_area_and_both_ends(seed):
    score, positive, weight = rows(seed, n=3000)
    told = measure.roc_points(score, positive, weight)
    x, y = np.array(told["negative"]), np.array(told["positive"])
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert len(x) <= measure.N_ROC_POINTS + 2
    exact = roc_auc_score(positive, score, sample_weight=weight)
    assert np.trapezoid(y, x) == pytest.approx(exact, abs=2e-3)


def test_calibration_bins_hold_every_row_once_and_the_mean_of_all():
    score, positive, weight = rows(3)
    bins = measure.calibration_bins(score, positive, weight)
    assert sum(b["rows"] for b in bins) == len(score)
    total = np.array([b["weight"] for b in bins])
    observed = np.array([b["observed"] for b in bins])
    assert total @ observed == pytest.approx(weight @ positive)
    assert all(a["high"] <= b["low"] for a, b in pairwise(bins))


def test_a_score_that_is_the_true_probability_is_calibrated():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    bins = measure.calibration_bins(p, rng.random(len(p)) < p, np.ones(len(p)))
    pulls = [(b["observed"] - b["predicted"]) / b["error"] for b in bins]
    assert np.abs(pulls).max() < 4
    assert measure.calibration_error(bins) < 0.02


def test_without_weight_there_is_no_calibration_error():
    bins = measure.calibration_bins(np.array([0.5]), np.array([1]), np.zeros(1))
    assert bins == []
    assert measure.calibration_error(bins) is None


@pytest.mark.parametrize("chunk", [7, 1000])
def test_correlation_is_that_of_each_pair_on_its_common_rows(chunk):
    rng = np.random.default_rng(1)
    score_MN = rng.random((4, 100)) + rng.random(100)
    score_MN[rng.random((4, 100)) < 0.3] = np.nan
    score_MN[0, :50], score_MN[1, 50:] = np.nan, np.nan
    r_MM = measure.correlation_matrix(score_MN, chunk=chunk)
    for a in range(4):
        for b in range(4):
            both = np.isfinite(score_MN[a]) & np.isfinite(score_MN[b])
            if not both.any():
                assert np.isnan(r_MM[a, b])
                continue
            expected = np.corrcoef(score_MN[a, both], score_MN[b, both])[0, 1]
            assert r_MM[a, b] == pytest.approx(expected)


def test_a_constant_member_correlates_with_nobody():
    r_MM = measure.correlation_matrix(np.stack([np.full(9, 0.3), np.linspace(0, 1, 9)]))
    assert np.isnan(r_MM[0, 1])


def test_the_strata_add_up_to_the_whole():
    score, positive, weight = rows(5)
    target, stratum = positive.astype(int), (weight > 1).astype(int)
    selected = score > 0.7
    table = measure.strata_table(stratum, target, weight, selected, ("b", "s"))
    assert [line["class"] for line in table] == ["b", "b", "s", "s"]
    assert sum(line["rows"] for line in table) == len(score)
    assert sum(line["weight"] for line in table) == pytest.approx(weight.sum())
    chosen = sum(line["selected_weight"] for line in table)
    assert chosen == pytest.approx(weight[selected].sum())
