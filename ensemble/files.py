"""Files that are written whole or not at all, and read with suspicion.

Every write is: temporary file in the same folder, fsync, `os.replace`, fsync of the
folder. So a reader sees the old content or the new one, also after a power cut; a
process that dies leaves at most a temporary file.
"""

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ensemble.errors import UserError

TEMPORARY = ".tmp"  # how the names of temporary files end; they begin with a dot


def write_atomically(path: Path, data: bytes) -> None:
    """Put a file there, in place of the one that may be there."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    with disk_errors(path):
        try:
            _write_through(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)


def read_regular(path: Path) -> bytes:
    """The content of a plain file; links, pipes and devices are an OSError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(path))
        return file.read()


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they are not there yet."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with disk_errors(path):
        with suppress(FileExistsError):
            os.mkdir(path)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(path))
        sync_folder(path.parent)


def must_be_writable(folder: Path) -> None:
    """Say it now if a folder cannot be made, or written in, later."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    with disk_errors(nearest):
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way")
        if not os.access(nearest, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, if it is there."""
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what writers that died have left in a folder.

    Only for who holds the folder's lock: the temporary file may be a living writer's.
    """
    for path in folder.glob(f".*{TEMPORARY}"):
        remove(path)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(data: bytes) -> str:
    """The checksum in hexadecimal digits.

    >>> sha256(b"")[:16]
    'e3b0c44298fc1c14'
    """
    return hashlib.sha256(data).hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say what the disk refused in one sentence, as a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(_explain(error, path)) from error


def _write_through(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explain(error: OSError, path: Path) -> str:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full, {path} could not be written; make room and start again,"
            " what was finished is kept"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path} cannot be written ({reason}); change the permissions of"
            f" {path.parent} or choose another folder"
        )
    return f"{path} could not be written ({reason}); what was finished is kept"
