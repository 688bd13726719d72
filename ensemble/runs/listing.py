"""The runs there are, at a glance: nothing but their run.json is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ensemble.errors import UserError
from ensemble.runs.document import Document
from ensemble.runs.lock import lock_owner
from ensemble.runs.names import run_number
from ensemble.runs.store import open_run


@dataclass(frozen=True)
class Summary:
    """A run in a list; `problem` says why one cannot be used."""

    path: Path
    competition: str
    recipe: str = ""
    state: str = ""
    n_members: int = 0
    n_planned: int | None = None
    result: dict[str, Any] | None = None
    owner: int | None = None  # the process that works on it
    problem: str | None = None

    @property
    def name(self) -> str:
        return self.path.name


def list_runs(root: Path) -> list[Summary]:
    """All runs below a folder, by competition and number; damaged ones too."""
    found = [path for path in root.glob("*/*") if run_number(path) and path.is_dir()]
    return [
        _summarise(path)
        for path in sorted(found, key=lambda p: (p.parent.name, run_number(p), p.name))
    ]


def runs_table(runs: Sequence[Summary]) -> Group:
    """The runs as a table for a terminal, and below it what is wrong with some."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("run", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("members", "score", "AUC", "top", "minutes"):
        table.add_column(column, justify="right", no_wrap=True)
    for run in runs:
        name = escape(f"{run.competition}/{run.name}")
        state = f"{run.state}, process {run.owner}" if run.owner else run.state
        table.add_row(name, state, *_figures(run))
    problems = [escape(run.problem) for run in runs if run.problem]
    return Group(table, *problems)


def _figures(run: Summary) -> tuple[str, ...]:
    result = run.result or {}
    members = f"{run.n_members}/{run.n_planned}" if run.n_planned else ""
    if result.get("honest") is None:
        return (members, "", "", "", "")
    return (
        members,
        f"{result['metric']} {result['honest']:.3f}",
        f"{result['auc']:.4f}",
        f"{result['fraction']:.1%}",
        f"{result['wall_seconds'] / 60:.1f}",
    )


def _summarise(path: Path) -> Summary:
    try:
        document = open_run(path).document
    except (UserError, OSError) as error:
        return Summary(path, path.parent.name, state="damaged", problem=str(error))
    return Summary(
        path,
        path.parent.name,
        recipe=str(_section(document, "recipe").get("name", "")),
        state=str(document.get("state", "")),
        n_members=len(document["members"]),
        n_planned=_n_planned(document),
        result=_section(document, "result"),
        owner=lock_owner(path / ".lock"),
    )


def _n_planned(document: Document) -> int | None:
    bag = _section(document, "recipe").get("bag")
    try:
        return int(bag["n_splits"]) * int(bag["n_repeats"]) if bag else None
    except (KeyError, TypeError, ValueError):
        return None


def _section(document: Document, name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}
