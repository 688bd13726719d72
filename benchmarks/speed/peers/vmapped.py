"""All members at once with torch.func: the recipe of torch's tutorial on ensembles."""

import copy
from time import perf_counter

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from benchmarks.speed.cases import Case, make_halves
from benchmarks.speed.contestants import Setup
from benchmarks.speed.peers.torch_parts import (
    make_mlp,
    make_optimizer,
    rows_on,
    wait_for,
)
from benchmarks.speed.work import Span, Work

PACKAGES = ("torch",)

Tensors = dict[str, Tensor]


def differs(case: Case) -> str:
    return ""


def train(case: Case, setup: Setup) -> Work:
    """One optimiser over stacked parameters; gradients of all members by one vmap."""
    torch.set_num_threads(setup.threads)
    x_RI, y_R = rows_on(case, setup.device)
    halves_MB = torch.from_numpy(make_halves(case)).to(setup.device)
    networks = [make_mlp(case).to(setup.device) for _ in range(case.n_members)]
    parameters, buffers = stack_module_state(networks)
    skeleton = copy.deepcopy(networks[0]).to("meta")

    def loss(
        parameters: Tensors, buffers: Tensors, x_NI: Tensor, y_N: Tensor
    ) -> Tensor:
        outputs_NK = functional_call(skeleton, (parameters, buffers), (x_NI,))
        return F.cross_entropy(outputs_NK, y_N)

    gradients_of_all = vmap(grad(loss), randomness="different")
    optimizer = make_optimizer(case, parameters.values())
    wait_for(setup.device)
    start = perf_counter()
    for _ in range(case.n_epochs):
        order_MB = torch.rand(halves_MB.shape, device=setup.device).argsort(dim=1)
        rows_MB = halves_MB.gather(1, order_MB)
        for rows_MN in rows_MB.split(case.batch_size, 1)[: case.steps_per_epoch]:
            gradients = gradients_of_all(
                parameters, buffers, x_RI[rows_MN], y_R[rows_MN]
            )
            for name, gradient in gradients.items():
                parameters[name].grad = gradient
            optimizer.step()
    wait_for(setup.device)
    n_samples = case.n_members * case.n_updates * case.batch_size
    return Work((Span(start, perf_counter(), n_samples),), case.n_updates)
