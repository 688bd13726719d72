"""Everything a report shows, as plain data: the content of report.json.

Numbers are finite or None, and None means that nobody recorded it. What a figure was
chosen on stands beside it: the metric at a cutoff that was read off the same rows is
called `in_sample`, its cross-fitted estimate `honest`.

Shape letters: M members, N train rows, K outputs (1 for a binary task).
"""

import json
import math
from typing import Any

import numpy as np

from ensemble.data.examples import Examples
from ensemble.recipe import Recipe
from ensemble.runs.predictions import Predictions
from ensemble.runs.report import measure, members, origin
from ensemble.runs.report.judged import Judged
from ensemble.runs.report.measure import Section, finite, plain
from ensemble.spec import Competition
from ensemble.validation.bootstrap import BAND, INTERVAL
from ensemble.validation.folds import weight_strata
from ensemble.validation.rules import FittedRule
from ensemble.validation.scores import score_repeats

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
    alone = [judged.scores(oof_N) for oof_N in judged.oof_MN]
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
        "growth": members.growth(judged, alone, _title(competition.metric)),
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
    return {
        "bag": judged.scores(judged.score),
        "fraction": rule.fraction,
        "in_sample": rule.value,
        "honest": rule.honest,
        "honest_spread": rule.honest_spread,
        "optimism": rule.optimism,
        "interval": list(rule.interval),
        "error": rule.error,
        "interval_coverage": INTERVAL[1] - INTERVAL[0],
        "repeats": {
            name: _repeats(judged, name, predictions) for name in judged.measures
        },
        "rows_predicted": int(judged.known.sum()),
        "coverage": _coverage(predictions),
    }


def _repeats(judged: Judged, measure: str, predictions: Predictions) -> Section:
    """A score of each repeat alone, their mean and its standard error."""
    function, totals = judged.measures[measure]
    repeats = [member.repeat for member in predictions.members]
    scored = score_repeats(
        judged.oof_MN, repeats, judged.target, judged.weight, function, totals
    )
    return {
        "values": plain(scored.values),
        "mean": finite(scored.mean),
        "error": finite(scored.standard_error),
        "n": sum(math.isfinite(value) for value in scored.values),
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
        "auc": judged.scores(judged.score)["auc"],
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
