"""The one training loop: a group of members, one batched network, one device.

Shape letters: M members, N rows of a batch, R rows of the training table, P rows that a
member predicts (padded to the longest), T test rows, I inputs, K outputs, S steps, E
epochs.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ensemble.bag.floats import without_denormals
from ensemble.bag.in_bag import TrainingData, fit_standardize, fit_votes
from ensemble.bag.inference import pick, predict, view_scores
from ensemble.bag.losses import example_losses, score_losses
from ensemble.bag.model import Views, build_model, member_weights
from ensemble.bag.optim import GroupOptimizer
from ensemble.bag.plan import Member
from ensemble.bag.products import Products, multiplying, product_dtype
from ensemble.bag.steps import StepRunner
from ensemble.bag.streams import (
    RowOrder,
    group_streams,
    member_stream,
    steps_per_epoch,
)
from ensemble.bag.weights import (
    emphasis_is_due,
    emphasised,
    training_weights,
)
from ensemble.recipe import Recipe

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrainedMember:
    """What a member leaves behind.

    `oof_P` are the scores of its out-of-bag rows in row order, `test_T` of all test
    rows.
    `failed` says why the member must not be used, where that is so.
    """

    member: Member
    oof_P: NDArray[np.float32]
    test_T: NDArray[np.float32]
    weights: dict[str, NDArray[np.float32]]
    record: dict[str, object]
    failed: str | None


def train_group(
    data: TrainingData,
    members: Sequence[Member],
    recipe: Recipe,
    views: Views | None = None,
    device: str = "cpu",
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
    products: Products = "standard",
) -> list[TrainedMember]:
    """Train some members together; each comes out as if it were trained alone.

    `products` says how matrices are multiplied in training; predictions are float32.
    `on_epoch` hears after each epoch how many are done and the mean loss of the
    members; what it raises ends the training.
    """
    started = time.perf_counter()
    group = _Group(data, members, recipe, views, device, products)
    curve_epochs = _curve_epochs(recipe.training.epochs, recipe.training.curve_points)
    losses, oof_losses = [], []
    for epoch in range(recipe.training.epochs):
        losses.append(group.train_epoch(epoch))
        if epoch + 1 in curve_epochs:
            oof_losses.append(group.oof_losses())
        on_epoch(epoch + 1, float(losses[-1].mean()))
    oof, test = group.predict()
    seconds = (time.perf_counter() - started) / len(members)
    return [
        TrainedMember(
            member=member,
            oof_P=oof[m],
            test_T=test[m],
            weights=member_weights(group.model, m),
            record={
                "index": member.index,
                "repeat": member.repeat,
                "fold": member.fold,
                "seed": member.seed,
                "n_train": len(group.in_bag[m]),
                "n_oof": len(group.held_out[m]),
                "seconds": seconds,
                "peak_memory_mib": getrusage(RUSAGE_SELF).ru_maxrss / 1024,
                "train_loss": [float(loss_M[m]) for loss_M in losses],
                "curve": {
                    "epoch": curve_epochs,
                    "oof_loss": [float(loss_M[m]) for loss_M in oof_losses],
                },
            },
            failed=_why_failed(np.array(losses)[:, m], oof[m], test[m]),
        )
        for m, member in enumerate(members)
    ]


class _Group:
    """A group in training: its data on the device, its model, its streams."""

    def __init__(
        self,
        data: TrainingData,
        members: Sequence[Member],
        recipe: Recipe,
        views: Views | None,
        device: str,
        products: Products,
    ) -> None:
        self.recipe, self.device, self.products = recipe, device, products
        self.in_bag = [data.in_bag(member) for member in members]
        self.held_out = [data.out_of_bag(member) for member in members]
        self.target = data.target_R
        training = recipe.training
        self.plain_MR = [
            training_weights(
                data.weight_R**training.weight_power,
                data.target_R,
                rows,
                training.balance_classes,
            )
            for rows in self.in_bag
        ]
        self.features_RI = torch.tensor(data.features_RI).to(device)
        self.test_TI = torch.tensor(data.test_TI).to(device)
        self.target_R = torch.tensor(data.target_R).to(device)
        self.label_R = torch.tensor(data.label_R).to(device)
        self.weight_MR = self._on_device(np.stack(self.plain_MR).astype(np.float32))
        self.model = build_model(
            recipe,
            fit_standardize(data, self.in_bag, recipe),
            fit_votes(data, self.in_bag, self.plain_MR),
            group_streams(members, device),
            views,
            product_dtype(products),
        ).to(device)
        self.orders = [
            RowOrder(rows, member_stream(member, "order"))
            for rows, member in zip(self.in_bag, members, strict=True)
        ]
        self.n_steps = steps_per_epoch(
            len(data.target_R), recipe.bag.n_splits, training.batch_size
        )
        self.optimizer = GroupOptimizer(
            self.model.network,
            training.optimizer,
            training.schedule,
            training.epochs,
            self.n_steps,
        )
        shape = (len(members), training.batch_size)
        self.rows_MN = torch.zeros(shape, dtype=torch.int64, device=device)
        self.loss_M = torch.zeros(len(members), device=device)
        streams = self.model.streams
        self.run_step = StepRunner(self._step, device, [*streams.noise, *streams.views])

    def train_epoch(self, epoch: int) -> Floats:
        """One pass; the mean training loss of each member."""
        if emphasis_is_due(self.recipe.training.emphasis, epoch):
            self._emphasise()
        batch_size = self.recipe.training.batch_size
        order_MSN = self._on_device(
            np.stack([order.take(self.n_steps * batch_size) for order in self.orders])
        ).view(len(self.orders), self.n_steps, batch_size)
        self.model.train()
        self.loss_M.zero_()
        with multiplying(self.products), without_denormals():
            for step in range(self.n_steps):
                self.rows_MN.copy_(order_MSN[:, step])
                self.optimizer.begin(epoch * self.n_steps + step)
                self.run_step(self.optimizer.momentum)
        return (self.loss_M / self.n_steps).double().cpu().numpy()

    def oof_losses(self) -> Floats:
        """The mean weighted loss of each member on the rows it leaves out."""
        rows_MP = self._padded(self.held_out)
        scores_MP = view_scores(self.model, self.features_RI, rows_MP)
        loss_MP = score_losses(self.model.loss, scores_MP, self.target_R[rows_MP])
        return np.array(
            [
                np.average(loss_P[: len(rows)], weights=weight_R[rows])
                for loss_P, rows, weight_R in zip(
                    loss_MP.cpu().numpy(), self.held_out, self.plain_MR, strict=True
                )
            ]
        )

    def predict(self) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Scores of each member's out-of-bag rows, and (M, T) of the test rows."""
        return (
            self._scores(self.held_out),
            predict(self.model, self.test_TI).cpu().numpy(),
        )

    def _step(self) -> None:
        """One update from the rows in `rows_MN`; adds the members' losses to `loss_M`.

        Where finer labels are learned, their loss is what is made smaller; what is told
        is the loss of the scores, to be seen beside the out-of-fold one.

        All it reads and writes stays where it is, and nothing is asked of the device:
        so it can be captured in a graph.
        """
        rows_MN = self.rows_MN
        self.optimizer.prepare()
        outputs_MNK = self.model(pick(self.features_RI, rows_MN))
        weight_MN = self.weight_MR.gather(1, rows_MN)
        label_MN = pick(self.label_R, rows_MN)
        loss_MN = example_losses(self.model.loss, outputs_MNK, label_MN) * weight_MN
        loss_MN.sum().div(rows_MN.shape[1]).backward()  # type: ignore[no-untyped-call]
        self.optimizer.update()
        if outputs_MNK.shape[2] > 2:
            score_MN = self.model.scores(outputs_MNK.detach())
            target_MN = pick(self.target_R, rows_MN)
            loss_MN = score_losses(self.model.loss, score_MN, target_MN) * weight_MN
        self.loss_M += loss_MN.detach().mean(dim=1)

    def _emphasise(self) -> None:
        emphasis = self.recipe.training.emphasis
        if emphasis is None:
            return
        for m, (rows, score_B) in enumerate(
            zip(self.in_bag, self._scores(self.in_bag), strict=True)
        ):
            weight_B = emphasised(
                self.plain_MR[m][rows],
                self.target[rows],
                score_B.astype(float),
                emphasis,
            )
            self.weight_MR[m, self._on_device(rows)] = self._on_device(
                weight_B.astype(np.float32)
            )

    def _scores(
        self, rows_of_members: Sequence[NDArray[np.intp]]
    ) -> list[NDArray[np.float32]]:
        rows_MP = self._padded(rows_of_members)
        scores_MP = predict(self.model, self.features_RI, rows_MP).cpu().numpy()
        return [
            scores_P[: len(rows)].copy()
            for scores_P, rows in zip(scores_MP, rows_of_members, strict=True)
        ]

    def _padded(self, rows_of_members: Sequence[NDArray[np.intp]]) -> Tensor:
        """Row numbers (M, P); shorter ones are filled up with row 0."""
        longest = max(len(rows) for rows in rows_of_members)
        return self._on_device(
            np.stack(
                [np.pad(rows, (0, longest - len(rows))) for rows in rows_of_members]
            )
        )

    def _on_device(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def _curve_epochs(n_epochs: int, n_points: int) -> list[int]:
    """After which epochs the learning curve is measured, the last one included.

    >>> _curve_epochs(60, 4), _curve_epochs(2, 10), _curve_epochs(5, 0)
    ([15, 30, 45, 60], [1, 2], [])
    """
    points = range(1, n_points + 1)
    return sorted({max(1, round(n_epochs * p / n_points)) for p in points})


def _why_failed(
    losses_E: Floats, oof_P: NDArray[np.float32], test_T: NDArray[np.float32]
) -> str | None:
    """A loss or a prediction that is no number makes a member useless."""
    bad = np.flatnonzero(~np.isfinite(losses_E))
    if len(bad):
        return f"the training loss became {losses_E[bad[0]]} in epoch {bad[0] + 1}"
    if not (np.isfinite(oof_P).all() and np.isfinite(test_T).all()):
        return "some predictions are not numbers"
    return None
