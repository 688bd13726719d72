import pytest
import torch
from torch import Generator

from ensemble.bag.layers import (
    BagDropout,
    BagLinear,
    BagPeriodic,
    BagStandardize,
    keep_largest,
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


def test_dropout_keeps_the_share_it_promises():
    dropout = BagDropout(0.3, seeded(1, 2))
    kept = dropout.draw(500, 400)
    assert abs(kept.float().mean().item() - dropout.threshold / 256) < 0.005
    assert abs(dropout.threshold / 256 - 0.7) <= 1 / 512
    assert dropout.scale == pytest.approx(256 / 179)


def test_a_member_draws_the_same_masks_in_any_group():
    together = BagDropout(0.5, seeded(1, 2, 3))
    alone = BagDropout(0.5, seeded(2))
    for shape in ((3, 5), (96, 600), (1, 1)):
        assert torch.equal(together.draw(*shape)[1], alone.draw(*shape)[0])


def test_every_bit_of_a_dropout_byte_is_random():
    kept = [BagDropout(rate, seeded(7)).draw(400, 400) for rate in (0.5, 0.75, 0.875)]
    for mask, rate in zip(kept, (0.5, 0.75, 0.875), strict=True):
        by_place = mask.view(-1, 8).float().mean(0)  # the 8 bytes of an integer
        assert (by_place - (1 - rate)).abs().max() < 0.02


def test_without_dropout_nothing_is_drawn():
    assert BagDropout(0.0, seeded(1)).draw(5, 5) is None


def test_max_channel_is_the_loop_over_groups():
    x = torch.randint(-2, 3, (2, 7, 12)).float()  # with ties
    assert torch.equal(x * keep_largest(x, 3), max_channel_by_hand(x, 3))


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
