"""The bytes of a table: as they are, out of a .gz or out of a .zip.

Nothing is unpacked to the disk, and no more is read than an honest table can hold.
"""

import gzip
import io
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from ensemble.data.faults import some
from ensemble.errors import DataError

HARMLESS_BYTES = 256 * 1024**2  # so much may come out of any archive
LARGEST_RATIO = 200  # beyond that, no more than this times the archive's size
BUFFER = 1 << 20
DAMAGE = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    NotImplementedError,  # a flipped bit in the version that a zip archive states
)
LOOKS_LIKE = {
    b"\x1f\x8b": "is compressed by gzip: give it a name that ends in .gz",
    b"PK\x03\x04": "is a zip archive: give it a name that ends in .zip",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
    b"<!doctype html": "is an HTML page, perhaps a login page: download it again",
    b"<html": "is an HTML page, perhaps a login page: download it again",
}


@contextmanager
def open_table(path: Path) -> Iterator[BinaryIO]:
    """The bytes of the table in a file, decompressed while they are read.

    Whatever is wrong with the file or archive becomes a `DataError`, also later, while
    the stream is read.
    """
    try:
        _refuse_other_than_files(path)
        with path.open("rb") as file, _unpacked(file, path) as stream:
            buffered = io.BufferedReader(stream, BUFFER)
            _refuse_disguises(buffered.peek(16)[:16], path)
            yield buffered
    except DAMAGE as error:
        raise DataError(
            f"{path} is damaged or cut short ({error}); download or copy it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None


def _refuse_other_than_files(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file; give the file itself")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a regular file; give a file with the table")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; download or copy it again")


@contextmanager
def _unpacked(file: io.BufferedReader, path: Path) -> Iterator["_Capped"]:
    most = max(HARMLESS_BYTES, LARGEST_RATIO * path.stat().st_size)
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=file) as stream:
            yield _Capped(stream, most, path)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(file) as archive, _member(archive, path) as member:
            yield _Capped(member, most, path)
    else:
        yield _Capped(file, sys.maxsize, path)


def _member(archive: zipfile.ZipFile, path: Path) -> io.BufferedIOBase:
    try:
        return cast(io.BufferedIOBase, archive.open(_choose(archive, path)))
    except (RuntimeError, NotImplementedError) as error:  # a password, a rare method
        raise DataError(
            f"{path} cannot be unpacked here ({error}); unpack it yourself"
        ) from None


def _choose(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one member that is meant: the only one, or the one named like the archive."""
    members = [m for m in archive.infolist() if not _is_litter(m)]
    for member in members:
        _refuse_hostile(member, path)
    table = path.stem if "." in path.stem else f"{path.stem}.csv"
    named = [m for m in members if PurePosixPath(m.filename).name == table]
    for candidates in (members, named):
        if len(candidates) == 1:
            return candidates[0]
    held = some([repr(m.filename) for m in members], between=", ") or "nothing"
    raise DataError(
        f"{path} should hold one table or one named {table}, and holds {held};"
        f" unpack it and keep {table}"
    )


def _is_litter(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    return member.is_dir() or "__MACOSX" in name.parts or name.name == ".DS_Store"


def _refuse_hostile(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename.replace("\\", "/")
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if name.startswith("/") or ":" in name or ".." in name.split("/") or is_link:
        raise DataError(
            f"{path} holds {member.filename!r}, a link or a name that leads outside;"
            " it is not read: get the archive from its publisher"
        )


def _refuse_disguises(head: bytes, path: Path) -> None:
    for start, what in LOOKS_LIKE.items():
        if head.lstrip().lower().startswith(start.lower()):
            raise DataError(f"{path} {what}")


class _Capped(io.RawIOBase):
    """A stream that refuses to give more than `most` bytes."""

    def __init__(self, stream: io.BufferedIOBase, most: int, path: Path) -> None:
        self._stream, self._left, self._path = stream, most, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        n_read = self._stream.readinto(buffer)
        self._left -= n_read
        if self._left < 0:
            raise DataError(
                f"{self._path} unpacks to more than {LARGEST_RATIO} times its size, as"
                " no table does; get it again from its publisher"
            )
        return n_read
