"""A small file through which workers on one machine say how far they are.

It is shared memory with a name: a row of numbers a group, which the worker of that
group writes and the driver reads. A worker on another machine finds no such file and
stays silent; nothing but the display depends on it.
"""

import tempfile
from pathlib import Path

import numpy as np

from ensemble.files import TEMPORARY, disk_errors

FIELDS = ("epoch", "loss")


class Board:
    """How far each group is: its finished epochs and its last mean loss."""

    def __init__(self, path: Path, n_groups: int) -> None:
        self.path = path
        self._rows = np.memmap(path, np.float64, "r+", shape=(n_groups, len(FIELDS)))

    def write(self, group: int, epoch: int, loss: float) -> None:
        """Say how far a group is."""
        self._rows[group] = epoch, loss

    def read(self, group: int) -> tuple[int, float]:
        """The finished epochs of a group, and its last mean loss."""
        epoch, loss = self._rows[group]
        return int(epoch), float(loss)


def new_board(n_groups: int, folder: Path | None = None) -> Board:
    """A board on which no group has begun; the caller removes its file.

    It lies in the folder for temporary files, or in `folder`: then the next owner of a
    run folder removes it, should this process be killed.
    """
    size = n_groups * len(FIELDS) * np.dtype(np.float64).itemsize
    with (
        disk_errors(folder or Path(tempfile.gettempdir())),
        tempfile.NamedTemporaryFile(
            prefix=".board-", suffix=TEMPORARY, dir=folder, delete=False
        ) as file,
    ):
        file.write(bytes(size))
    return Board(Path(file.name), n_groups)


def find_board(path: Path, n_groups: int) -> Board | None:
    """The board of that name, if this machine has it."""
    return Board(path, n_groups) if path.is_file() else None
