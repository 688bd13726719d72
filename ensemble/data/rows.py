"""A table read row by row, with everything that is wrong with it.

It is the slow reader (benchmarks/README.md); the fast one of `plain.py` hands over
to it whatever is not plain.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy as np
import pandas as pd

from ensemble.data.faults import Faults, shown
from ensemble.data.header import Columns, check_header
from ensemble.errors import DataError

LONGEST_LINE = 1 << 24  # bytes
CHUNK = 5_000  # rows that are Python objects at the same time
BLANKS = " \t\v\f"  # allowed around a number
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)

Row = tuple[int, list[str]]  # line of the file (the first is 1), cells


def read_rows(
    stream: BinaryIO, name: str, columns: Columns
) -> tuple[pd.DataFrame, Faults]:
    """What can be read of a table, indexed by line, and all faults that were met.

    Cells that are no numbers become NaN and rows of a wrong length are left out: only
    without faults is the table whole.
    """
    faults = Faults()
    parsed = parse_rows(_lines(stream, name, faults), faults)
    rows = ((line, cells) for line, cells in parsed if cells)  # blank lines are none
    header = next(rows, (1, []))[1]
    if faults:  # in the header itself, and the rows mean nothing without it
        return pd.DataFrame(columns=list(columns.all)), faults
    check_header(header, columns, faults)
    table = _Table(header, columns, faults)
    whole = whole_rows(rows, len(header), faults)
    while chunk := list(islice(whole, CHUNK)):
        table.add(chunk)
    return table.frame(), faults


def parse_rows(lines: Iterable[str], faults: Faults) -> Iterator[Row]:
    """The rows of a CSV file, each with its first line; a blank line has no cells.

    >>> list(parse_rows(["id,x\\n", "\\n", "7,1\\n"], Faults()))
    [(1, ['id', 'x']), (2, []), (3, ['7', '1'])]
    """
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            faults.add("rows that are no CSV", f"line {line}: {_plainly(error)}")
        else:
            yield line, cells


def whole_rows(rows: Iterable[Row], n_cells: int, faults: Faults) -> Iterator[Row]:
    """Those of the right length; the others are noted."""
    for line, cells in rows:
        if len(cells) == n_cells:
            yield line, cells
        else:
            kind = f"rows longer or shorter than the header's {n_cells} cells"
            faults.add(kind, f"line {line} has {len(cells)}")


def _lines(stream: BinaryIO, name: str, faults: Faults) -> Iterator[str]:
    line = 0
    while data := stream.readline(LONGEST_LINE):
        line += 1
        if len(data) == LONGEST_LINE:
            raise DataError(f"{name}: line {line} is longer than 16 MB; is it a table?")
        if line == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data:
            faults.add("NUL bytes, as a damaged file has", f"line {line}")
        yield _decode(data, line, faults)


def _decode(data: bytes, line: int, faults: Faults) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        place = f"line {line}, byte 0x{data[error.start]:02x} at {error.start + 1}"
        faults.add("text that is not UTF-8 (save the file as UTF-8)", place)
        return data.decode("latin-1")


def _plainly(error: csv.Error) -> str:
    message = str(error)
    if "unexpected end" in message or "field limit" in message:
        return "a quote is opened and not closed"
    if "new-line" in message:
        return "a carriage return inside the line"
    if "expected after" in message:
        return "text after a closing quote"
    return message


@dataclass
class _Table:
    """The columns of a table while it grows, chunk after chunk."""

    header: Sequence[str]
    columns: Columns
    faults: Faults
    lines: list[int] = field(default_factory=list)
    text: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def add(self, rows: Sequence[Row]) -> None:
        lines = [line for line, _ in rows]
        cells = dict(
            zip(self.header, zip(*(c for _, c in rows), strict=True), strict=True)
        )
        self.lines.extend(lines)
        for name in self.columns.text:
            self.text.setdefault(name, []).extend(cells.get(name, ()))
        for name in self.columns.numeric:
            if name in cells:
                read = self._numbers(name, cells[name], lines)
                self.columns.blank(name, read)
                self.numbers.setdefault(name, []).append(read)

    def frame(self) -> pd.DataFrame:
        present = [c for c in self.columns.all if c in self.header]
        index = pd.Index(self.lines, name="line", dtype=np.int64)
        return pd.DataFrame(
            {
                name: pd.Series(self._column(name), index, self._dtype(name))
                for name in present
            },
            index,
        )

    def _column(self, name: str) -> Sequence[str] | np.ndarray:
        if name in self.columns.text:
            return self.text.get(name, [])
        return np.concatenate(self.numbers.get(name, [np.empty(0)]))

    def _dtype(self, name: str) -> type:
        return object if name in self.columns.text else float

    def _numbers(
        self, name: str, cells: Sequence[str], lines: Sequence[int]
    ) -> np.ndarray:
        """NaN where there is no value. Cell by cell only where something is odd."""
        joined = "".join(cells)
        # Python's float would read 1_000, and the digits of every script
        if joined.isascii() and "_" not in joined:
            try:
                numbers = np.fromiter(map(float, cells), float, len(cells))
            except ValueError:
                pass
            else:
                if np.isfinite(numbers).all():
                    return numbers
        return np.array(
            [self._number(name, *at) for at in zip(cells, lines, strict=True)]
        )

    def _number(self, name: str, cell: str, line: int) -> float:
        stripped = cell.strip(BLANKS)
        place = f"line {line}, {name!r}: {shown(cell)}"
        if cell == "":
            if name in self.columns.complete:
                self.faults.add("no value where each row needs one", place)
            return np.nan
        if NOT_FINITE.fullmatch(stripped):
            kind = "numbers that are not finite (leave a cell empty for 'no value')"
            self.faults.add(kind, place)
            return np.nan
        if not NUMBER.fullmatch(stripped):
            kind = "text where a number belongs (written like -1.5 or 2e-7)"
            self.faults.add(kind, place)
            return np.nan
        number = float(stripped)
        if np.isinf(number):
            self.faults.add("numbers too large for a computer's", place)
            return np.nan
        return number
