"""What follows from the predictions of a bag: rule, scores, submission, report."""

import resource
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.data.examples import Examples
from ensemble.recipe import Recipe
from ensemble.runs.predictions import Predictions, load_predictions
from ensemble.runs.report.collect import collect, to_json
from ensemble.runs.report.render import render
from ensemble.runs.sheet import encode_csv
from ensemble.runs.store import RunFolder
from ensemble.runs.submission import write_submission
from ensemble.spec import Competition
from ensemble.validation.bootstrap import INTERVAL
from ensemble.validation.metrics import auc, log_loss
from ensemble.validation.rules import FittedRule, fit_top_fraction, select_top

Floats = NDArray[np.float64]


def write_outcome(
    competition: Competition,
    recipe: Recipe,
    store: RunFolder,
    train: Examples,
    test: Examples,
    sample: Path | None = None,
    submissions: Path = Path("submissions"),
) -> None:
    """Fit the decision rule, then write scores, tables, submission and report.

    Nothing here but the rule is fitted, and the rule on out-of-fold rows only.
    """
    predictions = load_predictions(store)
    oof_N, test_T = predictions.mean_oof()[:, 0], predictions.mean_test()[:, 0]
    rule = fit_rule(competition, recipe, train, oof_N)
    store.write_artefact("oof.csv", scores_csv(competition.id, train.ids, oof_N))
    store.write_artefact("test.csv", scores_csv(competition.id, test.ids, test_T))
    written = write_submission(
        store,
        test.ids.tolist(),
        test_T,
        select_top(test_T, rule.fraction),
        root=submissions,
        sample=sample,
        cv_score=rule.honest,
        optimism=rule.optimism,
        rule={"kind": recipe.rule.kind, "fraction": rule.fraction},
    )
    store.update(
        submission=str(written.path),
        result=_result(competition, store, train, oof_N, rule, predictions),
    )
    records = list(store.members.values())
    collected = collect(
        store.document, competition, recipe, train, predictions, rule, records
    )
    store.write_artefact("report.json", to_json(collected).encode())
    store.write_artefact("report.html", render(collected).encode())
    store.update(state="finished")


def fit_rule(
    competition: Competition, recipe: Recipe, train: Examples, oof_N: Floats
) -> FittedRule:
    """The decision rule of the recipe, on the rows that some member left out."""
    known = np.isfinite(oof_N)
    target, weight = _truth(train)
    totals = competition.class_totals or np.bincount(target, weight).tolist()
    return fit_top_fraction(
        oof_N[known],
        target[known],
        weight[known],
        totals,
        fraction=recipe.rule.fraction,
        seed=recipe.bag.seed,
    )


def _result(
    competition: Competition,
    store: RunFolder,
    train: Examples,
    oof_N: Floats,
    rule: FittedRule,
    predictions: Predictions,
) -> dict[str, Any]:
    known = np.isfinite(oof_N)
    target, weight = _truth(train)
    target, weight, score = target[known], weight[known], oof_N[known]
    balanced = weight / np.bincount(target, weight)[target]
    return {
        "metric": competition.metric,
        "honest": rule.honest,
        "error": rule.error,
        "honest_spread": rule.honest_spread,
        "in_sample": rule.value,
        "optimism": rule.optimism,
        "interval": list(rule.interval),
        "interval_coverage": INTERVAL[1] - INTERVAL[0],
        "fraction": rule.fraction,
        "auc": auc(score, target, weight),
        "log_loss": log_loss(score, target, balanced),
        "n_members": len(predictions.members),
        "n_failed": len(store.members) - len(predictions.members),
        "coverage": [int(predictions.coverage.min()), int(predictions.coverage.max())],
        "wall_seconds": store.document.get("seconds"),
        "peak_memory_mib": _peak_memory(store),
        "device": store.document.get("device"),
    }


def _truth(train: Examples) -> tuple[NDArray[np.int64], Floats]:
    if train.target is None:
        raise ValueError("scores take training rows with a target")
    weight = np.ones(len(train)) if train.weight is None else train.weight
    return train.target, weight


def _peak_memory(store: RunFolder) -> float:
    """The most that a process of the run has used, in MiB."""
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    workers = [r.get("peak_memory_mib") or 0.0 for r in store.members.values()]
    return max([here, *workers])


def scores_csv(id_column: str, ids: Iterable[str], scores: Floats) -> bytes:
    """A table of ids and scores; the score of a row that nobody predicted is blank."""
    cells = ["" if np.isnan(score) else repr(score) for score in scores.tolist()]
    return encode_csv({id_column: ids, "score": cells})
