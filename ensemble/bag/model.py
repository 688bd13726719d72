"""From features to probabilities: everything that the members of a group are.

Shape letters: M members, N rows of a batch, I inputs, U random numbers of a view, K
outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from ensemble.bag.layers import BagStandardize
from ensemble.bag.losses import Loss, n_outputs, positive_score
from ensemble.bag.networks.mlp import BagMLP
from ensemble.bag.streams import Streams, idle_streams
from ensemble.recipe import Recipe

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Views:
    """Random views of rows: a competition's `augment` hook.

    `augment(x, columns, uniform)` takes features (..., I) and `n_uniform` numbers in
    [0, 1) a row, and returns features of the same shape. `test_views` are the numbers
    of the views that predictions are averaged over.
    """

    augment: Callable[[Tensor, Sequence[str], Tensor], Tensor]
    columns: tuple[str, ...]
    n_uniform: int
    test_views: tuple[tuple[float, ...], ...] = ()


class BagModel(nn.Module):
    """Views, standardisation, input noise and network of M members.

    Views, noise and dropout are for training; `bag.inference` asks what members say of
    rows. `votes` are how much each of the K labels counts for the negative and the
    positive class.

    Shape: features `(M, N, I)` -> outputs `(M, N, K)`
    """

    negative_MK: Tensor
    positive_MK: Tensor

    def __init__(
        self,
        standardize: BagStandardize,
        network: BagMLP,
        loss: Loss,
        votes: tuple[Tensor, Tensor],
        streams: Streams,
        *,
        noise: float = 0.0,
        views: Views | None = None,
    ) -> None:
        super().__init__()
        self.standardize, self.network = standardize, network
        self.loss, self.streams = loss, streams
        self.register_buffer("negative_MK", votes[0])
        self.register_buffer("positive_MK", votes[1])
        self.noise, self.views = noise, views

    def forward(self, x_MNI: Tensor) -> Tensor:
        if self.training and self.views is not None:
            uniform_MNU = _draw(
                torch.rand, self.streams.views, x_MNI.shape[1], self.views.n_uniform
            )
            x_MNI = self.views.augment(x_MNI, self.views.columns, uniform_MNU)
        z_MNI = self.standardize(x_MNI)
        if self.training and self.noise > 0:
            z_MNI += self.noise * _draw(
                torch.randn, self.streams.noise, *z_MNI.shape[1:]
            )
        return self.network(z_MNI)  # type: ignore[no-any-return]

    def scores(self, outputs_MNK: Tensor) -> Tensor:
        """What outputs say: the probability of the positive class, (M, N)."""
        return positive_score(
            self.loss, outputs_MNK, self.negative_MK, self.positive_MK
        )


def build_model(
    recipe: Recipe,
    standardize: BagStandardize,
    votes: tuple[Tensor, Tensor],
    streams: Streams,
    views: Views | None = None,
    product_dtype: torch.dtype = torch.float32,
) -> BagModel:
    """The model of a recipe, for as many members as `standardize` holds, untrained."""
    loss = recipe.training.loss
    network = BagMLP(
        streams.weights,
        streams.dropout,
        standardize.mean_MI.shape[1],
        n_outputs(loss, votes[0].shape[1]),
        **recipe.network.model_dump(),
        product_dtype=product_dtype,
    )
    return BagModel(
        standardize,
        network,
        loss,
        votes,
        streams,
        noise=recipe.inputs.noise,
        views=views,
    )


def member_weights(model: BagModel, m: int) -> dict[str, NDArray[np.float32]]:
    """All that the m-th member has learned, by name, without the member axis."""
    return {name: t[m].cpu().numpy().copy() for name, t in model.state_dict().items()}


def load_members(
    recipe: Recipe, members: Sequence[Arrays], views: Views | None = None
) -> BagModel:
    """A model that predicts with saved members, stacked as one group."""
    state = {
        name: torch.stack([torch.from_numpy(np.array(m[name])) for m in members])
        for name in members[0]
    }
    model = build_model(
        recipe,
        BagStandardize(
            state["standardize.mean_MI"],
            state["standardize.scale_MI"],
            recipe.inputs.clip,
        ),
        (state["negative_MK"], state["positive_MK"]),
        idle_streams(len(members)),
        views,
    )
    model.load_state_dict(state)
    return model.eval()


def _draw(
    draw: Callable[..., Tensor], generators: Sequence[Generator], *shape: int
) -> Tensor:
    """(M, *shape) random numbers, each member's from its own stream."""
    return torch.stack([draw(shape, generator=g, device=g.device) for g in generators])
