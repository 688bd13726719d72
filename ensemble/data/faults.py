"""What is wrong with a file, gathered so that all of it is told at once."""

from collections.abc import Sequence
from pathlib import Path

from ensemble.errors import DataError

SHOWN = 3  # places named for each kind of fault; the others are counted
LONGEST = 40  # characters shown of a cell


class Faults:
    """The faults of one file, by kind; of each kind the first few places are kept.

    >>> faults = Faults()
    >>> faults.add("no number", *[f"line {line}" for line in range(2, 9)])
    >>> faults.add("no rows")
    >>> faults.message("a.csv")
    'a.csv: no number: line 2; line 3; line 4; and 4 more\\n  - no rows'
    """

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(self, kind: str, *places: str, count: int | None = None) -> None:
        """`count` is how many places there are, where not all of them are passed."""
        kept = self._places.setdefault(kind, [])
        kept.extend(places[: SHOWN - len(kept)])
        added = len(places) if count is None else count
        self._counts[kind] = self._counts.get(kind, 0) + added

    def message(self, name: str | Path) -> str:
        """One line for one fault; each further fault on its own line."""
        lines = [self._line(kind) for kind in self._places]
        return f"{name}: " + "\n  - ".join(lines)

    def raise_any(self, path: Path) -> None:
        if self:
            raise DataError(self.message(path))

    def _line(self, kind: str) -> str:
        return kind + (f": {self._list(kind)}" if self._places[kind] else "")

    def _list(self, kind: str) -> str:
        return some(self._places[kind], self._counts[kind], between="; ")


def some(words: Sequence[str], count: int | None = None, between: str = ", ") -> str:
    """The first few words, and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c, and 2 more'
    """
    count = len(words) if count is None else count
    shown = list(words[:SHOWN])
    if count > len(shown):
        shown.append(f"and {count - len(shown)} more")
    return between.join(shown)


def shown(cell: str) -> str:
    """A cell between quotes, cut where it is long, control characters spelt out."""
    return repr(cell if len(cell) <= LONGEST else cell[:LONGEST] + "…")
