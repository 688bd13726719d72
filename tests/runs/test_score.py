import gzip

import pytest

from ensemble.errors import DataError, UserError
from ensemble.runs.score import competition_of, score_submission
from ensemble.validation.metrics import ams
from tests.runs.samples import COMPETITION

ANSWERS = {"a": "s", "b": "b", "c": "s", "d": "s"}
TRUTH = {"a": ("s", 3.0), "b": ("s", 2.0), "c": ("b", 50.0), "d": ("b", 7.0)}
USAGE = {"a": "Public", "b": "Private", "c": "Private", "d": "Public"}


@pytest.fixture
def submission(tmp_path):
    rows = [f"{i},{rank},{c}\n" for rank, (i, c) in enumerate(ANSWERS.items(), 1)]
    path = tmp_path / "mine.csv"
    path.write_text("EventId,RankOrder,Class\n" + "".join(rows))
    return path


def solution(tmp_path, header="EventId,Class,Weight,Usage", order="abcd", usage=None):
    usage = usage or USAGE
    lines = [f"{i},{TRUTH[i][0]},{TRUTH[i][1]},{usage[i]}" for i in order]
    columns = len(header.split(","))
    text = (
        "\n".join([header, *(",".join(li.split(",")[:columns]) for li in lines)]) + "\n"
    )
    path = tmp_path / "solution.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def by_hand(ids):
    return ams(
        [ANSWERS[i] == "s" for i in ids],
        [TRUTH[i][0] == "s" for i in ids],
        [TRUTH[i][1] for i in ids],
    )


def test_public_and_private_are_scored_apart_and_never_pooled(tmp_path, submission):
    scored = score_submission(submission, solution(tmp_path), COMPETITION)
    assert scored == {
        "metric": "ams",
        "parts": {
            "Private": {"score": pytest.approx(by_hand("bc")), "rows": 2},
            "Public": {"score": pytest.approx(by_hand("ad")), "rows": 2},
        },
    }


@pytest.mark.parametrize("column", ["Class", "Label"])
def test_without_usage_all_rows_are_one_part(tmp_path, submission, column):
    path = solution(tmp_path, f"EventId,{column},Weight")
    scored = score_submission(submission, path, COMPETITION)
    assert scored["parts"] == {
        "all": {"score": pytest.approx(by_hand("abcd")), "rows": 4}
    }


def test_the_order_of_rows_does_not_matter(tmp_path, submission):
    one = score_submission(submission, solution(tmp_path), COMPETITION)
    other = score_submission(submission, solution(tmp_path, order="dbca"), COMPETITION)
    assert one == other


def test_ignored_rows_are_not_scored(tmp_path, submission):
    path = solution(tmp_path, usage=USAGE | {"d": "Ignored", "a": "Ignored"})
    assert list(score_submission(submission, path, COMPETITION)["parts"]) == ["Private"]


def test_a_submission_is_checked_before_it_is_scored(tmp_path, submission):
    submission.write_text(submission.read_text().replace("a,1,s", "e,1,x"))
    with pytest.raises(UserError, match=r"(?s)missing: 'a'.*test file: 'e'.*classes"):
        score_submission(submission, solution(tmp_path), COMPETITION)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Weight", "weight", "missing columns: 'Weight'"),
        ("EventId", "Id", "missing columns: 'EventId'"),
        ("b,s,2.0", "a,s,2.0", "1 ids that stand twice"),
        ("2.0", "-2.0", "odd values of Weight: line 3: '-2.0'"),
        ("2.0", "nan", "odd values of Weight: line 3: 'nan'"),
        ("2.0", "", "odd values of Weight: line 3: ''"),
        ("2.0", "1e999", "odd values of Weight: line 3: '1e999'"),
        ("s,2.0", "x,2.0", "unknown classes .*: line 3: 'x'"),
        ("s,2.0", ",2.0", "unknown classes .*: line 3: ''"),
        ("Private", "Secret", "odd values of Usage: line 3: 'Secret'"),
        ("b,s,2.0", "b,s", "line 3 has 3"),
    ],
)
def test_what_is_wrong_with_a_solution_is_named(
    tmp_path, submission, old, new, message
):
    path = solution(tmp_path)
    text = gzip.decompress(path.read_bytes()).decode().replace(old, new, 1)
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(DataError, match=message):
        score_submission(submission, path, COMPETITION)


def test_a_metric_of_probabilities_cannot_be_had_from_classes(tmp_path, submission):
    other = COMPETITION.model_copy(update={"metric": "logloss"})
    with pytest.raises(UserError, match="logloss cannot be had from the classes"):
        score_submission(submission, solution(tmp_path), other)


def test_a_submission_without_its_provenance_asks_for_the_competition(tmp_path):
    with pytest.raises(UserError, match="name it with --competition"):
        competition_of(tmp_path / "foreign.csv")
    (tmp_path / "ours.json").write_text('{"competition": {"name": "tiny"}}')
    assert competition_of(tmp_path / "ours.csv") == "tiny"
