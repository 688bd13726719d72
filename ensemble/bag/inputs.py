"""From the rows of a competition to the arrays that networks are trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.bag.hooks import ViewHooks
from ensemble.bag.in_bag import TrainingData
from ensemble.catalog import Entry, load_hook
from ensemble.data.examples import Examples
from ensemble.errors import UserError
from ensemble.recipe import Recipe
from ensemble.validation.folds import (
    fold_keys,
    must_have_weight,
    split_repeats,
    weight_strata,
)


def make_training_data(
    entry: Entry, recipe: Recipe, train: Examples, test: Examples
) -> tuple[TrainingData, ViewHooks | None]:
    """Features, folds and weights of all rows, and where random views are found."""
    if train.target is None:
        raise ValueError("make_training_data takes training rows with a target")
    inputs = make_features(entry.folder, recipe, train.features)
    competition = entry.competition
    weight = np.ones(len(train)) if train.weight is None else train.weight
    keys = fold_keys(
        train.target,
        train.weight,
        competition.weight_strata,
        recipe.bag.n_splits,
        competition.classes,
    )
    must_have_weight(train.target, weight, recipe.bag.n_splits, competition.classes)
    data = TrainingData(
        features_RI=as_array(inputs),
        target_R=train.target,
        label_R=make_labels(entry, recipe, train),
        weight_R=weight,
        folds_QR=split_repeats(
            keys, recipe.bag.n_splits, recipe.bag.n_repeats, recipe.bag.seed
        ).astype(np.int16),
        test_TI=as_array(make_features(entry.folder, recipe, test.features)),
    )
    return data, find_views(entry.folder, recipe, inputs)


def make_labels(entry: Entry, recipe: Recipe, train: Examples) -> NDArray[np.int64]:
    """What networks learn to tell apart: classes, or the weight strata in them.

    The edges of the strata come from the weights of all rows. Weights are no input, and
    a row's stratum is no answer, so that this tells a member nothing of held-out rows.
    """
    if train.target is None:
        raise ValueError("make_labels takes training rows with a target")
    if recipe.training.learn == "classes":
        return train.target
    n_strata = entry.competition.weight_strata
    if n_strata is None or train.weight is None:
        raise UserError(
            f"recipe {recipe.name} learns strata, but {entry.competition.name} has no"
            " weight strata; use --set training.learn=classes"
        )
    if recipe.training.loss != "cross_entropy":
        raise UserError(
            f"recipe {recipe.name} learns strata, which takes training.loss ="
            f" cross_entropy, not {recipe.training.loss}"
        )
    first = np.concatenate([[0], np.cumsum(n_strata)[:-1]])
    strata = weight_strata(train.weight, train.target, n_strata)
    return np.asarray(first[train.target] + strata, np.int64)


def make_features(folder: Path, recipe: Recipe, raw: pd.DataFrame) -> pd.DataFrame:
    """What the recipe's features hook makes of raw columns."""
    name = recipe.inputs.features
    if name is None:
        return raw
    with np.errstate(over="ignore"):  # what overflows is told below
        features = load_hook(folder, name)(raw)
    if not isinstance(features, pd.DataFrame) or len(features) != len(raw):
        raise UserError(f"{name} in {folder} must return a table with the same rows")
    if not features.columns.is_unique:
        twice = features.columns[features.columns.duplicated()][0]
        raise UserError(f"{name} in {folder} makes two columns '{twice}'")
    rows, places = np.nonzero(np.isinf(as_array(features)))
    if len(rows):
        columns = ", ".join(features.columns[np.unique(places)][:5])
        raise UserError(
            f"{name} makes infinite values in {columns}, first in"
            f" {_place(raw, rows[0])}: look there for values that cannot be true"
        )
    return features


def as_array(features: pd.DataFrame) -> NDArray[np.float32]:
    """What networks are fed; numbers too large for them become infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(features.to_numpy(np.float32))


def find_views(
    folder: Path, recipe: Recipe, features: pd.DataFrame
) -> ViewHooks | None:
    """Where a worker finds the recipe's random views of these features."""
    if recipe.inputs.augment is None:
        return None
    columns = tuple(str(name) for name in features.columns)
    return ViewHooks(folder, recipe.inputs.augment, columns, recipe.inputs.test_views)


def _place(raw: pd.DataFrame, row: int) -> str:
    """Tables know the lines of their file."""
    is_file = raw.index.name == "line"
    return f"line {raw.index[row]}" if is_file else f"row {row + 1}"
