"""Scores of members, repeats and growing bags."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.validation.metrics import auc
from ensemble.validation.scores import (
    score_by_members,
    score_members,
    score_repeats,
    score_rows,
)
from tests.reference import slow_score_of_mean

REPEATS = (0, 0, 1, 1, 2, 2)


def made_up_bag(
    seed: int = 0, n: int = 200
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2-fold x 3: each member predicts half of the rows, with noise of its own."""
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.4).astype(int)
    oof_MN = 0.2 * target + rng.random((6, n))
    for repeat in range(3):
        first = rng.permutation(n) < n // 2
        oof_MN[2 * repeat, first] = np.nan
        oof_MN[2 * repeat + 1, ~first] = np.nan
    return oof_MN.astype(np.float32), target, rng.exponential(size=n)


@given(st.integers(0, 30))
def test_the_growing_mean_is_the_mean_from_scratch(seed):
    oof_MN, target, weight = made_up_bag(seed, n=40)
    curve = score_by_members(oof_MN, target, weight, auc, n_orders=1, seed=seed)
    order = np.random.default_rng(seed).permutation(6)
    for n in range(1, 7):
        expected = slow_score_of_mean(oof_MN[order[:n]], target, weight, auc)
        assert curve.mean[n - 1] == pytest.approx(expected)


def test_the_last_point_is_the_bag_and_no_order_changes_it():
    oof_MN, target, weight = made_up_bag()
    curve = score_by_members(oof_MN, target, weight, auc, n_orders=4)
    bag = score_repeats(oof_MN, REPEATS, target, weight, auc).bag
    assert curve.n_members.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.mean[-1] == pytest.approx(bag)
    assert curve.spread[-1] == pytest.approx(0, abs=1e-12)
    assert curve.coverage[0] == pytest.approx(0.5)
    assert curve.coverage[-1] == 1


def test_a_bag_scores_better_than_its_repeats():
    scores = score_repeats(made_up_bag()[0], REPEATS, *made_up_bag()[1:], auc)
    assert len(scores.values) == 3
    assert scores.mean == pytest.approx(np.mean(scores.values))
    expected = np.std(scores.values, ddof=1) / math.sqrt(3)
    assert scores.standard_error == pytest.approx(expected)
    assert scores.bag > scores.mean


def test_a_repeat_that_lacks_a_member_is_shown_as_such_and_left_out():
    oof_MN, target, weight = made_up_bag()
    scores = score_repeats(oof_MN[:3], REPEATS[:3], target, weight, auc)
    assert math.isnan(scores.values[1])
    assert scores.mean == scores.values[0]
    assert math.isnan(scores.standard_error)
    assert scores.coverage == 1


def test_rows_that_nobody_predicted_count_for_nothing():
    oof_MN, target, weight = made_up_bag()
    oof_MN[:, :20] = np.nan
    scores = score_repeats(oof_MN, REPEATS, target, weight, auc)
    kept = score_repeats(oof_MN[:, 20:], REPEATS, target[20:], weight[20:], auc)
    assert scores.bag == kept.bag
    assert scores.coverage == pytest.approx(0.9)


def test_classes_weigh_their_totals_on_every_part():
    oof_MN, target, weight = made_up_bag()

    def total_of_signal(score, truth, weight):
        return weight[truth == 1].sum()

    each = score_members(oof_MN, target, weight, total_of_signal, (50.0, 7.0))
    np.testing.assert_allclose(each, 7.0)


def test_members_are_scored_on_their_own_rows():
    oof_MN, target, weight = made_up_bag()
    each = score_members(oof_MN, target, weight, auc)
    for member, oof_N in enumerate(oof_MN):
        known = ~np.isnan(oof_N)
        assert each[member] == auc(oof_N[known], target[known], weight[known])


def test_no_prediction_at_all_is_no_score():
    assert math.isnan(score_rows([np.nan, np.nan], [0, 1], None, auc))


def test_one_class_among_the_predicted_rows_is_no_score():
    assert math.isnan(score_rows([0.4, np.nan], [0, 1], None, auc, (1.0, 1.0)))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"\(members, rows\), got \(3,\)"):
        score_members(np.zeros(3), [0, 1, 1], None, auc)
    with pytest.raises(ValueError, match="a repeat for each of 2 members"):
        score_repeats(np.zeros((2, 3)), [0], [0, 1, 1], None, auc)
    with pytest.raises(ValueError, match="three arrays of one length"):
        score_rows([0.1], [0, 1], None, auc)
