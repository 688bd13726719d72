"""The cutoff, its honest value and its errors, on rows whose truth is known."""

import dataclasses
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict

from ensemble.validation import rules
from ensemble.validation.metrics import ams, ams_curve, rescale_classes
from ensemble.validation.rules import (
    _find_plateau,
    _rank,
    ams_at_top,
    fit_top_fraction,
    rank_order,
    select_top,
)

TOTALS = (100_000.0, 900.0)
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), min_size=1, max_size=40)


def flat_rows(n: int, seed: int) -> Rows:
    """Scores for which, above the fraction 0.186, one cutoff is as good as another.

    The top share u of the background goes with the top share sqrt(u) of the signal, so
    that s / sqrt(b) is the same everywhere (with less signal below u = 0.1, where few
    rows of background would leave b to luck). What seems better there is luck.
    """
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 0.4).astype(int)
    u = rng.random(n)
    u_signal = u * np.maximum(u, 0.1**0.5)
    return -np.where(target == 1, u_signal, u), target, rng.exponential(size=n)


def peaked_rows(n: int, seed: int) -> Rows:
    """All signal within the top fifth of the rows, evenly; background evenly below.

    With 2 of 3 rows there signal, AMS grows up to the fraction 0.2 and falls after it.
    """
    rng = np.random.default_rng(seed)
    u = rng.random(n)
    target = ((u < 0.2) & (rng.random(n) < 2 / 3)).astype(int)
    return -u, target, np.ones(n)


def mixed_rows(n: int, seed: int) -> Rows:
    """Normal scores, a third signal; background in light and in heavy events.

    Heavy background is rare among the highest scores, so that there it is luck.
    """
    rng = np.random.default_rng(seed)
    target = (rng.random(n) < 1 / 3).astype(int)
    heavy = rng.random(n) < 0.5
    weight = np.where(target == 1, 1, np.where(heavy, 40, 2))
    return (
        rng.normal(size=n) + 1.2 * target - 0.3 * heavy * (1 - target),
        target,
        weight,
    )


@cache
def best_of(draw: Callable[[int, int], Rows]) -> tuple[float, np.ndarray]:
    """The best fraction and the AMS curve of a million rows drawn so."""
    truth = counted_curve(draw(1_000_000, 999))
    return truth[5000:].argmax() / 1e6 + 0.005, truth


def counted_curve(rows: Rows) -> np.ndarray:
    score, target, weight = rows
    return ams_curve(score, target == 1, rescale_classes(weight, target, TOTALS))


def fraction_of(rows: Rows) -> float:
    return sum(_find_plateau(_rank(*rows, TOTALS))) / 2


def truth_lost(truth: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """How much less than the best cutoff these reach, as a share of it."""
    place = (fractions * (len(truth) - 1)).round().astype(int)
    return 1 - truth[place] / truth[5000:].max()


@given(SCORES)
def test_ranks_are_a_permutation_that_follows_the_scores(scores):
    ranks = rank_order(scores)
    assert sorted(ranks) == list(range(1, len(scores) + 1))
    best_first = np.argsort(-ranks)
    assert np.all(np.diff(np.array(scores)[best_first]) <= 0)


@given(SCORES, st.floats(0, 1))
def test_the_top_rows_are_those_of_the_highest_ranks(scores, fraction):
    selected = select_top(scores, fraction)
    assert abs(selected.sum() - fraction * len(scores)) <= 0.5 + 1e-9
    ranks = rank_order(scores)
    assert ranks[selected].min(initial=len(scores) + 1) > ranks[~selected].max(
        initial=0
    )


@given(SCORES, st.integers(0, 99))
def test_the_top_rows_score_as_the_curve_says(scores, seed):
    rng = np.random.default_rng(seed)
    truth, weight = rng.random(len(scores)) < 0.5, rng.exponential(size=len(scores))
    curve = ams_curve(scores, truth, weight)
    found = [
        ams_at_top(scores, truth, weight, k / len(scores)) for k in range(len(curve))
    ]
    np.testing.assert_allclose(found, curve, atol=1e-9)


def test_a_planted_cutoff_is_found():
    best, truth = best_of(mixed_rows)
    found = np.array([fraction_of(mixed_rows(50_000, seed)) for seed in range(10)])
    assert found.mean() == pytest.approx(best, abs=0.03)
    assert found.std() < 0.03
    assert truth_lost(truth, found).mean() < 0.01


def test_a_spike_among_tiny_selections_fools_no_cutoff():
    best, truth = best_of(mixed_rows)
    samples = [mixed_rows(3000, seed) for seed in range(40)]
    highest = np.array([counted_curve(rows)[5:1500].argmax() + 5 for rows in samples])
    assert (highest < 3000 * best / 3).sum() > 20
    lost = truth_lost(truth, np.array([fraction_of(rows) for rows in samples]))
    assert lost.mean() < 0.03
    assert lost.max() < 0.1
    assert truth_lost(truth, highest / 3000).mean() > 0.1


def test_the_plateau_holds_the_cutoff_and_narrows_with_more_rows():
    plateaus = [
        [_find_plateau(_rank(*mixed_rows(n, seed), TOTALS)) for seed in range(10)]
        for n in (2000, 50_000)
    ]
    few, many = np.diff(plateaus).mean(axis=(1, 2))
    assert many < few / 1.5
    rule = fit_top_fraction(*mixed_rows(2000, 1), TOTALS, n_bootstrap=2)
    assert rule.fraction == pytest.approx(np.mean(rule.plateau))


def test_the_honest_value_is_right_where_the_fitted_one_flatters():
    score, target, weight = flat_rows(1_000_000, seed=999)
    weight = rescale_classes(weight, target, TOTALS)
    truth = ams_curve(score, target == 1, weight)  # of fresh rows, a million of them
    fits = [
        fit_top_fraction(*flat_rows(2000, seed), TOTALS, n_bootstrap=2, seed=seed)
        for seed in range(40)
    ]
    fresh = np.array([truth[round(fit.fraction * 1_000_000)] for fit in fits])
    honest = np.array([fit.honest for fit in fits]) - fresh
    standard_error = honest.std() / 40**0.5
    assert abs(honest.mean()) < 3 * standard_error
    optimism = np.array([fit.optimism for fit in fits])
    assert optimism.mean() > 2 * optimism.std() / 40**0.5


def test_the_bootstrap_interval_holds_the_truth_as_often_as_it_says():
    inside = 0
    for seed in range(60):
        rule = fit_top_fraction(
            *peaked_rows(500, seed), TOTALS, fraction=0.1, n_bootstrap=100, seed=seed
        )
        truth = ams([True, True, False], [True, False, True], _planted_sums(0.1))
        inside += rule.interval[0] <= truth <= rule.interval[1]
    assert 50 <= inside <= 60


def _planted_sums(fraction: float) -> list[float]:
    """Signal selected, background selected, signal left out, for `peaked_rows`."""
    s, n_background = TOTALS[1] * fraction / 0.2, 1 - 0.2 * 2 / 3
    return [s, TOTALS[0] * (fraction / 3) / n_background, TOTALS[1] - s]


def test_a_given_fraction_is_not_fitted_and_has_no_optimism():
    rule = fit_top_fraction(*flat_rows(500, 1), TOTALS, fraction=0.15, n_bootstrap=5)
    assert (rule.fraction, rule.fitted, rule.plateau) == (0.15, False, (0.15, 0.15))
    assert rule.honest == rule.value
    assert rule.optimism == 0


def test_a_rule_is_the_same_again_and_other_seeds_change_its_estimates_only():
    rows = flat_rows(500, 1)
    one, same, other = (
        fit_top_fraction(*rows, TOTALS, n_bootstrap=20, seed=seed) for seed in (1, 1, 2)
    )
    assert one.honest == same.honest
    assert one.interval == same.interval
    np.testing.assert_array_equal(one.curve.lower, same.curve.lower)
    assert (one.fraction, one.value) == (other.fraction, other.value)
    assert one.honest != other.honest


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 50), st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_unit_of_the_weights_of_each_class_changes_nothing(seed, unit, other):
    score, target, weight = flat_rows(120, seed)
    one = fit_top_fraction(score, target, weight, TOTALS, n_bootstrap=2)
    scaled = weight * np.where(target == 1, unit, other)
    two = fit_top_fraction(score, target, scaled, TOTALS, n_bootstrap=2)
    assert two.value == pytest.approx(one.value, rel=1e-6)


def test_a_class_too_rare_to_be_parted_has_no_honest_value():
    target = np.r_[np.ones(3, int), np.zeros(40, int)]
    rule = fit_top_fraction(-np.arange(43), target, np.ones(43), TOTALS, n_bootstrap=5)
    assert math.isnan(rule.honest)
    assert math.isnan(rule.optimism)
    assert rule.value > 0


@pytest.mark.parametrize(
    ("score", "target", "weight", "message"),
    [
        ([0.1, 0.2], [1, 1], [1, 1], r"class 0 and of class 1.* got classes \[1\]"),
        ([0.1, 0.2], [0, 1], [1, 0], r"class 0 and of class 1.* got classes \[0\]"),
        ([0.1, 0.2], [0, 1], [1, -1], "weights >= 0"),
        ([0.1, math.nan], [0, 1], [1, 1], r"never NaN, got shape \(2,\) with 1 NaN"),
        ([0.1], [0, 1], [1, 1], "three arrays of one length"),
    ],
)
def test_a_wrong_call_is_named(score, target, weight, message):
    with pytest.raises(ValueError, match=message):
        fit_top_fraction(score, target, weight, TOTALS)


def test_a_rule_is_a_record():
    rule = fit_top_fraction(*flat_rows(200, 1), TOTALS, n_bootstrap=5)
    curve = dataclasses.asdict(rule)["curve"]
    assert {len(points) for points in curve.values()} == {len(rules.GRID)}
    assert (curve["lower"] <= curve["upper"]).all()


@pytest.mark.slow
def test_on_real_events_the_cutoff_of_boosted_trees_is_the_known_one(higgs_folder):
    rows = pd.read_csv(higgs_folder / "training.csv.gz")
    target = (rows["Label"] == "s").to_numpy().astype(int)
    weight, totals = rows["Weight"].to_numpy(), (410999.847322, 691.988607712)
    features = rows.drop(columns=["EventId", "Weight", "Label"])
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    fit = {"sample_weight": rescale_classes(weight, target, (1e4, 1e4))}
    score = cross_val_predict(
        trees, features, target, params=fit, cv=3, method="predict_proba"
    )[:, 1]
    rule = fit_top_fraction(score, target, weight, totals)
    assert 0.1 < rule.fraction < 0.22
    assert 3.0 < rule.curve.smoothed.max() < 3.5
    assert rule.interval[0] < rule.value < rule.interval[1]
