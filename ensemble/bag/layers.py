"""Layers that hold many networks at once.

A bag of M networks of one architecture trains as a single module: every layer keeps
M independent sets of weights and applies the m-th set to the m-th input.

Shape letters in this file:
    M  members of the bag       N  examples in the batch
    I  input features           O  output features
    H  units of a hidden layer
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ensemble.bag.bits import CountedBits
from ensemble.bag.kernels import add_bias, gate, gate_back, gate_largest


class BagLinear(nn.Module):
    """M independent linear layers, the m-th applied to the m-th input.

    Weights are normal with standard deviation `weight_std` (by default `sqrt(2 / I)`:
    He et al., "Delving deep into rectifiers", 2015), biases with `bias_std`. Those of
    member m are drawn from the m-th generator alone, so a member starts from the same
    weights whichever other members share its bag.

    With `inputs_per_unit` = k each unit draws k of its inputs, with replacement, and
    its other weights are and stay zero; `apply_mask` is called after every update.

    In training mode products are computed in `product_dtype`. Where `keep` is a number,
    gradients are not handed to autograd but added to `keep` times what stands in
    `weight_MIO.grad` and `bias_MO.grad`, in the product itself: with `keep` = 0 they
    overwrite it, with the momentum they make the velocity, and neither takes a pass
    over memory of its own.

    Shape: `(M, N, I) -> (M, N, O)`

    >>> generators = [Generator().manual_seed(seed) for seed in (1, 2, 3)]
    >>> layer = BagLinear(generators, n_inputs=4, n_outputs=2)
    >>> layer(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 5, 2])
    """

    mask_MIO: Tensor | None
    keep: float | None

    def __init__(
        self,
        generators: Sequence[Generator],
        n_inputs: int,
        n_outputs: int,
        *,
        weight_std: float | None = None,
        bias_std: float = 0.0,
        inputs_per_unit: int | None = None,
        product_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.product_dtype, self.keep = product_dtype, None
        std = (2 / n_inputs) ** 0.5 if weight_std is None else weight_std
        shape = (n_inputs, n_outputs)
        self.weight_MIO = nn.Parameter(
            torch.stack([torch.randn(shape, generator=g) * std for g in generators])
        )
        self.bias_MO = nn.Parameter(
            torch.stack(
                [torch.randn(n_outputs, generator=g) * bias_std for g in generators]
            )
        )
        mask_MIO = None
        if inputs_per_unit is not None:
            draws = [_draw_mask(shape, inputs_per_unit, g) for g in generators]
            mask_MIO = torch.stack(draws)
        self.register_buffer("mask_MIO", mask_MIO)
        self.apply_mask()

    def forward(self, x_MNI: Tensor) -> Tensor:
        M, I, _ = self.weight_MIO.shape
        if x_MNI.ndim != 3 or (x_MNI.shape[0], x_MNI.shape[2]) != (M, I):
            raise ValueError(
                f"BagLinear takes inputs of shape ({M}, N, {I}),"
                f" got {tuple(x_MNI.shape)}"
            )
        return _Linear.apply(x_MNI, self.weight_MIO, self.bias_MO, self)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def apply_mask(self) -> None:
        """Set the weights of inputs that a unit does not see to zero."""
        if self.mask_MIO is not None:
            self.weight_MIO.data.mul_(self.mask_MIO)


class _Linear(torch.autograd.Function):
    """`x w + b`, with gradients that go where the layer says."""

    @staticmethod
    def forward(
        ctx: Any, x_MNI: Tensor, weight_MIO: Tensor, bias_MO: Tensor, layer: BagLinear
    ) -> Tensor:
        dtype = layer.product_dtype if layer.training else torch.float32
        x, weight = x_MNI.to(dtype), weight_MIO.to(dtype)
        ctx.save_for_backward(x, weight)
        ctx.layer = layer
        y_MNO = torch.bmm(x, weight).float()
        add_bias(y_MNO, bias_MO)
        return y_MNO

    @staticmethod
    def backward(
        ctx: Any, gradient_MNO: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        layer: BagLinear = ctx.layer
        gradient = gradient_MNO.to(x.dtype)
        to_x = (
            torch.bmm(gradient, weight.mT).float() if ctx.needs_input_grad[0] else None
        )
        if layer.keep is None:
            to_weight = torch.bmm(x.mT, gradient).float()
            return to_x, to_weight, gradient_MNO.sum(1), None
        _add_product(_gradient(layer.weight_MIO), layer.keep, x.mT, gradient)
        _gradient(layer.bias_MO).mul_(layer.keep).add_(gradient_MNO.sum(1))
        return to_x, None, None, None


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("BagLinear.keep takes parameters with gradients, found none")
    return parameter.grad


def _add_product(total: Tensor, keep: float, a: Tensor, b: Tensor) -> None:
    """`total <- keep total + a b`"""
    if a.dtype == total.dtype:
        torch.baddbmm(total, a, b, beta=keep, out=total)
    else:
        total.mul_(keep).add_(torch.bmm(a, b).float())


class BagPeriodic(nn.Module):
    """Inputs, and beside each what a small network makes of cosines of it.

    An input x is followed by `sum_f w_f cos(2 pi c_f x + p_f)` for each of `n_outputs`
    outputs; frequencies c (first drawn with `std`), phases p and weights w are learned.
    Gorishniy et al., "On embeddings for numerical features in tabular deep learning",
    2022, in the form of Holzmueller et al., "Better by default", 2024.

    Shape: `(M, N, I) -> (M, N, I (1 + n_outputs))`; F frequencies, E outputs an input

    >>> layer = BagPeriodic([Generator()], 3, std=0.1, n_frequencies=8, n_outputs=4)
    >>> layer(torch.zeros(1, 5, 3)).shape
    torch.Size([1, 5, 15])
    """

    def __init__(
        self,
        generators: Sequence[Generator],
        n_inputs: int,
        *,
        std: float,
        n_frequencies: int,
        n_outputs: int,
    ) -> None:
        super().__init__()
        shape = (n_inputs, n_frequencies)
        draws = [
            (
                torch.randn(shape, generator=g) * std,
                (torch.rand(shape, generator=g) - 0.5) * 2 * math.pi,
                torch.randn(*shape, n_outputs, generator=g) * n_frequencies**-0.5,
            )
            for g in generators
        ]
        frequency, phase, weight = (
            torch.stack(one) for one in zip(*draws, strict=True)
        )
        self.frequency_MIF = nn.Parameter(frequency)
        self.phase_MIF = nn.Parameter(phase)
        self.weight_MIFE = nn.Parameter(weight)

    def forward(self, x_MNI: Tensor) -> Tensor:
        turns_MINF = x_MNI.mT[..., None] * self.frequency_MIF[:, :, None, :]
        waves_MINF = torch.cos(2 * math.pi * turns_MINF + self.phase_MIF[:, :, None, :])
        embedded_MINE = waves_MINF @ self.weight_MIFE
        return torch.cat([x_MNI, embedded_MINE.transpose(1, 2).flatten(2)], dim=-1)


class BagStandardize(nn.Module):
    """Each member's own `(x - mean) / scale`; a missing value (NaN) becomes 0.

    With `clip` = c a standardised z becomes `z / sqrt(1 + (z / c)^2)`, which leaves
    small values alone and keeps all inside (-c, c) (Holzmueller et al., 2024).

    Shape: `(M, N, I) -> (M, N, I)`
    """

    mean_MI: Tensor
    scale_MI: Tensor

    def __init__(
        self, mean_MI: Tensor, scale_MI: Tensor, clip: float | None = None
    ) -> None:
        super().__init__()
        self.clip = clip
        self.register_buffer("mean_MI", mean_MI)
        self.register_buffer("scale_MI", scale_MI)

    def forward(self, x_MNI: Tensor) -> Tensor:
        z_MNI = (x_MNI - self.mean_MI[:, None, :]) / self.scale_MI[:, None, :]
        # infinities stay: a member that meets one must fail, not learn from it
        torch.nan_to_num_(z_MNI, nan=0.0, posinf=torch.inf, neginf=-torch.inf)
        if self.clip is None:
            return z_MNI
        return z_MNI / torch.sqrt(1 + (z_MNI / self.clip).square())


class BagDropout:
    """Random bytes for all layers of a network, each member's from its own stream.

    A unit is kept with a probability that is a multiple of 1/256, the nearest to
    `1 - rate`: if its byte is below `threshold`. What is kept is divided by that
    probability, so that the expectation is unchanged.
    """

    def __init__(self, rate: float, bits: CountedBits) -> None:
        self.threshold = round(256 * (1 - rate))
        if not 1 <= self.threshold <= 256:
            raise ValueError(f"a dropout rate is at least 0 and below .998, got {rate}")
        self.bits = bits

    def draw(self, n_rows: int, widths: Sequence[int]) -> list[Tensor]:
        """A byte for each unit of each layer, (M, N, H); later draws overwrite them."""
        ends = [n_rows * end for end in accumulate(widths)]
        drawn_MB = self.bits.draw(ends[-1])
        return [
            drawn_MB[:, end - n_rows * width : end].view(-1, n_rows, width)
            for end, width in zip(ends, widths, strict=True)
        ]


class BagGate(torch.autograd.Function):
    """Dropout, behind a relu or a max-channel activation if wanted, in place.

    The bytes tell which units are dropped; after it they tell which were open. What
    made its input must not need it any more.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_MNH: Tensor,
        bytes_MNH: Tensor,
        threshold: int,
        activation: str,
        group_size: int,
    ) -> Tensor:
        if activation == "max_channel":
            gate_largest(x_MNH, bytes_MNH, threshold, group_size)
        else:
            gate(x_MNH, bytes_MNH, threshold, activation == "relu")
        ctx.mark_dirty(x_MNH)
        ctx.mask_MNH, ctx.threshold = bytes_MNH, threshold
        return x_MNH

    @staticmethod
    def backward(
        ctx: Any, gradient_MNH: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        back_MNH = gate_back(gradient_MNH, ctx.mask_MNH, ctx.threshold)
        return back_MNH, None, None, None, None


def max_channel(x_MNH: Tensor, group_size: int) -> Tensor:
    """The units that are the largest of their group pass, the others are 0.

    In a tie, all of the largest pass. Srivastava et al., "Compete to compute", 2013.

    >>> max_channel(torch.tensor([[[1.0, 5.0, 3.0, 5.0, 2.0, 4.0]]]), 3).tolist()
    [[[0.0, 5.0, 3.0, 5.0, 0.0, 0.0]]]
    """
    groups = in_groups(x_MNH, group_size)
    return (groups * (groups == groups.amax(-2, keepdim=True))).flatten(-2)


def in_groups(x_MNH: Tensor, group_size: int) -> Tensor:
    """The units with an axis for those that compete, before the axis of the groups.

    With G groups, units g, g + G, g + 2 G, ... compete. Units are exchangeable, and
    they are faster to compare when those that compete are no neighbours.
    """
    return x_MNH.view(*x_MNH.shape[:-1], group_size, -1)


def _draw_mask(shape: tuple[int, int], k: int, generator: Generator) -> Tensor:
    """1 where a unit sees an input, which it draws k times with replacement."""
    n_inputs, n_outputs = shape
    draws_kO = torch.randint(n_inputs, (k, n_outputs), generator=generator)
    return torch.zeros(shape).scatter_(0, draws_kO, 1.0)
