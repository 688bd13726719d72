"""What a submission scores against a solution file."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.catalog import Entry
from ensemble.data.faults import Faults, shown
from ensemble.data.source import find_source
from ensemble.data.tables import find_table
from ensemble.errors import DataError, UserError
from ensemble.runs.sheet import Sheet, check_columns, read_bytes, read_sheet
from ensemble.runs.submission import check_classes, read_submission
from ensemble.spec import Competition
from ensemble.validation.metrics import METRICS

USAGE = "Usage"
PARTS = ("Public", "Private", "Ignored")
NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def competition_of(submission: Path) -> str:
    """The competition of a submission, as the file beside it says."""
    beside = submission.with_suffix(".json")
    try:
        return str(json.loads(beside.read_text())["competition"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{beside} does not say which competition {submission.name} belongs to;"
            " name it with --competition"
        ) from None


def score_file(
    entry: Entry, submission: Path, solution: Path | None, data: Path | None
) -> tuple[dict[str, Any], Path, bool]:
    """The scores of a submission, the solution, and whether that is simulated."""
    source = find_source(entry, data) if solution is None else None
    if source is not None:
        try:
            solution = find_table(source.folder, entry.competition.solution_file)
        except DataError as error:
            raise UserError(
                f"there is no solution to compare with: {error}; name one with"
                " --solution"
            ) from error
    assert solution is not None
    scored = score_submission(submission, solution, entry.competition)
    return scored, solution, source is not None and source.simulated


def score_submission(
    submission: Path, solution: Path, competition: Competition
) -> dict[str, Any]:
    """The competition's metric on each part of the test rows, matched by id.

    The solution holds id, class, weight where the competition has weights, and perhaps
    `Usage`: Public, Private or Ignored. Parts are scored apart, with the weights as
    given, and never pooled: each carries the weight of the whole. Without `Usage` there
    is one part, 'all'.
    """
    metric = METRICS[competition.metric]
    if metric.needs != "selection":
        raise UserError(f"{metric.name} cannot be had from the classes of a submission")
    truth = _read_solution(solution, competition)
    ids = truth.columns[competition.id]
    positive = competition.classes[-1]
    class_of = _classes(submission, competition, ids)
    selected = np.array([class_of[one] == positive for one in ids])
    is_positive = np.array(truth.columns[_truth_column(truth, competition)]) == positive
    weight = np.array(_cells_or(truth, competition.weight, "1"), float)
    usage = np.array(_cells_or(truth, USAGE, "all"))

    def score(rows: NDArray[np.bool_]) -> float:
        return metric.function(selected[rows], is_positive[rows], weight[rows])

    parts = sorted(set(usage.tolist()) - {"Ignored"})
    return {
        "metric": metric.name,
        "parts": {
            part: {"score": score(usage == part), "rows": int((usage == part).sum())}
            for part in parts
        },
    }


def _classes(
    submission: Path, competition: Competition, ids: list[str]
) -> dict[str, str]:
    """The answer of a submission for each id."""
    sheet = read_submission(submission, competition, ids)
    column = {kind: name for name, kind in competition.submission.items()}
    pairs = zip(
        sheet.columns[column["id"]], sheet.columns[column["class"]], strict=True
    )
    return dict(pairs)


def _read_solution(path: Path, competition: Competition) -> Sheet:
    """The solution, or all that is wrong with it."""
    faults = Faults()
    sheet = read_sheet(read_bytes(path), faults)
    truth = _truth_column(sheet, competition)
    weight = [competition.weight] if competition.weight else []
    check_columns(sheet, [competition.id, truth, *weight], faults, USAGE)
    _check_cells(sheet, competition, truth, faults)
    faults.raise_any(path)
    return sheet


def _check_cells(
    sheet: Sheet, competition: Competition, truth: str, faults: Faults
) -> None:
    ids = sheet.columns.get(competition.id, [])
    if doubled := len(ids) - len(set(ids)):
        faults.add(f"{doubled} ids that stand twice")
    check_classes(_cells(sheet, truth), competition.classes, faults)
    for column, is_right in (
        (competition.weight or "", _is_weight),
        (USAGE, lambda cell: cell in PARTS),
    ):
        for line, cell in _cells(sheet, column):
            if not is_right(cell):
                faults.add(f"odd values of {column}", f"line {line}: {shown(cell)}")


def _is_weight(cell: str) -> bool:
    """Whether a cell is a finite number, not below zero.

    >>> [_is_weight(cell) for cell in ("2.5e-3", "-1", "1e999", "nan", "")]
    [True, False, False, False, False]
    """
    return bool(NUMBER.fullmatch(cell)) and math.isfinite(float(cell))


def _truth_column(sheet: Sheet, competition: Competition) -> str:
    """The column with the truth: named as in the training file or the submission."""
    column = next(c for c, kind in competition.submission.items() if kind == "class")
    return competition.target if competition.target in sheet.header else column


def _cells(sheet: Sheet, column: str) -> list[tuple[int, str]]:
    return list(zip(sheet.lines, sheet.columns.get(column, []), strict=False))


def _cells_or(sheet: Sheet, column: str | None, default: str) -> list[str]:
    """The cells of a column, or the same text for each row where there is none."""
    return sheet.columns.get(column or "", [default] * len(sheet.lines))
