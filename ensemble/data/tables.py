"""CSV files -> tables, exactly, or a list of all that is wrong with them.

Text stays as it is, byte for byte: '007', 'NA' and 9007199254740993 are themselves. A
number is what a decimal literal says, rounded once; an empty cell is no value.

There are two readers. The fast one of `plain.py` gives up at the first oddity; the slow
one of `rows.py` then starts over, reads what CSV allows and lists all faults.
`benchmarks/csv_reading.py` compares their speed with that of other libraries.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from ensemble.data.archives import open_table
from ensemble.data.faults import Faults, some
from ensemble.data.header import Columns
from ensemble.data.plain import NotPlain, iterate_plain, read_plain
from ensemble.data.rows import read_rows
from ensemble.errors import DataError

SMALL_BLOCK_ROWS = 1 << 14  # at a time where they come from the slow reader


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
    with quotes or other oddities is read whole, into memory.
    """
    columns = Columns(tuple(text), tuple(numeric), tuple(missing), frozenset(complete))
    n_read = 0
    try:
        with open_table(path) as stream:
            for table in iterate_plain(stream, columns):
                n_read += len(table)
                yield table
        return
    except NotPlain:
        pass
    with open_table(path) as stream:
        table, faults = read_rows(stream, str(path), columns)
    faults.raise_any(path)
    for start in range(n_read, len(table), SMALL_BLOCK_ROWS):
        yield table[start : start + SMALL_BLOCK_ROWS]


def examine_table(path: Path, columns: Columns) -> tuple[pd.DataFrame, Faults]:
    """The same, but with the faults listed; the table is whole if there are none.

    A file that is no table at all, or damaged, is a `DataError` here too.
    """
    try:
        with open_table(path) as stream:
            return read_plain(stream, columns), Faults()
    except NotPlain:
        with open_table(path) as stream:
            return read_rows(stream, str(path), columns)
