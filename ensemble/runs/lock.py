"""Locks between processes, which die with their owner."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ensemble.errors import LockedError
from ensemble.files import disk_errors

# Locks of this process. A lock lives as long as its file is open anywhere, so a forked
# child closes its copies: else it would keep the lock of an owner that is dead. In
# programs that are started they are closed too (O_CLOEXEC).
_HELD: set[int] = set()


@contextmanager
def hold_lock(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path`, or raise LockedError with its owner's process id.

    With `wait` stand in line instead: for work of milliseconds. The file stays there
    when the lock is released, empty; removing it would let two owners in.
    """
    with disk_errors(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
    _HELD.add(descriptor)
    try:
        _take(descriptor, path, wait)
        try:
            yield
        finally:
            if descriptor in _HELD:  # not in a forked child
                with suppress(OSError):
                    _write_owner(descriptor, b"")
    finally:
        if descriptor in _HELD:
            _HELD.discard(descriptor)
            os.close(descriptor)


def lock_owner(path: Path) -> int | None:
    """The living process that holds a lock, as far as its file tells."""
    try:
        owner = int(path.read_text(encoding="ascii"))
        os.kill(owner, 0)
    except PermissionError:  # alive, and somebody else's
        return owner
    except (OSError, ValueError, OverflowError):
        return None
    return owner


def _take(descriptor: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        raise LockedError(
            f"{path.parent} is in use by process {owner or '(just starting)'}; wait"
            " until it is done, or stop it"
        ) from None
    with disk_errors(path):
        _write_owner(descriptor, f"{os.getpid()}\n".encode())


def _write_owner(descriptor: int, text: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _let_go() -> None:
    for descriptor in _HELD:
        with suppress(OSError):
            os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go)
