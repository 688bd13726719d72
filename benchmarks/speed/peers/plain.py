"""Plain PyTorch, one network after another; also so in several processes at once."""

from time import perf_counter

import joblib
import torch
from torch import Tensor
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

PACKAGES = ("torch", "joblib")


def differs(case: Case) -> str:
    return ""


def train(case: Case, setup: Setup) -> Work:
    """The members are dealt out to the processes, which take one after another."""
    halves = torch.from_numpy(make_halves(case))
    if setup.processes == 1:
        spans = _train_some(case, setup, halves)
    else:
        parts = joblib.Parallel(setup.processes)(
            joblib.delayed(_train_some)(case, setup, halves[p :: setup.processes])
            for p in range(setup.processes)
        )
        spans = [span for part in parts for span in part]
    return Work(tuple(spans), case.n_updates, setup.processes)


def _train_some(case: Case, setup: Setup, halves: Tensor) -> list[Span]:
    torch.set_num_threads(setup.threads)
    x_RI, y_R = rows_on(case, setup.device)
    return [_train_one(case, setup, x_RI, y_R, h.to(setup.device)) for h in halves]


def _train_one(
    case: Case, setup: Setup, x_RI: Tensor, y_R: Tensor, rows: Tensor
) -> Span:
    network = make_mlp(case).to(setup.device)
    optimizer = make_optimizer(case, network.parameters())
    kind = setup.device.partition(":")[0]
    mixed = torch.autocast(
        kind, dtype=torch.bfloat16, enabled=setup.precision == "bfloat16"
    )
    wait_for(setup.device)
    start = perf_counter()
    for _ in range(case.n_epochs):
        order = rows[torch.randperm(len(rows), device=rows.device)]
        for batch in order.split(case.batch_size)[: case.steps_per_epoch]:
            with mixed:
                loss = F.cross_entropy(network(x_RI[batch]), y_R[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    wait_for(setup.device)
    return Span(start, perf_counter(), case.n_updates * case.batch_size)
