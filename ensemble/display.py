"""A run as one sees it: live bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ensemble.errors import UserError
from ensemble.watch import Plan, Watch

LINES_PER_GROUP = 5  # of a log, while one group trains


def make_display(console: Console) -> Watch:
    """Bars where there is a terminal to draw them on, lines where there is none."""
    return Bars(console) if console.is_terminal else Lines(console)


class Bars:
    """Two bars: epochs of all members, and members that are finished."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:>8}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )

    def note(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False)

    def begin(self, plan: Plan) -> None:
        self._plan, self._done = plan, [0] * len(plan.group_sizes)
        n_epochs = plan.n_epochs * sum(plan.group_sizes)
        self._epochs = self._progress.add_task("epochs", total=n_epochs, more="")
        self._members = self._progress.add_task(
            "members", total=plan.n_members, completed=plan.n_finished, more=""
        )
        self._progress.start()

    def epoch(self, group: int, epoch: int, loss: float) -> None:
        self._done[group] = epoch
        sizes = self._plan.group_sizes
        done = sum(e * n for e, n in zip(self._done, sizes, strict=True))
        self._progress.update(self._epochs, completed=done, more=f"loss {loss:.4f}  ")

    def group(self, n_finished: int, score: str) -> None:
        self._progress.update(self._members, completed=n_finished, more=f"{score}  ")

    def end(self) -> None:
        self._progress.stop()


class Lines:
    """A line now and then, for logs."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        self._print(text)

    def begin(self, plan: Plan) -> None:
        self._plan, self._began = plan, time.monotonic()
        self._print(
            f"training {sum(plan.group_sizes)} of {plan.n_members} members,"
            f" {plan.n_epochs} epochs, {plan.n_workers} worker(s)"
        )

    def epoch(self, group: int, epoch: int, loss: float) -> None:
        if epoch % max(1, self._plan.n_epochs // LINES_PER_GROUP) == 0:
            n_groups, n_epochs = len(self._plan.group_sizes), self._plan.n_epochs
            self._print(
                f"group {group + 1}/{n_groups}  epoch {epoch}/{n_epochs}"
                f"  loss {loss:.4f}  {self._seconds()}"
            )

    def group(self, n_finished: int, score: str) -> None:
        self._print(
            f"{n_finished}/{self._plan.n_members} members  {score}  {self._seconds()}"
        )

    def end(self) -> None:
        pass

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def download_bar(console: Console) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told how many bytes of how many are there."""
    with Progress(
        TextColumn("download"),
        BarColumn(bar_width=28),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("download", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def outcome_lines(result: Any, path: Path, document: dict[str, Any]) -> list[str]:
    """What a finished run says of itself in a few lines."""
    if not result:
        raise UserError(f"the run in {path} is not finished; `ensemble resume {path}`")
    name = result["metric"].upper()
    simulated = "   SIMULATED data" if document["data"]["simulated"] else ""
    low, high = (_shown(end, ".2f") for end in result["interval"])
    least, most = result["coverage"]
    rows = f"{least}" if least == most else f"{least} to {most}"
    return [
        f" OOF score   {name} {_shown(result['honest'], '.3f')}"
        f" ± {_shown(result['error'], '.3f')} at the top {result['fraction']:.1%}"
        f"   AUC {_shown(result['auc'], '.4f')}{simulated}",
        f"             {result['n_members']} members, every row predicted by {rows}",
        f"             in sample {_shown(result['in_sample'], '.3f')}, optimism"
        f" {_shown(result['optimism'], '+.3f')};"
        f" {result['interval_coverage']:.0%} interval {low} to {high}",
        f" report      {path / 'report.html'}",
        f" submission  {document['submission']}",
        f"             {document['data']['n_test']:,} rows, checked against the test"
        " ids",
    ]


def _shown(value: float | None, form: str) -> str:
    """A figure, or that it cannot be computed: of a class with a few rows, say."""
    return "n/a" if value is None else format(value, form)
