"""The folder of a run: finished members, and what is known about them.

    runs/higgs/0007-quick/
      run.json        all that is known: sections of the run, checksums of the files
      .lock           held by the process that works here
      members/0003/   oof.npy  test.npy  weights.safetensors
      report.html     artefacts: files that may be written again

What run.json lists is finished: it was on the disk before run.json was written, is
never overwritten, and is compared with its checksum before each use. All else in the
folder was left by a process that died, and `clean` removes it.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, final

import numpy as np
import safetensors.numpy

from ensemble import files
from ensemble.errors import DamagedError, UserError
from ensemble.runs.artefacts import note_of, read_checked, what_is_wrong
from ensemble.runs.document import (
    FORMAT,
    Document,
    member_key,
    plain,
    read_document,
    seal_document,
)
from ensemble.runs.lock import hold_lock
from ensemble.runs.names import check_name, run_number

WEIGHTS = "weights.safetensors"
_STORE_KEYS = {
    "checksum",
    "format",
    "name",
    "members",
    "artefacts",
}  # no sections of the run

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class SavedMember:
    """A finished member, as it goes to the disk."""

    index: int
    arrays: Mapping[str, Array]
    weights: Mapping[str, Array]
    record: Mapping[str, Any]


class Fault(NamedTuple):
    """A saved file that is not what was written; `member` is None for artefacts."""

    member: int | None
    file: str
    wrong: str


def create_run(root: Path, name: str, document: Mapping[str, Any]) -> "RunFolder":
    """Make the next run folder of a competition: `root/higgs/0007-quick`.

    `document` holds the sections of run.json, `competition` with its name among them.
    Runs are numbered over all names, also when several processes start at once.
    """
    competition = document["competition"]["name"]
    folder = root / check_name(competition, "the name of a competition")
    check_name(name, "the name of a run")
    files.make_folder(folder)
    with hold_lock(folder / ".lock", wait=True):
        files.remove_temporaries(folder)
        number = 1 + max((run_number(path) for path in folder.iterdir()), default=0)
        path = folder / f"{number:04}-{name}"
        own = {"format": FORMAT, "name": path.name, "members": {}, "artefacts": {}}
        complete = plain({"state": "new"} | dict(document) | own)
        building = folder / f".{path.name}{files.TEMPORARY}"
        files.make_folder(building)
        files.write_atomically(building / "run.json", seal_document(complete))
        with files.disk_errors(path):
            os.replace(building, path)
            files.sync_folder(folder)
    return RunFolder(path, complete)


def open_run(path: Path) -> "RunFolder":
    """The run that was left in a folder."""
    try:
        return RunFolder(path, read_document(path / "run.json"))
    except (FileNotFoundError, NotADirectoryError):
        if (path / "members").is_dir():
            raise DamagedError(f"{path / 'run.json'} is gone") from None
        raise UserError(
            f"there is no run in {path}; `ensemble runs` lists those there are"
        ) from None


@final
class RunFolder:
    """A run folder and the document in it.

    Reading needs no lock. Whatever writes takes place inside `with run.lock():`.
    """

    def __init__(self, path: Path, document: Document) -> None:
        self.path = path
        self.document = document
        self._locked = False

    @property
    def name(self) -> str:
        """The name of the folder, such as '0007-quick'."""
        return self.path.resolve().name

    @property
    def members(self) -> dict[int, dict[str, Any]]:
        """The records of the finished members."""
        notes = self.document["members"]
        return {int(key): notes[key]["record"] for key in sorted(notes, key=int)}

    def missing(self, n_members: int) -> list[int]:
        """The members of a bag that are still to be trained."""
        return sorted(set(range(n_members)) - self.members.keys())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Work here alone; another process gets a LockedError at once.

        The document is read again, since its last owner may have changed it. Inside
        itself, the same lock is simply held on.
        """
        if self._locked:
            yield
            return
        with hold_lock(self.path / ".lock"):
            self.document = open_run(self.path).document
            self._locked = True
            try:
                yield
            finally:
                self._locked = False

    def save_members(self, members: Sequence[SavedMember]) -> None:
        """Save a finished group: all its files, then run.json once."""
        self._must_be_locked()
        self._must_be_new(members)
        notes = {
            member_key(member.index): {
                "files": self._write_member(member),
                "record": plain(member.record),
            }
            for member in members
        }
        self._rewrite(members=self.document["members"] | notes)

    def drop_members(self, indices: Iterable[int]) -> None:
        """Forget members and remove their files, so that they are trained again."""
        self._must_be_locked()
        dropped = {member_key(index) for index in indices}
        kept = self.document["members"]
        self._rewrite(members={k: kept[k] for k in kept if k not in dropped})
        for key in sorted(dropped):
            files.remove(self._members_folder() / key)

    def drop_damaged(self) -> list[Fault]:
        """Drop each member with a damaged file and forget damaged artefacts.

        What was found is returned, to be told to the user.
        """
        self._must_be_locked()
        faults = self.verify()
        damaged = {fault.member for fault in faults if fault.member is not None}
        if damaged:
            self.drop_members(damaged)
        forgotten = {fault.file for fault in faults if fault.member is None}
        if forgotten:
            self._forget_artefacts(forgotten)
        return faults

    def clean(self) -> None:
        """Remove what writers that died have left: temporary files, half members."""
        self._must_be_locked()
        members = self._members_folder()
        files.remove_temporaries(self.path)
        for folder in sorted(members.iterdir()) if members.is_dir() else []:
            if folder.name not in self.document["members"]:
                files.remove(folder)
            elif not folder.is_symlink():
                files.remove_temporaries(folder)

    def update(self, **sections: Any) -> None:
        """Set sections of run.json, such as `state` and `result`."""
        self._must_be_locked()
        if taken := sorted(sections.keys() & _STORE_KEYS):
            raise ValueError(
                f"update takes sections of the run, got {', '.join(taken)}"
            )
        self._rewrite(**plain(sections))

    def write_artefact(self, name: str, data: bytes) -> Path:
        """Write a file beside run.json, in place of an earlier one of that name."""
        self._must_be_locked()
        if check_name(name, "the name of an artefact") in ("run.json", "members"):
            raise ValueError(
                f"write_artefact takes the name of an artefact, got {name}"
            )
        if name in self.document["artefacts"]:  # in between it would look damaged
            self._forget_artefacts({name})
        files.write_atomically(self.path / name, data)
        self._rewrite(artefacts=self.document["artefacts"] | {name: note_of(data)})
        return self.path / name

    def read_artefact(self, name: str) -> bytes:
        """The content of an artefact, compared with its checksum."""
        note = self.document["artefacts"].get(name)
        if note is None:
            raise UserError(f"the run in {self.path} has no {name}")
        return read_checked(self.path / name, note, "resume the run to write it again")

    def load_array(self, index: int, name: str) -> Array:
        """An array of a member, compared with its checksum."""
        data = self._read_member(index, f"{name}.npy")
        try:
            return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        except Exception as error:  # a parser of hostile bytes may fail in any way
            self._refuse_content(index, f"{name}.npy", error)

    def load_weights(self, index: int) -> dict[str, Array]:
        """The weights of a member, compared with their checksum."""
        data = self._read_member(index, WEIGHTS)
        try:
            views = safetensors.numpy.load(data)
        except Exception as error:  # as above
            self._refuse_content(index, WEIGHTS, error)
        return {name: view.copy() for name, view in views.items()}

    def verify(self) -> list[Fault]:
        """Compare every listed file with its checksum."""
        faults = []
        for key, entry in sorted(self.document["members"].items()):
            for name, note in sorted(entry["files"].items()):
                if wrong := what_is_wrong(self.path / "members" / key / name, note):
                    faults.append(Fault(int(key), name, wrong))
        for name, note in sorted(self.document["artefacts"].items()):
            if wrong := what_is_wrong(self.path / name, note):
                faults.append(Fault(None, name, wrong))
        return faults

    def _rewrite(self, **sections: Any) -> None:
        path, document = self.path / "run.json", self.document | sections
        try:
            files.write_atomically(path, seal_document(document))
            self.document = document
        except BaseException:  # Ctrl-C after the replacement: the disk knows
            with suppress(UserError, OSError):
                self.document = read_document(path)
            raise

    def _write_member(self, member: SavedMember) -> dict[str, Any]:
        folder = self._members_folder() / member_key(member.index)
        files.remove(folder)  # a half one: a finished one is in the document
        files.make_folder(folder)
        notes = {}
        for name, data in _encode_member(member):
            files.write_atomically(folder / name, data)
            notes[name] = note_of(data)
        return notes

    def _read_member(self, index: int, name: str) -> bytes:
        entry = self.document["members"].get(member_key(index))
        if entry is None:
            raise ValueError(f"the run in {self.path} has no member {index}")
        path = self._members_folder() / member_key(index) / name
        if path.parent.is_symlink() or name not in entry["files"]:
            raise DamagedError(f"member {index} of {self.path} has no {name}; {_AGAIN}")
        return read_checked(path, entry["files"][name], _AGAIN)

    def _members_folder(self) -> Path:
        """`members/`, which must not lead elsewhere."""
        folder = self.path / "members"
        if folder.is_symlink():
            raise DamagedError(
                f"{folder} is a link; put the folder itself in its place"
            )
        return folder

    def _forget_artefacts(self, names: set[str]) -> None:
        listed = self.document["artefacts"]
        self._rewrite(artefacts={k: listed[k] for k in listed if k not in names})

    def _must_be_locked(self) -> None:
        if not self._locked:
            raise ValueError("a run is changed inside `with run.lock():` only")

    def _must_be_new(self, members: Sequence[SavedMember]) -> None:
        indices = [member.index for member in members]
        if len(set(indices)) < len(indices) or self.members.keys() & set(indices):
            raise ValueError(
                f"save_members takes members that are not saved yet, got {indices}"
            )

    def _refuse_content(self, index: int, name: str, error: Exception) -> NoReturn:
        path = self.path / "members" / member_key(index) / name
        raise DamagedError(f"{path} cannot be read ({error}); {_AGAIN}") from error


_AGAIN = "resume the run to train this member again"


def _encode_member(member: SavedMember) -> Iterator[tuple[str, bytes]]:
    for name, array in member.arrays.items():
        buffer = io.BytesIO()
        contiguous = np.asarray(array, order="C")
        np.lib.format.write_array(buffer, contiguous, allow_pickle=False)
        yield f"{check_name(name, 'the name of an array')}.npy", buffer.getvalue()
    weights = {k: np.asarray(v, order="C") for k, v in member.weights.items()}
    yield WEIGHTS, safetensors.numpy.save(weights)
