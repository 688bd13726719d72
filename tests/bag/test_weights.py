import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.bag.weights import emphasised, mean_and_scale, training_weights
from ensemble.recipe import Emphasis
from tests.reference import emphasis_by_hand

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_both_classes_weigh_the_same_in_bag(seed):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, 50)
    target[:2] = 0, 1
    weight = rng.exponential(size=50) + 1e-3
    rows = np.union1d([0, 1], rng.choice(50, 25, replace=False))
    balanced = training_weights(weight, target, rows, balance=True)
    totals = np.bincount(target[rows], balanced[rows])
    np.testing.assert_allclose(totals, len(rows) / 2)
    ratio = balanced / weight
    assert np.ptp(ratio[target == 0]) < 1e-9 * ratio.max()


def test_without_balance_only_the_mean_is_made_one():
    weight, target = np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 1, 1, 0])
    scaled = training_weights(weight, target, np.array([0, 1, 2]), balance=False)
    assert scaled[:3].mean() == pytest.approx(1)
    np.testing.assert_allclose(scaled / weight, 0.5)


@given(seeds)
def test_emphasis_is_the_loop_over_rows(seed):
    rng = np.random.default_rng(seed)
    n, emphasis = 60, Emphasis(quantiles=(0.2, 0.4, 0.6, 0.85), factor=3.0)
    score = rng.integers(0, 30, n) / 30  # with ties
    weight, target = rng.exponential(size=n), rng.integers(0, 2, n)
    np.testing.assert_allclose(
        emphasised(weight, target, score, emphasis),
        emphasis_by_hand(score, weight, target, emphasis),
    )


def test_emphasis_doubles_the_weight_near_the_boundary():
    n = 1000
    score, target = np.linspace(0, 1, n), np.tile([0, 1], n // 2)
    raised = emphasised(np.ones(n), target, score, Emphasis())
    assert raised[850] / raised[500] == pytest.approx(2.0)
    assert raised[950] == pytest.approx(raised[500])
    assert raised[810] / raised[500] == pytest.approx(1.5, rel=1e-9)
    assert raised.sum() == pytest.approx(n)


@given(seeds)
def test_mean_and_scale_are_the_weighted_ones_of_known_values(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, (40, 3)).astype(np.float32)
    x[rng.random((40, 3)) < 0.3] = np.nan
    x[0] = 1.0
    weight = rng.exponential(size=40) + 0.01
    mean, scale = mean_and_scale(x, weight)
    for column in range(3):
        known = ~np.isnan(x[:, column])
        values = x[known, column].astype(float)
        expected = np.average(values, weights=weight[known])
        variance = np.average((values - expected) ** 2, weights=weight[known])
        assert mean[column] == pytest.approx(expected, rel=1e-4, abs=1e-4)
        if variance > 1e-6:
            assert scale[column] == pytest.approx(variance**0.5, rel=1e-3)
