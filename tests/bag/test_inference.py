"""Members in blocks of rows against one member and all rows at once."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.bag import inference
from ensemble.bag.inference import members_at_once, predict, rows_at_once, view_scores
from ensemble.bag.model import Views, load_members
from ensemble.recipe import MLP, Inputs, Recipe, Training
from tests.reference import predict_by_hand

RELU = Recipe(name="relu", network=MLP(hidden=(20, 30), dropout=0.5))
SILU = Recipe(
    name="silu",
    inputs=Inputs(clip=3.0, noise=0.5),
    network=MLP(hidden=(20,), activation="silu"),
    training=Training(loss="binary_cross_entropy"),
)
ROUNDING = 2e-6  # of scores between 0 and 1: some twenty roundings of float32


def shifted(x, columns, uniform):
    return x + uniform[..., :1]


VIEWS = Views(shifted, tuple("abcde"), n_uniform=1, test_views=((0.0,), (0.5,), (0.9,)))


def make_members(recipe: Recipe, n: int) -> list[dict[str, np.ndarray]]:
    """Members with random weights, as they are saved."""
    n_outputs = 2 if recipe.training.loss == "cross_entropy" else 1
    sizes = [5, *recipe.network.hidden, n_outputs]
    members = []
    for m in range(n):
        rng = np.random.default_rng(m)
        member = {
            "negative_MK": np.array([1.0, 0.0]),
            "positive_MK": np.array([0.0, 1.0 + m]),
            "standardize.mean_MI": rng.normal(size=5),
            "standardize.scale_MI": rng.uniform(0.5, 2, 5),
        }
        for layer, (i, o) in enumerate(pairwise(sizes)):
            member[f"network.layers.{layer}.weight_MIO"] = rng.normal(size=(i, o)) / i
            member[f"network.layers.{layer}.bias_MO"] = rng.normal(size=o)
        members.append({name: a.astype(np.float32) for name, a in member.items()})
    return members


def make_features(n_rows: int) -> torch.Tensor:
    features_RI = torch.randn(n_rows, 5, generator=torch.Generator().manual_seed(1))
    features_RI[features_RI > 1.5] = torch.nan
    return features_RI


@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
def test_scores_are_those_of_one_member_after_another(views):
    seen = [lambda x, u=u: x + u for (u,) in VIEWS.test_views] if views else ()
    for recipe, activate, clip in ((RELU, torch.relu, None), (SILU, _silu, 3.0)):
        members, features_RI = make_members(recipe, 3), make_features(300)
        scores_MR = predict(load_members(recipe, members, views), features_RI)
        twin_MR = predict_by_hand(members, features_RI, activate, clip=clip, views=seen)
        torch.testing.assert_close(scores_MR, twin_MR, rtol=0, atol=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(
    n_rows=st.integers(0, 300),
    block=st.integers(1, 400),
    stack=st.integers(1, 4),
    views=st.sampled_from([None, VIEWS]),
)
def test_no_score_depends_on_the_size_of_blocks_and_stacks(n_rows, block, stack, views):
    members, features_RI = make_members(RELU, 4), make_features(n_rows)
    whole_MR = predict(load_members(RELU, members, views), features_RI)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "rows_at_once", lambda model: block)
        parts = [
            predict(load_members(RELU, members[m : m + stack], views), features_RI)
            for m in range(0, 4, stack)
        ]
    torch.testing.assert_close(torch.cat(parts), whole_MR, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
def test_rows_of_its_own_get_the_scores_that_each_member_gives_them(views):
    model = load_members(RELU, make_members(RELU, 2), views)
    features_RI = make_features(400)
    rows_MP = torch.stack([torch.arange(0, 300), torch.arange(399, 99, -1)])
    every_MR = predict(model, features_RI)
    torch.testing.assert_close(
        predict(model, features_RI, rows_MP),
        every_MR.gather(1, rows_MP),
        rtol=0,
        atol=ROUNDING,
    )


def test_a_view_is_that_view_alone():
    model = load_members(RELU, make_members(RELU, 2), VIEWS)
    features_RI = make_features(50)
    torch.testing.assert_close(
        view_scores(model, features_RI, view=(0.5,)),
        view_scores(model, features_RI + 0.5),
        rtol=0,
        atol=ROUNDING,
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_model_predicts_without_dropout_and_stays_in_its_mode(training):
    model = load_members(RELU, make_members(RELU, 2))
    features_RI = make_features(50)
    calm_MR = predict(model, features_RI)
    model.train(training)
    assert torch.equal(predict(model, features_RI), calm_MR)
    assert model.training is training
    assert not calm_MR.requires_grad


@pytest.mark.parametrize("hidden", [(8,), (600, 600), (33,) * 6])
def test_activations_stay_small_whatever_the_stack(hidden):
    recipe = RELU.model_copy(update={"network": MLP(hidden=hidden)})
    member = make_members(recipe, 1)[0]
    n = min(members_at_once(member), 70)
    for size in (1, n):
        model = load_members(recipe, [member] * size)
        n_bytes = 4 * size * rows_at_once(model) * max(5, *hidden)
        assert n_bytes <= inference.ACTIVATION_BYTES["cpu"]


def _silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))
