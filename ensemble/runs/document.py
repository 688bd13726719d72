"""run.json: what it holds, how it is written, and how it is read with suspicion."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from ensemble.errors import DamagedError, UserError
from ensemble.files import read_regular, sha256
from ensemble.spec import Frozen

FORMAT = 1  # of the run folder; a higher one is refused, lower ones are read

Document = dict[str, Any]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class FileNote(Frozen):
    """What a saved file was when it was written."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    n_bytes: NonNegativeInt


class MemberNote(Frozen):
    """The files of a finished member, and what it told of its training."""

    files: dict[FileName, FileNote]
    record: dict[str, Any]


class Skeleton(BaseModel):
    """What every run.json holds; the sections of the run stand beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal[1]
    name: str
    members: dict[Annotated[str, Field(pattern=r"^[0-9]{4,9}$")], MemberNote]
    artefacts: dict[FileName, FileNote]


def encode_document(document: Mapping[str, Any]) -> bytes:
    """The bytes of a JSON file, with null for numbers that are not finite.

    Keys stay in order: that of a submission's columns has a meaning.

    >>> encode_document({"b": float("nan"), "a": (np.float32(0.5), "ü")})
    b'{\\n "b": null,\\n "a": [\\n  0.5,\\n  "\\xc3\\xbc"\\n ]\\n}\\n'
    """
    text = json.dumps(plain(document), allow_nan=False, ensure_ascii=False, indent=1)
    return f"{text}\n".encode(errors="backslashreplace")  # stray halves of characters


def seal_document(document: Document) -> bytes:
    """The bytes of a run.json: sections by name, and a checksum of all others."""
    own = {key: dict(sorted(document[key].items())) for key in ("members", "artefacts")}
    ordered = dict(sorted((document | own).items()))
    return encode_document({"checksum": _checksum(ordered)} | ordered)


def plain(value: Any) -> Any:
    """The same as JSON holds it: a mapping, list, text, number, truth value or None."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError(f"run.json takes plain values, got {type(value).__name__}")


def read_document(path: Path) -> Document:
    """The content of a run.json, or why it cannot be used."""
    try:
        parsed = json.loads(read_regular(path), parse_constant=_refuse_constant)
        checksum = parsed.pop("checksum", None) if isinstance(parsed, dict) else None
        is_whole = checksum == _checksum(parsed)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{path} cannot be read: {error}") from error
    if not isinstance(parsed, dict):
        raise DamagedError(f"{path} is not the record of a run")
    _check_format(parsed.get("format"), path)
    if not is_whole:
        raise DamagedError(f"{path} was changed since it was written; restore it")
    _check_skeleton(parsed, path)
    return parsed


def member_key(index: int) -> str:
    """The name of a member's folder, and its key in run.json.

    >>> member_key(3), member_key(12345)
    ('0003', '12345')
    """
    return f"{index:04}"


def _checksum(document: Any) -> str:
    return sha256(encode_document(document))


def _check_format(version: Any, path: Path) -> None:
    if type(version) is not int or version < 1:
        raise DamagedError(f"{path} does not say which format it has, or wrongly")
    if version > FORMAT:
        raise UserError(
            f"{path} was written by a newer version (format {version}, this one reads"
            f" up to {FORMAT}); update the toolkit"
        )


def _check_skeleton(parsed: Document, path: Path) -> None:
    try:
        Skeleton.model_validate(parsed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DamagedError(f"{path} is damaged at {place}: {first['msg']}") from error
    odd = [key for key in parsed["members"] if key != member_key(int(key))]
    if odd:
        raise DamagedError(f"{path} is damaged at members.{odd[0]}: not a member's key")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
