"""CERN's file, in small, into the files of the challenge."""

import gzip

import numpy as np
import pandas as pd
import pytest

from competitions.higgs.prepare import COUNTS, prepare
from competitions.higgs.simulate import simulate_events
from competitions.higgs.spec import COMPETITION
from ensemble.errors import DataError

SMALL = {"t": 60, "b": 20, "v": 30, "u": 10}


def cern_events():
    events = simulate_events(120, np.random.default_rng(3))
    sets = np.repeat(list(SMALL), list(SMALL.values()))
    np.random.default_rng(1).shuffle(sets)
    whole = events["Weight"]
    return events.assign(
        Weight=whole / 3, Label=events["Label"], KaggleSet=sets, KaggleWeight=whole
    )


@pytest.fixture
def text():
    return cern_events().to_csv(index=False)


def put(folder, text):
    path = folder / COMPETITION.download.file
    path.write_bytes(gzip.compress(text.encode()))
    return path


def read(folder, name):
    return pd.read_csv(folder / f"{name}.csv.gz", dtype=str)


def test_each_row_lands_where_the_challenge_had_it(tmp_path, text):
    put(tmp_path, text)
    prepare(tmp_path, SMALL)
    events = cern_events()
    for name, sets in (("training", ["t"]), ("test", ["b", "v"])):
        expected = events.loc[events["KaggleSet"].isin(sets), "EventId"].astype(str)
        assert read(tmp_path, name)["EventId"].tolist() == expected.tolist()


def test_training_rows_carry_the_weight_of_the_challenge(tmp_path, text):
    put(tmp_path, text)
    prepare(tmp_path, SMALL)
    training = read(tmp_path, "training")
    assert list(training)[-2:] == ["Weight", "Label"]
    events = cern_events().query("KaggleSet == 't'")
    np.testing.assert_array_equal(
        training["Weight"].astype(float), events["KaggleWeight"]
    )


def test_the_solution_tells_public_from_private(tmp_path, text):
    put(tmp_path, text)
    prepare(tmp_path, SMALL)
    solution, test = read(tmp_path, "solution"), read(tmp_path, "test")
    assert list(solution) == ["EventId", "Class", "Weight", "Usage"]
    assert solution["Usage"].value_counts().to_dict() == {"Public": 20, "Private": 30}
    assert solution["EventId"].tolist() == test["EventId"].tolist()
    assert list(test) == ["EventId", *COMPETITION.features]


def test_the_sample_submission_ranks_the_test_rows(tmp_path, text):
    put(tmp_path, text)
    prepare(tmp_path, SMALL)
    sample = read(tmp_path, "random_submission")
    assert list(sample) == list(COMPETITION.submission)
    assert sample["RankOrder"].tolist() == [str(rank) for rank in range(1, 51)]


def test_cells_are_copied_character_by_character(tmp_path, text):
    lines = text.splitlines()
    row = next(i for i, line in enumerate(lines) if ",t," in line)
    cells = lines[row].split(",")
    cells[0], cells[1], cells[-1] = "007", "1.500", "0.00034750"
    lines[row] = ",".join(cells)
    put(tmp_path, "\n".join(lines) + "\n")
    prepare(tmp_path, SMALL)
    first = read(tmp_path, "training").iloc[0]
    assert first["EventId"] == "007"
    assert first["DER_mass_MMC"] == "1.500"
    assert first["Weight"] == "0.00034750"


def test_the_same_file_makes_the_same_bytes(tmp_path, text):
    source = put(tmp_path, text)
    written = []
    for _ in range(2):
        prepare(tmp_path, SMALL)
        made = (path for path in tmp_path.iterdir() if path != source)
        written.append({path.name: path.read_bytes() for path in made})
    assert len(written[0]) == 4
    assert written[0] == written[1]


def test_the_real_file_has_818238_rows():
    assert sum(COUNTS.values()) == 818_238


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "rows, but 20 b, 60 t,"),
        (
            lambda text: text.replace("KaggleSet", "Set", 1),
            "lacks the columns KaggleSet",
        ),
        (
            lambda text: text.replace("PRI_met,PRI_met_phi", "PRI_met_phi,PRI_met", 1),
            "another order",
        ),
        (lambda text: text + "1,2,3\n", "line 122: 3 cells where there are 35"),
        (lambda text: "", "lacks the columns EventId"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_and_nothing_is_written(
    tmp_path, text, change, message
):
    source = put(tmp_path, change(text))
    with pytest.raises(DataError, match=message):
        prepare(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == [source]


def test_a_cut_archive_is_refused_and_nothing_is_written(tmp_path, text):
    source = put(tmp_path, text)
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        prepare(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == [source]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"higgs-challenge-2014-v2\.csv\.gz cannot be"):
        prepare(tmp_path, SMALL)
