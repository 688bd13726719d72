"""A whole run: the same each time, resumed, grown, damaged, refused."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import ensemble.bag.train
import ensemble.bag.work
import ensemble.files
import ensemble.runs.outcome
from ensemble.bag.losses import example_losses
from ensemble.data.examples import load_examples
from ensemble.errors import (
    DamagedError,
    Interrupted,
    MembersFailedError,
    UserError,
)
from ensemble.run import resume_run, run_competition
from ensemble.runs.opened import open_finished
from ensemble.runs.report.render import render
from ensemble.runs.store import open_run
from ensemble.watch import Silent
from tests.program import OwnProgram, living
from tests.runs.fault import Injector
from tests.tiny.spec import COMPETITION

TINY = Path(__file__).parent / "tiny"
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _quick():
    """Nine tenths of a tiny run are its plots; one test makes them.

    And two threads wait for each other on a busy machine.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "set_num_threads", lambda n: None)
        patch.setattr(ensemble.runs.outcome, "render", lambda collected: "")
        yield


@pytest.fixture(scope="module")
def finished(tiny_data, tmp_path_factory):
    """A finished run: copy it before you change it."""
    return start(tmp_path_factory.mktemp("finished"), tiny_data)


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """The folder of a finished run, to be changed."""
    return Path(shutil.copytree(finished.path, tmp_path / "0001-quick"))


def start(root, data, *settings, competition=TINY, **options):
    """Run the tiny competition below a folder, in two groups whatever the machine."""
    places = {"runs": root / "runs", "submissions": root / "submissions"}
    fixed = {"data": data, "settings": settings, "group_size": 4}
    options = fixed | places | options
    return run_competition(competition, "quick", **options)


def again(folder, *settings, **options):
    """Resume the run in a folder; its submissions go beside it."""
    options = {"submissions": folder.parent / "submissions"} | options
    return resume_run(folder, settings=settings, **options)


def members(folder) -> dict[str, bytes]:
    """The files of all members."""
    return {
        path.relative_to(folder / "members").as_posix(): path.read_bytes()
        for path in sorted(folder.glob("members/*/*"))
    }


def traces(folder) -> dict[str, tuple[int, int]]:
    """Which files they are and when each was written: nobody wrote them again."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.glob("members/*/*"))
    }


def answers(run) -> dict[str, bytes]:
    """All that must be the same, whatever happened on the way."""
    tables = {name: run.store.read_artefact(name) for name in ("oof.csv", "test.csv")}
    submission = {"submission": run.submission.read_bytes()}
    return members(run.path) | tables | submission


def same_result(one, other) -> bool:
    """Whether two runs came to the same figures, time and memory apart."""
    costs = {"wall_seconds": 0, "peak_memory_mib": 0}
    return one.result | costs == other.result | costs


def litter(folder) -> list[Path]:
    return list(folder.rglob("*.tmp"))


class Notes(Silent):
    """Remembers what a user would read."""

    def __init__(self) -> None:
        self.notes, self.epochs = [], []

    def note(self, text):
        self.notes.append(text)

    def epoch(self, group, epoch, loss):
        self.epochs.append((group, epoch))


def test_the_same_run_twice_has_the_same_bytes(finished, tiny_data, tmp_path):
    twin = start(tmp_path, tiny_data)
    assert len(members(twin.path)) == 8 * 3
    assert answers(twin) == answers(finished)


def test_two_workers_make_the_bytes_of_one(finished, tiny_data, tmp_path):
    heard = Notes()
    twin = start(tmp_path, tiny_data, jobs=2, watch=heard)
    assert answers(twin) == answers(finished)
    assert not litter(twin.path)


def test_a_worker_that_is_killed_costs_an_attempt_only(tiny_data, tmp_path):
    class Killer(Silent):
        killed = None

        def epoch(self, group, epoch, loss):
            if self.killed is None:
                self.killed = workers()[0]
                os.kill(self.killed, signal.SIGKILL)

    settings = ("training.epochs=300", "training.curve_points=0")
    killer = Killer()
    disturbed = start(tmp_path / "a", tiny_data, *settings, jobs=2, watch=killer)
    assert killer.killed is not None
    assert killer.killed not in workers()
    undisturbed = start(tmp_path / "b", tiny_data, *settings)
    assert answers(disturbed) == answers(undisturbed)


def workers() -> list[int]:
    return [
        p for p, name in living(parent=os.getpid()).items() if "LokyProcess" in name
    ]


def test_resuming_a_finished_run_trains_nothing(finished, copied):
    before = traces(copied)
    resumed = again(copied)
    assert traces(copied) == before
    assert resumed.store.document["state"] == "finished"
    assert same_result(resumed, finished)


def test_litter_is_gone_after_a_resume(copied):
    (copied / ".run.json.0123.tmp").write_bytes(b"half")
    (copied / ".board-0123.tmp").write_bytes(b"half")
    (copied / "members" / "0000" / ".oof.npy.0123.tmp").write_bytes(b"half")
    (copied / "members" / "0099").mkdir()
    again(copied)
    assert not litter(copied)
    assert len(list((copied / "members").iterdir())) == 8


DAMAGES = {
    "0001/oof.npy": lambda path, other: flip_bit(path),
    "0003/weights.safetensors": lambda path, other: path.write_bytes(b"short"),
    "0004/test.npy": lambda path, other: path.write_bytes(other.read_bytes()),
    "0006/test.npy": lambda path, other: path.unlink(),
}


def flip_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage(folder):
    other = folder / "members" / "0000" / "test.npy"
    for name, harm in DAMAGES.items():
        harm(folder / "members" / name, other)


def test_damaged_members_are_named_and_only_they_are_trained_again(finished, copied):
    before, heard = traces(copied), Notes()
    damage(copied)
    resumed = again(copied, watch=heard)
    for name in DAMAGES:
        index, file = name.split("/")
        told = [n for n in heard.notes if n.startswith(f"member {int(index)}: {file}")]
        assert len(told) == 1
        assert "trained again" in told[0]
    changed = {Path(p).parts[1] for p, trace in traces(copied).items()
               if trace != before.get(p)}  # fmt: skip
    assert changed == {name[:4] for name in DAMAGES}
    np.testing.assert_allclose(
        resumed.predictions.test_MTK, finished.predictions.test_MTK, atol=1e-6
    )
    assert resumed.store.verify() == []


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_named_and_not_used(copied, tiny_data, name):
    damage(copied)
    index, file = int(name[:4]), name[5:]
    store, kind = open_run(copied), file.partition(".")[0]
    load = store.load_weights if kind == "weights" else store.load_array
    with pytest.raises(DamagedError, match=f"{name} .*; resume the run to train"):
        load(*[index, kind][: 1 if kind == "weights" else 2])


def test_predict_gives_the_stored_test_predictions(finished, tiny_data):
    predicted = finished.predict(rows_of_test(tiny_data))
    np.testing.assert_allclose(predicted, finished.test["score"], atol=1e-6)


def test_predict_reads_a_file(finished, tiny_data, nursery, tmp_path):
    table = tiny_data / "test.csv"
    program = nursery.run(
        "predict", finished.path, table, "-o", "new.csv", cwd=tmp_path
    )
    assert (program.code, program.err) == (0, "")
    new = pd.read_csv(tmp_path / "new.csv", dtype={"Id": str}).set_index("Id")
    pd.testing.assert_frame_equal(new, finished.test.astype(float), atol=1e-6)


def test_predict_with_a_damaged_member_exits_with_6(
    copied, tiny_data, nursery, tmp_path
):
    damage(copied)
    table = tiny_data / "test.csv"
    program = nursery.run("predict", copied, table, "-o", "new.csv", cwd=tmp_path)
    assert program.code == 6
    assert "0003/weights.safetensors has 5 bytes" in program.err
    assert program.err.count("\n") == 1
    assert not (tmp_path / "new.csv").exists()


def test_rows_that_are_predicted_are_those_of_the_test_file(finished, tiny_data):
    assert list(finished.test.index) == [f"{i:05}" for i in range(200, 260)]


def test_a_grown_bag_keeps_its_members_and_is_a_larger_bag(
    finished, tiny_data, tmp_path
):
    small = start(tmp_path, tiny_data, "bag.n_repeats=2")
    kept = traces(small.path)
    grown = again(small.path, "bag.n_repeats=4", submissions=tmp_path / "submissions")
    assert kept.items() <= traces(small.path).items()
    assert len(kept) == 4 * 3
    assert members(grown.path) == members(finished.path)
    assert same_result(grown, finished)


def test_a_run_that_grows_finds_its_groups_anew_and_keeps_its_products(
    tmp_path, tiny_data
):
    small = start(tmp_path, tiny_data, "bag.n_repeats=1", group_size=1)
    assert small.store.document["tuning"]["group_size"] == 1
    grown = again(small.path, "bag.n_repeats=3")
    tuning = grown.store.document["tuning"]
    assert (tuning["n_members"], tuning["group_size"]) == (6, 6)
    assert tuning["products"] == small.store.document["tuning"]["products"]


def test_another_group_size_may_be_asked_for_and_no_other_products(copied, tiny_data):
    shutil.rmtree(copied / "members" / "0001")
    resumed = again(copied, group_size=2)
    assert resumed.store.document["tuning"]["group_size"] == 2
    shutil.rmtree(copied / "members" / "0001")
    there = resumed.store.document["tuning"]["products"]
    other = "bfloat16" if there != "bfloat16" else "standard"
    with pytest.raises(UserError, match=f"--products {other}: this run was begun with"):
        run_competition(
            TINY, "quick", data=tiny_data, folder=copied, products=other, settings=[]
        )


def test_a_bag_grown_in_other_groups_is_the_same_but_for_rounding(
    finished, tiny_data, tmp_path
):
    start(tmp_path, tiny_data, "bag.n_repeats=1")
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    grown = start(tmp_path, tiny_data, folder=folder)
    assert grown.path == folder
    np.testing.assert_allclose(
        grown.predictions.oof_MNK, finished.predictions.oof_MNK, atol=1e-6
    )


def test_a_bag_cannot_shrink(copied):
    with pytest.raises(UserError, match=r"recipe.bag.n_repeats: 4 there, 2 here"):
        again(copied, "bag.n_repeats=2")


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("training.epochs=4", "recipe.training.epochs: 3 there, 4 here"),
        ("bag.seed=8", "recipe.bag.seed: 7 there, 8 here"),
        ("network.hidden=[9]", r"recipe.network.hidden\[0\]: 8 there, 9 here"),
    ],
)
def test_a_changed_recipe_is_refused_with_the_difference(copied, setting, shown):
    before = traces(copied)
    with pytest.raises(UserError, match=shown):
        again(copied, setting)
    assert traces(copied) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "shown"),
    [
        ("spec.py", "60.0", "61.0", r"competition.class_totals\[1\]: 60.0 there, 61.0"),
        ("spec.py", 'name="tiny"', 'name="other"', "competition.name: .* there"),
        ("features.py", "raw['x1']", "raw['x2']", "code_sha256: .* there"),
        ("features.py", '"x1"', '"x2"', "code_sha256: .* there"),
    ],
)
def test_another_spec_or_other_features_are_refused(
    copied, tiny_data, tmp_path, file, old, new, shown
):
    folder = Path(shutil.copytree(TINY, tmp_path / "changed"))
    text = (folder / file).read_text()
    (folder / file).write_text(text.replace(old, new) + "\n# changed\n")
    with pytest.raises(UserError, match=shown) as caught:
        start(tmp_path, tiny_data, competition=folder, folder=copied)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("file", ["train.csv", "test.csv"])
def test_changed_data_are_refused(copied, tiny_data, tmp_path, file):
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    text = (data / file).read_text()
    (data / file).write_text(text.replace("1.0", "1.5", 1))
    with pytest.raises(UserError, match=f"data.{file[:-4]}_sha256: .* there, .* here"):
        again(copied, data=data)


def test_the_same_data_in_another_folder_are_welcome(copied, tiny_data, tmp_path):
    data = shutil.copytree(tiny_data, tmp_path / "data")
    assert again(copied, data=data).result


def test_a_full_disk_leaves_the_finished_groups(
    finished, tiny_data, tmp_path, monkeypatch
):
    write = ensemble.files._write_through

    def full(path, data):
        if path.parent.name == "0005":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(ensemble.files, "_write_through", full)
    with pytest.raises(UserError, match="the disk is full") as caught:
        start(tmp_path, tiny_data)
    assert caught.value.exit_code == 2
    monkeypatch.setattr(ensemble.files, "_write_through", write)
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    left = open_run(folder)
    assert sorted(left.members) == [0, 1, 2, 3]
    assert left.verify() == []
    assert left.document["state"] == "interrupted"
    kept = traces(folder)
    resumed = again(folder, submissions=tmp_path / "submissions")
    assert {path: traces(folder)[path] for path in kept if path[8:12] < "0004"} == {
        path: trace for path, trace in kept.items() if path[8:12] < "0004"
    }
    assert members(resumed.path) == members(finished.path)
    assert not litter(folder)


def test_an_interruption_right_after_a_group_is_saved_does_not_lose_it(
    finished, tiny_data, tmp_path, monkeypatch
):
    write = ensemble.files.write_atomically

    def interrupted(path, data):
        write(path, data)
        if path.name == "run.json" and b'"0003": {' in data:
            monkeypatch.setattr(ensemble.files, "write_atomically", write)
            raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(ensemble.files, "write_atomically", interrupted)
    with pytest.raises(Interrupted):
        start(tmp_path, tiny_data)
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    left = open_run(folder)
    assert left.document["state"] == "interrupted"
    assert sorted(left.members) == [0, 1, 2, 3]
    kept = traces(folder)
    resumed = again(folder, submissions=tmp_path / "submissions")
    assert kept.items() <= traces(folder).items()
    assert answers(resumed) == answers(finished)


@pytest.mark.parametrize("n", [30, 60, 90, 120, 150])
def test_a_fault_at_any_call_is_one_sentence_and_resumable(
    finished, tiny_data, tmp_path, n
):
    injector = Injector(n, errno.EIO)
    with injector.installed(), pytest.raises(UserError) as caught:
        start(tmp_path, tiny_data)
    assert injector.fired
    assert "\n" not in str(caught.value)
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    resumed = again(folder, submissions=tmp_path / "submissions")
    assert members(resumed.path) == members(finished.path)
    assert not litter(folder)


@pytest.fixture
def third_member_fails(monkeypatch):
    """The losses of the third member of a group become NaN in the second epoch."""
    n_steps = 0

    def failing(loss, outputs_MNK, target_MN):
        nonlocal n_steps
        losses_MN = example_losses(loss, outputs_MNK, target_MN)
        n_steps += losses_MN.requires_grad  # else it is only measured
        if n_steps == 5 and losses_MN.requires_grad:
            factor_M1 = torch.ones(len(losses_MN), 1)
            factor_M1[2] = torch.nan
            return losses_MN * factor_M1
        return losses_MN

    monkeypatch.setattr(ensemble.bag.train, "example_losses", failing)


@pytest.mark.usefixtures("third_member_fails")
def test_a_member_whose_loss_becomes_nan_fails_by_name(finished, tiny_data, tmp_path):
    heard = Notes()
    run = start(tmp_path, tiny_data, watch=heard)
    failed = {i: r["failed"] for i, r in run.store.members.items() if r["failed"]}
    assert failed == {2: "the training loss became nan in epoch 2"}
    assert "member 2: the training loss became nan in epoch 2" in heard.notes
    assert (run.result["n_members"], run.result["n_failed"]) == (7, 1)
    others = [0, 1, 3, 4, 5, 6, 7]
    np.testing.assert_array_equal(
        run.predictions.test_MTK, finished.predictions.test_MTK[others]
    )
    np.testing.assert_allclose(
        run.test["score"],
        finished.predictions.test_MTK[others].mean(0)[:, 0],
        atol=1e-6,
    )


@pytest.mark.usefixtures("third_member_fails")
def test_a_failed_member_is_not_trained_again(tiny_data, tmp_path):
    run = start(tmp_path, tiny_data)
    before = traces(run.path)
    resumed = again(run.path, submissions=tmp_path / "submissions")
    assert traces(run.path) == before
    assert same_result(resumed, run)


@pytest.mark.usefixtures("third_member_fails")
def test_too_few_members_make_the_bag_fail(tiny_data, tmp_path):
    with pytest.raises(MembersFailedError, match="member 2: the training loss") as one:
        start(tmp_path, tiny_data, "bag.min_members=8")
    assert one.value.exit_code == 5
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    assert open_run(folder).document["state"] == "failed"
    before = traces(folder)
    with pytest.raises(MembersFailedError, match="1 of 8 members failed, 7 are left"):
        again(folder)
    assert traces(folder) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_size": 0}, "--group-size 0 must be at least 1"),
        ({"products": "tf32", "device": "cpu"}, "--products tf32 cannot be had on cpu"),
        ({"patience": float("nan")}, "--patience nan must be above 0 seconds"),
    ],
)
def test_an_option_that_cannot_be_leaves_no_run(options, said, tiny_data, tmp_path):
    with pytest.raises(UserError, match=said):
        start(tmp_path, tiny_data, **options)
    assert not list(tmp_path.rglob("*"))


def test_members_that_had_no_memory_are_tried_again(
    finished, tiny_data, tmp_path, monkeypatch
):
    def no_memory(*words, **named):
        raise MemoryError

    heard = Notes()
    with monkeypatch.context() as patch:
        patch.setattr(ensemble.bag.work, "train_group", no_memory)
        with pytest.raises(MembersFailedError, match="alone it does not fit: out of"):
            start(tmp_path, tiny_data, watch=heard)
    assert any("tried again in halves" in note for note in heard.notes)
    folder = tmp_path / "runs" / "tiny" / "0001-quick"
    assert len(open_run(folder).members) == 8
    assert answers(again(folder)) == answers(finished)


def test_members_that_all_fail_exit_with_5(nursery, tiny_data, tmp_path):
    rate = "training.optimizer.learning_rate=1e38"
    program = nursery.run("run", TINY, "--data", tiny_data, "--set", rate, cwd=tmp_path)
    assert program.code == 5
    assert "8 of 8 members failed" in program.err
    assert program.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--jobs", "0"], 2, "--jobs 0: this machine has"),
        (["--jobs", "999"], 2, "so take 1 to"),
        (["--device", "cuda:99"], 2, "--device cuda:99 cannot be used here"),
        (["--device", "toaster"], 2, "--device toaster cannot be used here"),
        (["--set", "training.epoch=5"], 2, "did you mean 'training.epochs'?"),
        (["--set", "epochs=5"], 2, "did you mean 'training.epochs'?"),
        (["--set", "training.epochs"], 2, "write it as key=value"),
        (["--set", "training.epochs=-1"], 2, "training.epochs = -1 is not possible"),
        (["--set", "network.dropout=x"], 2, "network.dropout = 'x' is not possible"),
        (["--set", "network.activation=maxout"], 2, "maxout takes hidden sizes that"),
        (["--set", "network.dropout=0.999"], 2, "network.dropout = 0.999 is not"),
        (["--set", "inputs.features=features:none"], 2, "has no"),
        (["--set", "bag.n_splits=500"], 2, "choose fewer splits"),
        (["--device", "meta"], 2, "--device meta cannot be used here"),
        (["--recipe", "quik"], 2, "(did you mean 'quick'?)"),
        (["--data", "nowhere"], 2, "--data nowhere: there is no such folder"),
        (["--data", "half"], 3, "half has no test.csv"),
        (["--folder", "taken"], 2, "there is no run in taken"),
        (["--runs", "taken"], 2, "a file is in the way"),
    ],
)
def test_a_wrong_word_is_one_sentence(nursery, tiny_data, tmp_path, words, code, said):
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "half").mkdir()
    shutil.copy(tiny_data / "train.csv", tmp_path / "half")
    defaults = [] if "--data" in words else ["--data", tiny_data]
    program = nursery.run("run", TINY, *defaults, *words, cwd=tmp_path)
    assert said in program.err
    assert program.code == code
    assert program.err.count("\n") == 1
    assert program.err.startswith("ensemble: ")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"taken", "half", "out.txt", "err.txt"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "higs"], 2, "(did you mean 'higgs'?)"),
        (["resume", "nowhere"], 2, "there is no run in nowhere"),
        (["report", "nowhere"], 2, "there is no run in nowhere"),
        (["runs"], 2, "there are no runs in runs"),
    ],
)
def test_a_wrong_name_is_one_sentence(nursery, tmp_path, words, code, said):
    program = nursery.run(*words, cwd=tmp_path)
    assert (program.code, program.err.count("\n")) == (code, 1)
    assert said in program.err


def test_a_second_process_leaves_within_a_second(copied, tmp_path):
    run = open_run(copied)
    took = []
    with run.lock():
        for _ in range(5):  # the machine may be busy
            since = time.monotonic()
            program = OwnProgram("resume", copied, cwd=tmp_path)
            assert program.wait() == 4
            took.append(time.monotonic() - since)
            assert f"in use by process {os.getpid()}" in program.err
            assert program.err.count("\n") == 1
            if took[-1] < 1:
                break
    assert min(took) < 1


def test_a_second_one_in_this_process_is_refused_too(copied, tiny_data, tmp_path):
    before = traces(copied)
    with open_run(copied).lock():
        with pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
            again(copied)
        with pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
            start(tmp_path, tiny_data, folder=copied)
    assert traces(copied) == before


@pytest.mark.usefixtures("third_member_fails")
def test_the_report_tells_of_failed_members(tiny_data, tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble.runs.outcome, "render", render)
    run = start(tmp_path, tiny_data)
    assert "the training loss became nan in epoch 2" in run.report.read_text()


def test_rows_are_read_as_they_were_written(tiny_data):
    train, test = load_examples(COMPETITION, tiny_data)
    assert (len(train), len(test)) == (200, 60)
    assert test.ids[0] == "00200"
    assert train.features.isna().to_numpy().mean() > 0.05


def rows_of_test(tiny_data):
    return load_examples(COMPETITION, tiny_data)[1].features


def test_a_place_where_no_submission_can_go_is_refused_before_training(
    tiny_data, tmp_path
):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"taken .*a file is in the way"):
        run_competition(
            TINY, data=tiny_data, runs=tmp_path / "runs", submissions=tmp_path / "taken"
        )
    assert not (tmp_path / "runs").exists()


def test_a_run_that_grows_has_no_result_of_fewer_members(tiny_data, tmp_path):
    run = start(tmp_path, tiny_data, "bag.n_repeats=1")
    assert run.result

    class StopError(Exception):
        pass

    class Stopper(Silent):
        def epoch(self, group, epoch, loss):
            raise StopError

    with pytest.raises(StopError):
        again(run.path, "bag.n_repeats=2", watch=Stopper())
    grown = open_finished(run.path)
    assert not grown.result
    with pytest.raises(UserError, match="not finished"):
        grown.submit(root=tmp_path)


def test_predict_takes_a_table_with_answers_too(finished, tiny_data, nursery, tmp_path):
    words = ("predict", finished.path, tiny_data / "train.csv", "-o", "new.csv")
    program = nursery.run(*words, cwd=tmp_path)
    assert (program.code, program.err) == (0, "")
    assert len(pd.read_csv(tmp_path / "new.csv")) == len(finished.oof)


def test_predict_refuses_a_table_without_rows(finished, tiny_data, nursery, tmp_path):
    header = (tiny_data / "test.csv").read_text().splitlines()[0]
    (tmp_path / "empty.csv").write_text(f"{header}\n")
    words = ("predict", finished.path, "empty.csv", "-o", "new.csv")
    program = nursery.run(*words, cwd=tmp_path)
    assert program.code == 3
    assert "has no rows" in program.err
    assert not (tmp_path / "new.csv").exists()
