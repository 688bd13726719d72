"""The training loop of TabM's documentation, for its shared and its packed form."""

from time import perf_counter
from typing import Literal

import torch
from tabm import TabM
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.cases import N_CLASSES, Case, make_halves
from benchmarks.speed.contestants import Setup
from benchmarks.speed.peers.torch_parts import make_optimizer, rows_on, wait_for
from benchmarks.speed.work import Span, Work


def train_heads(
    case: Case,
    setup: Setup,
    arch_type: Literal["tabm", "tabm-packed"],
    own_batches: bool,
) -> Work:
    """With `own_batches` each head sees its own rows, else all see the same."""
    torch.set_num_threads(setup.threads)
    x_RI, y_R = rows_on(case, setup.device)
    halves_MB = torch.from_numpy(make_halves(case)).to(setup.device)
    if not own_batches:
        halves_MB = halves_MB[:1]
    model = _make_model(case, arch_type).to(setup.device)
    optimizer = make_optimizer(case, model.parameters())
    wait_for(setup.device)
    start = perf_counter()
    for _ in range(case.n_epochs):
        order_MB = torch.rand(halves_MB.shape, device=setup.device).argsort(dim=1)
        rows_MB = halves_MB.gather(1, order_MB)
        for rows_MN in rows_MB.split(case.batch_size, 1)[: case.steps_per_epoch]:
            rows = rows_MN.mT if own_batches else rows_MN[0]
            loss = _loss(model(x_RI[rows]), y_R[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    wait_for(setup.device)
    n_samples = case.n_members * case.n_updates * case.batch_size
    return Work((Span(start, perf_counter(), n_samples),), case.n_updates)


def _make_model(case: Case, arch_type: str) -> TabM:
    (width,) = set(case.hidden)
    return TabM.make(
        n_num_features=case.n_inputs,
        d_out=N_CLASSES,
        n_blocks=len(case.hidden),
        d_block=width,
        dropout=case.dropout,
        activation={"relu": "ReLU", "silu": "SiLU"}[case.activation],
        k=case.n_members,
        arch_type=arch_type,
    )


def _loss(outputs_NMK: Tensor, y: Tensor) -> Tensor:
    """The mean over rows and heads; `y` is one class a row, or one a row and head."""
    if y.ndim == 1:
        y = y[:, None].expand(-1, outputs_NMK.shape[1])
    return F.cross_entropy(outputs_NMK.flatten(0, 1), y.flatten())
