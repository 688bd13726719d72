import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.validation.drift import adversarial_auc, column_drift, judge
from tests.reference import ks_distance_by_counting

values = st.lists(st.sampled_from([0.0, 1.0, 2.0, np.nan]), min_size=1, max_size=8)


def normal(n_rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    x = np.random.default_rng(seed).normal(size=(n_rows, 3))
    return pd.DataFrame(x + np.array([shift, 0, 0]), columns=["a", "b", "c"])


@given(train=values, test=values)
def test_the_distance_is_the_largest_difference_of_shares(train, test):
    drift = column_drift(pd.DataFrame({"x": train}), pd.DataFrame({"x": test}))
    assert drift["x"]["distance"] == pytest.approx(ks_distance_by_counting(train, test))


def test_a_shifted_column_is_found_and_the_others_are_not():
    drift = column_drift(normal(500, 0), normal(500, 1, shift=0.5))
    assert [name for name in drift if drift[name]["p_value"] < 0.01] == ["a"]


def test_another_share_of_missing_values_is_drift():
    test = normal(500, 1)
    test.loc[:100, "b"] = np.nan
    drift = column_drift(normal(500, 0), test)
    assert drift["b"]["p_value"] < 0.01
    assert drift["b"]["distance"] == pytest.approx(0.2, abs=0.05)


def test_p_values_keep_their_promise_over_all_columns():
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        both = [pd.DataFrame(generator.normal(size=(60, 10))) for _ in range(2)]
        alarms += min(d["p_value"] for d in column_drift(*both).values()) < 0.05
    assert alarms <= 10


def test_trees_see_a_shift_and_no_more():
    auc, spread = adversarial_auc(normal(400, 0), normal(300, 1))
    assert abs(auc - 0.5) < 4 * spread
    shifted, _ = adversarial_auc(normal(400, 0), normal(300, 1, shift=2))
    assert shifted > 0.85
    assert adversarial_auc(normal(400, 0), normal(300, 1)) == (auc, spread)


def test_trees_are_not_asked_about_a_handful_of_rows():
    assert adversarial_auc(normal(400, 0), normal(29, 1)) is None


def test_missing_values_and_constants_tell_trees_what_they_can():
    train, test = normal(400, 0), normal(300, 1)
    train["b"] = test["b"] = 1.0
    train["c"] = test["c"] = np.nan
    assert adversarial_auc(train, test)[0] == pytest.approx(0.5, abs=0.1)
    test.loc[:100, "c"] = 1.0
    assert adversarial_auc(train, test)[0] > 0.6
    assert adversarial_auc(train[["b"]], test[["b"]]) is None


def test_the_sentence_follows_the_auc():
    assert "cannot tell" in judge(0.514, 0.005)
    assert "a little" in judge(0.52, 0.005)
    assert "columns that drift" in judge(0.7, 0.005)
