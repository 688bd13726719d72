"""How this process counts while it trains.

Where a unit is never open its velocity decays to denormal numbers, below 1e-38, and a
processor multiplies those a hundred times slower: with half the units of a network
dropped, steps became 30 % slower after some epochs. They are taken for 0.

Memory is asked for in pages of 2 MB where the system gives them (+6 % on a group of
4 x 744,002 weights, in a virtual machine). torch looks for that when it first takes
memory, so this module has to be imported before.
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
