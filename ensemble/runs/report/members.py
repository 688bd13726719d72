"""Sections of a report about the members: growth, table, learning, correlation.

Shape letters: M members, N train rows, K outputs (1 for a binary task).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensemble.recipe import Recipe
from ensemble.runs.predictions import Predictions
from ensemble.runs.report import measure
from ensemble.runs.report.judged import Judged
from ensemble.runs.report.measure import Section, finite, plain
from ensemble.validation.scores import score_by_members

N_ORDERS = 5  # of the members, that their number is counted in
MOST_SCORED = 15_000_000  # predictions for each order: seconds, not minutes

_TOLD = ("repeat", "fold", "seed", "n_train", "n_oof", "seconds", "failed")
_NOTHING = dict.fromkeys([*_TOLD, "train_loss", "metric", "auc", "log_loss"])


def growth(judged: Judged, alone: Sequence[Section], metric: str) -> Section:
    """Scores of n members together, over random orders of them, and of each alone."""
    M, N = judged.oof_MN.shape
    n_orders = min(N_ORDERS, max(1, MOST_SCORED // (M * N)))
    panels = []
    for key, name in (("auc", "AUC"), ("metric", metric)):
        function, totals = judged.measures[key]
        curve = score_by_members(
            judged.oof_MN,
            judged.target,
            judged.weight,
            function,
            totals,
            n_orders=n_orders,
        )
        panels.append(
            {
                "name": name,
                "bag": plain(curve.mean),
                "spread": plain(curve.spread),
                "alone": [scores[key] for scores in alone],
            }
        )
    return {"n_members": list(range(1, M + 1)), "n_orders": n_orders, "panels": panels}


def table(
    predictions: Predictions,
    alone: Sequence[Section],
    records: Sequence[dict[str, Any]],
) -> list[Section]:
    """One line a member, failed ones too."""
    known: dict[int, Section] = {}
    for member, scores in zip(predictions.members, alone, strict=True):
        plan = {"repeat": member.repeat, "fold": member.fold, "seed": member.seed}
        known[member.index] = plan | scores
    for record in records:
        told = {key: record.get(key) for key in _TOLD}
        told["train_loss"] = _last(record.get("train_loss"))
        index = record["index"]
        known[index] = _NOTHING | told | known.get(index, {})
    return [{"index": i} | _NOTHING | one for i, one in sorted(known.items())]


def learning(recipe: Recipe, records: list[dict[str, Any]]) -> Section:
    train, oof = [], []
    for record in records:
        losses, curve = record.get("train_loss") or [], record.get("curve") or {}
        epochs = list(range(1, len(losses) + 1))
        train.append({"index": record["index"], "epoch": epochs, "loss": plain(losses)})
        oof.append(
            {
                "index": record["index"],
                "epoch": list(curve.get("epoch") or []),
                "loss": plain(curve.get("oof_loss") or []),
            }
        )
    name = recipe.training.loss.replace("_", " ")
    return {"loss": f"{name} loss", "train": train, "oof": oof}


def correlation(predictions: Predictions) -> Section:
    r_MM = measure.correlation_matrix(predictions.oof_MNK[:, :, -1])
    pairs = r_MM[np.tril_indices(len(r_MM), -1)]
    pairs = pairs[np.isfinite(pairs)]
    return {
        "matrix": [plain(row) for row in r_MM],
        "n_pairs": len(pairs),
        "mean": float(pairs.mean()) if len(pairs) else None,
        "least": float(pairs.min()) if len(pairs) else None,
        "greatest": float(pairs.max()) if len(pairs) else None,
        "scale": _round_bounds(pairs),
    }


def _round_bounds(values: np.ndarray) -> list[float]:
    """Rounded bounds of the values, never equal.

    >>> _round_bounds(np.array([0.976, 0.984]))
    [0.975, 0.985]
    """
    low = math.floor(200 * values.min(initial=1.0)) / 200
    return [low, max(math.ceil(200 * values.max(initial=-1.0)) / 200, low + 0.005)]


def _last(values: Sequence[float] | None) -> float | None:
    return finite(values[-1]) if values else None
