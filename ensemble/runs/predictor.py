"""Saved members predict rows they have never seen, from raw columns.

Rows stream: a block of them is read, turned into features, predicted by all members and
forgotten. What stays are the members' weights, read once, and the answers.
"""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ensemble.bag.hooks import load_views
from ensemble.bag.inference import members_at_once, predict
from ensemble.bag.inputs import as_array, find_views, make_features
from ensemble.bag.model import BagModel, Views, load_members
from ensemble.bag.work import threads
from ensemble.bag.workers import check_jobs, pick_device, threads_of
from ensemble.catalog import code_sha256, load_entry
from ensemble.data.archives import open_table
from ensemble.data.tables import iterate_table
from ensemble.errors import DataError, UserError
from ensemble.files import must_be_writable, write_atomically
from ensemble.recipe import Recipe
from ensemble.runs.outcome import scores_csv
from ensemble.runs.predictions import finished_members
from ensemble.runs.store import RunFolder, open_run
from ensemble.spec import Competition

BLOCK_ROWS = 16_384  # that features are made of at once; no result depends on it

Scores = NDArray[np.float64]


@final
class SavedBag:
    """The finished members of a run, ready to predict rows of raw columns.

    `folder` is the competition's folder; its features must be those that the members
    were trained on, which their checksum tells.
    """

    def __init__(self, store: RunFolder, folder: Path, device: str = "cpu") -> None:
        if code_sha256(folder) != store.document["code_sha256"]:
            raise UserError(
                f"the code in {folder} was changed since {store.path} was trained;"
                " put back what was changed, or train a new run"
            )
        self.store, self.folder, self.device = store, folder, device
        self.recipe = Recipe.model_validate(store.document["recipe"])
        self.members = finished_members(store)
        self._models: list[BagModel] = []

    def predict(self, raw: pd.DataFrame) -> Scores:
        """The mean score of all members for each row.

        Shape: N rows -> `(N,)`
        """
        features = make_features(self.folder, self.recipe, raw)
        if not self._models:  # views need the names of the features
            views = load_views(find_views(self.folder, self.recipe, features))
            self._models = list(self._load_stacks(views))
        features_RI = torch.from_numpy(as_array(features)).to(self.device)
        sums = [predict(model, features_RI).double().sum(0) for model in self._models]
        total: Scores = torch.stack(sums).sum(0).cpu().numpy()
        return total / len(self.members)

    def _load_stacks(self, views: Views | None) -> Iterator[BagModel]:
        """All members, in models of so many as are best stacked."""
        kind = torch.device(self.device).type
        weights = (self.store.load_weights(member.index) for member in self.members)
        while first := next(weights, None):
            n = members_at_once(first, kind, torch.get_num_threads())
            stack = [first, *islice(weights, n - 1)]
            yield load_members(self.recipe, stack, views).to(self.device)


def predict_rows(
    store: RunFolder, folder: Path, raw: pd.DataFrame, device: str = "cpu"
) -> Scores:
    """The mean score of all finished members for each row, (N,)."""
    bag = SavedBag(store, folder, device)
    starts = range(0, len(raw), BLOCK_ROWS)
    scores = [bag.predict(raw[start : start + BLOCK_ROWS]) for start in starts]
    return np.concatenate([np.empty(0), *scores])


def predict_file(
    folder: Path, table: Path, output: Path, device: str = "auto", jobs: int = -1
) -> int:
    """Let the members of a run predict the rows of a CSV file; how many there are.

    The whole file is looked through before the first row is predicted: its faults are
    told in seconds, all of them. A file that changes meanwhile is refused.
    """
    store = open_run(folder)
    if output.exists():
        raise UserError(f"{output} is there already; name another file")
    must_be_writable(output.parent)
    n_threads = threads_of(1) if jobs == -1 else check_jobs(jobs)
    bag = SavedBag(
        store, load_entry(store.document["entry"]).folder, pick_device(device)
    )
    competition = Competition.model_validate(store.document["competition"])
    before = _stamp(table)
    n_rows = sum(len(block) for block in _read(table, competition))
    if n_rows == 0:
        raise DataError(f"{table} has no rows")
    with threads(n_threads):
        answers = b"".join(_answers(bag, competition, table))
    if _stamp(table) != before:
        raise DataError(
            f"{table} was changed while it was read; predict it again once it is whole"
        )
    write_atomically(output, answers)
    return n_rows


def _answers(bag: SavedBag, competition: Competition, table: Path) -> Iterator[bytes]:
    """The lines of the answer: the header, then ids and scores block by block."""
    header = scores_csv(competition.id, [], np.empty(0))
    yield header
    for block in _read(table, competition):
        scores = bag.predict(block[list(competition.features)])
        if not np.isfinite(scores).all():
            line = block.index[~np.isfinite(scores)][0]
            raise DataError(
                f"{table}: to the values in line {line} the members have no finite"
                " answer; look there for values that cannot be true"
            )
        ids = block[competition.id]
        yield scores_csv(competition.id, ids, scores).removeprefix(header)


def _stamp(table: Path) -> tuple[int, int, int] | None:
    """What differs once somebody has written to a file; None if there is none."""
    try:
        status = table.stat()
    except OSError:  # told when the table is read
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read(table: Path, competition: Competition) -> Iterator[pd.DataFrame]:
    return iterate_table(
        table,
        list(competition.features),
        [competition.id, *_answers_in(table, competition)],
        competition.missing,
    )


def _answers_in(table: Path, competition: Competition) -> list[str]:
    """Target and weight where a table has them: no reason to refuse it."""
    with open_table(table) as stream:
        first_line = stream.readline(1 << 20).decode("utf-8-sig", "replace")
    try:
        header = next(csv.reader([first_line]), [])
    except csv.Error:  # what is wrong is told when the table is read
        return []
    return [c for c in (competition.target, competition.weight) if c and c in header]
