import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ensemble.data.examples import Examples, load_examples
from ensemble.spec import Competition
from ensemble.validation.check import check_examples, print_check
from tests.data.test_examples import TOY

N = 400


def examples(seed: int, labelled: bool, n_rows: int = N) -> Examples:
    generator = np.random.default_rng(seed)
    features = pd.DataFrame(generator.normal(size=(n_rows, 2)), columns=["x", "y"])
    ids = np.array([f"{seed}-{row}" for row in range(n_rows)], object)
    target = generator.integers(0, 2, n_rows) if labelled else None
    weight = generator.choice([1.0, 10.0], n_rows) if labelled else None
    return Examples(ids, features, target, weight, sha256="0" * 64)


@pytest.fixture
def train() -> Examples:
    return examples(1, labelled=True)


@pytest.fixture
def test() -> Examples:
    return examples(2, labelled=False)


def printed(report, width=80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_check(report, console)
    return console.file.getvalue()


def test_sound_data_give_no_notes(train, test):
    report = check_examples(TOY, train, test)
    assert report["notes"] == []
    assert report["files"]["train"]["n_rows"] == N
    assert sum(c["n_rows"] for c in report["classes"]) == N
    assert sum(c["weight"] for c in report["classes"]) == train.weight.sum()
    assert report["strata"] == []
    assert "no constant, repeated or drifting columns" in printed(report)


def test_a_report_is_plain_data(train, test):
    report = check_examples(TOY, train, test)
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_missing_values_are_counted(train, test):
    train.features.loc[:99, "x"] = np.nan
    test.features.loc[:98, "x"] = np.nan
    column = check_examples(TOY, train, test)["columns"][0]
    assert (column["missing_train"], column["missing_test"]) == (100, 99)


def test_constant_and_equal_columns_are_found(train, test):
    train.features["y"] = train.features["x"] = np.nan
    report = check_examples(TOY, train, test)
    assert [c["is_constant"] for c in report["columns"]] == [True, True]
    assert report["duplicate_columns"] == [["x", "y"]]
    assert "constant in train, so of no use: x, y" in report["notes"]


def test_repeated_rows_are_counted_by_what_they_mean(train, test):
    train.features.iloc[1] = train.features.iloc[0] = [0.0, np.nan]
    train.features.iloc[2] = [-0.0, np.nan]
    train.target[:3] = [0, 1, 1]
    train.features.iloc[4] = train.features.iloc[3]
    train.target[3:5] = 1
    test.features.iloc[:2] = train.features.iloc[4]
    test.ids[0] = train.ids[9]
    assert check_examples(TOY, train, test)["duplicates"] == {
        "train": 3,
        "train_conflicting": 3,
        "test": 1,
        "test_in_train": 2,
        "shared_ids": 1,
    }


def test_strata_divide_the_classes(train, test):
    strata = TOY.model_copy(update={"weight_strata": (2, 1)})
    report = check_examples(strata, train, test)
    told = [(s["label"], s["lightest"], s["heaviest"]) for s in report["strata"]]
    assert told == [("b", 1, 1), ("b", 10, 10), ("s", 1, 10)]
    assert sum(s["n_rows"] for s in report["strata"]) == N


def test_drift_is_noted_by_the_column(train, test):
    test.features["x"] += 1
    report = check_examples(TOY, train, test)
    assert report["notes"] == ["distributed differently in train and test: x"]
    assert report["adversarial"]["auc"] > 0.7
    assert "! distributed differently" in printed(report)


def test_few_rows_and_no_weights_are_checked_too():
    train, test = examples(1, True, n_rows=5), examples(2, False, n_rows=5)
    plain = TOY.model_copy(update={"weight": None})
    report = check_examples(plain, Examples(**{**vars(train), "weight": None}), test)
    assert report["adversarial"] is None
    assert report["classes"][0]["weight"] is None
    assert "weight column" not in printed(report)


def test_markup_in_names_is_shown_as_it_is(train, test):
    names = {"x": "[red]x[/red]", "y": "[/]"}
    for part in (train, test):
        part.features.columns = list(names.values())
        part.features.iloc[0] = np.nan
    odd = TOY.model_copy(
        update={"features": tuple(names.values()), "classes": ("[b]", "s")}
    )
    text = printed(check_examples(odd, train, test))
    for name in (*names.values(), "[b]"):
        assert name in text


def test_a_page_of_many_columns_stays_short(train, test):
    wide = [f"c{i}" for i in range(60)]
    features = pd.DataFrame(np.full((N, 60), np.nan), columns=wide)
    parts = [Examples(**{**vars(p), "features": features}) for p in (train, test)]
    many = TOY.model_copy(update={"features": tuple(wide)})
    text = printed(check_examples(many, *parts))
    assert "20 more columns" in text
    assert len(text.splitlines()) < 65


def test_the_real_data_are_checked(higgs_folder):
    higgs = real_competition(higgs_folder)
    report = check_examples(higgs, *load_examples(higgs, higgs_folder))
    assert report["notes"] == []
    assert report["adversarial"]["auc"] == pytest.approx(0.5, abs=0.02)
    lines = printed(report).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert len(lines) < 45


def real_competition(folder) -> Competition:
    with gzip.open(folder / "training.csv.gz", "rt") as file:
        names = file.readline().strip().split(",")
    changes = {
        "id": "EventId",
        "features": tuple(names[1:-2]),
        "train_file": "training.csv",
        "weight_strata": (5, 3),
    }
    return TOY.model_copy(update=changes)
