"""scikit-learn's BaggingClassifier of MLPClassifier, in several processes."""

import warnings
from time import perf_counter

import numpy as np
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.speed.cases import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    Case,
    make_rows,
)
from benchmarks.speed.contestants import Setup
from benchmarks.speed.work import Span, Work

PACKAGES = ("scikit-learn",)


def differs(case: Case) -> str:
    less = ["no dropout"] if case.dropout else []
    less += ["relu instead of silu"] if case.activation == "silu" else []
    less += ["Adam with L2"] if case.optimizer == "adamw" else []
    return ", ".join(less)


def train(case: Case, setup: Setup) -> Work:
    """`fit` from beginning to end; it is nearly all training.

    The bag draws rows by weighing them, 0 for those not drawn, so that each member
    works through all the rows it is given: so many as the case trains on.
    """
    x_RI, y_R = make_rows(case)
    rows = np.arange(case.steps_per_epoch * case.batch_size)
    network = MLPClassifier(
        case.hidden,
        activation="relu",
        solver="sgd" if case.optimizer == "sgd" else "adam",
        alpha=0.0 if case.optimizer == "sgd" else WEIGHT_DECAY,
        batch_size=case.batch_size,
        learning_rate_init=LEARNING_RATE[case.optimizer],
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        max_iter=case.n_epochs,
        n_iter_no_change=case.n_epochs + 1,  # no early stopping
    )
    bag = BaggingClassifier(network, case.n_members, n_jobs=setup.processes)
    with threadpool_limits(setup.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = perf_counter()
        bag.fit(x_RI[rows], y_R[rows])
        end = perf_counter()
    (n_rows_seen,) = {network.t_ for network in bag.estimators_}
    span = Span(start, end, n_rows_seen * case.n_members)
    return Work((span,), n_rows_seen // case.batch_size)
