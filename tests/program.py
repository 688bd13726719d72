"""The command line in processes of their own, to be killed and interrupted.

Starting torch takes seconds, so one process loads it and is forked for each program:
`Nursery`. What a program starts is in its session, and so can be found and ended.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENSEMBLE = [sys.executable, "-m", "ensemble"]
CALM = {"OMP_NUM_THREADS": "1"}


class Nursery:
    """Runs command lines one after another in forks of a process with torch."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.program"],
            cwd=ROOT,
            env=os.environ | CALM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._last: Program | None = None

    def start(self, *argv: object, cwd: Path) -> "Program":
        """Start `ensemble argv...`; it must have ended before the next one starts."""
        if self._last is not None and self._last.code is None:  # of a test that failed
            self._last.kill()
            self._last.wait()
        job = {"argv": [str(word) for word in argv], "cwd": str(cwd)}
        pid = self._ask(job, "pid")
        self._last = Program(pid, cwd, lambda: self._ask({"wait": pid}, "code"))
        return self._last

    def run(self, *argv: object, cwd: Path) -> "Program":
        """Start a program and wait for its end."""
        program = self.start(*argv, cwd=cwd)
        program.wait()
        return program

    def close(self) -> None:
        """End the process that is forked."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, job: dict[str, object], kind: str) -> int:
        """A number; of another kind it might be the process id of somebody else."""
        print(json.dumps(job), file=self._process.stdin, flush=True)
        told, number = self._process.stdout.readline().split()
        assert told == kind
        return int(number)


class Program:
    """A command line that runs in its own session, or did."""

    def __init__(self, pid: int, cwd: Path, end: Callable[[], int]) -> None:
        assert pid > 1  # to kill 0 or less is to kill groups of processes
        self.pid, self.cwd, self._end = pid, cwd, end
        self.code: int | None = None

    def wait(self) -> int:
        """The exit code, that of a signal negative."""
        if self.code is None:
            self.code = self._end()
        return self.code

    @property
    def out(self) -> str:
        return (self.cwd / "out.txt").read_text()

    @property
    def err(self) -> str:
        return (self.cwd / "err.txt").read_text()

    def kill(self, number: int = signal.SIGKILL, *, group: bool = False) -> None:
        """Send a signal to the process, or to all of its group as a terminal does."""
        if self.code is None:
            (os.killpg if group else os.kill)(self.pid, number)

    def family(self) -> dict[int, str]:
        """The living processes of its session."""
        return living(session=self.pid)


class OwnProgram(Program):
    """The program as users start it, torch and all."""

    def __init__(self, *argv: object, cwd: Path) -> None:
        with open(cwd / "out.txt", "w") as out, open(cwd / "err.txt", "w") as err:
            self._process = subprocess.Popen(
                [*ENSEMBLE, *map(str, argv)],
                cwd=cwd,
                env=os.environ | CALM | {"PYTHONPATH": str(ROOT), "TMPDIR": str(cwd)},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        super().__init__(self._process.pid, cwd, self._process.wait)


def living(*, session: int | None = None, parent: int | None = None) -> dict[int, str]:
    """The processes of a session or of a parent that are not dead: their commands."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is gone by now
            state, its_parent, _, its_session, *_ = (
                (folder / "stat").read_text().rpartition(")")[2].split()
            )
            command = (folder / "cmdline").read_text().replace("\0", " ")
            same = str(session) == its_session or str(parent) == its_parent
            if same and state not in "ZX":
                found[int(folder.name)] = command
    return found


def wait_until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Look until something holds; it is an error if it never does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"nothing came within {seconds} s"
        time.sleep(0.01)


def _serve() -> None:
    import torch

    import ensemble.display
    import ensemble.run  # noqa: F401  what takes long to load

    torch.set_num_threads(1)
    torch.set_num_threads = lambda n: None  # on a busy machine two wait for each other

    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:  # not before: until then nobody else gets its number
            _, status = os.waitpid(job["wait"], 0)
            print("code", os.waitstatus_to_exitcode(status), flush=True)
        elif os.fork() == 0:
            _become(job["argv"], job["cwd"])


def _become(argv: list[str], cwd: str) -> None:
    from ensemble.cli import main

    os.setsid()
    print("pid", os.getpid(), flush=True)
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out.txt"), (2, "err.txt")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ["TMPDIR"] = cwd
    sys.argv = ["ensemble", *argv]
    main()


if __name__ == "__main__":
    _serve()
