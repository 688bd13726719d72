import csv
import io
import os

import pytest

from ensemble.errors import UserError
from ensemble.runs.ledger import COLUMNS, Entry, append_entry, harmless, read_ledger
from tests.runs.fault import in_child


@pytest.fixture
def path(tmp_path):
    return tmp_path / "submissions" / "ledger.csv"


def entry(note: str = "", run: str = "0001-quick") -> Entry:
    time = "2014-09-15T23:59:00+00:00"
    return Entry(time, "toy", run, f"toy/{run}.csv", 10, "0" * 64, 3.2, -0.1, note=note)


def test_lines_are_only_added(path):
    append_entry(path, entry("first"))
    before = path.read_bytes()
    append_entry(path, entry("second"))
    assert path.read_bytes().startswith(before)
    assert [line["note"] for line in read_ledger(path)] == ["first", "second"]
    assert tuple(read_ledger(path)[0]) == COLUMNS
    assert read_ledger(path)[0]["optimism"] == "-0.1"


def test_there_may_be_no_ledger_yet(path):
    assert read_ledger(path) == []


def test_a_file_is_entered_once_where_that_is_asked_for(path):
    assert append_entry(path, entry("first"), once=True)
    assert not append_entry(path, entry("again"), once=True)
    assert append_entry(path, entry("later, its public score"))


def test_writers_at_once_lose_no_line(path):
    def write_beside_a_child():
        other = os.fork()
        for _ in range(10):
            append_entry(path, entry(run="0001-parent" if other else "0002-child"))
        if other:
            os.waitpid(other, 0)

    assert in_child(write_beside_a_child) == 0
    runs = [line["run"] for line in read_ledger(path)]
    assert sorted(runs) == ["0001-parent"] * 10 + ["0002-child"] * 10


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", " =1"]
)
def test_no_cell_is_a_formula(path, text):
    append_entry(path, entry(text))
    for row in csv.reader(io.StringIO(path.read_text())):
        assert not row[-1].startswith(("=", "+", "-", "@", "\t", "\r", " "))
    assert harmless("a = b") == "a = b"


def test_a_note_stays_on_one_line(path):
    append_entry(path, entry('a "b", c\nd\x85e'))
    assert len(path.read_text().splitlines()) == 2
    assert read_ledger(path)[0]["note"] == 'a "b", c d e'


def test_a_line_that_an_editor_left_open_is_closed(path):
    append_entry(path, entry("first"))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append_entry(path, entry("second"))
    assert [line["note"] for line in read_ledger(path)] == ["first", "second"]


def test_a_ledger_that_a_spreadsheet_saved_is_read(path):
    append_entry(path, entry("first"))
    saved = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(saved)
    append_entry(path, entry("second"))
    assert path.read_bytes().startswith(saved)
    assert [line["note"] for line in read_ledger(path)] == ["first", "second"]


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe", b"\n"])
def test_another_file_in_its_place_is_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"ledger.csv is no ledger.* mend or move it"):
        append_entry(path, entry(), once=True)
    assert path.read_bytes() == content
