"""The verbs of the command line: each parses, calls one function, and prints.

Heavy imports stay inside the verbs, so that help is there at once.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer import Argument, Option

from ensemble.errors import Interrupted, UserError
from ensemble.options import (
    Address,
    Backend,
    DataFolder,
    Device,
    GroupSize,
    Jobs,
    Name,
    Patience,
    Products,
    RunPath,
    Settings,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ensemble.runs.opened import Run

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_LEAVE = 4

app = typer.Typer(
    help="Bags of neural networks for machine-learning competitions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    competition: Name,
    recipe: Annotated[
        str | None,
        Option("--recipe", "-r", help="see `ensemble list` [default: first]"),
    ] = None,
    data: DataFolder = None,
    settings: Settings = None,
    jobs: Jobs = None,
    device: Device = "auto",
    backend: Backend = "loky",
    address: Address = None,
    patience: Patience = None,
    products: Products = None,
    group_size: GroupSize = None,
    runs: Annotated[Path, Option(help="where run folders are made")] = Path("runs"),
    folder: Annotated[
        Path | None, Option(help="resume or grow the run in this folder")
    ] = None,
    submissions: Annotated[Path, Option(help="where submissions go")] = Path(
        "submissions"
    ),
) -> None:
    """Train a bag, and leave its score, a report and a submission.

    Example: ensemble run higgs --recipe quick --jobs 2
    """
    _must_be_free(folder)
    from ensemble.display import make_display
    from ensemble.run import run_competition

    console = _console()
    finished = run_competition(
        competition,
        recipe,
        settings=settings or [],
        data=data,
        runs=runs,
        folder=folder,
        submissions=submissions,
        jobs=jobs,
        device=device,
        backend=backend,
        address=address,
        patience=patience,
        products=products,
        group_size=group_size,
        watch=make_display(console),
    )
    _print_outcome(console, finished)


@app.command()
def resume(
    folder: RunPath,
    settings: Annotated[
        list[str] | None, Option("--set", help="grow the bag: bag.n_repeats=35")
    ] = None,
    data: DataFolder = None,
    jobs: Jobs = None,
    device: Device = "auto",
    backend: Backend = "loky",
    address: Address = None,
    patience: Patience = None,
    group_size: GroupSize = None,
    submissions: Annotated[Path, Option(help="where submissions go")] = Path(
        "submissions"
    ),
) -> None:
    """Train what a run lacks: after an interruption, or with more repeats.

    Example: ensemble resume runs/higgs/0001-quick --set bag.n_repeats=35
    """
    _must_be_free(folder)
    from ensemble.display import make_display
    from ensemble.run import resume_run

    console = _console()
    finished = resume_run(
        folder,
        settings=settings or [],
        data=data,
        submissions=submissions,
        jobs=jobs,
        device=device,
        backend=backend,
        address=address,
        patience=patience,
        group_size=group_size,
        watch=make_display(console),
    )
    _print_outcome(console, finished)


@app.command()
def runs(
    root: Annotated[Path, Option("--runs", help="where run folders are")] = Path(
        "runs"
    ),
) -> None:
    """List the runs with their scores.

    Example: ensemble runs
    """
    from ensemble.runs.listing import list_runs, runs_table

    found = list_runs(root)
    if not found:
        raise UserError(f"there are no runs in {root}; `ensemble run higgs` makes one")
    console = _console()
    console.width = max(console.width, 100)  # names stay whole, in a pipe too
    console.print(runs_table(found))


@app.command("list")
def list_competitions() -> None:
    """List the competitions and their recipes.

    Example: ensemble list
    """
    from ensemble.catalog import list_entries

    for entry in list_entries():
        typer.echo(f"{entry.competition.name}: {entry.competition.title}")
        for name, recipe in entry.recipes.items():
            typer.echo(f"  {name:<10} {recipe.about}")


@app.command()
def check(
    competition: Name,
    data: DataFolder = None,
    jobs: Annotated[
        int, Option("--jobs", "-j", help="worker processes to plan for; -1: one a core")
    ] = 1,
    device: Device = "auto",
) -> None:
    """Say what is in the files: rows, columns, weights, duplicates, drift.

    And how each recipe would be trained: members that train together, memory, products.

    Example: ensemble check higgs --data data/higgs
    """
    from ensemble.bag.outlook import look_ahead, outlook_table
    from ensemble.bag.workers import find_workers
    from ensemble.catalog import load_entry
    from ensemble.data.examples import load_examples
    from ensemble.data.source import find_source
    from ensemble.validation.check import check_examples, print_check

    console = _console()
    entry = load_entry(competition)
    workers = find_workers(jobs=jobs, device=device)
    source = find_source(entry, data, tell=console.print)
    train, test = load_examples(entry.competition, source.folder)
    if source.simulated:
        console.print("SIMULATED data: no figure below is about the real competition")
    console.width = max(console.width, 80)  # figures stay whole
    print_check(check_examples(entry.competition, train, test), console)
    outlooks = look_ahead(entry, train, test, workers.n, workers.device)
    console.print(outlook_table(outlooks, workers.n))


@app.command()
def download(
    competition: Name,
    root: Annotated[Path, Option("--data", help="where data folders are")] = Path(
        "data"
    ),
) -> None:
    """Fetch the files of a competition that anybody may have; goes on where it stopped.

    Example: ensemble download higgs
    """
    from ensemble.catalog import load_entry
    from ensemble.data.source import download_data
    from ensemble.display import download_bar

    with download_bar(_console()) as tell:
        folder = download_data(load_entry(competition), root, tell)
    typer.echo(f"{folder} is ready: ensemble run {competition} --data {folder}")


@app.command()
def predict(
    folder: RunPath,
    table: Annotated[Path, Argument(help="CSV with id and raw feature columns")],
    output: Annotated[Path, Option("--output", "-o", help="CSV of ids and scores")],
    jobs: Annotated[int, Option("--jobs", "-j", help="cores to use; -1: all")] = -1,
    device: Device = "auto",
) -> None:
    """Let the saved members of a run predict the rows of a file.

    The file is read in blocks, so that it may be larger than memory, unless it has
    quotes or other oddities. The output is written once all rows are predicted, whole
    or not at all.

    Example: ensemble predict runs/higgs/0001-quick new.csv -o scores.csv
    """
    from ensemble.runs.predictor import predict_file

    n_rows = predict_file(folder, table, output, device, jobs)
    typer.echo(f"{output}: {n_rows:,} rows")


@app.command()
def submit(
    folder: RunPath,
    note: Annotated[str, Option(help="a remark for the ledger")] = "",
    submissions: Annotated[Path, Option(help="where submissions go")] = Path(
        "submissions"
    ),
) -> None:
    """Write the submission of a finished run again, and enter it in the ledger.

    Nothing that already exists is overwritten.

    Example: ensemble submit runs/higgs/0001-quick --note "first bag"
    """
    from ensemble.runs.opened import open_finished

    written = open_finished(folder).submit(note=note, root=submissions)
    typer.echo(f"{written.path}: {written.n_rows:,} rows")


@app.command()
def score(
    submission: Annotated[Path, Argument(help="a submission CSV")],
    competition: Annotated[
        str | None,
        Option(help="name or folder [default: what the file's provenance says]"),
    ] = None,
    solution: Annotated[
        Path | None, Option(help="file with the truth [default: in the data folder]")
    ] = None,
    data: DataFolder = None,
) -> None:
    """Score a submission against a solution file: public and private part apart.

    Example: ensemble score submissions/higgs/0001-quick.csv
    """
    from ensemble.catalog import load_entry
    from ensemble.runs.score import competition_of, score_file

    entry = load_entry(competition or competition_of(submission))
    scored, path, simulated = score_file(entry, submission, solution, data)
    kind = "SIMULATED solution" if simulated else "solution"
    typer.echo(f"{kind} {path}")
    for part, values in scored["parts"].items():
        typer.echo(
            f"  {part:<8} {scored['metric'].upper()} {values['score']:.5f}"
            f"   {values['rows']:,} rows"
        )


@app.command()
def report(folder: RunPath) -> None:
    """Say where the report of a run is, and what it says in short.

    Example: ensemble report runs/higgs/0001-quick
    """
    from ensemble.runs.opened import open_finished

    _print_outcome(_console(), open_finished(folder))


def main() -> NoReturn:
    """Run the program; its exit code says how it ended."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        app()
    except UserError as error:
        typer.echo(f"ensemble: {error}", err=True)
        sys.exit(error.exit_code)
    except Interrupted as interruption:
        typer.echo(
            "ensemble: interrupted; what was finished is saved, `ensemble runs` shows"
            " it and `ensemble resume FOLDER` goes on",
            err=True,
        )
        sys.exit(interruption.exit_code)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind undisturbed by a second Ctrl-C, and be out in time whatever happens."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + number))
    signal.alarm(SECONDS_TO_LEAVE)
    raise Interrupted(number)


def _must_be_free(folder: Path | None) -> None:
    """Refuse a run that another process works on at once: torch takes seconds."""
    from ensemble.runs.lock import hold_lock

    if folder is not None and (folder / ".lock").is_file():
        with hold_lock(folder / ".lock"):
            pass


def _console() -> "Console":
    from rich.console import Console

    return Console()


def _print_outcome(console: "Console", run: "Run") -> None:
    from ensemble.display import outcome_lines

    for line in outcome_lines(run.result, run.path, run.store.document):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
