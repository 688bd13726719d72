"""Contestants measured in turn: in each repetition each once, in the same order."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from select import select
from statistics import median
from types import TracebackType
from typing import Any

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import (
    BASELINE,
    PEERS_PYTHON,
    ROOT,
    Contestant,
    threads_environment,
)
from benchmarks.speed.memory import peak_mib

WORKER = "benchmarks.speed.worker"
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Result:
    """What a contestant did with a case; `failed` says why it has no rates.

    Rates are member-samples a second, one a repetition.
    """

    contestant: Contestant
    rates: tuple[float, ...] = ()
    n_samples: int = 0
    n_updates: int = 0
    peak_mib: float = 0.0
    device_mib: float = 0.0
    differs: str = ""
    versions: dict[str, str] | None = None
    failed: str | None = None


def measure_case(
    case: Case,
    contestants: Sequence[Contestant],
    n_repetitions: int,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Result]:
    """All contestants live side by side; only one of them works at a time."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(case, c)) for c in contestants]
        for worker in workers:
            worker.warm_up()
        for repetition in range(n_repetitions):
            for worker in workers:
                worker.measure()
            tell(f"{case.name}: {repetition + 1} of {n_repetitions}")
        return [worker.result() for worker in workers]


def summary(result: Result, baseline: Result | None, case: Case) -> dict[str, Any]:
    """The record of the JSON file: medians, spread, ratios, operations a second.

    A ratio compares with the baseline in the same repetition; that of the table is the
    median of them.
    """
    contestant = result.contestant
    record: dict[str, Any] = {
        "contestant": contestant.name,
        "peer": contestant.peer,
        "setup": asdict(contestant.setup),
        "versions": result.versions,
        "differs": result.differs,
        "failed": result.failed,
    }
    if result.failed is not None:
        return record
    middle = median(result.rates)
    record |= {
        "rates": list(result.rates),
        "median": middle,
        "min": min(result.rates),
        "max": max(result.rates),
        "gflops": middle * case.flops / 1e9,
        "n_samples": result.n_samples,
        "n_updates": result.n_updates,
        "peak_mib": result.peak_mib,
        "device_mib": result.device_mib,
    }
    if baseline is not None and baseline.failed is None:
        ratios = [r / b for r, b in zip(result.rates, baseline.rates, strict=True)]
        record |= {"ratios": ratios, "ratio": median(ratios)}
    return record


def summarise(case: Case, results: Sequence[Result]) -> dict[str, Any]:
    """A case and the records of all its contestants."""
    baseline = next((r for r in results if r.contestant.name == BASELINE), None)
    return {
        **asdict(case),
        "describe": case.describe(),
        "flops": case.flops,
        "n_updates": case.n_updates,
        "results": [summary(result, baseline, case) for result in results],
    }


class _Worker:
    """A living process of one contestant; if it dies, the reason is kept."""

    def __init__(self, case: Case, contestant: Contestant) -> None:
        self.contestant = contestant
        self.case = case
        self.failed: str | None = None
        self.hello: dict[str, Any] = {}
        self.answers: list[dict[str, Any]] = []
        self.peak_mib = 0.0

    def __enter__(self) -> "_Worker":
        self.errors = tempfile.TemporaryFile("w+")
        python = str(PEERS_PYTHON) if self.contestant.apart else sys.executable
        if not PEERS_PYTHON.exists() and self.contestant.apart:
            self.failed = "not installed: there is no environment of the peers"
            python = sys.executable
        threads = self.contestant.setup.threads
        self.process = subprocess.Popen(
            [python, "-m", WORKER],
            cwd=ROOT,
            env=threads_environment(None if self.contestant.peer == "bag" else threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def warm_up(self) -> None:
        task = {
            "peer": self.contestant.peer,
            "case": asdict(self.case),
            "setup": asdict(self.contestant.setup),
        }
        self.hello = self._ask(json.dumps(task))

    def measure(self) -> None:
        answer = self._ask("again")
        if self.failed is None:
            self.answers.append(answer)

    def result(self) -> Result:
        if self.failed is not None:
            return Result(self.contestant, failed=self.failed)
        last = self.answers[-1]
        return Result(
            contestant=self.contestant,
            rates=tuple(answer["rate"] for answer in self.answers),
            n_samples=last["n_samples"],
            n_updates=last["n_updates"],
            peak_mib=self.peak_mib,
            device_mib=last["device_mib"],
            differs=self.hello["differs"],
            versions=self.hello["versions"],
        )

    def _ask(self, line: str) -> dict[str, Any]:
        """Its answer; an empty one from a process that is no more."""
        if self.failed is not None:
            return {}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        while not select([self.process.stdout], [], [], LOOK_SECONDS)[0]:
            self._look_at_memory()
        self._look_at_memory()
        answer = self.process.stdout.readline()
        if not answer:
            self.failed = self._reason()
            return {}
        return json.loads(answer)  # type: ignore[no-any-return]

    def _look_at_memory(self) -> None:
        """Now and then, since processes that it starts may end before it answers."""
        self.peak_mib = max(self.peak_mib, peak_mib(self.process.pid))

    def _reason(self) -> str:
        """The last line that it wrote to standard error."""
        self.process.wait()
        self.errors.seek(0)
        lines = [line for line in self.errors.read().splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with code {self.process.returncode}"
