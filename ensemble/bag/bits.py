"""Random bytes that are counted, not drawn: the same on every device, in every group.

Word number n of a member is the n-th output of the generator SplitMix64 started with
the member's seed (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014). All words of a step are made at once, and what they are counted from
lies on the device, so that a step can be captured in a CUDA graph.

Shape letters: M members, W words of 8 bytes, B bytes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ensemble.bag.kernels import count_words


def _signed(word: int) -> int:
    """The same 64 bits as a signed integer, which is what torch counts in."""
    return word - 2**64 if word >= 2**63 else word


GOLDEN = _signed(0x9E3779B97F4A7C15)
MIX = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)), (31, 1))


class CountedBits:
    """The random bytes of M members, each from its own seed.

    >>> bits = CountedBits([1234567], "cpu")
    >>> bits.draw(8).view(torch.int64).item() % 2**64  # the published first output
    6457827717110365317
    """

    def __init__(self, seeds: Sequence[int], device: str) -> None:
        self.state_M1 = torch.tensor([[_signed(s)] for s in seeds], device=device)
        self._words_MW = self.state_M1.new_empty(len(seeds), 0)

    def draw(self, n_bytes: int) -> Tensor:
        """The next bytes of each member, (M, B); they are overwritten by later ones."""
        n_words = -(-n_bytes // 8)
        if self._words_MW.shape[1] != n_words:
            self._words_MW = self.state_M1.new_empty(len(self.state_M1), n_words)
        if self.state_M1.is_cuda:
            self._words_MW.copy_(next_words(self.state_M1, n_words))
        else:
            count_words(self.state_M1, self._words_MW)
        self.state_M1.add_(_signed(n_words * GOLDEN % 2**64))
        return self._words_MW.view(torch.uint8)[:, :n_bytes]


def next_words(state_M1: Tensor, n_words: int) -> Tensor:
    """The next words of each member, (M, W), by torch alone; states stay as they are.

    >>> words = next_words(torch.tensor([[1234567]]), 2)
    >>> [word % 2**64 for word in words[0].tolist()]
    [6457827717110365317, 3203168211198807973]
    """
    counter_W = torch.arange(1, n_words + 1, device=state_M1.device)
    word_MW = state_M1 + counter_W * GOLDEN
    for distance, factor in MIX:
        # torch shifts the sign in, the generator zeros
        shifted_MW = (word_MW >> distance) & ((1 << (64 - distance)) - 1)
        word_MW = (word_MW ^ shifted_MW) * factor
    return word_MW
