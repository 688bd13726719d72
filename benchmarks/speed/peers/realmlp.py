"""pytabkit's RealMLP as a bag: all members of its cross-validation in parallel.

What RealMLP adds to a perceptron (embeddings, scaling layers, label smoothing,
parametric activations, schedules) is switched off, so that its work is the case's.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch
from pytabkit import RealMLP_TD_Classifier
from pytabkit.models.optim.optimizers import OptimizerBase
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.speed.cases import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    Case,
    make_rows,
)
from benchmarks.speed.contestants import Setup
from benchmarks.speed.peers.torch_parts import wait_for
from benchmarks.speed.work import Span, Work

PACKAGES = ("pytabkit", "torch")
FIRST_UPDATES = 2  # not measured: memory is taken, libraries warm up


def differs(case: Case) -> str:
    return ""


def train(case: Case, setup: Setup) -> Work:
    """The clock runs from the end of an early update to that of the last one."""
    torch.set_num_threads(setup.threads)
    x_RI, y_R = make_rows(case)
    model = _make_model(case, setup)
    updates: list[float] = []

    def hear(optimizer: torch.optim.Optimizer, *_: object) -> None:
        if isinstance(optimizer, OptimizerBase):  # it wraps another, heard as well
            if len(updates) + 1 in (FIRST_UPDATES, case.n_updates):
                wait_for(setup.device)
            updates.append(perf_counter())

    handle = register_optimizer_step_post_hook(hear)
    try:
        with _quiet():
            model.fit(x_RI, y_R)
    finally:
        handle.remove()
    n_updates = len(updates) - FIRST_UPDATES
    n_samples = n_updates * case.batch_size * case.n_members
    span = Span(updates[FIRST_UPDATES - 1], updates[-1], n_samples)
    return Work((span,), n_updates)


def _make_model(case: Case, setup: Setup) -> RealMLP_TD_Classifier:
    return RealMLP_TD_Classifier(
        device=setup.device,
        n_threads=setup.threads,
        random_state=0,
        n_cv=2,
        n_repeats=case.n_members // 2,
        n_epochs=case.n_epochs,
        stop_epoch=case.n_epochs,  # the last epoch is kept, so none is validated
        batch_size=case.batch_size,
        hidden_sizes=list(case.hidden),
        act=case.activation,
        use_parametric_act=False,
        p_drop=case.dropout,
        p_drop_sched="constant",
        block_str="w-b-a-d" if case.dropout else "w-b-a",
        add_front_scale=False,
        num_emb_type="none",
        tfms=["median_center", "robust_scale"],
        weight_param="standard",
        use_ls=False,
        opt="sgd" if case.optimizer == "sgd" else "adam",
        mom=MOMENTUM,
        sq_mom=0.999,
        lr=LEARNING_RATE[case.optimizer],
        lr_sched="constant",
        wd=0.0 if case.optimizer == "sgd" else WEIGHT_DECAY,
        wd_sched="constant",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice and advertisements of Lightning."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
