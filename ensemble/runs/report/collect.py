"""Everything a report shows, as plain data: the content of report.json.

Numbers are finite or None, and None means that nobody recorded it. What a figure was
chosen on stands beside it: the metric at a cutoff that was read off the same rows is
called `in_sample`, its cross-fitted estimate `honest`.

Shape letters: M members, N train rows, K outputs (1 for a binary task).
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensemble.data.examples import Examples
from ensemble.recipe import Recipe
from ensemble.runs.predictions import Predictions
from ensemble.runs.report import measure, members, origin
from ensemble.runs.report.judged import Judged
from ensemble.runs.report.measure import Section, finite, plain
from ensemble.spec import Competition
from ensemble.validation.folds import weight_strata
from ensemble.validation.rules import BAND, INTERVAL, FittedRule

FORMAT = 1
N_CURVE_POINTS = 400
UNITS = {"ams": "σ"}  # noqa: RUF001 - the physicists' letter; what a metric is measured in
WORDS = {"b": "background", "s": "signal"}  # classes that are known by a letter


def collect(
    document: dict[str, Any],
    competition: Competition,
    recipe: Recipe,
    train: Examples,
    predictions: Predictions,
    rule: FittedRule,
    records: list[dict[str, Any]],
) -> Section:
    """Everything a report shows of a finished run.

    `document` is the run's run.json and may lack anything; `records` are what the
    members reported of their training.
    """
    judged = Judged.of(competition, train, predictions, rule)
    alone = [judged.scores(oof_NK[:, -1]) for oof_NK in predictions.oof_MNK]
    collected = {
        "format": FORMAT,
        "run": document.get("name"),
        "simulated": origin.look(document, "data", "simulated"),
        "classes": _words(competition),
        "asked": origin.asked(competition, recipe),
        "data": origin.data(
            document, competition, train, predictions.test_MTK.shape[1]
        ),
        "score": _score(judged, rule, predictions),
        "cutoff": _cutoff(competition, rule),
        "distributions": _distributions(competition, judged),
        "roc": _roc(competition, judged),
        "calibration": _calibration(competition, recipe, judged),
        "growth": members.growth(
            judged, predictions, alone, _title(competition.metric)
        ),
        "members": members.table(predictions, alone, records),
        "learning": members.learning(recipe, records),
        "correlation": members.correlation(predictions),
        "strata": _strata(competition, judged),
        "files": origin.files(document),
        "resources": origin.resources(document, records),
        "repeat": origin.repeat(document, recipe),
    }
    cleaned: Section = _clean(collected)
    return cleaned


def to_json(collected: Section) -> str:
    """The text of report.json: keys sorted, no NaN, one line feed at the end."""
    text = json.dumps(
        collected, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=1
    )
    return text + "\n"


def _score(judged: Judged, rule: FittedRule, predictions: Predictions) -> Section:
    repeats = sorted({member.repeat for member in predictions.members})
    by_repeat = [
        judged.scores(
            _mean_of(predictions, [m.repeat == r for m in predictions.members])
        )
        for r in repeats
    ]
    return {
        "metric": judged.metric,
        "bag": judged.scores(),
        "fraction": rule.fraction,
        "in_sample": rule.value,
        "honest": rule.honest,
        "honest_spread": rule.honest_spread,
        "optimism": rule.optimism,
        "interval": list(rule.interval),
        "error": rule.error,
        "interval_coverage": INTERVAL[1] - INTERVAL[0],
        "n_repeats": len(repeats),
        "by_repeat": by_repeat,
        "repeats": {
            key: _mean_and_error([scores[key] for scores in by_repeat])
            for key in ("metric", "auc", "log_loss")
        },
        "rows_predicted": int(judged.known.sum()),
        "coverage": _coverage(predictions),
    }


def _cutoff(competition: Competition, rule: FittedRule) -> Section:
    """The rule's curve, thinned, and what was chosen on it."""
    curve, n = rule.curve, len(rule.curve.fraction)
    kept = np.unique(np.linspace(0, n - 1, min(n, N_CURVE_POINTS)).round().astype(int))
    return {
        "metric": _name(competition.metric),
        "axis": _title(competition.metric),
        "positive": _words(competition)[-1],
        "fractions": plain(curve.fraction[kept]),
        "values": plain(curve.ams[kept]),
        "smoothed": plain(curve.smoothed[kept]),
        "low": plain(curve.lower[kept]),
        "high": plain(curve.upper[kept]),
        "band_coverage": BAND[1] - BAND[0],
        "plateau": list(rule.plateau),
        "fitted": rule.fitted,
        "fraction": rule.fraction,
        "value": rule.value,
        "honest": rule.honest,
    }


def _distributions(competition: Competition, judged: Judged) -> Section:
    rows = judged.known
    score, events = judged.score[rows], judged.events(rows)
    target, selected = judged.target[rows], judged.selected[rows]
    edges = np.linspace(0, 1, measure.N_BINS + 1)
    return {
        "edges": plain(edges),
        "unit": "rows" if competition.weight is None else "expected events",
        "threshold": float(score[selected].min()) if selected.any() else None,
        "classes": [
            {"name": name}
            | measure.histogram(score[target == label], events[target == label], edges)
            for label, name in enumerate(_words(competition))
        ],
    }


def _roc(competition: Competition, judged: Judged) -> Section:
    rows = judged.known
    positive, events = judged.target[rows] == 1, judged.events(rows)
    selected = judged.selected[rows]
    return measure.roc_points(judged.score[rows], positive, events) | {
        "classes": _words(competition),
        "auc": judged.scores()["auc"],
        "chosen": [
            float(events[selected & part].sum() / events[part].sum())
            for part in (positive, ~positive)
        ],
    }


def _calibration(competition: Competition, recipe: Recipe, judged: Judged) -> Section:
    rows, balanced = judged.known, recipe.training.balance_classes
    weight = judged.balanced(rows) if balanced else judged.events(rows)
    bins = measure.calibration_bins(judged.score[rows], judged.target[rows], weight)
    return {
        "positive": _words(competition)[-1],
        "weighting": "both classes weighted alike, as in training"
        if balanced
        else "weights as they are, as in training",
        "error": measure.calibration_error(bins),
        "bins": bins,
    }


def _strata(competition: Competition, judged: Judged) -> list[Section]:
    rows = judged.known
    weight, target = judged.weight[rows], judged.target[rows]
    stratum = np.zeros(len(weight), int)
    if competition.weight_strata is not None:
        stratum = weight_strata(weight, target, competition.weight_strata)
    return measure.strata_table(
        stratum, target, judged.events(rows), judged.selected[rows], competition.classes
    )


def _mean_of(predictions: Predictions, chosen: Sequence[bool]) -> np.ndarray:
    """Mean prediction of some members, NaN where none of them predicted.

    Shape: ``(N,)``
    """
    oof_MN = predictions.oof_MNK[np.asarray(chosen), :, -1]
    known = np.isfinite(oof_MN)
    total = np.where(known, oof_MN, 0).sum(axis=0, dtype=float)
    count = known.sum(axis=0)
    mean = np.full(len(total), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _mean_and_error(values: Sequence[float | None]) -> Section:
    """Mean and its standard error; the error needs two values.

    >>> _mean_and_error([1.0, 3.0, None])
    {'mean': 2.0, 'error': 1.0, 'n': 2}
    """
    known = [value for value in values if value is not None]
    n = len(known)
    error = float(np.std(known, ddof=1)) / math.sqrt(n) if n > 1 else None
    return {"mean": float(np.mean(known)) if n else None, "error": error, "n": n}


def _coverage(predictions: Predictions) -> Section:
    """By how many members a row was predicted."""
    coverage = predictions.coverage
    return {
        "least": int(coverage.min()),
        "mean": float(coverage.mean()),
        "greatest": int(coverage.max()),
    }


def _words(competition: Competition) -> list[str]:
    return [WORDS.get(name, name) for name in competition.classes]


def _name(metric: str) -> str:
    return metric.upper() if len(metric) <= 4 else metric.replace("_", " ")


def _title(metric: str) -> str:
    unit = UNITS.get(metric)
    return f"{_name(metric)} / {unit}" if unit else _name(metric)


def _clean(value: Any) -> Any:
    """The same with plain Python numbers, and None for those that are not finite."""
    if isinstance(value, dict):
        return {str(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return finite(value)
    return value
