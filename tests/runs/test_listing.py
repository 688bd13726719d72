import os

from ensemble.runs.listing import list_runs
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


def test_an_odd_recipe_does_not_stop_the_list(tmp_path):
    create_run(
        tmp_path, "quick", {"competition": {"name": "toy"}, "recipe": {"bag": 3}}
    )
    (summary,) = list_runs(tmp_path)
    assert (summary.recipe, summary.n_planned) == ("", None)


def test_there_may_be_no_runs(tmp_path):
    assert list_runs(tmp_path / "nothing") == []
