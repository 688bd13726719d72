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
    ],
)
def test_what_cannot_be_is_refused(asked, message):
    with pytest.raises(UserError, match=message):
        tune(RECIPE, SHAPE, 1, "cpu", **{"products": "standard", **asked})


def test_members_of_one_run_are_multiplied_in_one_way():
    assert must_agree("standard", None) == must_agree("standard", "standard")
    with pytest.raises(UserError, match="--products bfloat16: this run was begun with"):
        must_agree("standard", "bfloat16")


def test_a_way_that_is_not_exact_enough_is_told_apart():
    tuning = tune(RECIPE, SHAPE, 1, "cpu", group_size=1)
    told = str(tuning)
    assert told.startswith(f"groups of 1 member, products: {tuning.products} (GFLOP/s:")
    assert told.index("standard") < told.index("with training.precision=bfloat16 also")
