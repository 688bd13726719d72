"""The same on a CUDA device. None of it has a meaning without one."""

import numpy as np
import pytest
import torch

from ensemble.bag.bits import CountedBits
from ensemble.bag.inference import predict
from ensemble.bag.layers import BagGate
from ensemble.bag.model import load_members
from ensemble.bag.products import KINDS, choose_products
from ensemble.bag.steps import StepRunner
from ensemble.bag.train import train_group
from tests.bag.test_train import DATA, MELIS, MEMBERS, MODERN, PERIODIC, VIEWS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("recipe", [MELIS, MODERN, PERIODIC], ids=lambda r: str(r.name))
@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
def test_a_member_is_the_same_alone_and_in_a_group_on_a_gpu(recipe, views):
    together = train_group(DATA, MEMBERS[:3], recipe, views, device="cuda")
    alone = train_group(DATA, MEMBERS[1:2], recipe, views, device="cuda")[0]
    assert alone.failed is None
    np.testing.assert_allclose(alone.oof_P, together[1].oof_P, atol=1e-4)


def test_without_randomness_in_the_loop_a_gpu_comes_to_what_a_cpu_does():
    still = MELIS.model_copy(
        update={"network": MELIS.network.model_copy(update={"dropout": 0.0})}
    )
    on_gpu = train_group(DATA, MEMBERS[:2], still, device="cuda")
    on_cpu = train_group(DATA, MEMBERS[:2], still)
    for one, other in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(one.test_T, other.test_T, atol=1e-3)


def test_what_a_gpu_trained_predicts_on_a_cpu():
    trained = train_group(DATA, MEMBERS[:2], MODERN, VIEWS, device="cuda")
    model = load_members(MODERN, [member.weights for member in trained], VIEWS)
    scores_MT = predict(model, torch.from_numpy(DATA.test_TI)).numpy()
    np.testing.assert_allclose(scores_MT[1], trained[1].test_T, atol=1e-4)


@pytest.mark.parametrize("products", KINDS["cuda"])
@pytest.mark.parametrize("recipe", [MELIS, MODERN, PERIODIC], ids=lambda r: str(r.name))
def test_every_way_to_multiply_trains_on_a_gpu(recipe, products):
    exact = train_group(DATA, MEMBERS[:2], recipe, device="cuda")
    trained = train_group(DATA, MEMBERS[:2], recipe, device="cuda", products=products)
    for one, other in zip(exact, trained, strict=True):
        assert other.failed is None
        assert np.abs(one.oof_P - other.oof_P).mean() < 0.05


@pytest.mark.parametrize("recipe", [MELIS, MODERN, PERIODIC], ids=lambda r: str(r.name))
@pytest.mark.parametrize("views", [None, VIEWS], ids=["as measured", "views"])
def test_steps_replayed_from_a_graph_are_the_steps_themselves(
    recipe, views, monkeypatch
):
    replayed = train_group(DATA, MEMBERS[:3], recipe, views, device="cuda")
    monkeypatch.setattr(StepRunner, "__call__", lambda self, key: self.step())
    called = train_group(DATA, MEMBERS[:3], recipe, views, device="cuda")
    for one, other in zip(replayed, called, strict=True):
        np.testing.assert_allclose(one.oof_P, other.oof_P, atol=1e-5)


def test_dropout_masks_are_those_of_a_cpu():
    on_gpu, on_cpu = (CountedBits([1, 2**63], device) for device in ("cuda", "cpu"))
    for n_bytes in (8, 100, 8):
        assert torch.equal(on_gpu.draw(n_bytes).cpu(), on_cpu.draw(n_bytes))


@pytest.mark.parametrize("activation", ["relu", "silu", "max_channel"])
def test_a_gate_on_a_gpu_is_that_of_a_cpu(activation):
    x, gradient = torch.randn(2, 7, 12), torch.randn(2, 7, 12)
    drawn = torch.randint(0, 256, x.shape, dtype=torch.uint8)
    results = []
    for device in ("cuda", "cpu"):
        ours = x.to(device).requires_grad_()
        y = BagGate.apply(ours * 1, drawn.to(device, copy=True), 77, activation, 3)
        y.backward(gradient.to(device))
        results.append((y.detach().cpu(), ours.grad.cpu()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_the_choice_of_products_is_measured_on_a_gpu():
    choice = choose_products("bfloat16", "cuda", n_rows=96, n_units=600)
    assert [one.products for one in choice.measured] == list(KINDS["cuda"])
    assert choice.measured[0].error < 1e-6
