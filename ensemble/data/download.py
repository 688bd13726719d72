"""Fetching a public file: goes on where it stopped, and is used only when it is right.

What has come so far lies in `<file>.part`, with what the server calls this version of
the file (its ETag, else its date) in `<file>.part.version`. A part is continued only if
the server still has that version.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit

from ensemble.errors import DamagedError, LockedError, UserError
from ensemble.files import sync_folder
from ensemble.spec import Download

TRIES = 6
TIMEOUT = 30  # seconds without a byte
BLOCK = 1 << 18
WORTH_ANOTHER_TRY = {408, 416, 425, 429, 500, 502, 503, 504}

Progress = Callable[[int, int], None]


def download(
    file: Download,
    folder: Path,
    progress: Progress = lambda done, total: None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Where the file lies, fetched unless it was there already.

    `progress` is told the bytes that are there and those that there will be. Broken
    connections are tried again after 1, 2, 4 ... seconds.
    """
    if Path(file.file).name != file.file:
        raise ValueError(f"download takes a plain file name, got {file.file!r}")
    target = folder / file.file
    if target.exists():
        _must_be_right(target, file)
        return target
    with _part(target) as part:
        job = _Job(file, target, part, progress)
        _fetch_all(job, pause)
        os.fsync(part.fileno())
        os.replace(part.name, target)
    sync_folder(folder)
    job.version_file.unlink(missing_ok=True)
    return target


def has_checksum(path: Path, checksum: str) -> bool:
    """Whether a file has the checksum 'algorithm:hexadecimal digits'.

    Algorithms are those of hashlib, and adler32.
    """
    algorithm, _, digits = checksum.partition(":")
    with path.open("rb") as file:
        if algorithm != "adler32":
            found = hashlib.file_digest(file, algorithm).hexdigest()
            return int(found, 16) == int(digits, 16)
        value = 1
        while block := file.read(BLOCK):
            value = zlib.adler32(block, value)
        return value == int(digits, 16)


class _InterruptedError(Exception):
    """The connection broke or the server is busy: worth another try."""


@dataclass(frozen=True)
class _Job:
    """A download under way."""

    file: Download
    target: Path
    part: FileIO
    progress: Progress

    @property
    def version_file(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part.version")

    @property
    def done(self) -> int:
        return self.part.tell()

    def start_over(self) -> None:
        self.part.truncate(0)
        self.part.seek(0)

    def remove(self) -> None:
        Path(self.part.name).unlink()
        self.version_file.unlink(missing_ok=True)


def _must_be_right(target: Path, file: Download) -> None:
    if not target.is_file() or not _is_right(target, file):
        raise DamagedError(
            f"{target} is there but is not the file of {file.n_bytes:,} bytes that"
            f" {file.url} should give; move it away and download again"
        )


def _is_right(path: Path, file: Download) -> bool:
    if path.stat().st_size != file.n_bytes:
        return False
    return not file.checksum or has_checksum(path, file.checksum)


@contextlib.contextmanager
def _part(target: Path) -> Iterator[FileIO]:
    """The file of what has come so far, locked against other processes."""
    path = target.with_name(f"{target.name}.part")
    with _writing(path):
        part = path.open("ab", buffering=0)
    with part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockedError(
                f"another process is downloading {target.name}; wait until it is done"
            ) from None
        yield part


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; mend that and start again, what"
            " has come so far is kept"
        ) from None


def _fetch_all(job: _Job, pause: Callable[[float], None]) -> None:
    """Until the part is whole and right.

    A part that was continued may be of two versions: if wrong, it is fetched once more.
    """
    failures, most, continued = 0, job.done, job.done > 0
    while True:
        try:
            _fetch(job)
        except _InterruptedError as error:
            failures = 1 if job.done > most else failures + 1
            if failures == TRIES:
                raise UserError(_advice(job, str(error))) from None
            most, continued = max(most, job.done), continued or job.done > 0
            pause(2.0 ** (failures - 1))
            continue
        if _is_right(Path(job.part.name), job.file):
            return
        if not continued:
            raise _removed(job, f"the checksum is not {job.file.checksum}")
        job.start_over()
        continued = False


def _fetch(job: _Job) -> None:
    """Ask for what is not there yet and append it, or start over if it has changed."""
    if job.done == job.file.n_bytes:
        return
    request = _request(job)
    if not request.has_header("Range"):
        job.start_over()
    with _answer(request, job) as answer:
        if job.done and not _continues(answer, job):
            job.start_over()
            if answer.status != http.client.OK:
                raise _InterruptedError("the server sent another part of the file")
        _must_have_size(answer, job)
        _remember_version(answer, job)
        _append(answer, job)
    if job.done < job.file.n_bytes:
        raise _InterruptedError(f"the connection closed after {job.done:,} bytes")


def _request(job: _Job) -> urllib.request.Request:
    """For the rest where the final check, or the server, can tell a changed file."""
    headers = {"User-Agent": "ensemble-toolkit"}
    version = job.version_file.read_text() if job.version_file.exists() else ""
    if 0 < job.done < job.file.n_bytes and (version or job.file.checksum):
        headers["Range"] = f"bytes={job.done}-"
        if version:
            headers["If-Range"] = version
    return urllib.request.Request(job.file.url, headers=headers)


@contextlib.contextmanager
def _answer(
    request: urllib.request.Request, job: _Job
) -> Iterator[http.client.HTTPResponse]:
    """The server's answer; a fault of the connection becomes `_InterruptedError`."""
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        what = f"the server answers {error.code} {error.reason}"
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            job.start_over()
        elif error.code not in WORTH_ANOTHER_TRY:
            raise UserError(_advice(job, what)) from None
        raise _InterruptedError(what) from None
    except urllib.error.URLError as error:
        host = urlsplit(job.file.url).hostname
        raise _InterruptedError(f"{host} cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(f"the connection broke: {error}") from None


def _continues(answer: http.client.HTTPResponse, job: _Job) -> bool:
    n_bytes = job.file.n_bytes
    wanted = f"bytes {job.done}-{n_bytes - 1}/{n_bytes}"
    is_part = answer.status == http.client.PARTIAL_CONTENT
    return is_part and answer.headers.get("Content-Range") == wanted


def _must_have_size(answer: http.client.HTTPResponse, job: _Job) -> None:
    length = answer.headers.get("Content-Length")
    if length is not None and job.done + int(length) != job.file.n_bytes:
        found = job.done + int(length)
        raise _removed(job, f"it has {found:,} bytes instead of {job.file.n_bytes:,}")


def _remember_version(answer: http.client.HTTPResponse, job: _Job) -> None:
    """A weak ETag does not promise the same bytes, so it does not count."""
    etag = answer.headers.get("ETag", "")
    strong = "" if etag.startswith("W/") else etag
    with _writing(job.version_file):
        job.version_file.write_text(strong or answer.headers.get("Last-Modified", ""))


def _append(answer: http.client.HTTPResponse, job: _Job) -> None:
    n_bytes = job.file.n_bytes
    job.progress(job.done, n_bytes)
    while block := answer.read(min(BLOCK, n_bytes - job.done)):
        with _writing(Path(job.part.name)):
            rest = memoryview(block)
            while rest:
                rest = rest[job.part.write(rest) :]
        job.progress(job.done, n_bytes)
    if job.done == n_bytes and answer.read(1):
        raise _removed(job, f"it has more than {n_bytes:,} bytes")


def _removed(job: _Job, why: str) -> DamagedError:
    job.remove()
    return DamagedError(
        f"{job.file.url} is not the expected file ({why}); what came was removed,"
        " perhaps its publisher has changed it"
    )


def _advice(job: _Job, what: str) -> str:
    return (
        f"cannot download {job.file.file} ({what}); check the network and start again,"
        f" or fetch {job.file.url} yourself and save it as {job.target}"
    )
