"""A process of one contestant and one case: `python -m benchmarks.speed.worker`.

It is told what to train by one line of JSON, and says in one line of JSON that it is
ready; then it trains once for each line that it reads, and tells how fast it was. Its
threads were set through its environment before any library was loaded.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from typing import Any, TextIO

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import Setup

WARM_UP_STEPS = 4


def main() -> None:
    with _replies() as replies:
        asked = json.loads(sys.stdin.readline())
        case = Case(**asked["case"] | {"hidden": tuple(asked["case"]["hidden"])})
        setup = Setup(**asked["setup"])
        peer = importlib.import_module(f"benchmarks.speed.peers.{asked['peer']}")
        peer.train(shortened(case), setup)
        versions = {name: metadata.version(name) for name in peer.PACKAGES}
        _say(replies, {"differs": peer.differs(case), "versions": versions})
        for _ in sys.stdin:
            _say(replies, measure(peer, case, setup))


def measure(peer: Any, case: Case, setup: Setup) -> dict[str, Any]:
    """Train once; the rate, and what was done."""
    work = peer.train(case, setup)
    return {
        "rate": work.rate,
        "n_samples": work.n_samples,
        "n_updates": work.n_updates,
        "device_mib": _device_mib(setup.device),
    }


def shortened(case: Case) -> Case:
    """The same with a few steps: it warms up threads, caches and processes."""
    n_rows = min(case.n_rows, 2 * WARM_UP_STEPS * case.batch_size)
    return replace(case, n_rows=n_rows, n_epochs=1)


def _device_mib(device: str) -> float:
    """The greatest memory that torch had on a GPU."""
    if device == "cpu":
        return 0.0
    import torch

    return torch.cuda.max_memory_allocated(device) / 2**20


def _say(replies: TextIO, answer: dict[str, Any]) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


@contextmanager
def _replies() -> Iterator[TextIO]:
    """What was standard output; what libraries print there goes to standard error."""
    with os.fdopen(os.dup(1), "w") as replies:
        os.dup2(2, 1)
        yield replies


if __name__ == "__main__":
    main()
