"""A small competition, its document and members that cost nothing to train."""

from pathlib import Path

import numpy as np

from ensemble.runs.store import RunFolder, SavedMember, create_run
from ensemble.spec import Competition

COMPETITION = Competition(
    name="toy",
    title="A toy",
    task="binary",
    metric="ams",
    id="EventId",
    target="Label",
    classes=("b", "s"),
    weight="Weight",
    features=("x",),
    submission={"EventId": "id", "RankOrder": "rank", "Class": "class"},
)

RECIPE = {"name": "quick", "bag": {"n_splits": 2, "n_repeats": 2, "seed": 0}}

DOCUMENT = {
    "competition": COMPETITION.model_dump(mode="json"),
    "recipe": RECIPE,
    "data": {"folder": "data/toy", "sha256": {"train.csv": "0" * 64}},
    "code_sha256": "1" * 64,
}


def member(index: int, n_rows: int = 6, n_test: int = 4) -> SavedMember:
    """The member of that index: its numbers depend on the index alone."""
    random = np.random.default_rng(index)
    oof = random.random((n_rows, 1), np.float32)
    oof[index % 2 :: 2] = np.nan
    return SavedMember(
        index=index,
        arrays={"oof": oof, "test": random.random((n_test, 1), np.float32)},
        weights={"layer.weight": random.random((3, 2), np.float32)},
        record={"index": index, "seconds": 1.5, "train_loss": [0.7, np.nan]},
    )


def make_run(root: Path, n_members: int = 4) -> RunFolder:
    """A run of the toy with that many finished members."""
    run = create_run(root, "quick", DOCUMENT)
    with run.lock():
        run.save_members([member(index) for index in range(n_members)])
    return run


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder and their content; locks apart."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
