"""Gzipped CSV files that are either whole or not there."""

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ensemble.files import sync_folder


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A gzipped text file to write into, which appears once all is written.

    On an error nothing appears. Equal text makes equal bytes, for no time is stored.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as raw:
            packed = gzip.GzipFile("", "wb", compresslevel=3, fileobj=raw, mtime=0)
            with packed, io.TextIOWrapper(packed, "utf-8", newline="") as text:
                yield text
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
