"""What several tests need."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def higgs_folder() -> Path:
    """The folder with real events of the Higgs challenge, which cannot be shipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ENSEMBLE_DATA", beside)) / "higgs"
    if not folder.is_dir():
        pytest.skip(f"no real events in {folder}: set ENSEMBLE_DATA to their parent")
    return folder
