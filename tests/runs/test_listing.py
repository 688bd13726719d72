import os

from rich.console import Console

from ensemble.runs.listing import list_runs, runs_table
from ensemble.runs.store import create_run
from tests.runs.samples import DOCUMENT, make_run


def test_runs_are_listed_with_how_far_they_are(tmp_path):
    run = make_run(tmp_path, n_members=3)
    create_run(tmp_path, "melis", DOCUMENT)
    with run.lock():
        run.update(state="running", result={"score": 3.2})
        first, second = list_runs(tmp_path)
    assert (first.name, first.competition, first.recipe) == (
        "0001-quick",
        "toy",
        "quick",
    )
    assert (first.state, first.n_members, first.n_planned) == ("running", 3, 4)
    assert first.result == {"score": 3.2}
    assert first.owner == os.getpid()
    assert (second.name, second.state, second.n_members) == ("0002-melis", "new", 0)
    assert second.owner is None


def test_damaged_and_newer_runs_are_listed_as_such(tmp_path):
    for content in (b"{", b'{"format": 2}'):
        run = make_run(tmp_path, n_members=0)
        (run.path / "run.json").write_bytes(content)
    (tmp_path / "toy" / "0003-empty").mkdir()
    (tmp_path / "toy" / "notes").mkdir()
    problems = [summary.problem for summary in list_runs(tmp_path)]
    for word, problem in zip(
        ("cannot be read", "newer", "no run"), problems, strict=True
    ):
        assert word in problem


def test_a_damaged_run_does_not_push_others_off_the_screen(tmp_path, capsys):
    damaged, whole = make_run(tmp_path), make_run(tmp_path)
    (damaged.path / "run.json").write_bytes(b"{")
    with whole.lock():
        result = {"metric": "ams", "honest": 3.2, "auc": 0.93, "fraction": 0.15}
        whole.update(result=result | {"wall_seconds": 60.0})
    Console(width=80).print(runs_table(list_runs(tmp_path)))
    shown = capsys.readouterr().out
    assert "ams 3.200" in shown
    assert "cannot be read" in shown


def test_an_odd_recipe_does_not_stop_the_list(tmp_path):
    create_run(
        tmp_path, "quick", {"competition": {"name": "toy"}, "recipe": {"bag": 3}}
    )
    (summary,) = list_runs(tmp_path)
    assert (summary.recipe, summary.n_planned) == ("", None)


def test_there_may_be_no_runs(tmp_path):
    assert list_runs(tmp_path / "nothing") == []
