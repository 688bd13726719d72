"""CERN's open data into the files of the challenge, and the truth of its test rows.

The file has all 818,238 events with their labels. `KaggleSet` tells which were training
rows (t), test rows of the public (b) or of the private score (v), or left out (u).
`KaggleWeight` sums to the totals of the challenge within each of them.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ensemble.errors import DataError

from .files import whole_file
from .spec import COMPETITION

COUNTS = {"t": 250_000, "b": 100_000, "v": 450_000, "u": 18_238}
USAGE = {"b": "Public", "v": "Private"}
INPUTS = (COMPETITION.id, *COMPETITION.features)
COLUMNS = (*INPUTS, "Weight", "Label", "KaggleSet", "KaggleWeight")
OUTPUTS = {  # the training file last: with it all others are there
    COMPETITION.train_file: (*INPUTS, "Weight", "Label"),
    COMPETITION.test_file: INPUTS,
    COMPETITION.solution_file: (COMPETITION.id, "Class", "Weight", "Usage"),
    COMPETITION.sample_file: tuple(COMPETITION.submission),
}


def prepare(folder: Path, counts: Mapping[str, int] = COUNTS) -> None:
    """Write training, test, solution and sample submission beside CERN's file.

    Numbers are copied as they stand, character by character, and one row is held at a
    time. `counts` are the rows of each set that must be there; with any fault nothing
    is written.
    """
    assert COMPETITION.download is not None
    source = folder / COMPETITION.download.file
    with ExitStack() as stack:
        writers = {}
        for name, columns in OUTPUTS.items():
            file = stack.enter_context(whole_file(folder / f"{name}.gz"))
            writers[name] = csv.writer(file, lineterminator="\n")
            writers[name].writerow(columns)
        found = _distribute(source, writers)
        if found != counts:
            raise DataError(
                f"{source} has {_told(found)} rows, but {_told(counts)} were expected;"
                " delete it and fetch it again"
            )


def _distribute(source: Path, writers: Mapping[str, Any]) -> Counter[str]:
    """Write each event where it belongs, and count the events of each set."""
    found: Counter[str] = Counter()
    n_test = 0
    for event in _read_events(source):
        *inputs, _, label, own, weight = event
        found[own] += 1
        if own == "t":
            writers[COMPETITION.train_file].writerow([*inputs, weight, label])
        elif own in USAGE:
            n_test += 1
            truth = [inputs[0], label, weight, USAGE[own]]
            writers[COMPETITION.test_file].writerow(inputs)
            writers[COMPETITION.solution_file].writerow(truth)
            writers[COMPETITION.sample_file].writerow([inputs[0], n_test, "s"])
    return found


def _read_events(source: Path) -> Iterator[list[str]]:
    """The rows below the header, each with as many cells as there are columns."""
    try:
        with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if tuple(header) != COLUMNS:
                raise DataError(f"{source} {_header_fault(header)}")
            for event in reader:
                if len(event) != len(COLUMNS):
                    raise DataError(
                        f"{source}, line {reader.line_num}: {len(event)} cells where"
                        f" there are {len(COLUMNS)} columns; fetch it again"
                    )
                yield event
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            f"{source} cannot be read ({error}); delete it and fetch it again"
        ) from error


def _header_fault(header: list[str]) -> str:
    lacks = [name for name in COLUMNS if name not in header]
    if lacks:
        return f"lacks the columns {', '.join(lacks)}: it is not CERN's record 328"
    return "has other columns, or another order, than CERN's record 328"


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[own]:,} {own}" for own in sorted(counts))
