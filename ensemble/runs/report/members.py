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

_TOLD = ("repeat", "fold", "seed", "n_train", "n_oof", "seconds", "failed")
_NOTHING = dict.fromkeys([*_TOLD, "train_loss", "metric", "auc", "log_loss"])


def growth(
    judged: Judged, predictions: Predictions, alone: Sequence[Section], metric: str
) -> Section:
    """Scores of the first n members together, and of each alone."""
    counts = _counts(len(alone))
    bag = [judged.scores(predictions.mean_oof(n)[:, -1]) for n in counts]
    names = {"auc": "AUC", "metric": metric}
    return {
        "n_members": counts,
        "panels": [
            {
                "name": name,
                "bag": [scores[key] for scores in bag],
                "alone": [scores[key] for scores in alone],
            }
            for key, name in names.items()
        ],
    }


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


def _counts(n_members: int, n_points: int = 20) -> list[int]:
    """1, 2, 3 ... and then ever larger steps.

    >>> _counts(8), len(_counts(70)), _counts(70)[-1]
    ([1, 2, 3, 4, 5, 6, 7, 8], 17, 70)
    """
    return sorted({round(n) for n in np.geomspace(1, n_members, n_points)})


def _round_bounds(values: np.ndarray) -> list[float]:
    """Rounded bounds of the values, never equal.

    >>> _round_bounds(np.array([0.976, 0.984]))
    [0.975, 0.985]
    """
    low = math.floor(200 * values.min(initial=1.0)) / 200
    return [low, max(math.ceil(200 * values.max(initial=-1.0)) / 200, low + 0.005)]


def _last(values: Sequence[float] | None) -> float | None:
    return finite(values[-1]) if values else None
