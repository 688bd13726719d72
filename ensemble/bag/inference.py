"""What the members of a group say of rows: probabilities of the positive class.

Rows are taken in blocks so small that what one layer hands to the next stays in the
processor's caches, and memory does not grow with their number.

Shape letters: M members, N rows of a block, R rows of a table, P rows that a member
predicts, I inputs, U random numbers of a view.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ensemble.bag.model import Arrays, BagModel

# What the widest layer of all members may hand on. On a CPU that is 2 members x 512
# rows x 600 units, which two cores keep in their caches; a GPU wants many rows at once.
ACTIVATION_BYTES = {"cpu": 5 << 19, "cuda": 1 << 28}
ROWS = 512  # of a block, where members are free to be stacked
FEWEST_ROWS = 128  # with fewer, products are slow

View = Sequence[float] | None  # None: the rows as they are


def predict(
    model: BagModel, features_RI: Tensor, rows_MP: Tensor | None = None
) -> Tensor:
    """Each member's score of each of its rows, or of all R rows: (M, P).

    The probability of the positive class, the mean over the test views.
    """
    test_views = model.views.test_views if model.views is not None else ()
    return _mean_scores(model, features_RI, rows_MP, test_views or [None])


def view_scores(
    model: BagModel,
    features_RI: Tensor,
    rows_MP: Tensor | None = None,
    view: View = None,
) -> Tensor:
    """The same as one view of the rows shows it, or the rows as they are."""
    return _mean_scores(model, features_RI, rows_MP, [view])


def rows_at_once(model: BagModel) -> int:
    """How many rows of each member are a block."""
    state = model.state_dict()
    M, kind = len(state["negative_MK"]), state["negative_MK"].device.type
    row_bytes = M * _row_bytes(tensor.shape[1:] for tensor in state.values())
    n_rows = ACTIVATION_BYTES[kind] // row_bytes
    return max(FEWEST_ROWS, n_rows - n_rows % 64)  # whole tiles of a product


def members_at_once(weights: Arrays, kind: str = "cpu", n_threads: int = 1) -> int:
    """How many members like this one are best stacked, on a device of a kind.

    >>> import numpy as np
    >>> wide, narrow = ({"w": np.zeros((n, n))} for n in (600, 33))
    >>> [members_at_once(one, n_threads=n) for one in (wide, narrow) for n in (1, 4)]
    [2, 4, 38, 38]
    """
    row_bytes = _row_bytes(array.shape for array in weights.values())
    return max(n_threads, ACTIVATION_BYTES[kind] // (ROWS * row_bytes))


@torch.inference_mode()
def _mean_scores(
    model: BagModel,
    features_RI: Tensor,
    rows_MP: Tensor | None,
    views: Sequence[View],
) -> Tensor:
    was_training = model.training
    model.eval()
    M = model.standardize.mean_MI.shape[0]
    n_rows = len(features_RI) if rows_MP is None else rows_MP.shape[1]
    scores_MP = features_RI.new_empty(M, n_rows)
    step = rows_at_once(model)
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        x = _take(features_RI, rows_MP, block)
        mean_MN = scores_MP[:, block].zero_()
        for view in views:
            seen_MNI = _look(model, x, view).expand(M, -1, -1)
            mean_MN += model.scores(model(seen_MNI))
        mean_MN /= len(views)
    model.train(was_training)
    return scores_MP


def pick(of_R: Tensor, rows_MN: Tensor) -> Tensor:
    """`of_R[rows_MN]`, faster on a CPU: 6 us, not 23, for 8 x 96 rows of 35 numbers.

    (Medians of 200 on one core of an Intel Xeon, 2026-11-23.)
    """
    picked = of_R.index_select(0, rows_MN.flatten())
    return picked.view(*rows_MN.shape, *of_R.shape[1:])


def _take(features_RI: Tensor, rows_MP: Tensor | None, block: slice) -> Tensor:
    """(M, N, I), or (N, I) where all members predict the same rows."""
    if rows_MP is None:
        return features_RI[block]
    return pick(features_RI, rows_MP[:, block])


def _look(model: BagModel, x: Tensor, view: View) -> Tensor:
    if view is None or model.views is None:
        return x
    uniform = x.new_tensor(view).expand(*x.shape[:-1], -1)
    return model.views.augment(x, model.views.columns, uniform)


def _row_bytes(shapes: Iterable[Sequence[int]]) -> int:
    """What a row needs in the widest place of a network of so shaped weights.

    >>> _row_bytes([(35, 600), (600,), (600, 2)]), _row_bytes([(3, 16, 4)])
    (2400, 192)
    """
    return 4 * max(max(math.prod(s[:-1]), *s[-1:]) for s in shapes if len(s))
