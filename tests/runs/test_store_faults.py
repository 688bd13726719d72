"""The disk fails, or the process dies, at every single call."""

import errno
import os
import shutil

import pytest

from ensemble import files
from ensemble.errors import UserError
from ensemble.runs.listing import list_runs
from ensemble.runs.store import create_run, open_run
from tests.runs.fault import DEATH, Injector, count_calls, in_child
from tests.runs.samples import DOCUMENT, make_run, member, tree

MODES = {"disk full": errno.ENOSPC, "input/output error": errno.EIO, "death": None}


@pytest.fixture
def half(tmp_path):
    """A run with two members of four, an artefact, and litter of a dead process."""
    run = make_run(tmp_path / "runs", n_members=2)
    with run.lock():
        run.write_artefact("report.json", b"{}")
    (run.path / ".run.json.0123.tmp").write_bytes(b"half")
    (run.path / "members" / "0002").mkdir()
    (run.path / "members" / "0002" / "oof.npy").write_bytes(b"half")
    return run.path


def finish(path):
    """What a resume does: train what is missing."""
    run = open_run(path)
    with run.lock():
        run.clean()
        if todo := [member(index) for index in run.missing(4)]:
            run.save_members(todo)
        run.update(state="finished", result={"score": 3.2})
        run.write_artefact("report.json", b'{"score": 3.2}')


def attempt(action, n, code):
    """Run an action whose n-th call fails; whatever happens is checked."""
    if code is None:
        with Injector(n, None).installed():
            assert in_child(action) == DEATH
        return
    injector = Injector(n, code)
    with injector.installed(), pytest.raises(UserError) as caught:
        action()
    assert injector.fired
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", MODES)
def test_what_was_finished_survives_a_fault_at_every_call(half, tmp_path, mode):
    undisturbed = shutil.copytree(half, tmp_path / "undisturbed")
    n_calls = count_calls(lambda: finish(undisturbed))
    assert n_calls > 60
    for n in range(n_calls):
        path = shutil.copytree(half, tmp_path / "disturbed")
        attempt(lambda path=path: finish(path), n, MODES[mode])
        run = open_run(path)
        assert {0, 1} <= run.members.keys()
        assert run.verify() == []
        finish(path)
        assert tree(path) == tree(undisturbed), f"call {n}"
        shutil.rmtree(path)


@pytest.mark.parametrize("mode", MODES)
def test_a_run_is_made_whole_or_not_at_all(tmp_path, mode):
    def make(root):
        create_run(root, "quick", DOCUMENT)

    n_calls = count_calls(lambda: make(tmp_path / "undisturbed"))
    assert n_calls > 10
    for n in range(n_calls):
        root = tmp_path / f"{n}"
        attempt(lambda root=root: make(root), n, MODES[mode])
        assert all(summary.problem is None for summary in list_runs(root))
        make(root)
        names = {path.name for path in (root / "toy").iterdir()}
        assert names in (
            {".lock", "0001-quick"},
            {".lock", "0001-quick", "0002-quick"},  # the fault came after the rename
        )


def test_dropping_a_member_is_safe_at_every_call(half, tmp_path):
    def drop(path):
        run = open_run(path)
        with run.lock():
            run.drop_damaged()

    (half / "members" / "0001" / "oof.npy").write_bytes(b"changed")
    undisturbed = shutil.copytree(half, tmp_path / "undisturbed")
    n_calls = count_calls(lambda: drop(undisturbed))
    assert n_calls > 10
    for n in range(n_calls):
        path = shutil.copytree(half, tmp_path / f"{n}")
        attempt(lambda path=path: drop(path), n, None)
        drop(path)
        finish(path)
        assert open_run(path).verify() == []
        assert sorted(open_run(path).members) == [0, 1, 2, 3]


def test_a_file_is_on_the_disk_before_its_name_is(tmp_path, monkeypatch):
    """The order that makes a power cut harmless: write, fsync, replace, fsync."""
    seen = []
    for name in ("write", "fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, o=original, n=name: (seen.append(n), o(*a))[1]
        )
    files.write_atomically(tmp_path / "a", b"content")
    assert seen == ["write", "fsync", "replace", "fsync"]


def test_run_json_is_written_after_all_files_of_a_group(tmp_path, monkeypatch):
    names = []
    original = os.replace
    run = make_run(tmp_path, n_members=1)
    monkeypatch.setattr(
        os, "replace", lambda a, b: (names.append(b.name), original(a, b))[1]
    )
    with run.lock():
        run.save_members([member(1), member(2)])
    assert names == ["oof.npy", "test.npy", "weights.safetensors"] * 2 + ["run.json"]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_write_that_failed_leaves_nothing_behind(tmp_path, n):
    (tmp_path / "a").write_bytes(b"before")
    with Injector(n).installed() as injector, pytest.raises(UserError):
        files.write_atomically(tmp_path / "a", b"content")
    assert injector.fired == ("write", "fsync", "replace")[n - 1]
    assert tree(tmp_path) == {"a": b"before"}


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    original = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: original(fd, data[:3]))
    files.write_atomically(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "cannot be written .* change the permissions"),
        (errno.EROFS, "choose another folder"),
        (errno.EIO, "could not be written"),
    ],
)
def test_what_the_disk_refuses_is_said_in_words(tmp_path, code, message):
    with Injector(0, code).installed(), pytest.raises(UserError, match=message):
        files.write_atomically(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "runs").write_bytes(b"")
    with pytest.raises(UserError, match="runs could not be written"):
        create_run(tmp_path / "runs", "quick", DOCUMENT)
