"""The disk fails, or the process dies, at every call while a submission is written."""

import errno

import pytest

from ensemble.errors import UserError
from ensemble.runs.ledger import read_ledger
from ensemble.runs.submission import build_submission, write_submission
from tests.runs.fault import DEATH, Injector, count_calls, in_child
from tests.runs.samples import COMPETITION, make_run

IDS = ["007", "NA", "8"]
ANSWERS = ([0.2, 0.9, 0.5], [False, True, False])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, None])
def test_a_submission_is_written_whole_and_entered_once(tmp_path, code):
    run = make_run(tmp_path / "runs", n_members=1)

    def write(root):
        return write_submission(run, IDS, *ANSWERS, root=root)

    whole = build_submission(COMPETITION, IDS, *ANSWERS)
    origin = write(tmp_path / "undisturbed").path.with_suffix(".json").read_bytes()
    n_calls = count_calls(lambda: write(tmp_path / "counted"))
    assert n_calls > 20
    for n in range(n_calls):
        root = tmp_path / f"{n}"
        injector = Injector(n, code)
        with injector.installed():
            if code is None:
                assert in_child(lambda root=root: write(root)) == DEATH
            else:
                with pytest.raises(UserError):
                    write(root)
                assert injector.fired
        for path in root.glob("toy/*.csv"):
            assert path.read_bytes() == whole
        assert len(read_ledger(root / "ledger.csv")) <= 1
        assert write(root).path == root / "toy" / "0001-quick.csv"
        files = {p.name: p.read_bytes() for p in (root / "toy").iterdir()}
        assert files.keys() == {".lock", "0001-quick.csv", "0001-quick.json"}
        assert files["0001-quick.csv"] == whole
        assert files["0001-quick.json"] == origin
        assert len(read_ledger(root / "ledger.csv")) == 1
        assert {p.name for p in root.iterdir()} == {".lock", "ledger.csv", "toy"}
