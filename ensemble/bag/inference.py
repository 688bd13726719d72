"""What the members of a group say of rows: probabilities of the positive class.

Shape letters: M members, N rows of a block, R rows of a table, P rows that a member
predicts, I inputs, U random numbers of a view.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ensemble.bag.model import BagModel

BLOCK_ROWS = 2048  # of a member at once: bounds memory, no result depends on it


def predict(
    model: BagModel, features_RI: Tensor, rows_MP: Tensor | None = None
) -> Tensor:
    """Each member's score of each of its rows, or of all R rows: (M, P).

    The probability of the positive class, the mean over the test views.
    """
    test_views = model.views.test_views if model.views is not None else ()
    scores = [
        view_scores(model, features_RI, rows_MP, view) for view in test_views or [None]
    ]
    return torch.stack(scores).mean(0)


@torch.no_grad()
def view_scores(
    model: BagModel,
    features_RI: Tensor,
    rows_MP: Tensor | None = None,
    view: Sequence[float] | None = None,
) -> Tensor:
    """The same as one view of the rows shows it, or the rows as they are."""
    was_training = model.training
    model.eval()
    n_rows = len(features_RI) if rows_MP is None else rows_MP.shape[1]
    chunks = []
    for start in range(0, n_rows, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        x_MNI = _take(model, features_RI, rows_MP, block)
        if view is not None and model.views is not None:
            uniform_MNU = x_MNI.new_tensor(view).expand(*x_MNI.shape[:2], -1)
            x_MNI = model.views.augment(x_MNI, model.views.columns, uniform_MNU)
        chunks.append(model.scores(model(x_MNI)))
    model.train(was_training)
    return torch.cat(chunks, dim=1)


def _take(
    model: BagModel, features_RI: Tensor, rows_MP: Tensor | None, block: slice
) -> Tensor:
    if rows_MP is not None:
        return features_RI[rows_MP[:, block]]
    n_members = model.standardize.mean_MI.shape[0]
    return features_RI[block].expand(n_members, -1, -1)
