"""CSV files -> tables, exactly, or a list of all that is wrong with them.

Text stays as it is, byte for byte: '007', 'NA' and 9007199254740993 are themselves. A
number is what a decimal literal says, rounded once; an empty cell is no value.

There are two readers. The fast one takes blocks of plain lines (as many cells as the
header, no quotes) and gives up at the first oddity; the slow one of `rows.py` then
starts over, reads what CSV allows and lists all faults. On 250,000 rows x 33 columns
they take 1.0 s and 2.5 s.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from ensemble.data.archives import open_table
from ensemble.data.faults import Faults, some
from ensemble.data.header import Columns, check_header
from ensemble.data.rows import read_rows
from ensemble.errors import DataError

BLOCK = 1 << 25  # bytes; freed at once, unlike smaller ones: 2.0 x the array, not 2.7
BOM = b"\xef\xbb\xbf"
SMALL_BLOCK = 1 << 22  # bytes, for those who want few rows in memory
SMALL_BLOCK_ROWS = 1 << 14  # where they come from the slow reader
NEWLINE, COMMA = ord("\n"), ord(",")


def find_table(folder: Path, name: str) -> Path:
    """The file of a table, which may lie there compressed.

    'training.csv' may be that, training.csv.gz, training.csv.zip or training.zip.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"the data folder {folder} {what}; give the folder of {name}")
    names = dict.fromkeys(
        [name, f"{name}.gz", f"{name}.zip", str(Path(name).with_suffix(".zip"))]
    )
    found = [folder / candidate for candidate in names if (folder / candidate).exists()]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(path.name for path in found)
        raise DataError(f"{folder} has {both}; keep one of them")
    held = some(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise DataError(
        f"{folder} has no {name} (nor {', '.join(list(names)[1:])}); it holds {held}"
    )


def read_table(
    path: Path,
    numeric: Sequence[str],
    text: Sequence[str],
    missing: Sequence[float] = (),
    complete: Sequence[str] = (),
) -> pd.DataFrame:
    """The columns asked for, indexed by the line of the file each row stands on.

    Text is str, numbers float64; NaN stands for empty cells and for the numbers in
    `missing`. In the numeric columns named in `complete` each row must have a value,
    and any number is one. All faults of the file are told in one `DataError`.
    """
    columns = Columns(tuple(text), tuple(numeric), tuple(missing), frozenset(complete))
    table, faults = examine_table(path, columns)
    faults.raise_any(path)
    return table


def iterate_table(
    path: Path,
    numeric: Sequence[str],
    text: Sequence[str],
    missing: Sequence[float] = (),
    complete: Sequence[str] = (),
) -> Iterator[pd.DataFrame]:
    """The same table in blocks of rows, so that it need not fit into memory.

    A fault is met when its block is read: then all faults of the file are told. A file
    with quotes or other oddities is read whole from where they begin.
    """
    columns = Columns(tuple(text), tuple(numeric), tuple(missing), frozenset(complete))
    n_read = 0
    with open_table(path) as stream:
        header = _plain_header(stream, columns)
        blocks = _blocks(stream, SMALL_BLOCK) if header else iter([b""])
        for block in blocks:
            frame = _parse(block, header, columns) if header else None
            if frame is None:
                break
            table = _join([frame[list(text)]], [_numbers(frame, columns)], columns)
            table.index += n_read
            n_read += len(table)
            yield table
        else:
            return
    with open_table(path) as stream:
        table, faults = read_rows(stream, str(path), columns)
    faults.raise_any(path)
    for start in range(n_read, len(table), SMALL_BLOCK_ROWS):
        yield table[start : start + SMALL_BLOCK_ROWS]


def examine_table(path: Path, columns: Columns) -> tuple[pd.DataFrame, Faults]:
    """The same, but with the faults listed; the table is whole if there are none.

    A file that is no table at all, or damaged, is a `DataError` here too.
    """
    with open_table(path) as stream:
        table = _read_fast(stream, columns)
    if table is not None:
        return table, Faults()
    with open_table(path) as stream:
        return read_rows(stream, str(path), columns)


def _read_fast(stream: BinaryIO, columns: Columns) -> pd.DataFrame | None:
    header = _plain_header(stream, columns)
    if header is None:
        return None
    text: list[pd.DataFrame] = []
    numbers: list[np.ndarray] = []
    for block in _blocks(stream):
        frame = _parse(block, header, columns)
        if frame is None:
            return None
        text.append(frame[list(columns.text)])
        numbers.append(_numbers(frame, columns))
    return _join(text, numbers, columns)


def _numbers(frame: pd.DataFrame, columns: Columns) -> np.ndarray:
    values_CN = frame[list(columns.numeric)].to_numpy(copy=True).T
    for name, values_N in zip(columns.numeric, values_CN, strict=True):
        columns.blank(name, values_N)
    return values_CN


def _plain_header(stream: BinaryIO, columns: Columns) -> list[str] | None:
    line = stream.readline(BLOCK).removeprefix(BOM).rstrip(b"\r\n")
    if b'"' in line or b"\0" in line or b"\r" in line or b"," not in line:
        return None
    header = line.decode(errors="replace").split(",")
    faults = Faults()
    check_header(header, columns, faults)
    return None if faults else header


def _blocks(stream: BinaryIO, n_bytes: int = BLOCK) -> Iterator[bytes]:
    """Blocks of whole lines."""
    rest = b""
    while data := stream.read(n_bytes):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
    if rest:
        yield rest + b"\n"


def _parse(block: bytes, header: list[str], columns: Columns) -> pd.DataFrame | None:
    """None unless every line is plain and every number good."""
    if not _is_plain(block, len(header)):
        return None
    kinds = dict.fromkeys(columns.text, object) | dict.fromkeys(columns.numeric, float)
    try:
        frame = pd.read_csv(
            io.BytesIO(block),
            header=None,
            names=header,
            index_col=False,
            dtype=kinds,
            keep_default_na=False,
            na_values={c: [""] for c in columns.numeric if c not in columns.complete},
            quoting=3,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (ValueError, UnicodeDecodeError):  # the slow reader will say what it is
        return None
    return None if np.isinf(frame[list(columns.numeric)].to_numpy()).any() else frame


def _is_plain(block: bytes, n_cells: int) -> bool:
    r"""Whether each line has so many cells and no more to it than commas.

    >>> [_is_plain(b, 2) for b in (b"1,2\n3,4\n", b"1\n2,3,4\n", b'1,"2"\n')]
    [True, False, False]
    """
    if b'"' in block or b"\0" in block or block.count(b"\r") != block.count(b"\r\n"):
        return False
    lowered = block.lower()
    if b"true" in lowered or b"false" in lowered:  # pandas would read 1 and 0
        return False
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == NEWLINE)
    commas = np.flatnonzero(characters == COMMA)
    commas_until = np.searchsorted(commas, ends)
    return bool((np.diff(commas_until, prepend=0) == n_cells - 1).all())


def _join(
    text: list[pd.DataFrame], numbers: list[np.ndarray], columns: Columns
) -> pd.DataFrame:
    """One table of its blocks, which are let go one by one to spare memory."""
    n_rows = sum(len(block) for block in text)
    values_CN = np.empty((len(columns.numeric), n_rows))
    end = n_rows
    while numbers:
        block_CN = numbers.pop()
        values_CN[:, end - block_CN.shape[1] : end] = block_CN
        end -= block_CN.shape[1]
    lines = pd.RangeIndex(2, n_rows + 2, name="line")
    cells = {name: _cells(text, name) for name in columns.text}
    if not columns.numeric:
        return pd.DataFrame(cells, index=lines, dtype=object)
    table = pd.DataFrame(
        values_CN.T, columns=list(columns.numeric), index=lines, copy=False
    )
    for place, name in enumerate(columns.text):  # pd.concat would copy the numbers
        table.insert(place, name, pd.Series(cells[name], index=lines, dtype=object))
    return table


def _cells(text: list[pd.DataFrame], name: str) -> np.ndarray:
    return np.concatenate([np.empty(0, object), *[block[name] for block in text]])
