"""What several tests need."""

import os
from pathlib import Path

import pytest

from tests.program import Nursery
from tests.tiny.data import write_tiny


@pytest.fixture(scope="session")
def higgs_folder() -> Path:
    """The folder with real events of the Higgs challenge, which cannot be shipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ENSEMBLE_DATA", beside)) / "higgs"
    if not folder.is_dir():
        pytest.skip(f"no real events in {folder}: set ENSEMBLE_DATA to their parent")
    return folder


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """A folder with the files of the competition in `tests/tiny`."""
    folder = tmp_path_factory.mktemp("tiny-data")
    write_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def nursery():
    """Runs command lines without loading torch each time."""
    nursery = Nursery()
    yield nursery
    nursery.close()
