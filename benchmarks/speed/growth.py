"""How the time of a bag grows: with its members, its rows, and their width.

`python -m benchmarks.speed.growth DEVICE REPETITIONS` measures in its own process and
prints JSON. The times are of whole calls of `train_groups`, as a user waits for them:
with what is prepared before the first epoch and predicted after the last.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from time import perf_counter
from typing import Any, Literal

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import ROOT, Setup, threads_environment
from benchmarks.speed.fit import fit_line

SMALL = Case(
    "growth", (64, 64), "relu", 0.2, "adamw", batch_size=256, n_members=4, n_rows=16_000
)
WIDE = replace(SMALL, batch_size=96, n_rows=4_000)


@dataclass(frozen=True)
class Sweep:
    """Cases that differ in one thing; `x` is what the time should be linear in."""

    name: str
    unit: str
    x: tuple[float, ...]
    labels: tuple[str, ...]
    cases: tuple[Case, ...]


def make_sweeps(
    members: Sequence[int] = (1, 10, 20, 30, 40, 50, 60, 70),
    rows: Sequence[int] = (10_000, 100_000, 200_000, 400_000, 800_000),
    widths: Sequence[int] = (100, 300, 600, 900, 1200),
) -> list[Sweep]:
    """Width is told by the operations it makes: the time should be linear in these."""
    of_members = tuple(replace(SMALL, n_members=m) for m in members)
    of_rows = tuple(replace(SMALL, n_rows=r) for r in rows)
    of_width = tuple(replace(WIDE, hidden=(w,) * 3) for w in widths)
    return [
        Sweep("members", "members", tuple(members), _text(members), of_members),
        Sweep(
            "rows", "thousand rows", tuple(r / 1e3 for r in rows), _text(rows), of_rows
        ),
        Sweep(
            "width",
            "MFLOP a member-sample",
            tuple(c.flops / 1e6 for c in of_width),
            _text(widths),
            of_width,
        ),
    ]


def measure_growth(
    device: str, n_repetitions: int, size: Literal["full", "tiny"] = "full"
) -> list[dict[str, Any]]:
    """All sweeps, measured in a process of their own."""
    command = [sys.executable, "-m", __name__, device, str(n_repetitions), size]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=threads_environment(None),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def summarise_sweep(sweep: Sweep, seconds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The medians of the seconds of each case, and the line through them."""
    medians = [median(times) for times in seconds]
    return {
        "name": sweep.name,
        "unit": sweep.unit,
        "x": list(sweep.x),
        "labels": list(sweep.labels),
        "seconds": [list(times) for times in seconds],
        "median": medians,
        "case": sweep.cases[0].describe(),
        "fit": asdict(fit_line(sweep.x, medians)),
    }


def measure_sweep(sweep: Sweep, setup: Setup, n_repetitions: int) -> list[list[float]]:
    """The seconds of each case, in each repetition; all cases in turn."""
    seconds: list[list[float]] = [[] for _ in sweep.cases]
    _seconds_of(sweep.cases[0], setup)  # warms up
    for _ in range(n_repetitions):
        for case, times in zip(sweep.cases, seconds, strict=True):
            times.append(_seconds_of(case, setup))
    return seconds


def _seconds_of(case: Case, setup: Setup) -> float:
    from benchmarks.speed.peers.bag import make_data, make_recipe, train_recipe

    data, recipe = make_data(case), make_recipe(case, setup.precision, case.n_epochs)
    start = perf_counter()
    train_recipe(case, setup, recipe, data)
    return perf_counter() - start


def _text(numbers: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def main(device: str, n_repetitions: int, size: str) -> None:
    tiny = make_sweeps((1, 2), (1_000, 2_000), (8, 16))
    sweeps = make_sweeps() if size == "full" else tiny
    setup = Setup(device=device)
    measured = [
        summarise_sweep(sweep, measure_sweep(sweep, setup, n_repetitions))
        for sweep in sweeps
    ]
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
