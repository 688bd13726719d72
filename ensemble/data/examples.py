"""The rows of a competition, read once and checked.

What the competition's spec says of its files is compared with them here; all that is
wrong with both files is told in one message.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.data.faults import SHOWN, Faults, shown, some
from ensemble.data.header import Columns
from ensemble.data.tables import examine_table, find_table
from ensemble.errors import DataError
from ensemble.spec import Competition

LARGEST = float(np.finfo(np.float32).max)  # networks compute in float32


@dataclass(frozen=True)
class Examples:
    """Rows of a competition, read and checked.

    Shape: N rows, C features. Test rows have no target and no weight.
    """

    ids: np.ndarray  # (N,) object array of str
    features: pd.DataFrame  # (N, C) float64, in the spec's order, NaN where missing
    target: np.ndarray | None  # (N,) int64, index into competition.classes
    weight: np.ndarray | None  # (N,) float64, None where the competition has none
    sha256: str  # of the file as it lies on the disk
    notes: tuple[str, ...] = ()  # what is allowed but odd, a sentence each

    def __len__(self) -> int:
        return len(self.ids)


def load_examples(competition: Competition, folder: Path) -> tuple[Examples, Examples]:
    """The train and the test rows that lie in a folder."""
    messages: list[str] = []
    train = _load(folder, competition.train_file, competition, True, messages)
    test = _load(folder, competition.test_file, competition, False, messages)
    if train and test:
        _refuse_shared_rows(train, test, competition, messages)
    if train is None or test is None or messages:
        raise DataError("\n".join(messages))
    return train, test


def _load(
    folder: Path,
    name: str,
    competition: Competition,
    labelled: bool,
    messages: list[str],
) -> Examples | None:
    """None where something is wrong, which is then added to the messages."""
    try:
        path = find_table(folder, name)
        table, faults = examine_table(path, _columns(competition, labelled))
    except DataError as error:
        messages.append(str(error))
        return None
    _check(table, competition, labelled, faults)
    if faults:
        messages.append(faults.message(path))
        return None
    return _examples(table, competition, labelled, _sha256(path))


def _columns(competition: Competition, labelled: bool) -> Columns:
    text, numeric = [competition.id], list(competition.features)
    if labelled:
        text.append(competition.target)
    weight = [competition.weight] if labelled and competition.weight else []
    return Columns(
        tuple(text), (*numeric, *weight), competition.missing, frozenset(weight)
    )


def _examples(
    table: pd.DataFrame, competition: Competition, labelled: bool, sha256: str
) -> Examples:
    features = table[list(competition.features)].reset_index(drop=True)
    target = weight = None
    if labelled:
        classes = pd.Index(competition.classes)
        target = classes.get_indexer(pd.Index(table[competition.target])).astype(
            np.int64
        )
        if competition.weight:
            weight = table[competition.weight].to_numpy(copy=True)
    ids = table[competition.id].to_numpy(object)
    return Examples(ids, features, target, weight, sha256, _notes(features))


def _notes(features: pd.DataFrame) -> tuple[str, ...]:
    empty = [repr(name) for name in features if features[name].isna().all()]
    return (f"no row has a value in {some(empty)}",) if empty else ()


def _check(
    table: pd.DataFrame, competition: Competition, labelled: bool, faults: Faults
) -> None:
    """Only what is there is checked: a missing column is known as a fault by now."""
    if table.empty:
        if not faults:
            faults.add("it has a header but no rows")
        return
    checks: list[tuple[str | None, Callable[..., None]]] = [
        (competition.id, _check_ids)
    ]
    if labelled:
        checks += [
            (competition.target, _check_labels),
            (competition.weight, _check_weights),
        ]
    checks += [(name, _check_size) for name in competition.features]
    for name, check in checks:
        if name in table:
            check(table, name, competition, faults)


def _check_ids(
    table: pd.DataFrame, name: str, competition: Competition, faults: Faults
) -> None:
    ids = table[name]
    _add(faults, f"rows without an id in {name!r}", ids[ids == ""], cell=False)
    doubled = ids.duplicated() & (ids != "")
    _add(faults, f"ids that an earlier row has, in {name!r}", ids[doubled])


def _check_labels(
    table: pd.DataFrame, name: str, competition: Competition, faults: Faults
) -> None:
    labels = table[name]
    known = labels.isin(competition.classes)
    classes = ", ".join(competition.classes)
    _add(faults, f"rows without a label in {name!r}", labels[labels == ""], cell=False)
    unknown = labels[~known & (labels != "")]
    _add(faults, f"unknown labels in {name!r} (the classes are {classes})", unknown)
    absent = [repr(c) for c in competition.classes if not (labels == c).any()]
    if absent and known.any():
        faults.add("classes that no row has, so that they cannot be learned", *absent)


def _check_weights(
    table: pd.DataFrame, name: str, competition: Competition, faults: Faults
) -> None:
    weights = table[name]
    _add(faults, f"negative weights in {name!r}", weights[weights < 0])
    if competition.target not in table:
        return
    for label in competition.classes:
        own = weights[table[competition.target] == label]
        if len(own) and (own == 0).all():
            faults.add(f"weights in {name!r} that are all zero", f"class {label!r}")


def _check_size(
    table: pd.DataFrame, name: str, competition: Competition, faults: Faults
) -> None:
    values = table[name]
    kind = f"numbers beyond ±{LARGEST:.2g}, too large for a network"
    too_large = values[values.abs() > LARGEST]
    if len(too_large):
        first = too_large.iloc[:SHOWN].items()
        places = [f"line {line}, {name!r}: {value:g}" for line, value in first]
        faults.add(kind, *places, count=len(too_large))


def _add(faults: Faults, kind: str, cells: pd.Series, cell: bool = True) -> None:
    """The rows of `cells` have a fault; their index is the line of the file."""
    if len(cells):
        first = cells.iloc[:SHOWN].items()
        lines = [f"line {line}" + f": {_told(c)}" * cell for line, c in first]
        faults.add(kind, *lines, count=len(cells))


def _told(value: object) -> str:
    return shown(value) if isinstance(value, str) else f"{value:g}"


def _refuse_shared_rows(
    train: Examples, test: Examples, competition: Competition, messages: list[str]
) -> None:
    """An id in both files is an error when its features are the same in both.

    Else it is another row that happens to be numbered alike, as where both files count
    from 1; `ensemble check` tells how many there are.
    """
    in_train = pd.Index(train.ids).get_indexer(test.ids)
    of_test = np.flatnonzero(in_train >= 0)
    ours = test.features.to_numpy()[of_test]
    theirs = train.features.to_numpy()[in_train[of_test]]
    alike = ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).all(axis=1)
    if alike.any():
        ids = some(
            [shown(i) for i in test.ids[of_test[alike]][:SHOWN]], int(alike.sum())
        )
        messages.append(
            f"rows that are in {competition.train_file} and in {competition.test_file},"
            f" take them out of one: {ids}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
