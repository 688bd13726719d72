"""The metrics against hand-checked values, slow twins and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from ensemble.validation import metrics
from ensemble.validation.metrics import METRICS, ams, ams_curve, auc, rescale_classes
from tests.reference import slow_ams_curve, slow_auc

# few different scores, so that ties are common; weights that may be zero
ROW = st.tuples(
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.booleans(),
    st.just(0.0) | st.floats(1e-3, 100),
)
ROWS = st.lists(ROW, min_size=2, max_size=30)


def columns(rows: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score, truth, weight = zip(*rows, strict=True)
    return np.array(score), np.array(truth), np.array(weight)


@pytest.mark.parametrize(
    ("s", "b", "expected"),
    [
        (461.228, 89012.845, 1.5445),
        (457.1425, 88508.801, 1.5352),
        (217.039, 4379.252, 3.2495),
        (212.8486, 4345.089, 3.1996),
    ],
)
def test_ams_gives_the_published_values(s, b, expected):
    found = ams([True, True, False], [True, False, True], [s, b, 5.0])
    assert found == pytest.approx(expected, abs=1e-4)  # s and b are rounded


@given(ROWS)
def test_the_ams_curve_is_the_ams_of_every_top_selection(rows):
    score, truth, weight = columns(rows)
    np.testing.assert_allclose(
        ams_curve(score, truth, weight),
        slow_ams_curve(score, truth, weight),
        atol=1e-9,
    )


@given(ROWS)
def test_auc_counts_pairs(rows):
    score, truth, weight = columns(rows)
    expected = slow_auc(score, truth, weight)
    assert auc(score, truth, weight) == pytest.approx(expected, nan_ok=True)


def test_auc_and_log_loss_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    truth, weight = rng.random(500) < 0.3, rng.exponential(size=500)
    score = np.round(np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0.01, 0.99), 2)
    weight[:50] = 0
    assert auc(score, truth, weight) == pytest.approx(
        roc_auc_score(truth, score, sample_weight=weight)
    )
    assert metrics.log_loss(score, truth, weight) == pytest.approx(
        sklearn_log_loss(truth, score, sample_weight=weight)
    )


@given(ROWS, st.floats(0.1, 10))
def test_a_metric_other_than_ams_ignores_the_unit_of_the_weights(rows, unit):
    score, truth, weight = columns(rows)
    for metric in METRICS.values():
        if metric.name != "ams":
            one = metric.function(score, truth, weight)
            other = metric.function(score, truth, weight * unit)
            assert other == pytest.approx(one, nan_ok=True)


@given(ROWS)
def test_the_direction_of_each_metric_is_as_recorded(rows):
    _, truth, weight = columns(rows)
    for metric in METRICS.values():
        right = metric.function(truth.astype(float), truth, weight)
        wrong = metric.function(1.0 - truth, truth, weight)
        if not math.isnan(right):
            assert right >= wrong if metric.greater_is_better else right <= wrong


@pytest.mark.parametrize("score", [ams, auc, lambda *a: ams_curve(*a)[1]])
@pytest.mark.parametrize(
    ("truth", "weight"),
    [([True, True], [1, 1]), ([False, False], [1, 1]), ([True, False], [1, 0])],
)
def test_one_class_gives_no_score_rather_than_a_bad_one(score, truth, weight):
    assert math.isnan(score([0, 1], truth, weight))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_no_rows_give_no_score(name):
    assert math.isnan(METRICS[name].function([], [], []))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_wrong_call_is_named(name):
    function = METRICS[name].function
    with pytest.raises(ValueError, match=r"three arrays of one length, got .*\(2,\)"):
        function([0, 1], [True, False, True], [1, 1, 1])
    with pytest.raises(ValueError, match=r"weights >= 0, got -2"):
        function([0, 1], [True, False], [1, -2])


def test_scores_must_be_numbers_and_probabilities_from_0_to_1():
    with pytest.raises(ValueError, match="auc takes numbers, got 1 NaN"):
        auc([math.nan, 1], [True, False])
    with pytest.raises(ValueError, match=r"from 0 to 1, got 0 to 1\.5"):
        metrics.log_loss([0, 1.5], [True, False])


def test_a_sure_and_wrong_probability_costs_much_but_not_everything():
    assert 30 < metrics.log_loss([0.0], [True]) < 40


@given(ROWS, st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)))
def test_rescaled_classes_have_their_totals_and_their_proportions(rows, totals):
    _, truth, weight = columns(rows)
    scaled = rescale_classes(weight, truth.astype(int), totals)
    for c, total in enumerate(totals):
        of_class = truth == bool(c)
        before = weight[of_class].sum()
        expected = weight[of_class] / (before or 1) * total
        np.testing.assert_allclose(scaled[of_class], expected)


def test_rescaling_needs_a_total_for_each_class():
    with pytest.raises(ValueError, match="labels from 0 to 1, one for each total"):
        rescale_classes([1.0], [2], [1.0, 1.0])
