"""The winning recipe of 2014 on one GPU: 70 networks, 250,000 events, 200 epochs.

`python -m benchmarks.speed.winner DEVICE` prints JSON. The events are simulated. This
bag is trained whole, as `ensemble run higgs --recipe melis` trains it; of plain PyTorch
one network is trained for an epoch after another that does not count, and its time
taken 70 x 200 times: all would take hours.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import ROOT, Setup, threads_environment

N_EVENTS = 250_000
N_TEST_EVENTS = 10_000
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Scale:
    """How much of it is trained; less than the whole to try the code."""

    n_events: int = N_EVENTS
    n_repeats: int = 35
    n_epochs: int = 200


def measure_winner(device: str) -> dict[str, Any]:
    """Seconds of each way, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, device],
        cwd=ROOT,
        env=threads_environment(None),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def time_winner(device: str, scale: Scale) -> dict[str, Any]:
    """This bag in both precisions, and plain PyTorch."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {
            f"this bag, {precision}": {
                "seconds": _seconds_of_bag(Path(folder), device, precision, scale),
                "how": "from the first update to the last prediction, measured whole",
            }
            for precision in PRECISIONS
        }
    n_epochs = 2 * scale.n_repeats * scale.n_epochs
    rows["plain PyTorch"] = {
        "seconds": _seconds_of_plain_epoch(device, scale) * n_epochs,
        "how": f"one epoch of one network, times {n_epochs:,}; relu for max-channel",
    }
    return rows


def _seconds_of_bag(folder: Path, device: str, precision: str, scale: Scale) -> float:
    """Reading, preparing and training; the report and the submission are not in it."""
    from benchmarks.speed.peers.bag import prepare
    from ensemble.bag.inputs import make_training_data
    from ensemble.bag.plan import make_groups, plan_bag
    from ensemble.bag.workers import train_groups
    from ensemble.catalog import load_entry
    from ensemble.data.examples import load_examples
    from ensemble.settings import with_settings

    entry = load_entry("higgs")
    recipe = with_settings(
        entry.recipe("melis"),
        [
            f"training.precision={precision}",
            f"training.epochs={scale.n_epochs}",
            f"bag.n_repeats={scale.n_repeats}",
        ],
    )
    _simulate(folder, scale)
    train, test = load_examples(entry.competition, folder)
    data, views = make_training_data(entry, recipe, train, test)
    members = plan_bag(recipe.bag.n_splits, recipe.bag.n_repeats, recipe.bag.seed)
    workers, tuning = prepare(Setup(device=device), recipe, data)
    groups = make_groups(members, tuning.group_size)
    start = perf_counter()
    for _ in train_groups(
        groups, data, recipe, views, workers, products=tuning.products
    ):
        pass
    return perf_counter() - start


def _simulate(folder: Path, scale: Scale) -> None:
    from competitions.higgs.simulate import simulate

    if not any(folder.iterdir()):
        simulate(folder, scale.n_events, N_TEST_EVENTS)


def _seconds_of_plain_epoch(device: str, scale: Scale) -> float:
    """Of one network on as many rows, batches and inputs."""
    from benchmarks.speed.peers import plain

    case = Case(
        "winner", (600,) * 3, "relu", 0.5, "sgd", 96, n_members=1, n_rows=scale.n_events
    )
    plain.train(replace(case, n_rows=min(20_000, case.n_rows)), Setup(device=device))
    (span,) = plain.train(case, Setup(device=device)).spans
    return span.end - span.start


if __name__ == "__main__":
    print(json.dumps(time_winner(sys.argv[1], Scale())))
