"""Saved members predict a file: block by block, in order, all of it or nothing."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ensemble.runs.outcome
from ensemble.data import plain, tables
from ensemble.errors import DataError, UserError
from ensemble.run import run_competition
from ensemble.runs import predictor
from ensemble.runs.predictor import predict_file, predict_rows
from ensemble.runs.store import RunFolder

TINY = Path(__file__).parents[1] / "tiny"
ROUNDING = 1e-6
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def run(tiny_data, tmp_path_factory):
    """A finished run of the tiny competition, its plots left out."""
    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble.runs.outcome, "render", lambda collected: "")
        return run_competition(
            TINY, "quick", data=tiny_data, runs=root, submissions=root / "answers"
        )


@pytest.fixture
def small_blocks(monkeypatch):
    """Files come in a few rows at a time."""
    monkeypatch.setattr(plain, "BLOCK", 300)
    monkeypatch.setattr(tables, "SMALL_BLOCK_ROWS", 7)
    monkeypatch.setattr(predictor, "BLOCK_ROWS", 7)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"Id": str}).set_index("Id")


def leaves_nothing(folder: Path) -> bool:
    return list(folder.iterdir()) == []


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("jobs", [1, -1])
def test_a_file_in_blocks_gets_the_scores_of_the_run(run, tiny_data, tmp_path, jobs):
    output = tmp_path / "new.csv"
    n_rows = predict_file(run.path, tiny_data / "test.csv", output, "cpu", jobs)
    new = read(output)
    assert n_rows == len(new) == 60
    assert output.read_text().count("Id,score") == 1
    pd.testing.assert_frame_equal(new, run.test.astype(float), rtol=0, atol=ROUNDING)


@pytest.mark.usefixtures("small_blocks")
def test_quotes_in_the_middle_of_a_file_change_nothing(run, tiny_data, tmp_path):
    lines = (tiny_data / "test.csv").read_text().splitlines()
    lines[40] = '"' + lines[40].replace(",", '",', 1)
    (tmp_path / "quoted.csv").write_text("\n".join(lines) + "\n")
    predict_file(run.path, tmp_path / "quoted.csv", tmp_path / "new.csv")
    new = read(tmp_path / "new.csv")
    pd.testing.assert_frame_equal(new, run.test.astype(float), rtol=0, atol=ROUNDING)


@pytest.mark.usefixtures("small_blocks")
def test_rows_in_memory_are_predicted_block_by_block_too(run, tiny_data):
    raw = pd.read_csv(tiny_data / "test.csv", na_values=["-999.0"])
    raw = raw[[f"x{i}" for i in range(6)]]
    scores = predict_rows(run.store, TINY, raw)
    np.testing.assert_allclose(scores, run.test["score"], rtol=0, atol=ROUNDING)
    assert predict_rows(run.store, TINY, raw[:0]).shape == (0,)


@pytest.mark.usefixtures("small_blocks")
def test_all_faults_are_told_at_once_and_nothing_is_predicted(
    run, tiny_data, tmp_path, monkeypatch
):
    lines = (tiny_data / "test.csv").read_text().splitlines()
    lines[3], lines[50] = lines[3] + ",1", lines[50][:-3] + "one"
    table, folder = tmp_path / "faulty.csv", tmp_path / "answers"
    table.write_text("\n".join(lines) + "\n")
    folder.mkdir()
    monkeypatch.setattr(predictor.SavedBag, "predict", None)
    with pytest.raises(DataError, match=r"line 4 has 8(?s:.*)line 51"):
        predict_file(run.path, table, folder / "new.csv")
    assert leaves_nothing(folder)


@pytest.mark.usefixtures("small_blocks")
def test_a_failure_on_the_way_leaves_no_half_file(
    run, tiny_data, tmp_path, monkeypatch
):
    predict, calls = predictor.SavedBag.predict, []

    def fail_late(bag, raw):
        calls.append(len(raw))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return predict(bag, raw)

    monkeypatch.setattr(predictor.SavedBag, "predict", fail_late)
    with pytest.raises(KeyboardInterrupt):
        predict_file(run.path, tiny_data / "test.csv", tmp_path / "new.csv")
    assert leaves_nothing(tmp_path)


def test_the_line_without_a_finite_answer_is_named(run, tiny_data, tmp_path):
    lines = (tiny_data / "test.csv").read_text().splitlines()
    cells = lines[9].split(",")
    lines[9] = ",".join([*cells[:3], "1e300", *cells[4:]])
    (tmp_path / "huge.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="line 10"):
        predict_file(run.path, tmp_path / "huge.csv", tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.usefixtures("small_blocks")
def test_a_table_that_changes_meanwhile_is_refused(
    run, tiny_data, tmp_path, monkeypatch
):
    table = Path(shutil.copy(tiny_data / "test.csv", tmp_path / "table.csv"))
    predict, last = predictor.SavedBag.predict, table.read_text().splitlines()[-1]

    def grow_once(bag, raw):
        monkeypatch.setattr(predictor.SavedBag, "predict", predict)
        with table.open("a") as file:
            file.write(f"{last}\n")
        return predict(bag, raw)

    monkeypatch.setattr(predictor.SavedBag, "predict", grow_once)
    with pytest.raises(DataError, match=r"table\.csv was changed while it was read"):
        predict_file(run.path, table, tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


def test_a_file_that_is_no_table_at_all_is_told(run, tmp_path):
    (tmp_path / "one.csv").write_text("x" * 200_000)
    with pytest.raises(DataError, match=r"one\.csv: "):
        predict_file(run.path, tmp_path / "one.csv", tmp_path / "new.csv")


def test_a_device_that_is_not_there_is_told_before_the_table_is_read(run, tmp_path):
    with pytest.raises(UserError, match="--device tpu cannot be used here"):
        predict_file(run.path, tmp_path / "no table.csv", tmp_path / "new.csv", "tpu")


@pytest.mark.usefixtures("small_blocks")
def test_weights_are_read_once(run, tiny_data, tmp_path, monkeypatch):
    load, loaded = RunFolder.load_weights, []

    def count(store, index):
        loaded.append(index)
        return load(store, index)

    monkeypatch.setattr(RunFolder, "load_weights", count)
    predict_file(run.path, tiny_data / "test.csv", tmp_path / "new.csv")
    assert loaded == list(range(8))


def test_what_cannot_be_written_is_said_before_anything_is_read(run, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="a file is in the way"):
        predict_file(run.path, tmp_path / "no table.csv", blocked / "new.csv")
    with pytest.raises(UserError, match="is there already"):
        predict_file(run.path, tmp_path / "no table.csv", blocked)


def test_more_cores_than_there_are_is_told(run, tiny_data, tmp_path):
    with pytest.raises(UserError, match="--jobs 1000"):
        predict_file(run.path, tiny_data / "test.csv", tmp_path / "new.csv", jobs=1000)
