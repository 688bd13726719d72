"""The whole fast training against its slow and obvious twin, number by number.

The twin is plain torch, one member, one formula after another; it draws from the same
streams, so that they differ by rounding alone: after 3 epochs by at most 3e-7 in any
weight or prediction where it was measured (AVX-512). 1e-5 is tolerated; each fault at
the end, small as some are, moves a weight by more than ten times that.
"""

import numpy as np
import pytest
import torch

from ensemble.bag.train import train_group
from ensemble.recipe import (
    MLP,
    SGD,
    AdamW,
    Bag,
    Emphasis,
    Exponential,
    Inputs,
    OneCycle,
    Recipe,
    Training,
)
from tests.bag.test_train import DATA, MEMBERS, STRATA
from tests.reference import activation_by_hand, predict_by_hand, train_by_hand

TOLERANCE = 1e-5
GROUP = MEMBERS[1:4]


def recipe(network: MLP, inputs: Inputs | None = None, **training) -> Recipe:
    return Recipe(
        name="twin",
        bag=Bag(n_splits=2, n_repeats=4),
        inputs=inputs or Inputs(),
        network=network,
        training=Training(epochs=3, batch_size=20, **training),
    )


RELU = recipe(
    MLP(hidden=(12, 9), activation="relu", dropout=0.5),
    optimizer=SGD(learning_rate=0.5, momentum_epochs=2, weight_decay=1e-3),
    schedule=Exponential(factor=0.9),
)
MELIS = recipe(
    MLP(
        hidden=(12, 12),
        activation="max_channel",
        inputs_per_unit=3,
        weight_std=0.3,
        bias_std=0.1,
    ),
    optimizer=SGD(first_l1=1e-3, first_l2=1e-2),
    schedule=Exponential(factor=0.97),
    emphasis=Emphasis(first_epoch=1, every=1),
)
QUICK = recipe(
    MLP(hidden=(12, 12), activation="silu", dropout=0.3),
    Inputs(clip=3.0, noise=0.1),
    learn="strata",
    weight_power=0.5,
    optimizer=AdamW(learning_rate=1e-2, betas=(0.9, 0.99), weight_decay=0.1),
    schedule=OneCycle(start=0.01, warmup=0.25, end=0.01),
)
MAXOUT = recipe(
    MLP(hidden=(12, 9), activation="maxout", dropout=0.2),
    Inputs(balanced=False),
    loss="binary_cross_entropy",
    balance_classes=False,
    optimizer=AdamW(learning_rate=1e-2),
)
RECIPES = pytest.mark.parametrize(
    ("recipe", "data"),
    [(RELU, DATA), (MELIS, DATA), (QUICK, STRATA), (MAXOUT, DATA)],
    ids=["relu", "max_channel", "silu", "maxout"],
)


@RECIPES
def test_a_member_of_a_group_is_the_one_trained_by_hand(recipe, data):
    trained = train_group(data, GROUP, recipe)[1]
    by_hand = train_by_hand(data, GROUP[1], recipe)
    assert set(trained.weights) == set(by_hand)
    for name, array in trained.weights.items():
        np.testing.assert_allclose(array, by_hand[name], atol=TOLERANCE, err_msg=name)
    held_out = np.flatnonzero(data.folds_QR[GROUP[1].repeat] == GROUP[1].fold)
    for features, scores in [
        (data.features_RI[held_out], trained.oof_P),
        (data.test_TI, trained.test_T),
    ]:
        [expected] = predict_by_hand(
            [by_hand],
            torch.tensor(features),
            activation_by_hand(recipe.network),
            clip=recipe.inputs.clip,
        )
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("recipe", "data", "place", "fault"),
    [
        (RELU, DATA, "optim.momentum_at", lambda sgd, epoch: sgd.momentum[0]),
        (RELU, DATA, "layers.gate_back", lambda gradient, mask, threshold: gradient),
        (MELIS, DATA, "optim.GroupOptimizer._add_penalties", lambda self, sgd: None),
        (MELIS, DATA, "networks.mlp.BagMLP.apply_masks", lambda self: None),
        (MELIS, DATA, "train.emphasis_is_due", lambda emphasis, epoch: False),
        (QUICK, STRATA, "optim.rate_factor", lambda schedule, *step: 0.5),
        (QUICK, STRATA, "train.product_dtype", lambda products: torch.bfloat16),
    ],
    ids=[
        "momentum does not grow",
        "dropout on the way there alone",
        "no penalties",
        "no input masks",
        "no emphasis",
        "no schedule",
        "rough products",
    ],
)
def test_the_twin_tells_of_a_fault(recipe, data, place, fault, monkeypatch):
    monkeypatch.setattr(f"ensemble.bag.{place}", fault)
    trained = train_group(data, GROUP, recipe)[1]
    by_hand = train_by_hand(data, GROUP[1], recipe)
    apart = [np.abs(array - by_hand[n]).max() for n, array in trained.weights.items()]
    assert max(apart) > 10 * TOLERANCE
