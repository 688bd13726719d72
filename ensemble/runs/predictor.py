"""Saved members predict rows they have never seen, from raw columns."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ensemble.bag.inference import predict
from ensemble.bag.inputs import find_views, make_features
from ensemble.bag.model import load_members
from ensemble.bag.workers import load_views, pick_device
from ensemble.catalog import code_sha256, load_entry
from ensemble.data.archives import open_table
from ensemble.data.tables import read_table
from ensemble.errors import DataError, UserError
from ensemble.files import write_atomically
from ensemble.recipe import Recipe
from ensemble.runs.outcome import scores_csv
from ensemble.runs.predictions import finished_members
from ensemble.runs.store import RunFolder, open_run
from ensemble.spec import Competition

MEMBERS_AT_ONCE = 8  # bounds memory; a member does not depend on it


def predict_rows(
    store: RunFolder, folder: Path, raw: pd.DataFrame, device: str = "cpu"
) -> NDArray[np.float64]:
    """The mean score of all finished members for each row.

    `folder` is the competition's folder; its features must be those that the members
    were trained on, which their checksum tells.

    Shape: N rows -> `(N,)`
    """
    if code_sha256(folder) != store.document["code_sha256"]:
        raise UserError(
            f"the code in {folder} was changed since {store.path} was trained;"
            " put back what was changed, or train a new run"
        )
    recipe = Recipe.model_validate(store.document["recipe"])
    features = make_features(folder, recipe, raw)
    views = load_views(find_views(folder, recipe, features))
    features_RI = torch.tensor(features.to_numpy(np.float32), device=device)
    total, count = np.zeros(len(raw)), 0
    for indices in _chunks([member.index for member in finished_members(store)]):
        weights = [store.load_weights(index) for index in indices]
        model = load_members(recipe, weights, views).to(device)
        total += predict(model, features_RI).double().sum(0).cpu().numpy()
        count += len(indices)
    return total / count


def predict_file(folder: Path, table: Path, output: Path, device: str = "auto") -> int:
    """Let the members of a run predict the rows of a CSV file; how many there are."""
    store = open_run(folder)
    if output.exists():
        raise UserError(f"{output} is there already; name another file")
    competition = Competition.model_validate(store.document["competition"])
    rows = read_table(
        table,
        list(competition.features),
        [competition.id, *_answers_in(table, competition)],
        competition.missing,
    )
    if rows.empty:
        raise DataError(f"{table} has no rows")
    scores = predict_rows(
        store,
        load_entry(store.document["entry"]).folder,
        rows[list(competition.features)],
        pick_device(device),
    )
    ids = rows[competition.id].tolist()
    write_atomically(output, scores_csv(competition.id, ids, scores))
    return len(rows)


def _answers_in(table: Path, competition: Competition) -> list[str]:
    """Target and weight where a table has them: no reason to refuse it."""
    with open_table(table) as stream:
        first_line = stream.readline(1 << 20).decode("utf-8-sig", "replace")
    header = next(csv.reader([first_line]), [])
    return [c for c in (competition.target, competition.weight) if c and c in header]


def _chunks(indices: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), MEMBERS_AT_ONCE):
        yield indices[start : start + MEMBERS_AT_ONCE]
