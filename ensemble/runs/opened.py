"""A run as one uses it in a notebook: scores, predictions, report, submission."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ensemble.catalog import load_entry
from ensemble.errors import UserError
from ensemble.recipe import Recipe
from ensemble.runs.predictions import Predictions, load_predictions
from ensemble.runs.predictor import predict_rows
from ensemble.runs.store import RunFolder, open_run
from ensemble.runs.submission import Written, write_submission
from ensemble.spec import Competition
from ensemble.validation.rules import select_top


def open_finished(folder: Path | str) -> "Run":
    """The run in a folder, to look at."""
    return Run(open_run(Path(folder)))


@dataclass(frozen=True)
class Run:
    """A run folder, as one uses it in a notebook."""

    store: RunFolder

    @property
    def path(self) -> Path:
        return self.store.path

    @property
    def competition(self) -> Competition:
        return Competition.model_validate(self.store.document["competition"])

    @property
    def recipe(self) -> Recipe:
        return Recipe.model_validate(self.store.document["recipe"])

    @property
    def result(self) -> Mapping[str, Any]:
        """The scores: honest, in-sample, their difference, and more."""
        return self.store.document.get("result") or {}

    @cached_property
    def oof(self) -> pd.DataFrame:
        """Out-of-fold scores by id: the mean of the members that left the row out."""
        return self._table("oof.csv")

    @cached_property
    def test(self) -> pd.DataFrame:
        """Test scores by id: the mean of all members."""
        return self._table("test.csv")

    @cached_property
    def predictions(self) -> Predictions:
        """What each single member predicted."""
        return load_predictions(self.store)

    @property
    def report(self) -> Path:
        """Where the report is, a page for a browser."""
        return self.path / "report.html"

    @property
    def submission(self) -> Path:
        """The file to hand in."""
        return Path(self.store.document["submission"])

    def predict(self, raw: pd.DataFrame, device: str = "cpu") -> NDArray[np.float64]:
        """The mean score of all members for rows of raw feature columns, (N,)."""
        folder = load_entry(self.store.document["entry"]).folder
        return predict_rows(self.store, folder, raw, device)

    def submit(self, note: str = "", root: Path | str = "submissions") -> Written:
        """Write the submission once more, and enter it in the ledger with a note."""
        if not self.result:
            raise UserError(f"the run in {self.path} is not finished; resume it first")
        scores = self.test["score"].to_numpy()
        fraction = self.result["fraction"]
        return write_submission(
            self.store,
            self.test.index.to_list(),
            scores,
            select_top(scores, fraction),
            root=Path(root),
            cv_score=self.result["honest"],
            optimism=self.result["optimism"],
            rule={"kind": self.recipe.rule.kind, "fraction": fraction},
            note=note,
        )

    def _table(self, name: str) -> pd.DataFrame:
        text = self.store.read_artefact(name)
        id_column = self.competition.id
        return pd.read_csv(
            io.BytesIO(text),
            dtype={id_column: str},
            keep_default_na=False,
            na_values={"score": [""]},
        ).set_index(id_column)
