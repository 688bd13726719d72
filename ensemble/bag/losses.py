"""Losses of single examples, and the scores that belong to them.

Shape letters: M members, N examples, K outputs.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["cross_entropy", "binary_cross_entropy", "squared"]

N_OUTPUTS: dict[Loss, int] = {
    "cross_entropy": 2,
    "binary_cross_entropy": 1,
    "squared": 1,
}


def example_losses(loss: Loss, outputs_MNK: Tensor, target_MN: Tensor) -> Tensor:
    """The loss of each example, (M, N), for targets 0 and 1.

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


def positive_score(loss: Loss, outputs_MNK: Tensor) -> Tensor:
    """The probability of the positive class, (M, N).

    Under the squared loss it is the output itself, cut off to [0, 1].
    """
    if loss == "cross_entropy":
        return torch.softmax(outputs_MNK, dim=-1)[..., 1]
    if loss == "binary_cross_entropy":
        return torch.sigmoid(outputs_MNK[..., 0])
    return outputs_MNK[..., 0].clamp(0, 1)
