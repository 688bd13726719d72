"""How this process counts while it trains.

Where a unit is never open its velocity decays to denormal numbers, below 1e-38, and a
processor hardly multiplies those: 256 x 600 by 600 x 600 on one core of an Intel Xeon
fell from 180 to 1 GFLOP/s (2026-11-23, 1 s each). They are taken for 0.

Memory is asked for in pages of 2 MB where the system gives them: weights of a group
fill thousands of small ones. torch looks for that when it first takes memory, so this
module has to be imported before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

import torch


@contextmanager
def without_denormals() -> Iterator[None]:
    """Numbers below 1e-38 are 0 inside the block, in threads that begin in it, too."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
