import json
import os
import shutil
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.errors import DamagedError, UserError
from ensemble.runs.document import FORMAT, plain, seal_document
from ensemble.runs.store import Fault, RunFolder, SavedMember, create_run, open_run
from tests.runs.fault import in_child
from tests.runs.samples import DOCUMENT, make_run, member, tree

FILES = ["oof.npy", "test.npy", "weights.safetensors"]


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return make_run(tmp_path / "runs")


def change_document(run: RunFolder, **sections) -> None:
    """Write a sealed run.json as another version, or somebody hostile, might."""
    (run.path / "run.json").write_bytes(seal_document(run.document | sections))


def load(run: RunFolder, index: int, file: str):
    name = file.partition(".")[0]
    return run.load_weights(index) if name == "weights" else run.load_array(index, name)


def test_what_is_saved_is_loaded_again(run):
    again = open_run(run.path)
    assert list(again.members) == [0, 1, 2, 3]
    saved = member(2)
    for name in ("oof", "test"):
        np.testing.assert_array_equal(again.load_array(2, name), saved.arrays[name])
    weights = again.load_weights(2)
    assert list(weights) == ["layer.weight"]
    np.testing.assert_array_equal(
        weights["layer.weight"], saved.weights["layer.weight"]
    )
    assert again.members[2] == {"index": 2, "seconds": 1.5, "train_loss": [0.7, None]}


def test_arrays_may_lie_in_any_order_in_memory(tmp_path):
    run = make_run(tmp_path, n_members=0)
    crossed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    scalar = np.float32(7)
    with run.lock():
        run.save_members(
            [SavedMember(0, {"a": crossed}, {"b": crossed, "c": scalar}, {})]
        )
    np.testing.assert_array_equal(run.load_array(0, "a"), crossed)
    np.testing.assert_array_equal(run.load_weights(0)["b"], crossed)
    assert run.load_weights(0)["c"].shape == ()


def test_runs_of_a_competition_are_numbered_over_all_recipes(tmp_path):
    names = [
        create_run(tmp_path, n, DOCUMENT).name for n in ("quick", "melis", "quick")
    ]
    assert names == ["0001-quick", "0002-melis", "0003-quick"]
    shutil.rmtree(tmp_path / "toy" / "0001-quick")
    assert create_run(tmp_path, "quick", DOCUMENT).name == "0004-quick"


def test_processes_that_start_at_once_get_different_numbers(tmp_path):
    def start_two():
        other = os.fork()
        create_run(tmp_path, "even" if other else "odd", DOCUMENT)
        if other == 0:
            os._exit(0)
        os.waitpid(other, 0)

    for _ in range(4):
        assert in_child(start_two) == 0
    numbers = sorted(
        p.name[:4] for p in (tmp_path / "toy").iterdir() if p.name[0] == "0"
    )
    assert numbers == [f"{n:04}" for n in range(1, 9)]


def test_the_same_work_leaves_the_same_bytes(tmp_path):
    assert tree(make_run(tmp_path / "a").path) == tree(make_run(tmp_path / "b").path)


def test_missing_members_are_those_without_a_record(tmp_path):
    run = make_run(tmp_path, n_members=0)
    with run.lock():
        run.save_members([member(3), member(1)])
    assert run.missing(5) == [0, 2, 4]


def test_finished_members_are_not_overwritten(run):
    with run.lock(), pytest.raises(ValueError, match="not saved yet, got"):
        run.save_members([member(4), member(2)])
    assert open_run(run.path).verify() == []


def test_a_run_is_changed_only_by_who_holds_its_lock(run):
    for change in (
        lambda: run.save_members([]),
        lambda: run.drop_members([1]),
        lambda: run.clean(),
        lambda: run.update(state="finished"),
        lambda: run.write_artefact("report.json", b""),
    ):
        with pytest.raises(ValueError, match=r"inside `with run.lock\(\):` only"):
            change()


def test_the_lock_reads_what_its_last_owner_wrote(run):
    late = open_run(run.path)
    with run.lock():
        run.save_members([member(4)])
    with late.lock():
        assert 4 in late.members
        late.update(state="finished")
    assert open_run(run.path).members.keys() == {0, 1, 2, 3, 4}


def test_update_sets_sections_but_not_those_of_the_store(run):
    with run.lock():
        run.update(
            state="finished", result={"score": np.float64("nan"), "n": np.int64(3)}
        )
        with pytest.raises(ValueError, match="got members"):
            run.update(members={})
    document = open_run(run.path).document
    assert document["state"] == "finished"
    assert document["result"] == {"score": None, "n": 3}


def test_artefacts_may_be_written_again(run):
    with run.lock():
        run.write_artefact("report.html", b"<p>one")
        run.write_artefact("report.html", b"<p>two")
    assert open_run(run.path).read_artefact("report.html") == b"<p>two"
    with pytest.raises(UserError, match=r"has no report.json"):
        run.read_artefact("report.json")


def test_an_unwritten_or_unlisted_folder_is_no_run(tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match="there is no run in"):
            open_run(path)


def test_files_are_readable_as_the_user_has_it(run):
    os.umask(mask := os.umask(0o022))
    mode = stat.S_IMODE((run.path / "run.json").stat().st_mode)
    assert mode == 0o666 & ~mask


# --- damage ------------------------------------------------------------------------


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(path):
    other = path.parent.parent / "0002" / path.name
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)


def make_link(path):
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


DAMAGES = {
    "a flipped bit": (flip, "was changed"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-1]), "bytes instead of"),
    "empty": (lambda p: p.write_bytes(b""), "has 0 bytes instead of"),
    "longer": (lambda p: p.write_bytes(p.read_bytes() + b"\0"), "bytes instead of"),
    "swapped": (swap, "was changed"),
    "gone": (lambda p: p.unlink(), "is gone"),
    "a link": (make_link, "cannot be read"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "cannot be read"),
    "a pipe": (lambda p: (p.unlink(), os.mkfifo(p)), "cannot be read"),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed_by_name_before_use(run, file, damage):
    inflict, wrong = DAMAGES[damage]
    path = run.path / "members" / "0001" / file
    inflict(path)
    with pytest.raises(DamagedError, match=f"0001/{file} .*{wrong}.*; resume the run"):
        load(run, 1, file)
    found = open_run(run.path).verify()
    hit = {1, 2} if damage == "swapped" else {1}
    assert {(fault.member, fault.file) for fault in found} == {(i, file) for i in hit}
    assert all(wrong in fault.wrong for fault in found)


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_the_damaged_member_is_trained_again(run, damage):
    before = tree(run.path)
    DAMAGES[damage][0](run.path / "members" / "0001" / "test.npy")
    hit = [1, 2] if damage == "swapped" else [1]
    with run.lock():
        assert sorted({fault.member for fault in run.drop_damaged()}) == hit
        assert run.missing(4) == hit
        run.save_members([member(index) for index in run.missing(4)])
    assert tree(run.path) == before


def test_a_whole_member_folder_may_be_gone(run):
    shutil.rmtree(run.path / "members" / "0003")
    assert {fault.member for fault in run.verify()} == {3}
    with run.lock():
        run.drop_damaged()
        assert run.missing(4) == [3]


def test_a_damaged_artefact_is_forgotten_to_be_made_again(run):
    with run.lock():
        flip(run.write_artefact("report.html", b"<p>report"))
        with pytest.raises(
            DamagedError, match=r"report.html was changed; resume the run"
        ):
            run.read_artefact("report.html")
        assert run.drop_damaged() == [Fault(None, "report.html", "was changed")]
        assert run.verify() == []


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_in_run_json_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "flipped" / "toy" / "0001-quick"
    run = open_run(path) if path.exists() else make_run(path.parents[1], n_members=1)
    sealed = seal_document(run.document)
    assert sealed == (path / "run.json").read_bytes()
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    (path / "run.json").write_bytes(changed)
    try:
        assert open_run(path).document == run.document  # white space, nothing else
        assert sealed[bit // 8] in b" \n"
    except (DamagedError, UserError):
        pass
    finally:
        (path / "run.json").write_bytes(sealed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"format": 1}',
        b'{"format": NaN}',
        b'{"format": true}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_garbled_run_json_is_damaged(run, content):
    (run.path / "run.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"run.json"):
        open_run(run.path)


def test_a_run_json_that_is_gone_is_damage_where_members_are(run):
    (run.path / "run.json").unlink()
    with pytest.raises(DamagedError, match=r"run.json is gone"):
        open_run(run.path)


# --- versions ----------------------------------------------------------------------


def test_a_newer_version_is_refused_by_name(run):
    newer = {"format": FORMAT + 1, "members": "of another kind"}
    (run.path / "run.json").write_text(json.dumps(newer))
    with pytest.raises(
        UserError, match=r"newer version \(format 2, .* up to 1\); update"
    ):
        open_run(run.path)


def test_a_run_of_format_1_is_read(tmp_path):
    """What the first version wrote: never edit it."""
    golden = {
        "artefacts": {},
        "checksum": "648841bd4d4f10e047e1ffa3e5a492f74221fe9e9ff6bce3421f43901a1a67fc",
        "competition": {"name": "toy"},
        "format": 1,
        "members": {
            "0000": {
                "files": {"oof.npy": {"n_bytes": 1, "sha256": "0" * 64}},
                "record": {"curve": [None, 1e-07], "seconds": 0.1},
            }
        },
        "name": "0001-quick",
        "state": "new",
    }
    (tmp_path / "run.json").write_text(json.dumps(golden, indent=1))
    assert open_run(tmp_path).members == {0: {"seconds": 0.1, "curve": [None, 1e-07]}}


# --- litter ------------------------------------------------------------------------


def test_clean_removes_litter_and_nothing_else(run):
    with run.lock():
        run.write_artefact("report.html", b"<p>report")
    (run.path / "notes.txt").write_text("the user's own")
    before = tree(run.path)
    (run.path / ".run.json.00ff.tmp").write_bytes(b"half")
    (run.path / "members" / "0001" / ".oof.npy.00ff.tmp").write_bytes(b"half")
    (run.path / "members" / "0004").mkdir()
    (run.path / "members" / "0004" / "oof.npy").write_bytes(b"half")
    with run.lock():
        run.clean()
    assert tree(run.path) == before
    assert not (run.path / "members" / "0004").exists()


def test_a_half_member_leaves_nothing_in_the_whole_one(tmp_path):
    run = make_run(tmp_path, n_members=0)
    litter = run.path / "members" / "0000" / ".oof.npy.00ff.tmp"
    litter.parent.mkdir(parents=True)
    litter.write_bytes(b"half")
    with run.lock():
        run.save_members([member(0)])
    assert not litter.exists()


# --- hostility ---------------------------------------------------------------------


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


def plant(run: RunFolder, file: str, data: bytes) -> RunFolder:
    """Put a hostile file in place, checksum and all."""
    from ensemble.runs.artefacts import note_of

    (run.path / "members" / "0001" / file).write_bytes(data)
    document = json.loads(json.dumps(run.document))
    document["members"]["0001"]["files"][file] = note_of(data)
    change_document(run, **document)
    return open_run(run.path)


def test_a_pickle_in_an_array_is_refused_and_not_run(run, tmp_path):
    mark = tmp_path / "mark"
    np.save(tmp_path / "bomb.npy", np.array([Bomb(mark)], object), allow_pickle=True)
    hostile = plant(run, "oof.npy", (tmp_path / "bomb.npy").read_bytes())
    with pytest.raises(
        DamagedError, match=r"oof.npy cannot be read .*; resume the run"
    ):
        hostile.load_array(1, "oof")
    assert not mark.exists()


def npy(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04.",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,)}\n"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n"),
        npy("__import__('os').abort()\n"),
        npy("(" * 9000),
    ],
)
def test_a_hostile_array_is_refused(run, data):
    with pytest.raises(DamagedError, match=r"oof.npy cannot be read"):
        plant(run, "oof.npy", data).load_array(1, "oof")


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"{}" + b" " * 64,
        b'{"a":{"dtype":"F32","shape":[9999999999],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}',
        b'{"a":{"dtype":"PICKLE","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_a_hostile_weights_file_is_refused(run, header):
    data = len(header).to_bytes(8, "little") + header + b"\0" * 4
    with pytest.raises(DamagedError, match=r"weights.safetensors cannot be read"):
        plant(run, "weights.safetensors", data).load_weights(1)


@pytest.mark.parametrize(
    "key",
    ["../0001", "/tmp/x", "0001/../..", "1", "00001", "\u0660\u0661\u0662\u0663", "."],
)
def test_a_member_key_that_leads_elsewhere_is_refused(run, key):
    change_document(run, members={key: {"files": {}, "record": {}}})
    with pytest.raises(DamagedError, match=r"run.json is damaged at members"):
        open_run(run.path)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "..", ".lock", "", "a\nb"]
)
def test_a_file_name_that_leads_elsewhere_is_refused(run, name):
    note = {"sha256": "0" * 64, "n_bytes": 1}
    for sections in (
        {"artefacts": {name: note}},
        {"members": {"0000": {"files": {name: note}, "record": {}}}},
    ):
        change_document(run, **sections)
        with pytest.raises(DamagedError, match=r"run.json is damaged at"):
            open_run(run.path)
    with run_locked(run), pytest.raises(UserError, match="the name of an artefact"):
        run.write_artefact(name, b"")


def run_locked(run: RunFolder):
    change_document(run)  # as it was
    return run.lock()


@pytest.mark.parametrize("name", ["..", "a/b", "/abs", ".hidden", "", "a b", "ä"])
def test_a_run_cannot_be_named_out_of_its_folder(tmp_path, name):
    with pytest.raises(UserError, match="the name of a run is made of letters"):
        create_run(tmp_path, name, DOCUMENT)
    competition = {"competition": {"name": name}}
    with pytest.raises(UserError, match="the name of a competition is made of"):
        create_run(tmp_path, "quick", DOCUMENT | competition)


def test_reserved_names_are_no_artefacts(run):
    with run.lock():
        for name in ("run.json", "members"):
            with pytest.raises(ValueError, match="takes the name of an artefact"):
                run.write_artefact(name, b"")


def test_nothing_is_written_or_removed_through_links(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0009").mkdir()
    (outside / "0009" / "precious").write_text("mine")
    before = tree(outside)
    shutil.rmtree(run.path / "members" / "0001")
    (run.path / "members" / "0001").symlink_to(outside)
    with run.lock():
        run.drop_damaged()
        run.save_members([member(1)])
    assert run.verify() == []
    shutil.rmtree(run.path / "members")
    (run.path / "members").symlink_to(outside)
    with run.lock():
        for action in (run.clean, lambda: run.save_members([member(9)])):
            with pytest.raises(DamagedError, match="members is a link"):
                action()
    assert tree(outside) == before


def test_a_lock_that_is_a_link_is_refused(run, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (run.path / ".lock").unlink()
    (run.path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match=r"\.lock could not be written"), run.lock():
        pass
    assert (tmp_path / "precious").read_text() == "mine"


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="takes plain values, got set"):
        plain({"a": {1, 2}})
