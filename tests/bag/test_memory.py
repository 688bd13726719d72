"""What is planned with, and what processes really take."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.bag.memory import (
    CPU_MEMBERS,
    MIB,
    Shape,
    choose_group_size,
    count_weights,
    free_memory,
    group_needs,
)
from ensemble.bag.model import BagStandardize, build_model
from ensemble.bag.streams import idle_streams
from ensemble.recipe import MLP, SGD, AdamW, Bag, Recipe, Training

SHAPE = Shape(n_rows=16_000, n_test=7_000, n_inputs=35, n_outputs=2)


def recipe(batch_size: int = 96, **network) -> Recipe:
    return Recipe(
        name="some",
        bag=Bag(n_splits=2, n_repeats=35),
        network=MLP(**network),
        training=Training(batch_size=batch_size, optimizer=SGD()),
    )


def size(one: Recipe, n_members=70, n_workers=1, device="cpu", free=None) -> int:
    chosen = choose_group_size(one, SHAPE, n_members, n_workers, device, free)
    return chosen.n_members


@pytest.mark.parametrize(
    "network",
    [
        {"hidden": (60, 30)},
        {"hidden": (60, 30), "activation": "maxout"},
        {"hidden": (33, 33, 33), "dense": True},
        {"hidden": (20,), "periodic_std": 0.3},
        {"hidden": (21, 21), "activation": "maxout", "dense": True},
    ],
    ids=str,
)
def test_weights_are_counted_as_the_network_has_them(network):
    import torch

    one = recipe(**network)
    standardize = BagStandardize(torch.zeros(1, 7), torch.ones(1, 7))
    votes = torch.ones(1, 2), torch.ones(1, 2)
    model = build_model(one, standardize, votes, idle_streams(1))
    there = sum(p.numel() for p in model.network.parameters())
    assert count_weights(one.network, Shape(1, 1, 7, 2)) == there


def test_wide_networks_train_few_at_a_time_and_narrow_ones_many():
    assert 3 <= size(recipe(hidden=(600, 600, 600))) <= 5
    assert 1 <= size(recipe(256, hidden=(600, 600, 600))) <= 2
    assert 20 <= size(recipe(256, hidden=(33,) * 6)) <= CPU_MEMBERS


def test_a_gpu_takes_all_members_that_fit():
    wide = recipe(hidden=(600, 600, 600))
    assert size(wide, device="cuda", free=2**40) == 70
    tight = choose_group_size(wide, SHAPE, 70, 1, "cuda", 2**30)
    assert (tight.reason, tight.n_members < 70) == ("memory", True)
    assert tight.bytes <= 2**30


@given(st.integers(1, 80), st.integers(1, 9), st.integers(0, 2**36))
def test_groups_fit_into_what_is_free_and_keep_all_workers_busy(n, n_workers, free):
    narrow = recipe(256, hidden=(33, 33))
    chosen = choose_group_size(narrow, SHAPE, n, n_workers, "cpu", free)
    assert 1 <= chosen.n_members <= CPU_MEMBERS
    assert chosen.n_members == 1 or chosen.bytes <= free
    n_groups = -(-n // chosen.n_members)
    assert n_groups >= min(n, n_workers) / 2 or chosen.n_members == 1


def test_what_a_machine_has_free_is_shared_by_its_workers():
    one, four = free_memory("cpu", 1), free_memory("cpu", 4)
    assert one > 100 * MIB
    assert four < one / 2


MEASURE = """
import resource, sys
import numpy as np
from ensemble.bag.plan import plan_bag
from ensemble.bag.in_bag import TrainingData
from ensemble.bag.train import train_group
from ensemble.recipe import MLP, AdamW, Bag, Recipe, Training
import torch
torch.set_num_threads(1)
M, n, n_test = int(sys.argv[1]), 40_000, 20_000
rng = np.random.default_rng(0)
target = rng.integers(0, 2, n)
data = TrainingData(
    rng.normal(size=(n, 35)).astype(np.float32), target, target, np.ones(n),
    np.stack([rng.permutation(np.arange(n) % 2) for _ in range(8)]).astype(np.int16),
    rng.normal(size=(n_test, 35)).astype(np.float32))
recipe = Recipe.model_validate_json(sys.argv[2])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
train_group(data, plan_bag(2, 8, 0)[:M], recipe)
print(peak() - before, peak())
"""


def peak_of(n_members: int, one: Recipe) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(n_members), one.model_dump_json()],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    grown, peak = done.stdout.split()
    return int(grown), int(peak)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.01), AdamW()], ids=str)
@pytest.mark.parametrize(
    ("activation", "hidden", "batch_size"),
    [
        ("relu", (600,) * 3, 96),
        ("max_channel", (600,) * 3, 96),
        ("silu", (33,) * 6, 256),
        ("relu", (300,) * 3, 4096),
    ],
)
def test_a_group_takes_no_more_than_planned_and_not_far_less(
    optimizer, activation, hidden, batch_size
):
    one = Recipe(
        name="some",
        bag=Bag(n_splits=2, n_repeats=8),
        network=MLP(hidden=hidden, activation=activation),
        training=Training(
            batch_size=batch_size, optimizer=optimizer, epochs=1, curve_points=0
        ),
    )
    shape = Shape(n_rows=40_000, n_test=20_000, n_inputs=35, n_outputs=2)
    (few, _), (many, peak) = peak_of(2, one), peak_of(10, one)
    measured = (many - few) / 8
    planned = group_needs(one, shape, "cpu")
    assert planned.member / 5 < measured < 1.15 * planned.member
    assert peak < planned.of(10)
