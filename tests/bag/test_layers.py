import pytest
import torch
from torch import Generator

from ensemble.bag.bits import CountedBits
from ensemble.bag.layers import (
    BagDropout,
    BagGate,
    BagLinear,
    BagPeriodic,
    BagStandardize,
    max_channel,
)
from tests.reference import max_channel_by_hand, periodic_by_hand


def seeded(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


def bag(*seeds: int) -> BagLinear:
    return BagLinear(seeded(*seeds), n_inputs=4, n_outputs=2, bias_std=0.1)


def test_a_member_is_the_same_alone_and_in_a_bag():
    x_MNI = torch.randn(3, 5, 4)
    together_MNO = bag(1, 2, 3)(x_MNI)
    for m, seed in enumerate((1, 2, 3)):
        alone_1NO = bag(seed)(x_MNI[m : m + 1])
        torch.testing.assert_close(together_MNO[m], alone_1NO[0])


def test_a_bag_layer_is_as_many_linear_layers():
    layer, x_MNI = bag(1, 2, 3), torch.randn(3, 5, 4)
    for m in range(3):
        expected = torch.nn.functional.linear(
            x_MNI[m], layer.weight_MIO[m].T, layer.bias_MO[m]
        )
        torch.testing.assert_close(layer(x_MNI)[m], expected)


def test_no_gradient_crosses_members():
    layer = bag(1, 2, 3)
    layer(torch.randn(3, 5, 4))[1].sum().backward()
    moved_M = layer.weight_MIO.grad.abs().sum(dim=(1, 2)) > 0
    assert moved_M.tolist() == [False, True, False]


@pytest.mark.parametrize("shape", [(2, 5, 4), (3, 5, 3), (5, 4)])
def test_a_wrong_shape_is_named_beside_the_right_one(shape):
    with pytest.raises(ValueError, match=r"shape \(3, N, 4\), got \("):
        bag(1, 2, 3)(torch.zeros(shape))


def test_a_unit_sees_at_most_the_inputs_it_drew():
    layer = BagLinear(seeded(1, 2), n_inputs=35, n_outputs=600, inputs_per_unit=10)
    seen_MO = (layer.weight_MIO != 0).sum(dim=1)
    assert seen_MO.max() == 10  # drawn with replacement: some units see fewer
    assert seen_MO.min() < 10
    expected = 35 * (1 - (34 / 35) ** 10)
    assert abs(seen_MO.float().mean() - expected) < 0.1


def test_what_a_unit_does_not_see_stays_zero_after_an_update():
    layer = BagLinear(seeded(1), n_inputs=20, n_outputs=5, inputs_per_unit=3)
    with torch.no_grad():
        layer.weight_MIO += 1
    layer.apply_mask()
    assert ((layer.weight_MIO != 0) == (layer.mask_MIO != 0)).all()


@pytest.mark.parametrize("keep", [0.0, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gradients_are_added_to_what_is_kept_of_earlier_ones(keep, dtype):
    def layer():
        return BagLinear(seeded(1, 2), 4, 3, bias_std=0.1, product_dtype=dtype)

    plain, kept = layer(), layer()
    x_MNI = torch.randn(2, 5, 4)
    earlier = [torch.randn_like(p) for p in kept.parameters()]
    for parameter, gradient in zip(kept.parameters(), earlier, strict=True):
        parameter.grad = gradient.clone()
    kept.keep = keep
    for one in (plain, kept):
        one(x_MNI).square().sum().backward()
    for a, b, before in zip(
        plain.parameters(), kept.parameters(), earlier, strict=True
    ):
        torch.testing.assert_close(b.grad, keep * before + a.grad)


def test_a_layer_that_keeps_gradients_must_have_some():
    layer = bag(1)
    layer.keep = 0.5
    with pytest.raises(ValueError, match="takes parameters with gradients"):
        layer(torch.randn(1, 5, 4)).sum().backward()


def test_products_of_a_bfloat16_layer_are_exact_once_it_is_no_longer_trained():
    layer, twin = (
        BagLinear(seeded(1), 40, 20, product_dtype=dtype)
        for dtype in (torch.bfloat16, torch.float32)
    )
    x_MNI = torch.randn(1, 5, 40)
    assert not torch.equal(layer(x_MNI), twin(x_MNI))
    torch.testing.assert_close(layer(x_MNI), twin(x_MNI), atol=0.05, rtol=0)
    assert torch.equal(layer.eval()(x_MNI), twin(x_MNI))


def dropped(rate: float, *seeds: int) -> BagDropout:
    return BagDropout(rate, CountedBits(seeds, "cpu"))


def test_dropout_keeps_the_share_it_promises():
    dropout = dropped(0.3, 1, 2)
    (bytes_MNH,) = dropout.draw(500, [400])
    x_MNH = BagGate.apply(
        torch.ones(2, 500, 400), bytes_MNH, dropout.threshold, "silu", 3
    )
    assert abs((x_MNH > 0).float().mean().item() - dropout.threshold / 256) < 0.005
    assert abs(dropout.threshold / 256 - 0.7) <= 1 / 512
    assert x_MNH.unique().tolist() == pytest.approx([0, 256 / 179])
    assert x_MNH.mean().item() == pytest.approx(1, abs=0.01)


def test_a_member_draws_the_same_bytes_in_any_group():
    together, alone = dropped(0.5, 1, 2, 3), dropped(0.5, 2)
    for n_rows, widths in ((3, [5, 2]), (96, [600, 600]), (1, [1])):
        for ours, its in zip(
            together.draw(n_rows, widths), alone.draw(n_rows, widths), strict=True
        ):
            assert torch.equal(ours[1], its[0])


def test_every_byte_of_a_word_is_random():
    (bytes_MNH,) = dropped(0.5, 7).draw(400, [400])
    by_place = bytes_MNH.view(-1, 8)
    assert (by_place.float().mean(0) - 127.5).abs().max() < 2
    for bit in range(8):
        share = ((by_place >> bit) & 1).float().mean(0)
        assert (share - 0.5).abs().max() < 0.02


def test_max_channel_is_the_loop_over_groups():
    x = torch.randint(-2, 3, (2, 7, 12)).float()  # with ties
    assert torch.equal(max_channel(x, 3), max_channel_by_hand(x, 3))


@pytest.mark.parametrize("activation", ["relu", "silu", "max_channel"])
@pytest.mark.parametrize("threshold", [77, 255])
def test_a_gate_is_its_activation_and_mask_written_out(activation, threshold):
    """What silu makes of x comes in; here the gate has to drop, nothing else."""
    x = torch.randint(-3, 4, (2, 7, 12)).float().requires_grad_()  # ties and zeros
    drawn = torch.randint(0, 256, x.shape, dtype=torch.uint8)
    mask = (drawn < threshold) * 256 / threshold
    active = {
        "relu": torch.relu,
        "silu": lambda x: x,
        "max_channel": lambda x: max_channel(x, 3),
    }[activation](x)
    gradient = torch.randn(x.shape)
    (active * mask).backward(gradient)
    twin = x.detach().clone().requires_grad_()
    y = BagGate.apply(twin * 1, drawn.clone(), threshold, activation, 3)
    y.backward(gradient)
    torch.testing.assert_close(y.detach(), (active * mask).detach())
    torch.testing.assert_close(twin.grad, x.grad)


@pytest.mark.parametrize("activation", ["relu", "silu", "max_channel"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gate_does_not_hide_what_is_no_number(activation, bad):
    x = torch.full((1, 1, 6), bad)
    closed = torch.full(x.shape, 255, dtype=torch.uint8)
    y = BagGate.apply(x, closed, 128, activation, 3)
    assert not torch.isfinite(y).any()


def test_a_missing_value_becomes_the_mean():
    layer = BagStandardize(torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 1.0]]))
    x_MNI = torch.tensor([[[3.0, float("nan")]]])
    assert layer(x_MNI).tolist() == [[[1.0, 0.0]]]


def test_smooth_clipping_leaves_small_values_and_bounds_large_ones():
    layer = BagStandardize(torch.zeros(1, 1), torch.ones(1, 1), clip=3.0)
    z = layer(torch.tensor([[[0.01], [3.0], [1e6], [-1e6]]])).flatten()
    torch.testing.assert_close(z, torch.tensor([0.01, 3 / 2**0.5, 3.0, -3.0]))


def test_periodic_embeddings_are_the_sums_written_out():
    layer = BagPeriodic(seeded(1, 2), 3, std=0.5, n_frequencies=4, n_outputs=2)
    x_MNI = torch.randn(2, 5, 3)
    for m in range(2):
        expected = periodic_by_hand(
            x_MNI[m], layer.frequency_MIF[m], layer.phase_MIF[m], layer.weight_MIFE[m]
        )
        torch.testing.assert_close(layer(x_MNI)[m], expected)


def test_a_member_has_the_same_embedding_alone_and_in_a_bag():
    sizes = {"std": 0.5, "n_frequencies": 4, "n_outputs": 2}
    x_MNI = torch.randn(2, 5, 3)
    together = BagPeriodic(seeded(1, 2), 3, **sizes)(x_MNI)
    alone = BagPeriodic(seeded(2), 3, **sizes)(x_MNI[1:])
    torch.testing.assert_close(together[1], alone[0])
