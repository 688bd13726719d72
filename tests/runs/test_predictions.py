import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.bag.plan import plan_bag
from ensemble.errors import DamagedError, UserError
from ensemble.runs.predictions import Predictions, load_predictions
from ensemble.runs.store import SavedMember
from tests.reference import slow_mean_of_known
from tests.runs.samples import make_run, member


def draw(n_members: int, seed: int) -> Predictions:
    random = np.random.default_rng(seed)
    oof_MNK = random.random((n_members, 5, 1), np.float32)
    oof_MNK[random.random(oof_MNK.shape) < 0.5] = np.nan
    test_MTK = random.random((n_members, 3, 1), np.float32)
    return Predictions(tuple(plan_bag(2, 4, 0)[:n_members]), oof_MNK, test_MTK)


@given(n_members=st.integers(1, 8), seed=st.integers(0, 99))
def test_means_are_those_of_the_members_that_predicted(n_members, seed):
    predictions = draw(n_members, seed)
    for n in range(1, n_members + 1):
        np.testing.assert_allclose(
            predictions.mean_oof(n), slow_mean_of_known(predictions.oof_MNK[:n])
        )
        np.testing.assert_allclose(
            predictions.mean_test(n), slow_mean_of_known(predictions.test_MTK[:n])
        )
    np.testing.assert_array_equal(predictions.mean_oof(), predictions.mean_oof(n))
    known_MN = np.isfinite(predictions.oof_MNK[:, :, 0])
    assert predictions.coverage.tolist() == known_MN.sum(0).tolist()


@pytest.mark.parametrize("n_members", [0, 5, -1])
def test_the_mean_of_members_that_are_not_there_is_refused(n_members):
    with pytest.raises(ValueError, match="1 to 4 members can be had, not"):
        draw(4, seed=0).mean_oof(n_members)


def test_what_members_predicted_is_read_from_the_run(tmp_path):
    predictions = load_predictions(make_run(tmp_path))
    assert [m.index for m in predictions.members] == [0, 1, 2, 3]
    assert [(m.repeat, m.fold) for m in predictions.members[2:]] == [(1, 0), (1, 1)]
    assert predictions.oof_MNK.dtype == predictions.test_MTK.dtype == np.float32
    for index in range(4):
        arrays = member(index).arrays
        np.testing.assert_array_equal(predictions.oof_MNK[index], arrays["oof"])
        np.testing.assert_array_equal(predictions.test_MTK[index], arrays["test"])
    assert predictions.coverage.tolist() == [2] * 6


def test_members_that_are_missing_or_failed_are_left_out(tmp_path):
    run = make_run(tmp_path, n_members=1)
    failed = SavedMember(1, {}, {}, {"index": 1, "failed": "the loss became NaN"})
    with run.lock():
        run.save_members([failed, member(3)])
    predictions = load_predictions(run)
    assert [m.index for m in predictions.members] == [0, 3]
    np.testing.assert_array_equal(predictions.oof_MNK[1], member(3).arrays["oof"])


def test_a_run_without_predictions_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no member with predictions; resume"):
        load_predictions(make_run(tmp_path, n_members=0))


def test_a_damaged_array_is_named(tmp_path):
    run = make_run(tmp_path)
    (run.path / "members" / "0002" / "test.npy").unlink()
    with pytest.raises(DamagedError, match=r"0002/test.npy is gone; resume the run"):
        load_predictions(run)


def test_arrays_that_do_not_fit_together_are_named(tmp_path):
    run = make_run(tmp_path, n_members=1)
    with run.lock():
        run.save_members([member(1, n_rows=7)])
    with pytest.raises(
        DamagedError,
        match=r"oof.npy of member 1 .* float32\(7, 1\) where float32\(6, 1\)",
    ):
        load_predictions(run)


def test_a_member_that_the_recipe_does_not_plan_is_named(tmp_path):
    run = make_run(tmp_path)
    with run.lock():
        run.save_members([member(4)])
    with pytest.raises(DamagedError, match="holds member 4, but its recipe plans 4"):
        load_predictions(run)
