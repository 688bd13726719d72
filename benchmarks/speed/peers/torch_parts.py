"""Network, optimiser and rows as plain PyTorch has them."""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.speed.cases import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    Case,
    make_rows,
)


def make_mlp(case: Case) -> nn.Sequential:
    """Linear, activation, dropout for each hidden layer, then linear."""
    *hidden, last = pairwise(case.sizes)
    layers: list[nn.Module] = []
    for n_inputs, n_outputs in hidden:
        layers.append(nn.Linear(n_inputs, n_outputs))
        layers.append(nn.ReLU() if case.activation == "relu" else nn.SiLU())
        if case.dropout:
            layers.append(nn.Dropout(case.dropout))
    return nn.Sequential(*layers, nn.Linear(*last))


def make_optimizer(case: Case, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The fused kernels of torch, which are its fastest on CPU and GPU."""
    rate = LEARNING_RATE[case.optimizer]
    if case.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=MOMENTUM, fused=True)
    return torch.optim.AdamW(parameters, rate, weight_decay=WEIGHT_DECAY, fused=True)


def rows_on(case: Case, device: str) -> tuple[Tensor, Tensor]:
    """All rows and classes, on the device from the beginning."""
    x_RI, y_R = make_rows(case)
    return torch.from_numpy(x_RI).to(device), torch.from_numpy(y_R).to(device)


def wait_for(device: str) -> None:
    """Until all that was asked of a GPU is done, so that a clock can be read."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
