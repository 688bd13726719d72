"""What gives how much: variants of a Higgs recipe, paired over bag seeds.

    python benchmarks/higgs_recipes.py --data FOLDER --seeds 0 1 2

Each variant is trained on the same folds as the recipe `modern`; both mean out-of-fold
scores are compared on the same rows: weighted AUC, balanced log loss, AMS at several
selected fractions. XGBoost, if installed, is trained on the same folds and inputs.
Nothing here touches test labels. Prints Markdown for the log of competitions/higgs.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.bag.in_bag import TrainingData
from ensemble.bag.inputs import make_training_data
from ensemble.bag.plan import make_groups, plan_bag
from ensemble.bag.workers import find_workers, train_groups
from ensemble.catalog import Entry, load_entry
from ensemble.data.examples import Examples, load_examples
from ensemble.recipe import Recipe
from ensemble.runs.provenance import environment
from ensemble.settings import with_settings
from ensemble.validation.compare import compare_scores
from ensemble.validation.metrics import auc, log_loss

BASE = "modern"
VARIANTS = {
    "classes instead of strata": ["training.learn=classes"],
    "no periodic embeddings (`quick`)": [
        "network.periodic_std=null",
        "training.epochs=15",
    ],
    "the 35 inputs of `melis`": ["inputs.features=features:melis"],
    "relu": ["network.activation=relu"],
    "weights as they are": ["training.weight_power=1.0"],
    "no smooth clipping": ["inputs.clip=null"],
    "dense connections": ["network.dense=true"],
    "dropout .5": ["network.dropout=0.5"],
}
XGB = {
    "n_estimators": 400,
    "learning_rate": 0.04,
    "max_depth": 4,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "n_jobs": 1,
}


def main() -> None:
    arguments = _parse()
    entry = load_entry("higgs")
    train, test = load_examples(entry.competition, arguments.data)
    rows = []
    for seed in arguments.seeds:
        rows += _one_seed(entry, train, test, seed, arguments.only)
    table = pd.DataFrame(rows)
    print(f"\n{environment()['machine']}; seeds {arguments.seeds}\n")
    print(_markdown(table))
    if arguments.output is not None:
        table.to_csv(arguments.output, index=False)


def _one_seed(
    entry: Entry, train: Examples, test: Examples, seed: int, only: list[str] | None
) -> list[dict[str, object]]:
    base = with_settings(entry.recipe(BASE), [f"bag.seed={seed}"])
    base_oof, seconds = _train_oof(entry, base, train, test)
    rows = [_row(BASE, seed, train, base_oof, base_oof, entry, seconds)]
    for name, settings in VARIANTS.items():
        if only and name not in only:
            continue
        recipe = with_settings(base, settings)
        oof, seconds = _train_oof(entry, recipe, train, test)
        rows.append(_row(name, seed, train, oof, base_oof, entry, seconds))
    for name in (BASE, "melis"):
        oof, seconds = _xgboost_oof(entry, name, base, train, test)
        label = f"XGBoost, the inputs of `{name}`"
        if oof is not None:
            rows.append(_row(label, seed, train, oof, base_oof, entry, seconds))
    return rows


def _train_oof(
    entry: Entry, recipe: Recipe, train: Examples, test: Examples
) -> tuple[np.ndarray, float]:
    """The mean out-of-fold scores of a bag, and the seconds it took."""
    data, views = make_training_data(entry, recipe, train, test)
    bag = recipe.bag
    groups = make_groups(plan_bag(bag.n_splits, bag.n_repeats, bag.seed), 4)
    started, total = time.perf_counter(), np.zeros(len(train))
    for group in train_groups(groups, data, recipe, views, find_workers(jobs=-1)):
        for member in group:
            total[data.out_of_bag(member.member)] += member.oof_P
    return total / bag.n_repeats, time.perf_counter() - started


def _xgboost_oof(
    entry: Entry, name: str, base: Recipe, train: Examples, test: Examples
) -> tuple[np.ndarray | None, float]:
    try:
        from xgboost import XGBClassifier
    except ImportError:
        return None, 0.0
    recipe = with_settings(base, [f"inputs.features=features:{name}"])
    data, _ = make_training_data(entry, recipe, train, test)
    started, total = time.perf_counter(), np.zeros(len(train))
    for member in plan_bag(base.bag.n_splits, base.bag.n_repeats, base.bag.seed):
        rows, held_out = data.in_bag(member), data.out_of_bag(member)
        model = XGBClassifier(**XGB, random_state=member.index)
        model.fit(
            data.features_RI[rows],
            data.target_R[rows],
            sample_weight=_balanced(data, rows),
        )
        total[held_out] += model.predict_proba(data.features_RI[held_out])[:, 1]
    return total / base.bag.n_repeats, time.perf_counter() - started


def _balanced(data: TrainingData, rows: np.ndarray) -> np.ndarray:
    target, weight = data.target_R[rows], data.weight_R[rows]
    return weight * len(rows) / (2 * np.bincount(target, weight))[target]


def _row(
    name: str,
    seed: int,
    train: Examples,
    oof: np.ndarray,
    base_oof: np.ndarray,
    entry: Entry,
    seconds: float,
) -> dict[str, object]:
    balanced = train.weight / np.bincount(train.target, train.weight)[train.target]
    differences = compare_scores(
        base_oof, oof, train.target, train.weight, entry.competition.class_totals
    )
    row = {
        "variant": name,
        "seed": seed,
        "AUC": auc(oof, train.target, train.weight),
        "log loss": log_loss(oof, train.target, balanced),
        "seconds": seconds,
    }
    for one in differences:
        row[f"{one.metric} diff"], row[f"{one.metric} error"] = (
            one.difference,
            one.error,
        )
    print({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
    return row


def _markdown(table: pd.DataFrame) -> str:
    """A line a variant: means over the seeds, and the differences to the recipe."""
    differences = [name for name in table if name.endswith(" diff")]
    head = ["variant", "AUC", "log loss", *(f"Δ {d[:-5]}" for d in differences), "s"]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for name, part in table.groupby("variant", sort=False):
        cells = [name, f"{part['AUC'].mean():.5f}", f"{part['log loss'].mean():.4f}"]
        for column in differences:
            error = part[f"{column[:-5]} error"].mean()
            cells.append(f"{part[column].mean():+.4f} ± {error:.4f}")
        cells.append(f"{part['seconds'].median():.0f}")
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", help="names of variants")
    parser.add_argument("--output", type=Path, help="CSV of all rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
