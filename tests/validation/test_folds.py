"""Splits: every row once, classes and weights in equal shares, repeats apart."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.errors import UserError
from ensemble.validation.folds import (
    fold_keys,
    must_have_weight,
    repeat_seed,
    split_folds,
    split_repeats,
    weight_strata,
)


def made_up_rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.35).astype(int)
    process = rng.integers(0, 3, n)
    weight = 10.0**process * rng.uniform(0.8, 1.2, n)
    return target, weight


def spread_of_weight(folds: np.ndarray, weight: np.ndarray) -> float:
    sums = np.bincount(folds, weight)
    return float(np.abs(sums / sums.mean() - 1).max())


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 7), st.integers(20, 300), st.integers(0, 99), st.integers(1, 4))
def test_folds_share_every_class_equally(n_splits, n, seed, n_strata):
    target, weight = made_up_rows(n, seed)
    if np.bincount(target, minlength=2).min() < n_splits:
        return
    keys = fold_keys(target, weight, (n_strata, n_strata), n_splits)
    folds = split_folds(keys, n_splits, seed)
    assert set(folds) == set(range(n_splits))
    for c in (0, 1):
        counts = np.bincount(folds[target == c], minlength=n_splits)
        assert np.ptp(counts) <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(20, 300), st.integers(0, 99))
def test_a_key_has_one_class_and_enough_rows(n_splits, n, seed):
    target, weight = made_up_rows(n, seed)
    if np.bincount(target, minlength=2).min() < n_splits:
        return
    keys = fold_keys(target, weight, (3, 3), n_splits)
    table = pd.crosstab(keys, target).to_numpy()
    assert ((table > 0).sum(axis=1) == 1).all()
    assert (table.sum(axis=1) >= n_splits).all()


def test_a_stratum_too_small_for_the_folds_joins_its_neighbour():
    weight = [1.0, 1.0, 100.0] + [1.0] * 4 + [5.0] * 9
    keys = fold_keys([0] * 7 + [1] * 9, weight, (2, 1), n_splits=3)
    counts = np.bincount(split_folds(keys, 3, seed=0)[:7], minlength=3)
    assert np.ptp(counts) <= 1


def test_folds_carry_more_equal_weight_than_plain_stratification_gives():
    target, weight = made_up_rows(4000)
    keys = fold_keys(target, weight, (3, 3), n_splits=5)
    ours = [spread_of_weight(f, weight) for f in split_repeats(keys, 5, 10, seed=0)]
    plain = [spread_of_weight(f, weight) for f in split_repeats(target, 5, 10, seed=0)]
    assert max(ours) < 0.005 < 0.02 < np.mean(plain)


def test_without_weights_the_key_is_the_class():
    assert fold_keys([1, 0, 1, 0], None, None, 2).tolist() == [1, 0, 1, 0]


def test_more_repeats_leave_the_earlier_ones_as_they_are():
    target, weight = made_up_rows(200)
    keys = fold_keys(target, weight, (3, 3), 2)
    few, more = split_repeats(keys, 2, 3, seed=7), split_repeats(keys, 2, 8, seed=7)
    np.testing.assert_array_equal(few, more[:3])


def test_repeats_and_bags_differ():
    seeds = {repeat_seed(seed, repeat) for seed in range(20) for repeat in range(20)}
    assert len(seeds) == 400
    one, other = split_repeats(made_up_rows(200)[0], 2, 2, seed=0)
    assert 0.4 < np.mean(one == other) < 0.6


def test_strata_are_numbered_from_the_lightest_and_within_each_class():
    target, weight = made_up_rows(600)
    strata = weight_strata(weight, target, (3, 2))
    expected = np.round(np.log10(weight)).astype(int)
    np.testing.assert_array_equal(strata[target == 0], expected[target == 0])
    assert set(strata[target == 1]) == {0, 1}


def test_zero_weights_and_fewer_weights_than_strata_are_no_fault():
    strata = weight_strata([0.0, 0.0, 2.0, 2.0, 0.0], [0, 0, 0, 0, 1], (5, 3))
    assert strata.tolist() == [0, 0, 0, 0, 0]
    assert len(fold_keys([0, 0, 1, 1], np.zeros(4), (5, 3), 2)) == 4


def test_a_class_rarer_than_the_folds_is_named_with_its_count():
    with pytest.raises(UserError, match=r"5 folds.* of 's' \(3\): .*bag\.n_splits"):
        fold_keys([0] * 9 + [1] * 3, None, None, 5, classes=("b", "s"))


def test_an_absent_class_is_named():
    with pytest.raises(UserError, match=r"of 's' \(0\)"):
        fold_keys([0] * 9, np.ones(9), (5, 3), 2, classes=("b", "s"))


def test_wrong_calls_are_named():
    with pytest.raises(ValueError, match="3 rows or more of each key, got 1 of key 4"):
        split_folds([2, 2, 2, 4], 3, seed=0)
    with pytest.raises(ValueError, match="two splits or more"):
        split_folds([1, 1], 1, seed=0)
    with pytest.raises(ValueError, match="weights >= 0, got -1"):
        weight_strata([-1.0], [0], [2])
    with pytest.raises(ValueError, match="as many n_strata as classes"):
        fold_keys([0, 1], None, (2, 2, 2), 2, classes=("b", "s"))
    with pytest.raises(ValueError, match="labels below 2, got 2"):
        fold_keys([0, 1, 2], None, (2, 2), 2)


def test_real_weights_give_the_known_strata(higgs_folder):
    rows = pd.read_csv(higgs_folder / "training.csv.gz", usecols=["Weight", "Label"])
    target = (rows["Label"] == "s").to_numpy().astype(int)
    weight = rows["Weight"].to_numpy()
    strata = weight_strata(weight, target, (5, 3))
    signal = target == 1
    assert [len(set(weight[signal & (strata == k)].round(3))) for k in range(3)] == [
        1
    ] * 3
    # where Melis put his edges by eye: on the full file, whose weights are about
    # 15.55 times smaller
    by_eye = np.digitize(weight, np.array([0.19, 0.5, 1.6, 3.6]) * 15.55)
    assert np.mean(by_eye[~signal] == strata[~signal]) > 0.9

    folds = split_repeats(fold_keys(target, weight, (5, 3), 2), 2, 20, seed=0)
    spreads = [
        spread_of_weight(f[target == c], weight[target == c])
        for f in folds
        for c in (0, 1)
    ]
    assert max(spreads) < 0.001


def test_a_class_whose_weight_lies_in_one_row_is_refused():
    target, weight = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 1, 2.0, 0, 0])
    with pytest.raises(UserError, match="class 's' has 1 rows with a weight above 0"):
        must_have_weight(target, weight, 2, ("b", "s"))
    must_have_weight(target, np.ones(6), 2, ("b", "s"))
