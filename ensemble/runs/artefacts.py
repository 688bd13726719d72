"""Saved files and the notes that tell whether they are still what was written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ensemble.errors import DamagedError
from ensemble.files import read_regular, sha256


def note_of(data: bytes) -> dict[str, Any]:
    """What run.json keeps about a file.

    >>> note_of(b"abc")["n_bytes"]
    3
    """
    return {"sha256": sha256(data), "n_bytes": len(data)}


def read_checked(path: Path, note: Mapping[str, Any], remedy: str) -> bytes:
    """The content of a file, or a DamagedError that names file and remedy."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise DamagedError(f"{path} {_unreadable(error)}; {remedy}") from error
    if wrong := _compare(data, note):
        raise DamagedError(f"{path} {wrong}; {remedy}")
    return data


def what_is_wrong(path: Path, note: Mapping[str, Any]) -> str | None:
    """How a file differs from its note, in words; None if it does not."""
    try:
        return _compare(read_regular(path), note)
    except OSError as error:
        return _unreadable(error)


def _compare(data: bytes, note: Mapping[str, Any]) -> str | None:
    if len(data) != note["n_bytes"]:
        return f"has {len(data)} bytes instead of {note['n_bytes']}"
    return "was changed" if sha256(data) != note["sha256"] else None


def _unreadable(error: OSError) -> str:
    gone = isinstance(error, FileNotFoundError)
    return "is gone" if gone else f"cannot be read ({error.strerror})"
