"""Which columns a table must have, and how its header differs from that."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ensemble.data.faults import Faults, shown

SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a bar"}


@dataclass(frozen=True)
class Columns:
    """The columns of a table: those read as text, those read as numbers.

    `missing` are the numbers that mean 'no value', as an empty cell does. In the
    numeric columns named in `complete` each row must have a value, any number is one.
    """

    text: tuple[str, ...]
    numeric: tuple[str, ...]
    missing: tuple[float, ...] = ()
    complete: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        doubled = [name for name, n in Counter(self.all).items() if n > 1]
        if doubled:
            raise ValueError(f"Columns takes each name once, got {doubled} twice")

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.text, *self.numeric)

    def blank(self, name: str, numbers: np.ndarray) -> None:
        """Put NaN, in place, where a number of the column means 'no value'."""
        if name not in self.complete:
            for number in self.missing:
                numbers[numbers == number] = np.nan


def check_header(header: Sequence[str], columns: Columns, faults: Faults) -> None:
    """Doubled, missing, renamed and unknown columns; their order is free."""
    doubled = [name for name, n in Counter(header).items() if n > 1]
    missing = [name for name in columns.all if name not in header]
    unknown = [name for name in dict.fromkeys(header) if name not in columns.all]
    if len(missing) == len(columns.all):
        faults.add(_no_header(header))
        return
    _add(faults, "columns that occur more than once", doubled)
    renamed = _renamed(missing, unknown)
    places = [f"{old!r} (is it {new!r}?)" for new, old in renamed.items()]
    if places:
        faults.add("columns with a wrong name", *places)
    _add(faults, "missing columns", [c for c in missing if c not in renamed])
    if "" in unknown:
        faults.add("a column without a name (pandas: write with index=False)")
    surplus = [c for c in unknown if c and c not in renamed.values()]
    _add(faults, "columns that the competition does not have", surplus)


def _add(faults: Faults, kind: str, names: Sequence[str]) -> None:
    if names:
        faults.add(kind, *[repr(name) for name in names])


def _renamed(missing: Sequence[str], unknown: Sequence[str]) -> dict[str, str]:
    """Missing name -> the unknown name that is most like it, each used once."""
    left = {name.strip().lower(): name for name in reversed(unknown)}
    renamed = {}
    for name in missing:
        for match in get_close_matches(name.lower(), list(left), n=1, cutoff=0.8):
            renamed[name] = left.pop(match)
    return renamed


def _no_header(header: Sequence[str]) -> str:
    start = shown(",".join(header))
    if len(header) == 1:
        for separator, name in SEPARATORS.items():
            if separator in header[0]:
                return f"the cells are separated by {name}, not a comma: {start}"
    return f"the first line names none of the competition's columns: {start}"
