"""The ledger: one line for each submission, and for what it scored.

Lines are only ever added. A later line with the same checksum adds what became known
later, such as the public score. The file is replaced as a whole with each line, so that
it never ends in half a line; it stays small.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ensemble import files
from ensemble.errors import UserError
from ensemble.runs.lock import hold_lock

COLUMNS = (
    "time",
    "competition",
    "run",
    "file",
    "rows",
    "sha256",
    "cv score",
    "optimism",
    "public",
    "private",
    "note",
)


@dataclass(frozen=True)
class Entry:
    """A line of the ledger, its fields in the order of `COLUMNS`."""

    time: str
    competition: str
    run: str
    file: str
    n_rows: int
    sha256: str
    cv_score: float | None = None
    optimism: float | None = None
    public: float | None = None
    private: float | None = None
    note: str = ""


def append_entry(path: Path, entry: Entry, *, once: bool = False) -> bool:
    """Add a line; whether it was added.

    With `once` it is not where file and checksum stand there already. Several processes
    may do this at the same time.
    """
    files.make_folder(path.parent)
    with hold_lock(path.parent / ".lock", wait=True):
        files.remove_temporaries(path.parent)
        known = _read(path)
        if once and any(
            (line["file"], line["sha256"]) == (harmless(entry.file), entry.sha256)
            for line in _parse(known, path)
        ):
            return False
        cells = [_cell(getattr(entry, field.name)) for field in fields(entry)]
        files.write_atomically(path, known + _lines([cells]))
        return True


def read_ledger(path: Path) -> list[dict[str, str]]:
    """All lines, the oldest first; none where there is no ledger yet."""
    return _parse(_read(path), path)


def harmless(text: str) -> str:
    """A text on one line that no spreadsheet takes for a formula.

    >>> harmless("=1+1"), harmless("first try\\nat 3.2")
    ("'=1+1", 'first try at 3.2')
    """
    line = " ".join(text.split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return harmless(value)
    return "" if value is None else str(value)


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode(errors="backslashreplace")


def _read(path: Path) -> bytes:
    """The ledger as it is, or as it begins, with a line feed at the end."""
    if not path.exists():
        return _lines([COLUMNS])
    with files.disk_errors(path):
        data = files.read_regular(path)
    return data if data.endswith(b"\n") else data + b"\n"


def _parse(data: bytes, path: Path) -> list[dict[str, str]]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no ledger ({error}); mend or move it") from error
    header, *lines = rows or [[]]
    if header != list(COLUMNS):
        raise UserError(
            f"{path} is no ledger, its first line should be '{','.join(COLUMNS)}'; mend"
            " or move it"
        )
    padded = (line + [""] * len(COLUMNS) for line in lines if line)
    return [dict(zip(COLUMNS, line, strict=False)) for line in padded]
