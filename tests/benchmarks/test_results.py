"""The JSON file, the tables and the pictures say what was measured."""

import json
import subprocess
from dataclasses import replace

import pytest

from benchmarks.speed.__main__ import latest, save
from benchmarks.speed.cases import WIDE_96, Case
from benchmarks.speed.contestants import BASELINE, PEERS_PYTHON, ROOT, Contestant, Setup
from benchmarks.speed.measure import Result, measure_case, summarise
from benchmarks.speed.table import write_tables
from benchmarks.speed.winner import Scale, time_winner

OURS = Contestant("this bag, float32", "bag", Setup(1, 2))
PLAIN = Contestant(BASELINE, "plain", Setup(1, 2))
GONE = Contestant("TabM", "tabm_shared", Setup(1, 2), apart=True)
SCIKIT = Contestant("scikit-learn", "scikit", Setup(2, 1))


def make_document() -> dict:
    results = [
        Result(OURS, (30.0, 50.0, 42.0), 96, 1, peak_mib=700.0),
        Result(PLAIN, (10.0, 10.0, 20.0), 96, 1, peak_mib=300.0),
        Result(GONE, failed="not installed"),
        Result(SCIKIT, (5.0, 5.0, 5.0), 96, 1, differs="no dropout"),
    ]
    line = {"slope": 0.5, "intercept": 0.1, "r2": 0.999}
    sweep = {
        "name": "members",
        "unit": "members",
        "x": [1, 2],
        "labels": ["1", "2"],
        "seconds": [[0.6], [1.1]],
        "median": [0.6, 1.1],
        "case": "small",
        "fit": line,
    }
    peak = {"dtype": "float32", "setting": "highest", "gflops": 0.001, "error": 1e-5}
    return {
        "date": "2026-01-01",
        "machine": "a machine",
        "commit": "0123456789",
        "device": "cpu",
        "repetitions": 3,
        "seconds": 60.0,
        "peaks": [peak | {"processes": 1, "threads": 2}],
        "peak": {"float32": 0.001, "bfloat16": 0.004},
        "cases": [summarise(WIDE_96, results)],
        "growth": [sweep, sweep, sweep],
        "winner": None,
    }


@pytest.fixture
def table() -> dict[str, list[str]]:
    """The cells of each contestant's row."""
    lines = write_tables(make_document()).splitlines()
    cells = [
        [c.strip() for c in line.split("|")[1:-1]] for line in lines if "|" in line
    ]
    return {row[0]: row[1:] for row in cells}


def test_a_row_has_median_spread_ratio_peak_and_memory(table):
    peak = f"{42 * WIDE_96.flops / 1e9 / 0.001:.0%}"
    assert table["this bag, float32"] == [
        "1 x 2", "42", "30 - 50", "3.00", peak, peak, "700",
    ]  # fmt: skip


def test_a_ratio_is_the_median_over_repetitions():
    ours = make_document()["cases"][0]["results"][0]
    assert ours["ratios"] == [3.0, 5.0, 2.1]
    assert ours["ratio"] == 3.0


def test_less_work_is_marked_and_told(table):
    text = write_tables(make_document())
    assert "scikit-learn *" in table
    assert "- *scikit-learn: no dropout." in text


def test_who_failed_is_told_with_the_reason(table):
    assert table["TabM"][1] == "failed"
    assert "- TabM: not installed" in write_tables(make_document())


def test_growth_has_its_line(table):
    assert table["members"][-1] == "0.9990"


def test_the_json_file_holds_every_repetition(tmp_path):
    save(make_document(), tmp_path)
    read = json.loads((tmp_path / "speed.json").read_text())
    assert read["cases"][0]["results"][0]["rates"] == [30.0, 50.0, 42.0]
    assert read["cases"][0]["flops"] == WIDE_96.flops
    assert read["commit"] == "0123456789"


def test_pictures_are_drawn(tmp_path):
    save(make_document(), tmp_path)
    speed = (tmp_path / "speed.svg").read_text()
    assert (tmp_path / "growth.svg").stat().st_size > 1000
    assert "<svg" in speed


def test_what_is_not_published_is_not_kept_by_git():
    for device in ("cpu", "cuda"):
        asked = ["git", "check-ignore", "-q", f"{latest(device)}/speed.json"]
        assert subprocess.run(asked, cwd=ROOT).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_contestants_are_measured_in_turn(tmp_path):
    case = Case("tiny", (8,), "relu", 0.5, "sgd", 12, n_members=4, n_rows=96)
    broken = Contestant("broken", "no_such_peer", Setup(1, 1))
    plain = replace(PLAIN, setup=Setup(1, 1))
    told: list[str] = []
    ours, theirs, gone = measure_case(
        case, [replace(OURS, setup=Setup(1, 1)), plain, broken], 2, told.append
    )
    assert told == ["tiny: 1 of 2", "tiny: 2 of 2"]
    assert len(ours.rates) == len(theirs.rates) == 2
    assert ours.n_updates == theirs.n_updates == case.n_updates
    assert ours.n_samples == theirs.n_samples
    assert ours.peak_mib > 100
    assert "no_such_peer" in gone.failed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_peers_are_measured_in_their_own_environment():
    if not PEERS_PYTHON.exists():
        pytest.skip("the peers are not installed: `make peers`")
    case = Case("tiny", (8, 8), "relu", 0.5, "sgd", 12, n_members=4, n_rows=96)
    names = ("realmlp", "tabm_packed", "tabm_shared")
    contestants = [Contestant(name, name, Setup(1, 1), apart=True) for name in names]
    for result in measure_case(case, contestants, 1):
        assert result.failed is None
        left_out = 2 if result.contestant.name == "realmlp" else 0
        assert result.n_updates == case.n_updates - left_out == 4 - left_out
        assert result.n_samples == result.n_updates * 12 * 4


@pytest.mark.slow
def test_the_winning_recipe_is_timed():
    rows = time_winner("cpu", Scale(n_events=2_000, n_repeats=1, n_epochs=1))
    assert set(rows) == {"this bag, float32", "this bag, bfloat16", "plain PyTorch"}
    assert all(row["seconds"] > 0 for row in rows.values())
    document = make_document() | {"winner": rows}
    assert "times 2" in write_tables(document)
