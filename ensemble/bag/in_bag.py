"""What members are trained on, and what is fitted on their own rows before that.

Shape letters: M members, R rows of the training table, T test rows, I inputs, K labels,
Q repeats.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ensemble.bag.layers import BagStandardize
from ensemble.bag.plan import Member
from ensemble.bag.weights import mean_and_scale, training_weights
from ensemble.recipe import Recipe

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingData:
    """What every group is trained on and predicts; missing values are NaN.

    The target is 0 or 1. The label is what networks learn to tell apart: the target, or
    a finer division of it. `folds_QR[q]` says for each row its fold in repeat q.
    """

    features_RI: NDArray[np.float32]
    target_R: NDArray[np.int64]
    label_R: NDArray[np.int64]
    weight_R: Floats
    folds_QR: NDArray[np.int16]
    test_TI: NDArray[np.float32]

    def in_bag(self, member: Member) -> NDArray[np.intp]:
        """The rows that a member is trained on."""
        return np.flatnonzero(self.folds_QR[member.repeat] != member.fold)

    def out_of_bag(self, member: Member) -> NDArray[np.intp]:
        """The rows that a member never sees in training."""
        return np.flatnonzero(self.folds_QR[member.repeat] == member.fold)


def fit_standardize(
    data: TrainingData, in_bag: Sequence[NDArray[np.intp]], recipe: Recipe
) -> BagStandardize:
    """Fitted on each member's in-bag rows alone."""
    means, scales = [], []
    for rows in in_bag:
        weight_R = np.ones(len(data.target_R))
        if recipe.inputs.balanced:
            weight_R = training_weights(
                data.weight_R, data.target_R, rows, balance=True
            )
        mean_I, scale_I = mean_and_scale(data.features_RI[rows], weight_R[rows])
        means.append(torch.from_numpy(mean_I))
        scales.append(torch.from_numpy(scale_I))
    return BagStandardize(torch.stack(means), torch.stack(scales), recipe.inputs.clip)


def fit_votes(
    data: TrainingData, in_bag: Sequence[NDArray[np.intp]], weights_MR: Sequence[Floats]
) -> tuple[Tensor, Tensor]:
    """How much each label counts for the negative and the positive class, (M, K) each.

    A network learns the shares of labels under its training weights; multiplied with
    true weight / training weight they are those under the true weights, both classes
    alike.
    """
    n_labels = int(data.label_R.max()) + 1
    target_K = np.zeros(n_labels, bool)
    target_K[data.label_R] = data.target_R == 1
    votes_MK = []
    for rows, weight_R in zip(in_bag, weights_MR, strict=True):
        true_R = training_weights(data.weight_R, data.target_R, rows, balance=True)
        true_K, learned_K = (
            np.bincount(data.label_R[rows], one[rows], n_labels)
            for one in (true_R, weight_R)
        )
        votes_MK.append(true_K / np.where(learned_K > 0, learned_K, 1.0))
    votes = torch.from_numpy(np.stack(votes_MK)).float()
    return votes * torch.from_numpy(~target_K), votes * torch.from_numpy(target_K)
