"""A dropout multilayer perceptron, for M members at once.

Shape letters: M members, N examples, I inputs, H hidden units, K outputs.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ensemble.bag.bits import CountedBits
from ensemble.bag.layers import (
    BagDropout,
    BagGate,
    BagLinear,
    BagPeriodic,
    in_groups,
    max_channel,
)

Activation = Literal["relu", "silu", "max_channel", "maxout"]


class BagMLP(nn.Module):
    """M perceptrons: linear, activation, dropout for each hidden layer, then linear.

    `activation` is one of relu, silu, max_channel (of `group_size` neighbours the
    largest passes) and maxout (it alone is handed on, so that the next layer has
    `group_size` times fewer inputs: Goodfellow et al., 2013). With `dense`, a layer is
    fed with the inputs and all earlier layers side by side (Huang et al., 2017). With
    `periodic_std`, periodic embeddings of the inputs stand beside them.

    Weights are drawn from `weight_generators`, one a member, dropout masks from
    `dropout_bits`, in training mode only; then products are made in `product_dtype`.

    Shape: `(M, N, I) -> (M, N, K)`

    >>> generators, bits = [Generator(), Generator()], CountedBits([1, 2], "cpu")
    >>> network = BagMLP(generators, bits, 35, 2, hidden=(600, 600, 600), dropout=0.5)
    >>> network(torch.zeros(2, 7, 35)).shape
    torch.Size([2, 7, 2])
    >>> sum(p[0].numel() for p in network.parameters())
    744002
    """

    def __init__(
        self,
        weight_generators: Sequence[Generator],
        dropout_bits: CountedBits,
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
        product_dtype: torch.dtype = torch.float32,
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
        self.dropout = BagDropout(dropout, dropout_bits)
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
        competing = group_size if activation == "maxout" else 1
        self.widths = [size // competing for size in hidden]  # of what is handed on
        shapes = layer_shapes(width, n_outputs, hidden, competing, dense)
        self.layers = nn.ModuleList()
        for layer, (n_in, n_out) in enumerate(shapes):
            std = weight_std
            if std is None and layer == len(hidden):  # first answers near indecision
                std = 0.1 * n_in**-0.5
            self.layers.append(
                BagLinear(
                    weight_generators,
                    n_in,
                    n_out,
                    weight_std=std,
                    bias_std=bias_std,
                    inputs_per_unit=inputs_per_unit if layer == 0 else None,
                    product_dtype=product_dtype,
                )
            )

    def forward(self, x_MNI: Tensor) -> Tensor:
        x = self.embedding(x_MNI)
        *hidden_layers, last_layer = self.layers
        drops = self.training and self.dropout.threshold < 256
        bytes_of = self.dropout.draw(x_MNI.shape[1], self.widths) if drops else []
        for place, layer in enumerate(hidden_layers):
            h = layer(x)
            h = (
                self._activate_and_drop(h, bytes_of[place])
                if drops
                else self._activate(h)
            )
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
        """What a hidden layer hands on, without dropout."""
        if self.activation == "relu":
            return F.relu_(x_MNH)
        if self.activation == "silu":
            return F.silu(x_MNH)
        if self.activation == "maxout":
            return in_groups(x_MNH, self.group_size).amax(-2)
        return max_channel(x_MNH, self.group_size)

    def _activate_and_drop(self, x_MNH: Tensor, bytes_MNH: Tensor) -> Tensor:
        """The same with dropout; activations that only open and close come with it."""
        if self.activation == "silu":
            x_MNH = F.silu(x_MNH)
        elif self.activation == "maxout":
            # what is changed in place must be no other's: a maximum keeps its result
            x_MNH = in_groups(x_MNH, self.group_size).amax(-2).clone()
        return BagGate.apply(  # type: ignore[no-any-return, no-untyped-call]
            x_MNH, bytes_MNH, self.dropout.threshold, self.activation, self.group_size
        )


def layer_shapes(
    n_inputs: int,
    n_outputs: int,
    hidden: Sequence[int],
    competing: int = 1,
    dense: bool = False,
) -> list[tuple[int, int]]:
    """Inputs and outputs of each layer; of `competing` units one is handed on.

    >>> layer_shapes(35, 2, hidden=(600, 600), competing=3)
    [(35, 600), (200, 600), (200, 2)]
    >>> layer_shapes(35, 1, hidden=(33, 33), dense=True)
    [(35, 33), (68, 33), (101, 1)]
    """
    shapes, width = [], n_inputs
    for size in [*hidden, n_outputs]:
        shapes.append((width, size))
        handed_on = size // competing
        width = width + handed_on if dense else handed_on
    return shapes
