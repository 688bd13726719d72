"""The compiled loops against the same with torch, which is what runs on a GPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.bag import bits, kernels, layers
from ensemble.bag.train import train_group
from tests.bag.test_train import DATA, MELIS, MEMBERS, PERIODIC

COMPILES = settings(deadline=None)  # at its first call
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 40))


def arrays(sizes, seed):
    """Small whole numbers, so that there are ties and zeros, and some infinities."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-3, 4, sizes, generator=generator).float()
    x[torch.rand(sizes, generator=generator) < 0.02] = torch.inf
    x[torch.rand(sizes, generator=generator) < 0.02] = torch.nan
    return x, torch.randint(0, 256, sizes, dtype=torch.uint8, generator=generator)


def same(one, other):
    np.testing.assert_array_equal(one.numpy(), other.numpy())


@COMPILES
@given(SIZES, st.integers(0, 99))
def test_a_bias_is_added_to_every_row(sizes, seed):
    x = arrays(sizes, seed)[0]
    bias_MH = torch.randn(sizes[0], sizes[2])
    expected = x + bias_MH[:, None]
    kernels.add_bias(x, bias_MH)
    same(x, expected)


@COMPILES
@given(SIZES, st.integers(1, 255), st.booleans(), st.integers(0, 99))
def test_a_gate_is_that_of_torch(sizes, threshold, relu, seed):
    (x, drawn), (y, open_) = arrays(sizes, seed), arrays(sizes, seed)
    kernels.gate(x, drawn, threshold, relu)
    kernels.gate_with_torch(y, open_, threshold, relu)
    same(x, y)
    same(drawn, open_)


@COMPILES
@given(SIZES, st.integers(1, 4), st.integers(1, 255), st.integers(0, 99))
def test_a_gate_of_the_largest_is_that_of_torch(sizes, size, threshold, seed):
    sizes = (*sizes[:2], sizes[2] * size)
    (x, drawn), (y, open_) = arrays(sizes, seed), arrays(sizes, seed)
    kernels.gate_largest(x, drawn, threshold, size)
    kernels.gate_largest_with_torch(y, open_, threshold, size)
    groups = y.view(*sizes[:2], size, -1)
    known = ~torch.isnan(groups).any(2, keepdim=True).expand_as(groups).reshape(sizes)
    same(x[known], y[known])
    same(drawn[known], open_[known])


@COMPILES
@given(SIZES, st.integers(1, 255), st.integers(0, 99))
def test_the_way_back_is_that_of_torch(sizes, threshold, seed):
    gradient, mask = arrays(sizes, seed)
    mask = (mask < threshold).byte()
    same(
        kernels.gate_back(gradient, mask, threshold),
        kernels.gate_back_with_torch(gradient, mask, threshold),
    )


def test_no_number_shows_on_the_other_side_of_a_gate():
    for name, size in (("gate", True), ("gate_largest", 3)):
        for function in (
            getattr(kernels, name),
            getattr(kernels, f"{name}_with_torch"),
        ):
            x = torch.tensor([[[1.0, torch.nan, 2.0, 0.0, 1.0, 5.0]]])
            function(x, torch.zeros(1, 1, 6, dtype=torch.uint8), 128, size)
            assert torch.isnan(x[0, 0, 1])


@pytest.mark.parametrize("recipe", [MELIS, PERIODIC], ids=["max_channel", "relu"])
def test_a_group_trained_with_what_runs_on_a_gpu_is_the_same(recipe, monkeypatch):
    loops = train_group(DATA, MEMBERS[:2], recipe)
    for name in ("gate", "gate_largest", "gate_back"):
        by_torch = getattr(kernels, f"{name}_with_torch")
        monkeypatch.setattr(layers, name, by_torch)
    monkeypatch.setattr(
        bits,
        "count_words",
        lambda state, words: words.copy_(bits.next_words(state, words.shape[1])),
    )
    by_torch = train_group(DATA, MEMBERS[:2], recipe)
    for one, other in zip(loops, by_torch, strict=True):
        np.testing.assert_allclose(one.oof_P, other.oof_P, atol=1e-6)
