import os

import pytest


@pytest.fixture(autouse=True, scope="module")
def fsync_does_not_wait():
    """No test cuts the power; where and when fsync is called is tested by its calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield
