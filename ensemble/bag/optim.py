"""Optimisers and schedules for all members of a group at once.

All weights of a group lie in one piece of memory, and so do their gradients: an update
is one pass over them. It is elementwise, so that no member sees another.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ensemble.bag.layers import BagLinear
from ensemble.bag.networks.mlp import BagMLP
from ensemble.recipe import SGD, AdamW, Exponential, OneCycle

LANES = 64  # numbers that one step of a vector unit takes, at most


class GroupOptimizer:
    """Moves the weights of a group's network, following the recipe's schedules.

    SGD: `v <- m v + g + l2 w + l1 sign(w)`, `w <- w - (1 - m) rate v`, the momentum m
    growing linearly with the epochs (Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013). AdamW as torch has it.

    `begin` and `prepare` come before the gradients are computed and `update` after:
    gradients are added to what stands there, which is the velocity, or nothing. Where
    `begin` leaves `momentum` as it was, nothing has changed but the tensor `rate`.
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
        named = list(network.named_parameters())
        self.weights = flatten([p for name, p in named if "weight" in name])
        self.others = flatten([p for name, p in named if "weight" not in name])
        self.rate = torch.zeros((), device=self.weights.device)
        self.momentum = 0.0
        self.linears = [x for x in network.modules() if isinstance(x, BagLinear)]
        by_layers = {id(p) for linear in self.linears for p in linear.parameters()}
        self.plain = [p for p in network.parameters() if id(p) not in by_layers]
        self.adamw = None
        if isinstance(optimizer, AdamW):
            self.adamw = _adamw(optimizer, self.weights, self.others, self.rate)

    def begin(self, step: int) -> None:
        """Make ready for the gradients of the `step`-th update since the start."""
        rate = self.recipe.learning_rate * rate_factor(
            self.schedule, step, self.steps_per_epoch, self.n_epochs
        )
        if isinstance(self.recipe, SGD):
            self.momentum = momentum_at(self.recipe, step // self.steps_per_epoch)
            rate *= 1 - self.momentum
        self.rate.fill_(rate)
        for linear in self.linears:
            linear.keep = self.momentum

    @torch.no_grad()
    def prepare(self) -> None:
        """Scale what gradients are added to, where no layer does that itself."""
        for parameter in self.plain:
            _gradient(parameter).mul_(self.momentum)

    @torch.no_grad()
    def update(self) -> None:
        """One update from the gradients."""
        if self.adamw is not None:
            self.adamw.step()
        elif isinstance(self.recipe, SGD):
            self._add_penalties(self.recipe)
            for flat in (self.weights, self.others):
                flat.addcmul_(_gradient(flat), self.rate, value=-1)
        self.network.apply_masks()

    def _add_penalties(self, sgd: SGD) -> None:
        weight = self.network.first_weight
        if sgd.first_l2:
            _gradient(weight).add_(weight, alpha=sgd.first_l2)
        if sgd.first_l1:
            _gradient(weight).add_(weight.sign(), alpha=sgd.first_l1)
        if sgd.weight_decay:
            _gradient(self.weights).add_(self.weights, alpha=sgd.weight_decay)


def flatten(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    """All numbers of some parameters in one piece, of which they become views.

    Their gradients become views of its gradient, which is zero at first. The piece is
    longer than they are by up to a vector: the numbers at its end would be computed one
    by one, with another rounding, and which those are depends on the group.

    >>> a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(1, 3))
    >>> flat = flatten([a, b])
    >>> with torch.no_grad():
    ...     _ = flat.add_(1)
    >>> a.tolist(), b.tolist(), flat.grad is not None
    ([2.0, 2.0], [[1.0, 1.0, 1.0]], True)
    """
    total = sum(p.numel() for p in parameters)
    device = parameters[0].device if parameters else None
    flat = nn.Parameter(torch.zeros(-(-total // LANES) * LANES, device=device))
    flat.grad = torch.zeros_like(flat)
    start = 0
    for parameter in parameters:
        place = slice(start, start + parameter.numel())
        flat.data[place] = parameter.data.flatten()
        parameter.data = flat.data[place].view_as(parameter)
        parameter.grad = flat.grad[place].view_as(parameter)
        start = place.stop
    return flat


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


def _adamw(
    recipe: AdamW, weights: nn.Parameter, others: nn.Parameter, rate: Tensor
) -> torch.optim.Optimizer:
    """torch's own, in one fused pass; its rate is the tensor."""
    groups = [
        {"params": [weights], "weight_decay": recipe.weight_decay},
        {"params": [others], "weight_decay": 0.0},
    ]
    on_gpu = weights.is_cuda
    return torch.optim.AdamW(
        groups, lr=rate, betas=recipe.betas, fused=True, capturable=on_gpu
    )


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError("GroupOptimizer takes parameters with gradients, found none")
    return parameter.grad
