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

import torch
from torch import Generator, Tensor, nn


class BagLinear(nn.Module):
    """M independent linear layers, the m-th applied to the m-th input.

    Weights are normal with standard deviation `weight_std` (by default `sqrt(2 / I)`:
    He et al., "Delving deep into rectifiers", 2015), biases with `bias_std`. Those of
    member m are drawn from the m-th generator alone, so a member starts from the same
    weights whichever other members share its bag.

    With `inputs_per_unit` = k each unit draws k of its inputs, with replacement, and
    its other weights are and stay zero; `apply_mask` is called after every update.

    Shape: `(M, N, I) -> (M, N, O)`

    >>> generators = [Generator().manual_seed(seed) for seed in (1, 2, 3)]
    >>> layer = BagLinear(generators, n_inputs=4, n_outputs=2)
    >>> layer(torch.zeros(3, 5, 4)).shape
    torch.Size([3, 5, 2])
    """

    mask_MIO: Tensor | None

    def __init__(
        self,
        generators: Sequence[Generator],
        n_inputs: int,
        n_outputs: int,
        *,
        weight_std: float | None = None,
        bias_std: float = 0.0,
        inputs_per_unit: int | None = None,
    ) -> None:
        super().__init__()
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
        # float32 weights, but products in the precision of the input
        bias_M1O = self.bias_MO[:, None, :].to(x_MNI.dtype)
        return torch.baddbmm(bias_M1O, x_MNI, self.weight_MIO.to(x_MNI.dtype))

    @torch.no_grad()
    def apply_mask(self) -> None:
        """Set the weights of inputs that a unit does not see to zero."""
        if self.mask_MIO is not None:
            self.weight_MIO.data.mul_(self.mask_MIO)


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
    """Dropout masks, each member's from its own stream of bits.

    A unit is kept with a probability that is a multiple of 1/256, the nearest to
    `1 - rate`, since its decision takes one random byte. What is kept is divided by
    that probability. Eight bytes are drawn as one integer, which makes it cheap on a
    CPU, and a member's draws do not depend on who shares its group.
    """

    def __init__(self, rate: float, generators: Sequence[Generator]) -> None:
        self.threshold = round(256 * (1 - rate))
        if not 1 <= self.threshold <= 256:
            raise ValueError(f"a dropout rate is at least 0 and below .998, got {rate}")
        self.generators = generators

    def draw(self, n_rows: int, n_units: int) -> Tensor | None:
        """Which units are kept, (M, N, H) booleans; None where all are."""
        if self.threshold == 256:
            return None
        M, n_bytes = len(self.generators), n_rows * n_units
        device = self.generators[0].device
        words = torch.empty((M, -(-n_bytes // 8)), dtype=torch.int64, device=device)
        for m, generator in enumerate(self.generators):
            # the full range of int64: `random_()` alone leaves the sign bit out
            words[m].random_(-(2**63), None, generator=generator)
        bytes_MB = words.view(torch.uint8)[:, :n_bytes]
        return (bytes_MB < self.threshold).view(M, n_rows, n_units)

    @property
    def scale(self) -> float:
        """What kept units are multiplied with, so that the expectation is unchanged."""
        return 256 / self.threshold


def keep_largest(x_MNH: Tensor, group_size: int) -> Tensor:
    """Which units are the largest of their group of neighbours; in a tie, all are.

    Multiplied with its input it is the max-channel activation: the winner passes, the
    others are 0. Srivastava et al., "Compete to compute", 2013.

    >>> keep_largest(torch.tensor([[[1.0, 3.0, 2.0, 5.0, 5.0, 4.0]]]), 3).int().tolist()
    [[[0, 1, 0, 1, 1, 0]]]
    """
    groups = in_groups(x_MNH, group_size)
    return (groups == groups.amax(-1, keepdim=True)).flatten(-2)


def in_groups(x_MNH: Tensor, group_size: int) -> Tensor:
    """The units of each group along a last axis of their own."""
    return x_MNH.view(*x_MNH.shape[:-1], -1, group_size)


def _draw_mask(shape: tuple[int, int], k: int, generator: Generator) -> Tensor:
    """1 where a unit sees an input, which it draws k times with replacement."""
    n_inputs, n_outputs = shape
    draws_kO = torch.randint(n_inputs, (k, n_outputs), generator=generator)
    return torch.zeros(shape).scatter_(0, draws_kO, 1.0)
