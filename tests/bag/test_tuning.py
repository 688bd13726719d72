import pytest

from ensemble.bag.memory import Shape
from ensemble.bag.products import KINDS
from ensemble.bag.tuning import must_agree, recorded_tuning, tune
from ensemble.errors import UserError
from ensemble.recipe import MLP, Bag, Recipe

RECIPE = Recipe(name="tiny", bag=Bag(n_repeats=3), network=MLP(hidden=(12,)))
SHAPE = Shape(n_rows=100, n_test=50, n_inputs=5, n_outputs=2)


def test_what_is_not_given_is_chosen_and_the_reasons_are_kept():
    tuning = tune(RECIPE, SHAPE, 2, "cpu")
    assert tuning.products in KINDS["cpu"]
    assert tuning.group_size == 3  # 6 members, 2 workers
    kinds = [one["products"] for one in tuning.reasons["products"]]
    assert kinds == list(KINDS["cpu"])
    assert tuning.reasons["group_size"]["limit"] == "speed"
    assert recorded_tuning(tuning.record()) == tuning


def test_of_a_cluster_the_memory_is_not_known():
    tuning = tune(RECIPE, SHAPE, 2, "cpu", "standard", is_here=False)
    assert tuning.reasons["group_size"]["free"] is None


def test_what_is_given_is_taken_without_measuring():
    tuning = tune(RECIPE, SHAPE, 2, "cpu", products="bfloat16", group_size=5)
    assert (tuning.products, tuning.group_size) == ("bfloat16", 5)
    assert tuning.reasons == {}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"products": "tf32"}, "--products tf32 cannot be had on cpu, take standard"),
        ({"products": "fast"}, "--products fast cannot be had on cpu"),
        ({"group_size": 0}, "--group-size 0 must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(asked, message):
    with pytest.raises(UserError, match=message):
        tune(RECIPE, SHAPE, 1, "cpu", **{"products": "standard", **asked})


def test_members_of_one_run_do_not_differ_in_it():
    tuning = tune(RECIPE, SHAPE, 2, "cpu", products="standard", group_size=4)
    assert must_agree(tuning, "standard", 4) is must_agree(tuning) is tuning
    with pytest.raises(UserError, match="--products bfloat16: this run was begun with"):
        must_agree(tuning, "bfloat16")
    with pytest.raises(UserError, match="--group-size 2: this run was begun with 4"):
        must_agree(tuning, None, 2)
