"""`python -m benchmarks.speed`: measure, print the tables, save all (`make bench`)."""

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.speed.cases import Case, cases_for
from benchmarks.speed.contestants import ROOT, Contestant, contestants_for
from benchmarks.speed.growth import measure_growth
from benchmarks.speed.measure import measure_case, summarise
from benchmarks.speed.peak import best_peaks, measure_peaks
from benchmarks.speed.plot import plot_growth, plot_speed
from benchmarks.speed.table import write_tables
from benchmarks.speed.winner import measure_winner
from ensemble.runs.provenance import commit, machine

RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    arguments = _parse(sys.argv[1:])
    document = make_document(arguments)
    folder = arguments.output or latest(arguments.device)
    save(document, folder)
    print(write_tables(document))
    print(f"saved in {folder}")


def make_document(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all that was asked for."""
    started = time.monotonic()
    device, tiny = arguments.device, arguments.tiny
    peaks = measure_peaks(device)
    cases = [
        _tiny(case) if tiny else case
        for case in cases_for(device)
        if _is_asked(case.name, arguments.case)
    ]
    measured = []
    for case in cases:
        contestants = _contestants(case, arguments)
        results = measure_case(case, contestants, arguments.repetitions, _tell)
        measured.append(summarise(case, results))
    growth = [] if arguments.no_growth else _growth(device, tiny)
    winner = measure_winner(device) if arguments.winner else None
    peaks += measure_peaks(device)  # the machine may have been slower before
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "commit": commit(ROOT),
        "device": _name_of(device),
        "repetitions": arguments.repetitions,
        "seconds": time.monotonic() - started,
        "peaks": peaks,
        "peak": best_peaks(peaks),
        "cases": measured,
        "growth": growth,
        "winner": winner,
    }


def latest(device: str) -> Path:
    """Where results go that nobody has published; git does not keep them."""
    return RESULTS / ("latest" if device == "cpu" else "latest-gpu")


def save(document: dict[str, Any], folder: Path) -> None:
    """JSON, tables and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "speed.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / "speed.md").write_text(write_tables(document))
    if document["cases"]:
        plot_speed(document, folder / "speed.svg")
    if document["growth"]:
        plot_growth(document, folder / "growth.svg")


def _growth(device: str, tiny: bool) -> list[dict[str, Any]]:
    _tell("growth with members, rows and width")
    return measure_growth(device, 1 if tiny else 3, "tiny" if tiny else "full")


def _contestants(case: Case, arguments: argparse.Namespace) -> list[Contestant]:
    return [
        contestant
        for contestant in contestants_for(arguments.device)
        if contestant.takes(case) and _is_asked(contestant.name, arguments.contestant)
    ]


def _tiny(case: Case) -> Case:
    """So small that it says nothing of speed, to try the machinery."""
    return replace(case, n_rows=8 * case.batch_size, n_members=8)


def _is_asked(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def _name_of(device: str) -> str:
    if device == "cpu":
        return device
    import torch

    return torch.cuda.get_device_name(device)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--case", nargs="*", default=[], help="words in its name")
    parser.add_argument("--contestant", nargs="*", default=[], help="words in its name")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--winner", action="store_true", help="the recipe of 2014")
    parser.add_argument("--tiny", action="store_true", help="to try it; says nothing")
    parser.add_argument("--output", type=Path, help="a folder")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
