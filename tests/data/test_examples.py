import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from ensemble.data.examples import Examples, load_examples
from ensemble.data.tables import find_table
from ensemble.errors import DataError
from ensemble.spec import Competition

TOY = Competition(
    name="toy",
    title="Toy",
    task="binary",
    metric="auc",
    id="Id",
    target="Label",
    classes=("b", "s"),
    weight="Weight",
    features=("x", "y"),
    missing=(-999.0,),
    submission={"Id": "id", "Class": "class"},
)
TRAIN = "Id,x,y,Weight,Label\n007,1,-999,0.5,s\nNA,2,3,1.5,b\n8,,4,2,b\n"
TEST = "Id,x,y\n1,5,6\n2,-999.0,7\n"


def load(
    folder: Path, train: str = TRAIN, test: str = TEST, competition: Competition = TOY
) -> tuple[Examples, Examples]:
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)
    return load_examples(competition, folder)


def test_examples_hold_what_the_files_say(tmp_path):
    train, test = load(tmp_path)
    assert (len(train), len(test)) == (3, 2)
    assert train.ids.tolist() == ["007", "NA", "8"]
    assert train.target.tolist() == [1, 0, 0]
    assert train.weight.tolist() == [0.5, 1.5, 2]
    np.testing.assert_array_equal(train.features, [[1, np.nan], [2, 3], [np.nan, 4]])
    np.testing.assert_array_equal(test.features, [[5, 6], [np.nan, 7]])
    assert list(train.features.index) == [0, 1, 2]
    assert (train.ids.dtype, train.target.dtype) == (object, np.int64)
    assert test.target is None
    assert test.weight is None
    assert train.sha256 == hashlib.sha256(TRAIN.encode()).hexdigest()


def test_features_are_in_the_order_of_the_spec(tmp_path):
    train, _ = load(tmp_path, "y,Label,x,Weight,Id\n1,s,2,1,a\n3,b,4,1,b\n")
    assert list(train.features) == ["x", "y"]
    assert train.features["y"].tolist() == [1, 3]


def test_a_competition_without_weights_has_none(tmp_path):
    plain = TOY.model_copy(update={"weight": None})
    train, _ = load(tmp_path, "Id,x,y,Label\na,1,2,s\nb,1,2,b\n", competition=plain)
    assert train.weight is None


def test_a_feature_without_any_value_is_noted(tmp_path):
    train, test = load(tmp_path, test="Id,x,y\n1,,6\n2,-999.0,7\n")
    assert test.notes == ("no row has a value in 'x'",)
    assert train.notes == ()


def test_a_weight_that_looks_like_missing_is_a_weight(tmp_path):
    odd = TOY.model_copy(update={"missing": (2.0,)})
    assert load(tmp_path, competition=odd)[0].weight.tolist() == [0.5, 1.5, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NA,2", "007,2", "ids that an earlier row has, in 'Id': line 3: '007'"),
        ("NA,2", ",2", "rows without an id in 'Id': line 3"),
        (
            "2,b",
            "2,q",
            r"unknown labels in 'Label' \(the classes are b, s\): line 4: 'q'",
        ),
        ("2,b", "2,", "rows without a label in 'Label': line 4"),
        ("0.5,s", "0.5,b", "classes that no row has, .*: 's'"),
        ("0.5,s", "0,s", "weights in 'Weight' that are all zero: class 's'"),
        ("1.5", "-1.5", "negative weights in 'Weight': line 3: -1.5"),
        ("1.5", "", "no value where each row needs one: line 3, 'Weight'"),
        ("1.5", "nan", "not finite .*: line 3, 'Weight': 'nan'"),
        ("NA,2", "NA,-1e39", r"beyond ±3.4e\+38, .*: line 3, 'x': -1e\+39"),
        ("NA,2", "NA,inf", "not finite .*: line 3, 'x': 'inf'"),
        ("Weight", "weight", r"'weight' \(is it 'Weight'\?\)"),
        ("Label", "Target", "missing columns: 'Label'"),
    ],
)
def test_a_fault_of_the_train_file_is_told(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, TRAIN.replace(old, new, 1))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("Id,x\n1,2\n", "test.csv: missing columns: 'y'"),
        ("Id,x,y,Label\n1,2,3,s\n", "competition does not have: 'Label'"),
        ("Id,x,y\n", "no rows"),
        ("Id,x,y\n1,2,3\n1,2,4\n", "line 3: '1'"),
    ],
)
def test_a_fault_of_the_test_file_is_told(tmp_path, test, message):
    with pytest.raises(DataError, match=message):
        load(tmp_path, test=test)


def test_the_faults_of_both_files_are_in_one_message(tmp_path):
    train = TRAIN.replace("1.5,b", "-1.5,q").replace("8,,4", "NA,abc,4")
    with pytest.raises(DataError) as caught:
        load(tmp_path, train, "Id,x\n1,2\n")
    told = str(caught.value)
    for part in ("'abc'", "'q'", "-1.5", "line 4: 'NA'", "test.csv: missing columns"):
        assert part in told
    (tmp_path / "test.csv").unlink()
    with pytest.raises(DataError, match=r"(?s)'abc'.*has no test\.csv"):
        load_examples(TOY, tmp_path)


def test_a_row_shared_by_train_and_test_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"in train.csv and in test.csv, .*: 'NA'$"):
        load(tmp_path, test=TEST + "NA,2,3\n")
    with pytest.raises(DataError, match="'8'"):
        load(tmp_path, test=TEST + "8,,4\n")


def test_an_id_that_means_another_row_in_test_is_allowed(tmp_path):
    train, test = load(tmp_path, test=TEST + "NA,2,4\n")
    assert set(train.ids) & set(test.ids) == {"NA"}


def test_the_real_files_are_loaded(higgs_folder):
    with gzip.open(find_table(higgs_folder, "training.csv"), "rt") as file:
        header = file.readline().strip().split(",")
    higgs = TOY.model_copy(
        update={
            "id": "EventId",
            "features": tuple(header[1:-2]),
            "train_file": "training.csv",
        }
    )
    train, test = load_examples(higgs, higgs_folder)
    assert train.features.shape == (16_000, 30)
    assert test.features.shape == (6_889, 30)
    assert train.weight[train.target == 1].sum() == pytest.approx(691.988607712)
    assert train.weight[train.target == 0].sum() == pytest.approx(410999.847322)
    assert train.notes == test.notes == ()
