"""The members of a bag, every seed drawn before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np


@dataclass(frozen=True)
class Member:
    """One network: the fold it leaves out, in which repeat, and its own seed."""

    index: int
    repeat: int
    fold: int
    seed: int


def plan_bag(n_splits: int, n_repeats: int, seed: int) -> list[Member]:
    """All members of a bag, repeat by repeat.

    A member's seed depends on the bag's seed and the member's index alone, so a bag
    with more repeats begins with the same members.

    >>> [(m.index, m.repeat, m.fold) for m in plan_bag(2, 2, seed=0)]
    [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
    >>> plan_bag(2, 35, seed=0)[:4] == plan_bag(2, 2, seed=0)
    True
    """
    return [
        Member(
            index=index,
            repeat=index // n_splits,
            fold=index % n_splits,
            seed=int(np.random.SeedSequence([seed, index]).generate_state(1)[0]),
        )
        for index in range(n_splits * n_repeats)
    ]


def make_groups(members: Sequence[Member], size: int) -> list[list[Member]]:
    """The members cut into groups of at most `size`, in order.

    Members 0 to size - 1 are a group, and so on, whichever of them are there: so a run
    that was interrupted goes on with the groups that it had before.

    >>> bag = plan_bag(5, 1, seed=0)
    >>> [[m.index for m in group] for group in make_groups(bag, 2)]
    [[0, 1], [2, 3], [4]]
    >>> [[m.index for m in group] for group in make_groups(bag[1:], 2)]
    [[1], [2, 3], [4]]
    """
    return [
        list(group)
        for _, group in groupby(members, lambda member: member.index // size)
    ]
