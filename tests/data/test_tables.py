import csv
import gzip
import io
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensemble.data import plain, tables
from ensemble.data.header import Columns
from ensemble.data.plain import NotPlain
from ensemble.data.tables import examine_table, find_table, read_table
from ensemble.errors import DataError
from tests.reference import read_table_row_by_row

PACKINGS = ["t.csv", "t.csv.gz", "t.csv.zip"]
one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
cells = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["", "-999.0", "1_0", "0x1", "1,5", " 1 ", "\t2", "1e400", "-"]),
    st.sampled_from(
        ["True", "FALSE", "inf", "NA", "null", "\uff11", ".5", "5.", "+1", "1e"]
    ),
    st.text("0123456789+-.eE", max_size=6),
    st.decimals(-(10**30), 10**30, places=20).map(str),
)


def write(path: Path, content: bytes | str) -> Path:
    data = content.encode() if isinstance(content, str) else content
    if path.suffix == ".gz":
        data = gzip.compress(data)
    if path.suffix == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", data)
        data = buffer.getvalue()
    path.write_bytes(data)
    return path


def as_csv(header, rows, **dialect) -> str:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows([header, *rows])
    return text.getvalue()


def read(path, **options):
    return read_table(path, numeric=["x", "y"], text=["id"], **options)


def error(tmp_path, content, name="t.csv", **options) -> str:
    with pytest.raises(DataError) as caught:
        read(write(tmp_path / name, content), **options)
    return str(caught.value)


@pytest.mark.parametrize("name", PACKINGS)
@one_folder
@given(rows=st.lists(st.tuples(ids, st.floats(allow_nan=False, allow_infinity=False))))
def test_ids_and_numbers_survive_every_packing(tmp_path, name, rows):
    content = as_csv(["id", "x", "y"], [(i, repr(x), "") for i, x in rows])
    table = read(write(tmp_path / name, content))
    assert table["id"].tolist() == [i for i, _ in rows]
    assert table["x"].tolist() == [x for _, x in rows]
    assert np.signbit(table["x"]).tolist() == [np.signbit(x) for _, x in rows]
    assert table["y"].isna().all()


@one_folder
@given(rows=st.lists(st.tuples(ids, cells, cells), max_size=5))
def test_it_reads_what_its_slow_twin_reads_and_refuses_what_that_refuses(
    tmp_path, rows
):
    path = write(tmp_path / "t.csv", as_csv(["id", "x", "y"], rows))
    try:
        expected = read_table_row_by_row(path, ["x", "y"], ["id"], [-999.0])
    except ValueError:
        with pytest.raises(DataError):
            read(path, missing=[-999.0])
    else:
        table = read(path, missing=[-999.0])
        for name, column in expected.items():
            np.testing.assert_array_equal(table[name].to_numpy(), column)


@one_folder
@given(
    rows=st.lists(st.tuples(ids, cells, cells), max_size=5),
    size=st.sampled_from([1, 16, 1000]),
)
def test_both_readers_agree(tmp_path, rows, size):
    columns = Columns(("id",), ("x", "y"), (-999.0,))
    content = "\n".join(",".join(row) for row in [("id", "x", "y"), *rows])
    path = write(tmp_path / "t.csv", content)
    with path.open("rb") as stream:
        slow, faults = tables.read_rows(stream, "t.csv", columns)
    with pytest.MonkeyPatch.context() as patch, suppress(NotPlain):
        patch.setattr(plain, "BLOCK", size)
        fast = plain.read_plain(io.BytesIO(path.read_bytes()), columns)
        assert not faults
        assert slow.equals(fast)
        assert slow.dtypes.equals(fast.dtypes)
        assert slow.index.tolist() == fast.index.tolist()


def test_a_plain_file_is_read_fast(tmp_path, monkeypatch):
    monkeypatch.delattr(tables, "read_rows")
    monkeypatch.setattr(plain, "BLOCK", 40)
    monkeypatch.setattr(plain, "SLAB", 16 * 7)
    rows = [(f"{i:03}", i / 7, -999.0 if i % 3 else "") for i in range(50)]
    table = read(
        write(tmp_path / "t.csv", as_csv(["id", "x", "y"], rows)), missing=[-999]
    )
    assert table["id"].tolist() == [row[0] for row in rows]
    assert table["x"].tolist() == [row[1] for row in rows]
    assert table["y"].isna().all()
    assert table.index.tolist() == list(range(2, 52))


PLAIN = b"a,1,2\n"
ODD = [b"a,1\n", b"a,1,2,3\n", b"\n", b"\r\n", b"a,1,2\rb,3,4\n", b"a,b,2\n"]
ODD += [b"a,inf,2\n", b"a,nan,2\n", b"a,nan(1),2\n", b"a,1e400,2\n", b"a,true,2\n"]
ODD += [b'"a",1,2\n', b"a\0,1,2\n", b"\xe9,1,2\n", b"a,1_0,2\n", b"a,0x1,2\n"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("size", [6, 1000])
def test_at_anything_odd_the_fast_reader_gives_up(odd, size, monkeypatch):
    monkeypatch.setattr(plain, "BLOCK", size)
    content = b"id,x,y\n" + 3 * PLAIN
    columns = Columns(("id",), ("x", "y"))
    assert len(plain.read_plain(io.BytesIO(content), columns)) == 3
    for at in range(7, len(content) + 1, len(PLAIN)):
        changed = content[:at] + odd + content[at:]
        with pytest.raises(NotPlain):
            plain.read_plain(io.BytesIO(changed), columns)


def test_a_byte_order_mark_inside_the_file_is_text(tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "BLOCK", 6)
    path = write(tmp_path / "t.csv", "\ufeffid,x,y\na,1,2\n\ufeffb,3,4\n")
    assert read(path)["id"].tolist() == ["a", "\ufeffb"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_the_memory_for_reading_is_less_than_two_and_a_half_arrays(tmp_path):
    names = [f"x{i}" for i in range(20)]
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write(f"id,{','.join(names)}\n")
        for row in range(1_000_000):
            file.write(f"{row:07}{',1.234567' * 20}\n")
    program = (
        "import pathlib, sys; from ensemble.data.tables import read_table\n"
        "def status(kind):\n"
        "    text = pathlib.Path('/proc/self/status').read_text()\n"
        "    return 1024 * int(text.split(kind)[1].split()[0])\n"
        "before = status('VmRSS:')\n"
        f"table = read_table(pathlib.Path({str(path)!r}), {names}, ['id'])\n"
        "assert table.shape == (1_000_000, 21)\n"
        "print((status('VmHWM:') - before) / (8 * 20 * len(table)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 2.5


@pytest.mark.parametrize("text", ["007", "NA", "9007199254740993", " a ", "é €", "nan"])
def test_text_stays_as_it_is(tmp_path, text):
    table = read(write(tmp_path / "t.csv", f"id,x,y\n{text},1,2\n"))
    assert table["id"].tolist() == [text]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffid,x,y\na,1,2\nb,3,4\n",
        "id,x,y\r\na,1,2\r\nb,3,4\r\n",
        "id,x,y\na,1,2\nb,3,4",
        "id,x,y\n\na,1,2\n\nb,3,4\n\n",
        '"id","x","y"\n"a","1","2"\n"b","3","4"\n',
        "y,id,x\n2,a,1\n4,b,3\n",
        '\ufeff"id",x,y\na,1,2\nb,3,4\n',
    ],
    ids=["BOM", "CRLF", "no last newline", "blank", "quoted", "reordered", "BOM+quote"],
)
def test_other_ways_to_write_a_table_are_read_right(tmp_path, content):
    table = read(write(tmp_path / "t.csv", content))
    assert table[["id", "x", "y"]].to_numpy().tolist() == [["a", 1, 2], ["b", 3, 4]]


def test_rows_keep_the_line_they_stand_on(tmp_path):
    content = 'id,x,y\n\n"a\nb",1,2\n\nc,3,4\n'
    assert read(write(tmp_path / "t.csv", content)).index.tolist() == [3, 6]


def test_missing_numbers_do_not_count_in_a_complete_column(tmp_path):
    path = write(tmp_path / "t.csv", "id,x,y\na,-9,-9.0\n")
    table = read(path, missing=[-9.0], complete=["y"])
    assert np.isnan(table["x"].item())
    assert table["y"].item() == -9


def test_a_table_without_rows_has_its_columns(tmp_path):
    table = read(write(tmp_path / "t.csv", "id,x,y\n"))
    assert table.shape == (0, 3)
    assert table.dtypes.tolist() == [object, float, float]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,x,y\na,abc,2\n", "text where a number belongs.*line 2, 'x': 'abc'"),
        ('id,x,y\na,"0,5",2\n', "line 2, 'x': '0,5'"),
        ("id,x,y\na,1,2\nb,1,True\n", "line 3, 'y': 'True'"),
        ("id,x,y\na,1,  \n", "line 2, 'y': '  '"),
        ("id,x,y\na,1,-inf\n", "not finite.*line 2, 'y': '-inf'"),
        ("id,x,y\na,1,NaN\n", "not finite.*line 2, 'y': 'NaN'"),
        ("id,x,y\na,1,1e400\n", "too large.*line 2, 'y': '1e400'"),
        ("id,x,y\na,1\n", "3 cells: line 2 has 2"),
        ("id,x,y\na,1,2,3\n", "3 cells: line 2 has 4"),
        ("id,x,y\na,1,2,3\nb,1\n", "3 cells: line 2 has 4; line 3 has 2"),
        ("id,x,y\na,1,2\0\n", "NUL bytes.*: line 2"),
        (b"id,x,y\nb,1,2\n\xe9,1,2\n", "UTF-8.*: line 3, byte 0xe9 at 1"),
        ('id,x,y\n"a,1,2\nb,1,2\n', "line 2: a quote is opened and not closed"),
        ("id,x,y\na\rb,1,2\n", "line 2: a carriage return inside the line"),
        ('id,x,y\n"a"b,1,2\n', "line 2: text after a closing quote"),
        ("id,x\na,1\n", "missing columns: 'y'"),
        ("id,x,x,y\na,1,2,3\n", "more than once: 'x'"),
        ("id,x,y,z\na,1,2,3\n", "does not have: 'z'"),
        (",id,x,y\n0,a,1,2\n", "without a name"),
        ("id;x;y\na;1;2\n", "separated by a semicolon"),
        ("a,1,2\n", "names none of the competition's columns: 'a,1,2'"),
        ("\n\n", "names none"),
        ("", "is empty"),
        (b"\xff\xfei\0d\0", "UTF-16"),
        ("<!DOCTYPE html><html>", "HTML page"),
        (b"\x1f\x8b\x08\0", "name that ends in .gz"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "t.csv", content))


def test_no_value_in_a_complete_column_is_told(tmp_path):
    message = error(tmp_path, "id,x,y\na,1,2\nb,1,\n", complete=["y"])
    assert "each row needs one: line 3, 'y'" in message


def test_all_faults_of_a_file_are_in_one_message(tmp_path):
    rows = [f"a{i},abc,{i}\n" for i in range(20)]
    content = "id,X,q\n" + "".join(rows) + "b,1\nc,1e999,1\0\n"
    message = error(tmp_path, content.replace("X", "x"))
    assert "'x': 'abc'; line 3, 'x': 'abc'; line 4, 'x': 'abc'; and 17 more" in message
    for part in ("missing columns: 'y'", "'q'", "line 22 has 2", "'1e999'", "NUL"):
        assert part in message
    assert "'X' (is it 'x'?)" in error(tmp_path, content)


def test_a_renamed_column_is_paired_with_the_nearest_right_name(tmp_path):
    path = write(tmp_path / "t.csv", "id,DER_mass_mmc,PRI\n1,2,3\n")
    with pytest.raises(DataError, match=r"'DER_mass_mmc' \(is it 'DER_mass_MMC'\?\)$"):
        read_table(path, numeric=["DER_mass_MMC", "PRI"], text=["id"])


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zip"])
def test_a_file_cut_or_changed_anywhere_is_never_read_as_whole(tmp_path, name):
    rows = [(f"a{i}", i / 7, i) for i in range(300)]
    path = write(tmp_path / name, as_csv(["id", "x", "y"], rows))
    whole = path.read_bytes()
    expected = read(path)
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"damaged|empty"):
            read(path)
    n_refused = 0
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        changed = bytearray(whole)
        changed[at] ^= 16
        path.write_bytes(changed)
        try:
            assert read(path).equals(expected)  # a date or a comment was hit
        except DataError:
            n_refused += 1
    assert n_refused > 20


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("ensemble.data.archives.HARMLESS_BYTES", 100_000)
    line = b"id,x,y\n" + b"1,1,1\n" * 500_000
    for name in ("t.csv.gz", "t.csv.zip"):
        assert "200 times its size" in error(tmp_path, line, name)


def test_an_endless_line_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ensemble.data.rows.LONGEST_LINE", 1000)
    monkeypatch.setattr(plain, "LONGEST_LINE", 1000)
    monkeypatch.setattr(plain, "BLOCK", 100)
    for character in '"1':
        content = "id,x,y\n" + character * 5000
        assert "line 2 is longer" in error(tmp_path, content)


def archive(path: Path, members: dict[str, str], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            file.writestr(info, content)
    return path


@pytest.mark.parametrize(
    "name", ["../t.csv", "/t.csv", "a/../../t.csv", "C:\\t.csv", "..\\t.csv"]
)
def test_an_archive_with_names_that_lead_outside_is_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in" / "t.zip", {name: "id,x,y\n1,2,3\n"})
    with pytest.raises(DataError, match="leads outside"):
        read(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "t.zip"]


def test_an_archive_with_a_link_is_refused(tmp_path):
    path = archive(tmp_path / "t.zip", {"t.csv": "/etc/passwd"}, link=True)
    with pytest.raises(DataError, match="a link"):
        read(path)


def test_in_an_archive_of_several_the_table_is_found_by_its_name(tmp_path):
    good = "id,x,y\na,1,2\n"
    members = {"u/t.csv": good, "u/other.csv": "", "__MACOSX/u/._t.csv": "", "u/": ""}
    assert read(archive(tmp_path / "t.zip", members))["id"].item() == "a"
    assert read(archive(tmp_path / "t.csv.zip", members))["id"].item() == "a"
    with pytest.raises(DataError, match=r"named s\.csv, and holds 'u/t\.csv', 'u/ot"):
        read(archive(tmp_path / "s.zip", members))
    with pytest.raises(DataError, match="holds nothing"):
        read(archive(tmp_path / "s.zip", {}))


def test_a_folder_or_nothing_instead_of_a_file_is_told(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match="is a folder, not a file"):
        read(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"u\.csv cannot be read: No such file"):
        read(tmp_path / "u.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zip", "a.zip"])
def test_a_table_is_found_packed_or_not(tmp_path, name):
    (tmp_path / name).touch()
    assert find_table(tmp_path, "a.csv") == tmp_path / name


def test_what_was_looked_for_and_what_lies_there_is_told(tmp_path):
    with pytest.raises(DataError, match="it holds nothing"):
        find_table(tmp_path, "a.csv")
    for name in ("b.csv", "c.csv", "d.csv", "e.csv"):
        (tmp_path / name).touch()
    message = (
        r"no a\.csv \(nor a\.csv\.gz, .*\); it holds b.csv, c.csv, d.csv, and 1 more"
    )
    with pytest.raises(DataError, match=message):
        find_table(tmp_path, "a.csv")
    (tmp_path / "b.zip").touch()
    with pytest.raises(DataError, match=r"has b\.csv and b\.zip; keep one"):
        find_table(tmp_path, "b.csv")
    with pytest.raises(DataError, match="nowhere does not exist"):
        find_table(tmp_path / "nowhere", "a.csv")


def test_a_column_asked_for_twice_is_a_wrong_call(tmp_path):
    with pytest.raises(ValueError, match="each name once"):
        read_table(tmp_path / "t.csv", numeric=["x"], text=["x"])


def test_examining_gives_what_can_be_read_beside_the_faults(tmp_path):
    path = write(tmp_path / "t.csv", "id,x,y\na,1,2\nb,no,3\n")
    table, faults = examine_table(path, Columns(("id",), ("x", "y")))
    assert faults
    assert table["y"].tolist() == [2, 3]


def test_the_real_files_are_read(higgs_folder):
    path = find_table(higgs_folder, "training.csv")
    with gzip.open(path, "rt") as file:
        header = next(csv.reader(file))
    numeric, text = header[1:-1], [header[0], header[-1]]
    table = read_table(path, numeric, text, [-999.0], complete=["Weight"])
    expected = read_table_row_by_row(path, numeric, text, [-999.0])
    assert len(table) == 16_000
    for name, column in expected.items():
        np.testing.assert_array_equal(table[name].to_numpy(), column)
