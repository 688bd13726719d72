"""Paired comparison: sure of small differences, and not of none."""

import numpy as np
import pytest

from ensemble.validation.compare import compare_scores
from ensemble.validation.metrics import auc, log_loss, rescale_classes
from ensemble.validation.rules import ams_at_top

TOTALS = (1000.0, 50.0)


def rows(seed: int, n: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.4).astype(int)
    logit = rng.normal(2.0 * target - 1, 1)
    return logit, target, rng.exponential(size=n)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_a_score_differs_from_itself_by_nothing():
    logit, target, weight = rows(1)
    for found in compare_scores(*[sigmoid(logit)] * 2, target, weight, TOTALS, 20):
        assert (found.difference, found.error) == (0, 0)
        assert found.interval == (0, 0)


def test_the_metrics_are_those_of_the_rows():
    logit, target, weight = rows(1)
    a, b = sigmoid(logit), sigmoid(0.5 * logit + 0.2)
    found = {d.metric: d for d in compare_scores(a, b, target, weight, TOTALS, 5)}
    balanced = rescale_classes(weight, target, (1, 1))
    scaled = rescale_classes(weight, target, TOTALS)
    assert found["auc"].a == pytest.approx(auc(a, target, weight))
    assert found["logloss"].b == pytest.approx(log_loss(b, target, balanced))
    assert found["ams@0.15"].a == pytest.approx(ams_at_top(a, target, scaled, 0.15))
    assert found["auc"].difference == pytest.approx(0)


def test_a_better_score_is_seen_though_its_metric_is_uncertain():
    logit, target, weight = rows(2)
    worse = logit + np.random.default_rng(3).normal(0, 0.7, len(logit))
    pair = sigmoid(worse), sigmoid(logit)
    found = {d.metric: d for d in compare_scores(*pair, target, weight, TOTALS)}
    assert 0 < found["auc"].interval[0] < found["auc"].difference
    assert found["logloss"].interval[1] < 0


def test_the_interval_holds_no_difference_as_often_as_it_says():
    inside = 0
    for seed in range(60):
        logit, target, weight = rows(seed, n=300)
        rng = np.random.default_rng(1000 + seed)
        pair = [sigmoid(logit + rng.normal(0, 0.7, 300)) for _ in range(2)]
        found = compare_scores(*pair, target, weight, TOTALS, 100, fractions=())[0]
        inside += found.interval[0] <= 0 <= found.interval[1]
    assert 50 <= inside <= 60


def test_the_comparison_is_the_same_again():
    logit, target, weight = rows(1)
    call = (sigmoid(logit), sigmoid(logit**3), target, weight, TOTALS, 10)
    assert compare_scores(*call, 1) == compare_scores(*call, 1)
    assert compare_scores(*call, 1) != compare_scores(*call, 2)


def test_wrong_calls_are_named():
    with pytest.raises(ValueError, match="four arrays of one length"):
        compare_scores([0.1], [0.1, 0.2], [0, 1], [1, 1], TOTALS)
    with pytest.raises(ValueError, match="probabilities from 0 to 1"):
        compare_scores([0.1, 3.0], [0.1, 0.2], [0, 1], [1, 1], TOTALS)
