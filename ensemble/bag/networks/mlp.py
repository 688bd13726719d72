"""A dropout multilayer perceptron, for M members at once.

Shape letters: M members, N examples, I inputs, H hidden units, K outputs.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ensemble.bag.layers import (
    BagDropout,
    BagLinear,
    BagPeriodic,
    in_groups,
    keep_largest,
)

Activation = Literal["relu", "silu", "max_channel", "maxout"]


class BagMLP(nn.Module):
    """M perceptrons: linear, activation, dropout for each hidden layer, then linear.

    `activation` is one of relu, silu, max_channel (of `group_size` neighbours the
    largest passes) and maxout (it alone is handed on, so that the next layer has
    `group_size` times fewer inputs: Goodfellow et al., 2013). With `dense`, a layer is
    fed with the inputs and all earlier layers side by side (Huang et al., 2017). With
    `periodic_std`, periodic embeddings of the inputs stand beside them.

    Weights are drawn from `weight_generators`, dropout masks from `dropout_generators`,
    one of each a member. Masks are drawn in training mode only.

    Shape: `(M, N, I) -> (M, N, K)`

    >>> seeds = lambda: [Generator().manual_seed(m) for m in range(2)]
    >>> network = BagMLP(seeds(), seeds(), 35, 2, hidden=(600, 600, 600), dropout=0.5)
    >>> network(torch.zeros(2, 7, 35)).shape
    torch.Size([2, 7, 2])
    >>> sum(p[0].numel() for p in network.parameters())
    744002
    """

    def __init__(
        self,
        weight_generators: Sequence[Generator],
        dropout_generators: Sequence[Generator],
        n_inputs: int,
        n_outputs: int,
        *,
        hidden: Sequence[int],
        activation: Activation = "relu",
        group_size: int = 3,
        dropout: float = 0.0,
        inputs_per_unit: int | None = None,
        dense: bool = False,
        periodic_std: float | None = None,
        n_frequencies: int = 16,
        n_periodic: int = 4,
        weight_std: float | None = None,
        bias_std: float = 0.0,
    ) -> None:
        super().__init__()
        if activation in ("max_channel", "maxout"):
            for size in hidden:
                if size % group_size:
                    raise ValueError(
                        f"{activation} takes hidden sizes that {group_size} divides,"
                        f" got {size}"
                    )
        self.activation = activation
        self.group_size = group_size
        self.dense = dense
        self.dropout = BagDropout(dropout, dropout_generators)
        self.embedding: nn.Module = nn.Identity()
        width = n_inputs
        if periodic_std is not None:
            self.embedding = BagPeriodic(
                weight_generators,
                n_inputs,
                std=periodic_std,
                n_frequencies=n_frequencies,
                n_outputs=n_periodic,
            )
            width = n_inputs * (1 + n_periodic)
        self.layers = nn.ModuleList()
        for layer, size in enumerate([*hidden, n_outputs]):
            std = weight_std
            if std is None and layer == len(hidden):  # first answers near indecision
                std = 0.1 * width**-0.5
            self.layers.append(
                BagLinear(
                    weight_generators,
                    width,
                    size,
                    weight_std=std,
                    bias_std=bias_std,
                    inputs_per_unit=inputs_per_unit if layer == 0 else None,
                )
            )
            handed_on = size // group_size if activation == "maxout" else size
            width = width + handed_on if dense else handed_on

    def forward(self, x_MNI: Tensor) -> Tensor:
        x = self.embedding(x_MNI).to(x_MNI.dtype)  # embedded in float32
        *hidden_layers, last_layer = self.layers
        for layer in hidden_layers:
            h = self._activate(layer(x))
            x = torch.cat([x, h], dim=-1) if self.dense else h
        return last_layer(x)  # type: ignore[no-any-return]

    @property
    def first_weight(self) -> nn.Parameter:
        """The weights of the first layer, (M, I, H)."""
        return self.layers[0].weight_MIO  # type: ignore[return-value]

    def apply_masks(self) -> None:
        """To be called after every update: what a unit does not see stays zero."""
        self.layers[0].apply_mask()  # type: ignore[operator]

    def _activate(self, x_MNH: Tensor) -> Tensor:
        """Activation and dropout of one hidden layer."""
        if self.activation == "silu":
            x_MNH = F.silu(x_MNH)
        elif self.activation == "maxout":
            x_MNH = in_groups(x_MNH, self.group_size).amax(-1)
        kept = None
        if self.training:
            kept = self.dropout.draw(x_MNH.shape[1], x_MNH.shape[2])
        passes = self._passing(x_MNH)
        if kept is None and passes is None:
            return x_MNH
        if kept is None or passes is None:
            gate = passes if kept is None else kept
        else:
            gate = passes.logical_and_(kept)
        return _Gate.apply(x_MNH, gate, 1.0 if kept is None else self.dropout.scale)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def _passing(self, x_MNH: Tensor) -> Tensor | None:
        """Which units an activation that only opens and closes gates lets through."""
        if self.activation == "relu":
            return x_MNH > 0
        if self.activation == "max_channel":
            return keep_largest(x_MNH, self.group_size)
        return None


class _Gate(torch.autograd.Function):
    """`x * gate * scale`, keeping one boolean a unit for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(gate)
        ctx.scale = scale
        y = x * gate
        return y if scale == 1.0 else y.mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (gate,) = ctx.saved_tensors
        gradient = gradient * gate
        return gradient if ctx.scale == 1.0 else gradient.mul_(ctx.scale), None, None
