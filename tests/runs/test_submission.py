import json
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import DataError, UserError
from ensemble.runs.ledger import read_ledger
from ensemble.runs.submission import (
    build_submission,
    check_submission,
    write_submission,
)
from tests.runs.samples import COMPETITION, make_run

IDS = ["007", "NA", str(2**53 + 1), "späße", " x y ", 'a,"b"', "=1+1", "8", "9", "10"]
N = len(IDS)

NASTY = st.one_of(
    st.sampled_from([*IDS, "nan", "1e5", "-0", "'", '"', "\r", "\n", "\r\n", ",", " "]),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
    ),
)


def answers(n: int = N, seed: int = 0):
    """Scores and which rows are selected."""
    score = np.random.default_rng(seed).random(n)
    return score, score > 0.6


def valid() -> list[list[str]]:
    """The lines of a valid submission, cell by cell, none of them with quotes."""
    ids = [f"{n:03}" for n in range(N)]
    lines = build_submission(COMPETITION, ids, *answers()).decode().splitlines()
    return [line.split(",") for line in lines]


TEST_IDS = [f"{n:03}" for n in range(N)]


def table(cells, end="\n") -> bytes:
    return "".join(",".join(row) + end for row in cells).encode()


def test_a_submission_is_in_the_order_of_ids_and_columns():
    text = build_submission(
        COMPETITION, ["b", "a", "c"], [0.2, 0.9, 0.5], [False, True, False]
    )
    assert text == b"EventId,RankOrder,Class\nb,1,b\na,3,s\nc,2,b\n"


def test_the_columns_stand_as_the_spec_has_them():
    other = COMPETITION.model_copy(
        update={"submission": {"Class": "class", "Id": "id"}, "classes": ("no", "yes")}
    )
    text = build_submission(other, ["b", "a"], [0.2, 0.9], [False, True])
    assert text == b"Class,Id\nno,b\nyes,a\n"
    check_submission(text, other, ["a", "b"])


@given(ids=st.lists(NASTY, unique=True, max_size=12), seed=st.integers(0, 9))
def test_every_submission_of_ours_passes_whatever_the_ids(ids, seed):
    text = build_submission(COMPETITION, ids, *answers(len(ids), seed))
    check_submission(text, COMPETITION, ids)
    check_submission(text, COMPETITION, ids[::-1])


def test_ids_are_the_same_bytes():
    text = build_submission(COMPETITION, IDS, *answers())
    for one in (
        "\n007,",
        "\nNA,",
        "\n9007199254740993,",
        "\nspäße,",
        "\n x y ,",
        "\n=1+1,",
    ):
        assert one.encode() in text


def test_the_organisers_example_passes(higgs_folder):
    sample = higgs_folder / "random_submission.csv.gz"
    from ensemble.runs.sheet import read_bytes

    data = read_bytes(sample)
    ids = [line.split(b",")[0].decode() for line in data.splitlines()[1:]]
    higgs = COMPETITION.model_copy(update={"name": "higgs"})
    check_submission(sample, higgs, ids, sample)
    check_submission(data, higgs, ids)


def shuffled(cells):
    return cells[:1] + random.Random(0).sample(cells[1:], N)


@pytest.mark.parametrize(
    "same",
    [
        table(valid(), end="\r\n"),
        table(valid()).rstrip(b"\n"),
        table(shuffled(valid())),
        table([[f'"{cell}"' for cell in row] for row in valid()]),
    ],
    ids=["CRLF", "no last line feed", "another order", "all in quotes"],
)
def test_a_valid_submission_may_be_written_otherwise(same):
    check_submission(same, COMPETITION, TEST_IDS)


def change(row: int, column: int, cell: str):
    def mutate(cells):
        cells[row][column] = cell
        return table(cells)

    return mutate


def change_rows(function):
    return lambda cells: table(function(cells))


MUTATIONS = {
    # ids
    "a missing row": (
        change_rows(lambda c: c[:-1]),
        r"9 rows instead of 10.*missing: '009'",
    ),
    "an extra row": (
        change_rows(lambda c: [*c, ["010", "11", "s"]]),
        r"11 rows instead of 10.*not in the test file: '010'",
    ),
    "a doubled row": (change_rows(lambda c: [*c, c[3]]), "ids that stand twice: '002'"),
    "another id": (change(2, 0, "999"), "missing: '001'.*not in the test file: '999'"),
    "an id as a number": (change(8, 0, "7"), "missing: '007'.*test file: '7'"),
    "an id as a float": (change(8, 0, "7.0"), "not in the test file: '7.0'"),
    "an id with a space": (change(8, 0, " 007"), "not in the test file: ' 007'"),
    "a blank id": (change(1, 0, ""), "blank cells in 'EventId': line 2"),
    "no rows": (change_rows(lambda c: c[:1]), "0 rows instead of 10"),
    # columns
    "no header": (change_rows(lambda c: c[1:]), "missing columns: 'EventId'"),
    "a missing column": (
        change_rows(lambda c: [row[:2] for row in c]),
        "missing columns: 'Class'",
    ),
    "an extra column": (
        change_rows(lambda c: [[str(i), *row] for i, row in enumerate(c)]),
        "unknown columns: '0'",
    ),
    "a doubled column": (
        change_rows(lambda c: [[*row, row[2]] for row in c]),
        "columns that stand twice: 'Class'",
    ),
    "a renamed column": (change(0, 1, "rankorder"), "unknown columns: 'rankorder'"),
    "a column with a space": (change(0, 2, " Class"), "unknown columns: ' Class'"),
    "columns in another order": (
        change_rows(lambda c: [row[::-1] for row in c]),
        "columns in another order than EventId,RankOrder,Class",
    ),
    "semicolons": (
        lambda c: table(c).replace(b",", b";"),
        "missing columns: 'EventId'",
    ),
    # ranks
    "ranks from 0": (
        change_rows(
            lambda c: [c[0]] + [[r[0], str(int(r[1]) - 1), r[2]] for r in c[1:]]
        ),
        "no whole numbers written like 12: line .: '0'",
    ),
    "a rank twice": (change(1, 1, valid()[2][1]), "ranks that stand twice"),
    "a rank too large": (change(1, 1, "11"), "ranks outside 1 to 10: line 2: '11'"),
    "a huge rank": (change(1, 1, "9" * 5000), "no whole numbers"),
    "a rank as a float": (change(1, 1, "3.0"), "no whole numbers .*'3.0'"),
    "a negative rank": (change(1, 1, "-3"), "no whole numbers .*'-3'"),
    "a signed rank": (change(1, 1, "+3"), "no whole numbers .*'\\+3'"),
    "another alphabet's rank": (change(1, 1, "\u0663"), "no whole numbers"),
    "a rank with a space": (change(1, 1, " 3"), "no whole numbers .*' 3'"),
    "a rank as a word": (change(1, 1, "nan"), "no whole numbers .*'nan'"),
    "a blank rank": (change(1, 1, ""), "blank cells in 'RankOrder': line 2"),
    # classes
    "an unknown class": (
        change(1, 2, "x"),
        r"unknown classes \(known are 'b' and 's'\)",
    ),
    "a class in capitals": (change(1, 2, "S"), "unknown classes .*line 2: 'S'"),
    "a class with a space": (change(1, 2, "s "), "unknown classes .*'s '"),
    "a class as a number": (change(1, 2, "1"), "unknown classes"),
    "NaN for a class": (change(1, 2, "nan"), "unknown classes .*'nan'"),
    "a blank class": (change(1, 2, ""), "blank cells in 'Class': line 2"),
    # form
    "a byte order mark": (lambda c: b"\xef\xbb\xbf" + table(c), "byte order mark"),
    "UTF-16": (
        lambda c: table(c).decode().encode("utf-16"),
        "not UTF-8.*NUL|NUL.*not UTF",
    ),
    "latin-1": (change_rows(lambda c: c), None),
    "NUL bytes": (change(4, 2, "s\0"), "NUL bytes: line 5"),
    "nothing": (lambda c: b"", "nothing in it"),
    "a blank line": (
        change_rows(lambda c: [*c[:3], [], *c[3:]]),
        "blank lines: line 4",
    ),
    "an open quote": (change(4, 0, '"003'), "no CSV: line 5: a quote is opened"),
    "a stray quote": (change(4, 0, '"0"03'), "no CSV: line 5: text after a clos"),
    "a short row": (change_rows(lambda c: [*c[:3], c[3][:2], *c[4:]]), "line 4 has 2"),
    "a long row": (
        change_rows(lambda c: [*c[:3], [*c[3], ""], *c[4:]]),
        "line 4 has 4",
    ),
    "a cut file": (lambda c: table(c)[:-3], "blank|line 11 has|not in"),
}
MUTATIONS["latin-1"] = (
    lambda c: table(c).replace(b"003", b"\xe4"),
    "not UTF-8 .*: line 5",
)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_submission_with_a_fault_is_refused_by_its_name(mutation):
    mutate, message = MUTATIONS[mutation]
    with pytest.raises(UserError) as caught:
        check_submission(mutate(valid()), COMPETITION, TEST_IDS)
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


def test_messages_of_the_mutations_tell_them_apart():
    messages = set()
    for mutate, _ in MUTATIONS.values():
        with pytest.raises(UserError) as caught:
            check_submission(mutate(valid()), COMPETITION, TEST_IDS)
        messages.add(str(caught.value))
    assert len(messages) == len(MUTATIONS)


def test_all_faults_come_in_one_message():
    cells = valid()
    cells[1][0], cells[2][1], cells[3][2] = "x", "y", "z"
    with pytest.raises(UserError) as caught:
        check_submission(table(cells), COMPETITION, TEST_IDS)
    for word in ("'000'", "'x'", "'y'", "'z'"):
        assert word in str(caught.value)


@given(data=st.data())
def test_any_changed_byte_is_refused_or_leaves_a_permutation_with_classes(data):
    text = table(valid())
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != text[at]))
    changed = text[:at] + bytes([byte]) + text[at + 1 :]
    try:
        check_submission(changed, COMPETITION, TEST_IDS)
    except UserError:
        return
    # another class, another separator of lines, nothing else
    assert chr(text[at]) in "sb\n"
    assert chr(byte) in "sb\r"


def test_a_file_is_checked_under_its_name(tmp_path):
    (tmp_path / "mine.csv").write_bytes(table(valid())[:-3])
    with pytest.raises(UserError, match=r"mine\.csv: "):
        check_submission(tmp_path / "mine.csv", COMPETITION, TEST_IDS)
    with pytest.raises(DataError, match=r"nothing\.csv cannot be read"):
        check_submission(tmp_path / "nothing.csv", COMPETITION, TEST_IDS)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (b"EventId,Class\n", "missing columns: 'RankOrder'"),
        (b"EventId,Class,RankOrder\n", "in another order than EventId,RankOrder,Class"),
        (b"EventId,RankOrder,Class,p\n", "unknown columns: 'p'"),
        (b"EventId,RankOrder,Class\n0,1,s\n", "1 rows instead of 10"),
        (b"EventId,RankOrder,Class\n0,1,s\n", "not in the test file: '0'"),
    ],
)
def test_a_sample_that_disagrees_is_a_fault_of_the_data(tmp_path, sample, message):
    (tmp_path / "sample.csv").write_bytes(sample)
    with pytest.raises(DataError, match=message):
        check_submission(table(valid()), COMPETITION, TEST_IDS, tmp_path / "sample.csv")


def test_scores_that_are_not_finite_are_never_submitted():
    score, selected = answers()
    score[3] = np.nan
    with pytest.raises(ValueError, match="takes finite scores, 1 are not"):
        build_submission(COMPETITION, IDS, score, selected)
    with pytest.raises(ValueError, match=r"of one length, got 9"):
        build_submission(COMPETITION, IDS[:-1], score, selected)


# --- writing -----------------------------------------------------------------------


def write(run, root, seed=0, **facts):
    return write_submission(run, IDS, *answers(seed=seed), root=root, **facts)


def test_a_submission_is_written_with_provenance_and_a_line_in_the_ledger(tmp_path):
    run, root = make_run(tmp_path), tmp_path / "submissions"
    written = write(run, root, cv_score=3.2, optimism=0.1, note="=first")
    assert written.path == root / "toy" / "0001-quick.csv"
    assert (written.n_rows, written.is_new) == (N, True)
    assert written.path.read_bytes() == build_submission(COMPETITION, IDS, *answers())
    (line,) = read_ledger(root / "ledger.csv")
    assert line["run"] == "0001-quick"
    assert line["file"] == "toy/0001-quick.csv"
    assert (line["rows"], line["cv score"], line["optimism"]) == ("10", "3.2", "0.1")
    assert (line["public"], line["note"]) == ("", "'=first")
    facts = json.loads(written.path.with_suffix(".json").read_bytes())
    assert facts["submission"]["sha256"] == line["sha256"]
    assert facts["seeds"].keys() == {"0", "1", "2", "3"}
    assert facts["recipe"]["name"] == "quick"
    assert facts["data"]["sha256"] == {"train.csv": "0" * 64}


def test_the_same_submission_is_written_and_entered_once(tmp_path):
    run, root = make_run(tmp_path), tmp_path / "submissions"
    first = write(run, root)
    again = write(run, root)
    assert (again.path, again.is_new) == (first.path, False)
    assert len(read_ledger(root / "ledger.csv")) == 1


def test_a_note_is_entered_for_a_submission_that_is_there_already(tmp_path):
    run, root = make_run(tmp_path), tmp_path / "submissions"
    first = write(run, root)
    assert write(run, root, note="sent").path == first.path
    lines = read_ledger(root / "ledger.csv")
    assert [line["note"] for line in lines] == ["", "sent"]
    assert lines[0]["sha256"] == lines[1]["sha256"]


def test_another_submission_of_a_run_gets_another_name(tmp_path):
    run, root = make_run(tmp_path), tmp_path / "submissions"
    first = write(run, root)
    before = first.path.read_bytes()
    second = write(run, root, seed=1)
    assert second.path.name == "0001-quick-2.csv"
    assert first.path.read_bytes() == before
    assert write(run, root, seed=1).path == second.path
    assert write(run, root, seed=2).path.name == "0001-quick-3.csv"
    assert len(read_ledger(root / "ledger.csv")) == 3


def test_nothing_is_written_where_the_sample_disagrees(tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_bytes(b"EventId,Class\n")
    with pytest.raises(DataError):
        write(make_run(tmp_path), tmp_path / "submissions", sample=sample)
    assert not (tmp_path / "submissions").exists()


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "submissions").write_text("in the way")
    with pytest.raises(UserError, match="submissions could not be written"):
        write(make_run(tmp_path), tmp_path / "submissions")
