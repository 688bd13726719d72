"""A CSV file as text, strictly: what a grader could misread is a fault."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensemble.data.archives import open_table
from ensemble.data.faults import Faults, shown
from ensemble.data.rows import Row, parse_rows, whole_rows

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Sheet:
    """Columns of text, and the line of the file on which each row begins.

    Rows of a wrong length are left out, and so are columns whose name stands twice.
    """

    header: list[str]
    columns: dict[str, list[str]]
    lines: list[int]


def read_bytes(path: Path) -> bytes:
    """The bytes of a CSV file, also of a .gz or .zip."""
    with open_table(path) as stream:
        return stream.read()


def read_sheet(data: bytes, faults: Faults) -> Sheet:
    """What can be read of a CSV file; all that is wrong with its form is noted."""
    lines = io.StringIO(_decode(data, faults), newline="")
    rows = _without_blank(parse_rows(lines, faults), faults)
    header = next(rows, (0, []))[1]
    kept = list(whole_rows(rows, len(header), faults))
    columns = list(zip(*(cells for _, cells in kept), strict=True)) or [()] * len(
        header
    )
    single = {name: list(columns[header.index(name)]) for name in set(header)}
    for name in dict.fromkeys(n for n in header if header.count(n) > 1):
        faults.add("columns that stand twice", shown(name))
        single.pop(name)
    return Sheet(header, single, [line for line, _ in kept])


def check_columns(
    sheet: Sheet, due: Sequence[str], faults: Faults, optional: str = ""
) -> None:
    """Note the columns that are missing or unknown."""
    absent = [name for name in due if name not in sheet.header]
    unknown = [name for name in sheet.header if name not in {*due, optional}]
    for kind, names in (("missing columns", absent), ("unknown columns", unknown)):
        if names:
            faults.add(kind, *map(shown, names))


def check_order(sheet: Sheet, due: Sequence[str], faults: Faults) -> None:
    """Note if all columns are there, but not in this order."""
    if sheet.header != list(due) and sorted(sheet.header) == sorted(due):
        faults.add(f"columns in another order than {','.join(due)}")


def _decode(data: bytes, faults: Faults) -> str:
    if data.startswith(BOM):
        faults.add("a byte order mark at the start (save it as UTF-8 without BOM)")
        data = data.removeprefix(BOM)
    if not data:
        faults.add("nothing in it")
    if b"\0" in data:
        faults.add("NUL bytes", f"line {data[: data.index(0)].count(10) + 1}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        faults.add("text that is not UTF-8 (save it as UTF-8)", f"line {line}")
        return data.decode("latin-1")


def _without_blank(rows: Iterable[Row], faults: Faults) -> Iterator[Row]:
    for line, cells in rows:
        if cells:
            yield line, cells
        else:
            faults.add("blank lines", f"line {line}")


def encode_csv(columns: Mapping[str, Iterable[object]]) -> bytes:
    """A CSV file of columns of one length.

    >>> encode_csv({"id": ["007", "a,b"], "rank": [2, 1]})
    b'id,rank\\n007,2\\n"a,b",1\\n'
    """
    rows = zip(*columns.values(), strict=True)
    lines = (",".join(map(_quoted, row)) for row in [columns, *rows])
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(value: object) -> str:
    """A cell of a CSV file. (Python's csv leaves a carriage return without quotes.)

    >>> print(_quoted(7), _quoted("a b"), _quoted('a,"b"'))
    7 a b "a,""b\"""
    """
    cell = str(value)
    if not any(odd in cell for odd in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'
