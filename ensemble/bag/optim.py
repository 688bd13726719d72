"""Optimisers and schedules for all members of a group at once.

The updates are elementwise, so that no member sees another. They are torch's own fused
kernels; what a recipe adds to them stands here.
"""

import math

import torch
from torch import nn

from ensemble.bag.networks.mlp import BagMLP
from ensemble.recipe import SGD, AdamW, Exponential, OneCycle


class GroupOptimizer:
    """Moves the weights of a group's network, following the recipe's schedules.

    SGD: `v <- m v + g + l2 w + l1 sign(w)`, `w <- w - (1 - m) rate v`, the momentum m
    growing linearly with the epochs (Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013). AdamW as torch has it.
    """

    def __init__(
        self,
        network: BagMLP,
        optimizer: SGD | AdamW,
        schedule: Exponential | OneCycle,
        n_epochs: int,
        steps_per_epoch: int,
    ) -> None:
        self.network = network
        self.recipe = optimizer
        self.schedule = schedule
        self.n_epochs = n_epochs
        self.steps_per_epoch = steps_per_epoch
        self.torch_optimizer = _make(network, optimizer)

    def step(self, step: int) -> None:
        """One update from the gradients, the `step`-th since the start; clears them."""
        rate = self.recipe.learning_rate * rate_factor(
            self.schedule, step, self.steps_per_epoch, self.n_epochs
        )
        if isinstance(self.recipe, SGD):
            epoch = step // self.steps_per_epoch
            momentum = momentum_at(self.recipe, epoch)
            rate *= 1 - momentum
            for group in self.torch_optimizer.param_groups:
                group["momentum"] = momentum
            self._add_first_layer_penalties(self.recipe)
        for group in self.torch_optimizer.param_groups:
            group["lr"] = rate
        self.torch_optimizer.step()
        self.torch_optimizer.zero_grad(set_to_none=True)
        self.network.apply_masks()

    @torch.no_grad()
    def _add_first_layer_penalties(self, sgd: SGD) -> None:
        weight = self.network.first_weight
        if weight.grad is None:
            raise ValueError("GroupOptimizer.step takes gradients, found none")
        if sgd.first_l2:
            weight.grad.add_(weight, alpha=sgd.first_l2)
        if sgd.first_l1:
            weight.grad.add_(weight.sign(), alpha=sgd.first_l1)


def rate_factor(
    schedule: Exponential | OneCycle, step: int, steps_per_epoch: int, n_epochs: int
) -> float:
    """What the learning rate is multiplied with at the `step`-th update, from 0.

    >>> rate_factor(Exponential(factor=0.5), step=25, steps_per_epoch=10, n_epochs=9)
    0.25
    >>> cycle = OneCycle(start=0.1, warmup=0.5, end=0.0)
    >>> [round(rate_factor(cycle, s, 10, 1), 2) for s in (0, 5, 9)]
    [0.1, 1.0, 0.1]
    """
    if isinstance(schedule, Exponential):
        return float(schedule.factor ** (step // steps_per_epoch))
    done = step / (steps_per_epoch * n_epochs)
    if done < schedule.warmup:
        return _cosine(schedule.start, 1.0, done / schedule.warmup)
    return _cosine(1.0, schedule.end, (done - schedule.warmup) / (1 - schedule.warmup))


def momentum_at(sgd: SGD, epoch: int) -> float:
    """The momentum in an epoch, counted from 0.

    >>> sgd = SGD(momentum=(0.5, 0.9), momentum_epochs=10)
    >>> [momentum_at(sgd, epoch) for epoch in (0, 5, 99)]
    [0.5, 0.7, 0.9]
    """
    first, last = sgd.momentum
    return first + (last - first) * min(epoch / sgd.momentum_epochs, 1.0)


def _cosine(first: float, last: float, done: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2


def _make(network: nn.Module, recipe: SGD | AdamW) -> torch.optim.Optimizer:
    """torch's optimiser; rates and momenta are set before every step."""
    weights = [p for n, p in network.named_parameters() if "weight" in n]
    others = [p for n, p in network.named_parameters() if "weight" not in n]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if isinstance(recipe, SGD):
        # a momentum of 0 in the constructor would leave the velocity out
        return torch.optim.SGD(groups, lr=1.0, momentum=0.5, fused=True)
    return torch.optim.AdamW(groups, lr=1.0, betas=recipe.betas, fused=True)
