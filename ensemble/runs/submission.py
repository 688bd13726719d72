"""From scores to a file that the competition accepts.

A submission is checked before it is written, and so can be any other. The order of the
rows is free, since graders match rows by id; ours are in the order of the test file.
Classes need not follow the ranks: the organisers' own example does not do so either.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ensemble import files
from ensemble.data.faults import Faults, shown
from ensemble.errors import DataError, UserError
from ensemble.runs.ledger import Entry, append_entry
from ensemble.runs.lock import hold_lock
from ensemble.runs.predictions import finished_members
from ensemble.runs.provenance import provenance
from ensemble.runs.sheet import (
    Sheet,
    check_columns,
    check_order,
    encode_csv,
    read_bytes,
    read_sheet,
)
from ensemble.runs.store import RunFolder
from ensemble.spec import Competition
from ensemble.validation.rules import rank_order

WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Written:
    """A submission on the disk; `is_new` is False where it was there already."""

    path: Path
    n_rows: int
    is_new: bool


def build_submission(
    competition: Competition,
    ids: Sequence[str],
    scores: ArrayLike,
    selected: ArrayLike,
) -> bytes:
    """The CSV file: a row for each id, in their order, columns as the spec has them.

    The highest score gets the highest rank; the last class is for selected rows.
    """
    score, chosen = np.asarray(scores, float), np.asarray(selected, bool)
    if not score.shape == chosen.shape == (len(ids),):
        raise ValueError(
            "build_submission takes ids, scores and selected of one length, got"
            f" {len(ids)}, {score.shape} and {chosen.shape}"
        )
    if not np.isfinite(score).all():
        n_wrong = int((~np.isfinite(score)).sum())
        raise ValueError(f"build_submission takes finite scores, {n_wrong} are not")
    negative, positive = competition.classes
    columns: dict[str, Iterable[Any]] = {
        "id": ids,
        "rank": rank_order(score).tolist(),
        "class": np.where(chosen, positive, negative).tolist(),
    }
    return encode_csv(
        {column: columns[kind] for column, kind in competition.submission.items()}
    )


def check_submission(
    table: bytes | Path,
    competition: Competition,
    test_ids: Sequence[str],
    sample: Path | None = None,
) -> None:
    """Refuse a submission that the competition would refuse, naming all its faults."""
    if sample is not None:
        check_sample(sample, competition, test_ids)
    read_submission(table, competition, test_ids)


def read_submission(
    table: bytes | Path, competition: Competition, test_ids: Sequence[str]
) -> Sheet:
    """The columns of a submission that has no fault."""
    name, data = (
        ("the submission", table)
        if isinstance(table, bytes)
        else (str(table), read_bytes(table))
    )
    faults = Faults()
    sheet = read_sheet(data, faults)
    _check_ids(sheet, competition, test_ids, faults)
    for column, kind in competition.submission.items():
        if kind == "rank":
            _check_ranks(_filled(sheet, column, faults), len(test_ids), faults)
        elif kind == "class":
            cells = _filled(sheet, column, faults)
            check_classes(cells, competition.classes, faults)
    if faults:
        raise UserError(faults.message(name))
    return sheet


def check_sample(path: Path, competition: Competition, test_ids: Sequence[str]) -> None:
    """Refuse data whose sample submission disagrees with the spec or the test file."""
    faults = Faults()
    sheet = read_sheet(read_bytes(path), faults)
    _check_ids(sheet, competition, test_ids, faults)
    if faults:
        raise DataError(faults.message(path))


def _check_ids(
    sheet: Sheet, competition: Competition, test_ids: Sequence[str], faults: Faults
) -> None:
    """Note where columns and ids are not those of the spec and the test file."""
    check_columns(sheet, list(competition.submission), faults)
    check_order(sheet, list(competition.submission), faults)
    if len(sheet.lines) != len(test_ids):
        faults.add(f"{len(sheet.lines):,} rows instead of {len(test_ids):,}")
    column = next(c for c, kind in competition.submission.items() if kind == "id")
    if column not in sheet.columns:
        return
    found = [cell for _, cell in _filled(sheet, column, faults)]
    there, due = set(found), set(test_ids)
    for kind, ids in (
        ("ids that stand twice", _repeated(found)),
        ("ids that are missing", [i for i in test_ids if i not in there]),
        ("ids that are not in the test file", [i for i in found if i not in due]),
    ):
        if ids:
            faults.add(kind, *map(shown, ids))


def check_classes(
    cells: Sequence[tuple[int, str]], classes: Sequence[str], faults: Faults
) -> None:
    """Note the cells that are no class; they come with their line."""
    kind = f"unknown classes (known are {' and '.join(map(shown, classes))})"
    if wrong := [(line, cell) for line, cell in cells if cell not in classes]:
        faults.add(kind, *_places(wrong))


def write_submission(
    run: RunFolder,
    ids: Sequence[str],
    scores: ArrayLike,
    selected: ArrayLike,
    *,
    root: Path = Path("submissions"),
    sample: Path | None = None,
    cv_score: float | None = None,
    optimism: float | None = None,
    rule: Mapping[str, Any] | None = None,
    note: str = "",
) -> Written:
    """Write and enter in the ledger what a run answers: `root/higgs/0007-quick.csv`.

    Nothing is overwritten: where another submission has the name, a number is added to
    it, and where the same is there already, it stays, and only a note adds to the
    ledger. Beside it goes a JSON file that says where it comes from.
    """
    competition = Competition.model_validate(run.document["competition"])
    table = build_submission(competition, ids, scores, selected)
    check_submission(table, competition, ids, sample)
    facts: dict[str, Any] = {
        "sha256": files.sha256(table),
        "rows": len(ids),
        "selected": int(np.count_nonzero(selected)),
        "cv_score": cv_score,
        "optimism": optimism,
        "rule": rule,
    }
    folder = root / competition.name
    origin = provenance(run.document, finished_members(run), facts)
    path, is_new = _write_once(folder, run.name, table, origin)
    entry = Entry(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        competition=competition.name,
        run=run.name,
        file=path.relative_to(root).as_posix(),
        n_rows=len(ids),
        sha256=facts["sha256"],
        cv_score=cv_score,
        optimism=optimism,
        note=note,
    )
    append_entry(root / "ledger.csv", entry, once=not note)  # a remark is not lost
    return Written(path, len(ids), is_new)


def _write_once(
    folder: Path, name: str, table: bytes, origin: bytes
) -> tuple[Path, bool]:
    """Where the table lies, and whether it was written now."""
    files.make_folder(folder)
    with hold_lock(folder / ".lock", wait=True):
        files.remove_temporaries(folder)
        number, path = 1, folder / f"{name}.csv"
        while path.exists():
            with files.disk_errors(path):
                if files.read_regular(path) == table:
                    return path, False
            number += 1
            path = folder / f"{name}-{number}.csv"
        files.write_atomically(path.with_suffix(".json"), origin)
        files.write_atomically(path, table)
        return path, True


def _filled(sheet: Sheet, column: str, faults: Faults) -> list[tuple[int, str]]:
    """The cells of a column with their lines; blank ones are noted and left out."""
    cells = list(zip(sheet.lines, sheet.columns.get(column, []), strict=False))
    blank = [f"line {line}" for line, cell in cells if cell == ""]
    if blank:
        faults.add(f"blank cells in {shown(column)}", *blank)
    return [(line, cell) for line, cell in cells if cell]


def _check_ranks(cells: Sequence[tuple[int, str]], n_rows: int, faults: Faults) -> None:
    """Note where ranks are not a permutation of 1 to n."""
    good: list[tuple[int, str]] = []
    odd: list[tuple[int, str]] = []
    for at in cells:
        (good if WHOLE_NUMBER.fullmatch(at[1]) else odd).append(at)
    for kind, places in (
        ("ranks that are no whole numbers written like 12", _places(odd)),
        (
            f"ranks outside 1 to {n_rows:,}",
            _places([at for at in good if int(at[1]) > n_rows]),
        ),
        ("ranks that stand twice", _repeated([cell for _, cell in good])),
    ):
        if places:
            faults.add(kind, *places)


def _repeated(cells: Sequence[str]) -> list[str]:
    return [cell for cell, count in Counter(cells).items() if count > 1]


def _places(cells: Iterable[tuple[int, str]]) -> list[str]:
    return [f"line {line}: {shown(cell)}" for line, cell in cells]
