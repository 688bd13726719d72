"""A run is killed and interrupted as processes are, and always comes to the same end.

Seeded, so a failure can be repeated up to the timing of the machine.
"""

import os
import pty
import random
import re
import signal
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest

from ensemble.runs.store import open_run
from tests.program import CALM, ENSEMBLE, ROOT, OwnProgram, living, wait_until

TINY = Path(__file__).parent / "tiny"
RUN = Path("runs") / "tiny" / "0001-quick"
SUBMISSION = Path("submissions") / "tiny" / "0001-quick.csv"

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        not Path("/proc").is_dir(), reason="processes are seen in /proc"
    ),
]

# Four groups of some tenths of a second each, so that a random moment hits training.
LONGER = ("bag.n_repeats=8", "training.epochs=30", "training.curve_points=0")
LONGEST = ("bag.n_repeats=8", "training.epochs=200", "training.curve_points=0")
ENDLESS = ("bag.n_repeats=20", "training.epochs=1000000", "training.curve_points=0")


def first_words(data, jobs=1, settings=LONGER) -> list[object]:
    """What starts a run of the tiny competition."""
    sets = [word for setting in settings for word in ("--set", setting)]
    return ["run", TINY, "--data", data, "--jobs", jobs, *sets]


def next_words(cwd, data, jobs, settings) -> list[object]:
    """What goes on with the run in a folder, or starts it if it is not there yet."""
    if (cwd / RUN / "run.json").exists():
        return ["resume", RUN, "--jobs", jobs]
    return first_words(data, jobs, settings)


def answers(cwd) -> dict[str, bytes]:
    """All that must be the same, whatever happened on the way."""
    files = [*(cwd / RUN).glob("members/*/*"), *(cwd / RUN).glob("*.csv")]
    found = {path.relative_to(cwd / RUN).as_posix(): path for path in files}
    found["submission"] = cwd / SUBMISSION
    return {name: path.read_bytes() for name, path in sorted(found.items())}


def traces(cwd) -> dict[str, tuple[int, int]]:
    """The files of finished members: which they are, and when they were written."""
    if not (cwd / RUN / "run.json").exists():
        return {}
    finished = open_run(cwd / RUN).document["members"]
    files = [p for key in finished for p in (cwd / RUN / "members" / key).iterdir()]
    files = [path for path in files if not path.name.startswith(".")]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def litter(cwd) -> list[Path]:
    return [path for path in cwd.rglob("*") if path.name.endswith(".tmp")]


@pytest.fixture(scope="module")
def undisturbed(nursery, tiny_data, tmp_path_factory):
    """What a run with some settings leaves behind that nobody disturbs."""

    @cache
    def run(settings=LONGER) -> dict[str, bytes]:
        cwd = tmp_path_factory.mktemp("undisturbed")
        program = nursery.run(*first_words(tiny_data, 1, settings), cwd=cwd)
        assert (program.code, program.err) == (0, "")
        assert len(answers(cwd)) == 16 * 3 + 3
        return answers(cwd)

    return run


class Assassin:
    """Kills the runs of a folder at random moments and looks at what they left."""

    def __init__(self, nursery, data, cwd, jobs, settings, moments, longest) -> None:
        self.nursery, self.data, self.cwd = nursery, data, cwd
        self.jobs, self.settings = jobs, settings
        self.moments, self.longest = moments, longest
        self.n_kills = self.n_in_training = self.n_between_groups = 0
        self.kept: dict[str, tuple[int, int]] = {}

    def start(self):
        words = next_words(self.cwd, self.data, self.jobs, self.settings)
        return self.nursery.start(*words, cwd=self.cwd)

    def strike(self, longest: float | None = None) -> bool:
        """Start the run or go on with it, and kill it; False if it was done before."""
        program = self.start()
        time.sleep(self.moments.uniform(0, longest or self.longest))
        program.kill()
        was_killed = program.wait() == -signal.SIGKILL
        assert was_killed or program.code == 0, program.err
        wait_until(lambda: not program.family())  # its workers notice
        self.look()
        if was_killed:
            self.n_kills += 1
            self.n_in_training += "training" in program.out
            self.n_between_groups += "training" in program.out and len(self.kept) > 0
        return was_killed

    def look(self) -> None:
        """What was finished is still the same files."""
        now = traces(self.cwd)
        assert self.kept.items() <= now.items()
        self.kept = now

    def finish(self) -> dict[str, bytes]:
        """Let the run end undisturbed."""
        program = self.start()
        assert (program.wait(), program.err) == (0, "")
        self.look()
        assert litter(self.cwd) == []
        assert open_run(self.cwd / RUN).verify() == []
        return answers(self.cwd)


@pytest.mark.parametrize(("jobs", "longest", "n"), [(1, 1.0, 4), (2, 5.0, 2)])
def test_a_run_that_is_killed_comes_to_the_same_end(
    nursery, tiny_data, tmp_path, undisturbed, jobs, longest, n
):
    moments = random.Random(jobs)
    assassin = Assassin(nursery, tiny_data, tmp_path, jobs, LONGER, moments, longest)
    assert assassin.strike(longest=0.3)  # no machine is done by then
    for _ in range(n - 1):
        assassin.strike()
    assert assassin.finish() == undisturbed()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("jobs", "longest"), [(1, 6.0), (2, 9.0)])
def test_fifteen_kills(nursery, tiny_data, tmp_path, undisturbed, jobs, longest):
    """Fifteen times with one process, fifteen times with two: thirty."""
    moments, assassins = random.Random(jobs), []
    while (left := 15 - sum(a.n_kills for a in assassins)) > 0:
        cwd = tmp_path / f"{len(assassins)}"
        cwd.mkdir()
        one = Assassin(nursery, tiny_data, cwd, jobs, LONGEST, moments, longest)
        assassins.append(one)
        while one.n_kills < left and one.strike():
            pass
        assert one.finish() == undisturbed(LONGEST)
    n_in_training = sum(a.n_in_training for a in assassins)
    n_between = sum(a.n_between_groups for a in assassins)
    print(f"15 kills of {len(assassins)} runs, {jobs=}: {n_in_training} in training,")
    print(f"{n_between} of them with some groups finished")
    assert n_in_training > n_between > 0


def begin(start, data, cwd, jobs):
    """A run without an end, in the middle of training."""
    program = start(*first_words(data, jobs, ENDLESS), cwd=cwd)
    wait_until(lambda: (cwd / "out.txt").exists() and "training 40 of" in program.out)
    if jobs > 1:
        wait_until(lambda: len(workers(program)) == jobs)
    return program


def workers(program) -> list[int]:
    return [pid for pid, name in program.family().items() if "LokyProcess" in name]


def must_leave_well(program, cwd, number):
    """Within five seconds, with one sentence, and nobody stays behind."""
    since = time.monotonic()
    assert program.wait() == 128 + number, program.err
    assert time.monotonic() - since < 5
    assert program.err.count("\n") == 1, program.err
    assert program.err.startswith("ensemble: interrupted; what was finished is saved")
    wait_until(lambda: not program.family(), seconds=2)
    assert litter(cwd) == []
    assert {path.name for path in cwd.iterdir()} == {"out.txt", "err.txt", "runs"}
    assert open_run(cwd / RUN).document["state"] == "interrupted"


@pytest.mark.parametrize(
    ("jobs", "number", "group"),
    [
        (1, signal.SIGINT, True),
        (1, signal.SIGTERM, False),
        (2, signal.SIGINT, True),
        (2, signal.SIGTERM, False),
    ],
    ids=["Ctrl-C", "terminated", "Ctrl-C with workers", "terminated with workers"],
)
def test_an_interrupted_run_leaves_at_once(
    nursery, tiny_data, tmp_path, jobs, number, group
):
    program = begin(nursery.start, tiny_data, tmp_path, jobs)
    program.kill(number, group=group)
    must_leave_well(program, tmp_path, number)


def test_a_second_ctrl_c_does_not_disturb_the_first(nursery, tiny_data, tmp_path):
    program = begin(nursery.start, tiny_data, tmp_path, jobs=1)
    for _ in range(5):
        program.kill(signal.SIGINT, group=True)
    must_leave_well(program, tmp_path, signal.SIGINT)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_comes_to_the_same_end(
    nursery, tiny_data, tmp_path, undisturbed, jobs
):
    program = nursery.start(*first_words(tiny_data, jobs), cwd=tmp_path)
    wait_until(lambda: traces(tmp_path))
    program.kill(signal.SIGINT, group=True)
    assert program.wait() in (0, 130)  # 0 where it was faster
    kept = traces(tmp_path)
    assert program.code == 0 or 0 < len(kept) <= 16 * 3
    finished = nursery.run("resume", RUN, "--jobs", jobs, cwd=tmp_path)
    assert (finished.code, finished.err) == (0, "")
    assert kept.items() <= traces(tmp_path).items()
    assert answers(tmp_path) == undisturbed()


def test_workers_end_when_their_driver_is_killed(nursery, tiny_data, tmp_path):
    program = begin(nursery.start, tiny_data, tmp_path, jobs=2)
    driven = workers(program)
    program.kill()
    assert program.wait() == -signal.SIGKILL
    assert len(driven) == 2
    wait_until(lambda: not program.family(), seconds=15)


def test_workers_do_not_hear_of_ctrl_c(nursery, tiny_data, tmp_path):
    """From their first moment on: loky would write tracebacks."""
    program = nursery.start(*first_words(tiny_data, 2, ENDLESS), cwd=tmp_path)
    wait_until(lambda: len(workers(program)) == 2)
    driven = workers(program)
    for pid in driven:
        os.kill(pid, signal.SIGINT)
    time.sleep(0.1)
    assert workers(program) == driven
    program.kill(signal.SIGINT)
    must_leave_well(program, tmp_path, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("start", ["forked", "own"])
def test_ctrl_c_at_random_moments(nursery, tiny_data, tmp_path, start):
    """While torch is loaded, workers start, train, and end: never a traceback."""
    moments = random.Random(3)
    for n in range(12):
        cwd = tmp_path / f"{n}"
        cwd.mkdir()
        words = first_words(tiny_data, 2, ENDLESS)
        make = OwnProgram if start == "own" else nursery.start
        program = make(*words, cwd=cwd)
        wait = 0.5 + moments.uniform(0, 6) if start == "own" else moments.uniform(0, 4)
        time.sleep(wait)
        program.kill(signal.SIGINT, group=True)
        since = time.monotonic()
        assert program.wait() == 130, f"{wait}: {program.err}"
        assert time.monotonic() - since < 5
        assert program.err.count("\n") == 1, f"{wait}: {program.err}"
        wait_until(lambda program=program: not program.family(), seconds=3)
        assert litter(cwd) == []


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_leaves_it_as_it_was(tiny_data, tmp_path):
    """With bars, whose cursor is hidden while they move."""
    words = first_words(tiny_data, 2, ENDLESS)
    reader, writer = pty.openpty()
    program = subprocess.Popen(
        [*ENSEMBLE, *map(str, words)],
        cwd=tmp_path,
        env=os.environ | CALM | {"PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdin=writer,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
    )
    os.close(writer)
    shown = b""
    while b"epochs" not in shown or len(living(session=program.pid)) < 3:
        shown += os.read(reader, 4096)
    os.killpg(program.pid, signal.SIGINT)
    try:
        while more := os.read(reader, 4096):
            shown += more
    except OSError:  # the terminal is closed
        pass
    os.close(reader)
    assert program.wait() == 130
    assert b"Traceback" not in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1
    assert re.search(rb"ensemble: interrupted; [^\r\n]*\r\n$", shown)
    wait_until(lambda: not living(session=program.pid), seconds=3)
