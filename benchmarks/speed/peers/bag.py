"""This toolkit: groups of members, through the function that `ensemble run` calls."""

from collections import defaultdict
from itertools import pairwise
from time import perf_counter

import numpy as np

from benchmarks.speed.cases import (
    LEARNING_RATE,
    MOMENTUM,
    WEIGHT_DECAY,
    Case,
    make_halves,
    make_rows,
)
from benchmarks.speed.contestants import Setup
from benchmarks.speed.work import Span, Work
from ensemble.bag.in_bag import TrainingData
from ensemble.bag.plan import make_groups, plan_bag
from ensemble.bag.pool import EpochHook
from ensemble.bag.tuning import Tuning, data_shape, tune
from ensemble.bag.workers import Workers, find_workers, train_groups
from ensemble.recipe import MLP, SGD, AdamW, Bag, Exponential, Recipe, Training

PACKAGES = ("ensemble-toolkit", "torch")
N_TEST_ROWS = 64  # predictions are not measured


def differs(case: Case) -> str:
    return ""


def train(case: Case, setup: Setup) -> Work:
    """One epoch more than the case has: the first, with all preparations, is left out.

    The clock is the hook through which `ensemble run` shows its progress.
    """
    heard: dict[int, list[tuple[int, float]]] = defaultdict(list)

    def hear(group: int, epoch: int, loss: float) -> None:
        heard[group].append((epoch, perf_counter()))

    n_epochs = case.n_epochs if setup.processes == 1 else case.n_epochs_apart
    recipe = make_recipe(case, setup.precision, 1 + n_epochs)
    sizes = train_recipe(case, setup, recipe, make_data(case), hear)
    per_epoch = case.steps_per_epoch * case.batch_size
    spans = [
        Span(since, now, (epoch - before) * per_epoch * sizes[g])
        for g, points in heard.items()
        for (before, since), (epoch, now) in pairwise(points)
    ]
    return Work(tuple(spans), n_epochs * case.steps_per_epoch, setup.processes)


def train_recipe(
    case: Case,
    setup: Setup,
    recipe: Recipe,
    data: TrainingData,
    hear: EpochHook = lambda group, epoch, loss: None,
) -> list[int]:
    """Train the case's bag; the sizes of its groups."""
    members = plan_bag(2, recipe.bag.n_repeats, seed=0)[: case.n_members]
    workers, tuning = prepare(setup, recipe, data)
    groups = make_groups(members, tuning.group_size)
    trained = train_groups(
        groups, data, recipe, None, workers, hear, products=tuning.products
    )
    assert not any(one.failed for group in trained for one in group)
    return [len(group) for group in groups]


def prepare(setup: Setup, recipe: Recipe, data: TrainingData) -> tuple[Workers, Tuning]:
    """What `ensemble run` chooses, if the setup asks for nothing else."""
    workers = find_workers(jobs=setup.processes, device=setup.device)
    shape = data_shape(recipe, data)
    tuning = tune(recipe, shape, workers.n, workers.device, None, setup.group_size)
    return workers, tuning


def make_recipe(case: Case, precision: str, n_epochs: int) -> Recipe:
    """The case in the words of the toolkit."""
    rate = LEARNING_RATE[case.optimizer]
    sgd = SGD(learning_rate=rate / (1 - MOMENTUM), momentum=(MOMENTUM, MOMENTUM))
    adamw = AdamW(learning_rate=rate, weight_decay=WEIGHT_DECAY)
    return Recipe(
        name="speed",
        bag=Bag(n_splits=2, n_repeats=-(-case.n_members // 2)),
        network=MLP(
            hidden=case.hidden, activation=case.activation, dropout=case.dropout
        ),
        training=Training(
            epochs=n_epochs,
            batch_size=case.batch_size,
            optimizer=sgd if case.optimizer == "sgd" else adamw,
            schedule=Exponential(),
            precision=precision,
            curve_points=0,
        ),
    )


def make_data(case: Case) -> TrainingData:
    """The rows of the case, with a fold for each half of each repeat."""
    x_RI, y_R = make_rows(case)
    folds_QR = np.zeros((-(-case.n_members // 2), case.n_rows), np.int16)
    for folds_R, rows in zip(folds_QR, make_halves(case)[::2], strict=True):
        folds_R[rows] = 1  # a member is trained on what is not its own fold
    return TrainingData(
        features_RI=x_RI,
        target_R=y_R,
        label_R=y_R,
        weight_R=np.ones(case.n_rows),
        folds_QR=folds_QR,
        test_TI=x_RI[:N_TEST_ROWS],
    )
