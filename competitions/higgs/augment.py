"""The same event seen otherwise: turned around the beam, or in a mirror.

Nothing that tells signal from background changes in such a view, so a network may be
trained on all of them, and its answers averaged over several. Acts on columns made by
`features`: momenta (*_px, *_py, *_pz) and etas (*_eta). All other columns stay.

Shape letters in this file: F feature columns.

G. C. Strong, "On the impact of selected modern deep-learning techniques", 2020.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def augment(x: Tensor, columns: Sequence[str], uniform: Tensor) -> Tensor:
    """Each row in the view that its three numbers in [0, 1) choose.

    The first turns all momenta around the beam, by -pi to pi; below 1/2, the second
    mirrors y and the third mirrors z. A missing value stays NaN.

    Shape: x ``(..., F)`` and uniform ``(..., 3)`` -> ``(..., F)``

    >>> quarter = torch.tensor([[0.75, 0.9, 0.9]])
    >>> augment(torch.tensor([[2.0, 1.0]]), ["lep_px", "lep_py"], quarter).round()
    tensor([[-1.,  2.]])
    """
    if (len(columns), *uniform.shape) != (x.shape[-1], *x.shape[:-1], 3):
        raise ValueError(
            "augment takes a name for each column and three numbers for each row, got"
            f" {len(columns)} names and numbers of shape {tuple(uniform.shape)} for"
            f" {tuple(x.shape)}"
        )
    angle = 2 * math.pi * (uniform[..., 0:1] - 0.5)
    cos, sin = torch.cos(angle).to(x.dtype), torch.sin(angle).to(x.dtype)
    mirror_y, mirror_z = (
        torch.where(uniform[..., u : u + 1] < 0.5, -1.0, 1.0).to(x.dtype)
        for u in (1, 2)
    )
    px, py = _ending(columns, "_px"), _ending(columns, "_py")
    along_beam = _ending(columns, "_pz") + _ending(columns, "_eta")

    seen = x.clone()
    seen[..., px] = cos * x[..., px] - sin * x[..., py]
    seen[..., py] = mirror_y * (sin * x[..., px] + cos * x[..., py])
    seen[..., along_beam] = mirror_z * x[..., along_beam]
    return seen


def views(n_views: int) -> list[tuple[float, float, float]]:
    """Numbers for `augment` that spread views evenly; the first is the event as it is.

    View v is turned by v / n_views of a full turn. Of each four in a row one is not
    mirrored, one in z, one in y, and one in both.

    >>> views(2)
    [(0.5, 0.75, 0.75), (0.0, 0.75, 0.25)]
    """
    flips = [(0.75, 0.75), (0.75, 0.25), (0.25, 0.75), (0.25, 0.25)]
    return [((0.5 + v / n_views) % 1.0, *flips[v % 4]) for v in range(n_views)]


augment.n_uniform = 3
augment.test_views = views


def _ending(columns: Sequence[str], end: str) -> list[int]:
    return [column for column, name in enumerate(columns) if name.endswith(end)]
