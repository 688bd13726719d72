"""Losses of single examples, and the scores that belong to them.

Shape letters: M members, N examples, K outputs.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["cross_entropy", "binary_cross_entropy", "squared"]


def n_outputs(loss: Loss, n_labels: int) -> int:
    """How many outputs a network needs to tell so many labels apart."""
    return n_labels if loss == "cross_entropy" else 1


def example_losses(loss: Loss, outputs_MNK: Tensor, target_MN: Tensor) -> Tensor:
    """The loss of each example, (M, N).

    Targets are 0 and 1, under the cross-entropy 0 to K - 1.

    >>> outputs, target = torch.zeros(1, 1, 2), torch.ones(1, 1).long()
    >>> round(example_losses("cross_entropy", outputs, target).item(), 4)
    0.6931
    """
    if loss == "cross_entropy":
        return F.cross_entropy(
            outputs_MNK.flatten(0, 1), target_MN.flatten(), reduction="none"
        ).view_as(target_MN)
    output_MN, truth_MN = outputs_MNK[..., 0], target_MN.to(outputs_MNK.dtype)
    if loss == "binary_cross_entropy":
        return F.binary_cross_entropy_with_logits(output_MN, truth_MN, reduction="none")
    return (output_MN - truth_MN).square()


def positive_score(
    loss: Loss, outputs_MNK: Tensor, negative_MK: Tensor, positive_MK: Tensor
) -> Tensor:
    """The probability of the positive class, (M, N).

    Under the cross-entropy each label counts for a class as much as `negative_MK` and
    `positive_MK` say; under the squared loss it is the output, cut off to [0, 1].

    >>> outputs = torch.tensor([[[0.1, 0.3, 0.6]]]).log()
    >>> negative, positive = torch.tensor([[2.0, 0, 0]]), torch.tensor([[0, 1.0, 1]])
    >>> round(positive_score("cross_entropy", outputs, negative, positive).item(), 4)
    0.8182
    """
    if loss == "cross_entropy":
        p_MNK = torch.softmax(outputs_MNK, dim=-1)
        for_MN = (p_MNK * positive_MK[:, None, :]).sum(-1)
        return for_MN / (for_MN + (p_MNK * negative_MK[:, None, :]).sum(-1))
    if loss == "binary_cross_entropy":
        return torch.sigmoid(outputs_MNK[..., 0])
    return outputs_MNK[..., 0].clamp(0, 1)


def score_losses(loss: Loss, score_MN: Tensor, target_MN: Tensor) -> Tensor:
    """The loss of scores for targets 0 and 1, (M, N): logarithmic or squared."""
    of_truth_MN = torch.where(target_MN == 1, score_MN, 1 - score_MN)
    if loss == "squared":
        return (1 - of_truth_MN).square()
    return -of_truth_MN.clamp(min=1e-7).log()
