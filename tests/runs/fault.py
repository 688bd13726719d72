"""Makes the n-th call that touches the disk fail, or the process die there."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

CALLS = ("open", "write", "fsync", "replace", "mkdir", "unlink", "rmdir")
DEATH = 137  # the exit code of a process that was killed with -9


class Injector:
    """Counts calls; the n-th (from 0) raises `code`, or dies where `code` is None.

    A write that fails or dies has written half of its bytes before, as on a full disk.
    The waiting of fsync is left out: nothing here cuts the power.
    """

    def __init__(self, n: int, code: int | None = errno.EIO) -> None:
        self.n, self.code = n, code
        self.seen: list[str] = []
        self.fired: str | None = None

    @contextmanager
    def installed(self) -> Iterator["Injector"]:
        with ExitStack() as stack:
            for name in CALLS:
                original = getattr(os, name)
                stack.enter_context(patch.object(os, name, self._wrap(name, original)))
            yield self

    def _wrap(self, name, original):
        def call(*args, **kwargs):
            self.seen.append(name)
            if len(self.seen) == self.n + 1:
                self._fail(name, original, args)
            return None if name == "fsync" else original(*args, **kwargs)

        return call

    def _fail(self, name, original, args):
        self.fired = name
        if name == "write":
            original(args[0], args[1][: len(args[1]) // 2])
        if self.code is None:
            os._exit(DEATH)
        raise OSError(self.code, os.strerror(self.code))


def count_calls(action) -> int:
    """How many calls an action makes that could fail."""
    with Injector(n=10**9).installed() as injector:
        action()
    return len(injector.seen)


def in_child(action) -> int:
    """The exit code of a forked process that runs an action: 0, or 1 if it raised."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
