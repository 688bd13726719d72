"""Every peer does the promised work, at sizes that say nothing of speed."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.speed.cases import CASES, Case, make_halves, make_rows
from benchmarks.speed.contestants import Setup, contestants_for

ONE_THREAD = Setup(processes=1, threads=1)
NEEDS = {
    "realmlp": "pytabkit",
    "tabm_packed": "tabm",
    "tabm_shared": "tabm",
}
PEERS = ("bag", "plain", "vmapped", "scikit", "realmlp", "tabm_packed", "tabm_shared")
WIDE = Case("wide", (8, 8), "relu", 0.5, "sgd", 12, n_members=4, n_rows=72, n_inputs=5)
NARROW = replace(WIDE, activation="silu", dropout=0.0, optimizer="adamw")


@pytest.fixture(params=PEERS)
def peer(request):
    """Those of the environment of the peers are tested where they are installed."""
    pytest.importorskip(NEEDS.get(request.param, "torch"))
    return importlib.import_module(f"benchmarks.speed.peers.{request.param}")


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("case", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_peer_does_the_promised_updates(peer, case):
    work = peer.train(case, ONE_THREAD)
    n_left_out = getattr(peer, "FIRST_UPDATES", 0)
    n_updates = case.n_updates - n_left_out
    assert work.n_updates == n_updates == 3 - n_left_out
    assert work.n_samples == n_updates * case.batch_size * case.n_members
    assert work.rate > 0


@pytest.mark.parametrize(
    ("name", "n_networks", "n_epochs"),
    [("plain", 4, 1), ("vmapped", 1, 1)],
)
def test_updates_are_those_that_the_optimiser_made(name, n_networks, n_epochs):
    peer = importlib.import_module(f"benchmarks.speed.peers.{name}")
    made = []
    handle = register_optimizer_step_post_hook(lambda *_: made.append(1))
    try:
        peer.train(WIDE, ONE_THREAD)
    finally:
        handle.remove()
    assert len(made) == n_networks * n_epochs * WIDE.n_updates


def test_every_peer_has_a_word_for_each_case(peer):
    assert all(isinstance(peer.differs(case), str) for case in CASES)
    assert peer.PACKAGES


def test_scikit_learn_says_what_it_leaves_out():
    scikit = importlib.import_module("benchmarks.speed.peers.scikit")
    assert scikit.differs(WIDE) == "no dropout"
    assert "relu instead of silu" in scikit.differs(NARROW)


def test_the_bag_and_its_peers_see_the_same_rows():
    bag = importlib.import_module("benchmarks.speed.peers.bag")
    from ensemble.bag.plan import plan_bag

    data = bag.make_data(WIDE)
    halves = make_halves(WIDE)
    for member, half in zip(plan_bag(2, 2, seed=0), halves, strict=True):
        assert sorted(half) == data.in_bag(member).tolist()
    np.testing.assert_array_equal(data.features_RI, make_rows(WIDE)[0])


def test_the_bag_and_plain_torch_have_the_same_network():
    bag = importlib.import_module("benchmarks.speed.peers.bag")
    parts = importlib.import_module("benchmarks.speed.peers.torch_parts")
    n_plain = sum(p.numel() for p in parts.make_mlp(WIDE).parameters())
    assert n_plain == WIDE.n_weights + sum(WIDE.sizes[1:])
    recipe = bag.make_recipe(WIDE, "float32", n_epochs=1)
    assert recipe.network.hidden == WIDE.hidden
    assert recipe.network.dropout == WIDE.dropout


def test_the_rate_of_sgd_is_the_same_after_the_bag_has_damped_it():
    bag = importlib.import_module("benchmarks.speed.peers.bag")
    sgd = bag.make_recipe(WIDE, "float32", n_epochs=1).training.optimizer
    assert sgd.learning_rate * (1 - sgd.momentum[0]) == pytest.approx(0.01)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_contestants_have_names_of_their_own_and_a_baseline(device):
    names = [contestant.name for contestant in contestants_for(device)]
    assert len(set(names)) == len(names)
    assert "plain PyTorch" in names


@pytest.mark.slow
def test_several_processes_do_the_same_work():
    for name in ("bag", "plain", "scikit"):
        peer = importlib.import_module(f"benchmarks.speed.peers.{name}")
        case = replace(WIDE, n_members=8, n_rows=12_000, n_epochs=4, n_epochs_apart=9)
        work = peer.train(case, Setup(processes=2, threads=1))
        n_epochs = 9 if name == "bag" else 4
        assert work.n_updates == n_epochs * case.steps_per_epoch
        assert work.n_samples == work.n_updates * case.batch_size * case.n_members
        assert work.rate > 0
