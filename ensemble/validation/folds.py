"""Repeated stratified splits whose folds carry equal weight.

A row's key says which rows it is like: its class, the stratum of its weight, and its
rank by weight inside the stratum. Every fold gets an equal share of each key, and with
it an equal share of each class, of each stratum and, to about 0.05 %, of the weight.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.model_selection import StratifiedKFold

from ensemble.errors import UserError

BLOCKS = 32  # rank blocks a stratum is cut into, where it has the rows for it
_FOLDS = 1  # keeps the seeds of repeats apart from others drawn from the bag's seed

IntArray = NDArray[np.int64]


def split_repeats(
    keys: ArrayLike, n_splits: int, n_repeats: int, seed: int
) -> IntArray:
    """The fold of each row in each repeat.

    More repeats leave the earlier ones as they are.

    Shape: `(N,) -> (n_repeats, N)`
    """
    seeds = [repeat_seed(seed, repeat) for repeat in range(n_repeats)]
    return np.stack([split_folds(keys, n_splits, one) for one in seeds])


def repeat_seed(seed: int, repeat: int) -> int:
    """The seed of one repeat, from the bag's seed and the repeat's number alone."""
    sequence = SeedSequence(seed, spawn_key=(_FOLDS, repeat))
    return int(sequence.generate_state(1)[0])


def split_folds(keys: ArrayLike, n_splits: int, seed: int) -> IntArray:
    """The fold of each row, 0 to n_splits - 1, in one repeat.

    Keys are numbers, alike keys near each other; a key needs n_splits rows or more.

    >>> folds = split_folds([0, 0, 0, 0, 1, 1], n_splits=2, seed=1)
    >>> np.bincount(folds[:4]).tolist(), np.bincount(folds[4:]).tolist()
    ([2, 2], [1, 1])
    """
    key = np.asarray(keys)
    _must_fill_folds(key, n_splits)
    # The splitter deals odd rows out in the order in which keys first appear: sorted,
    # a fold gets the same number of each class, and not light rows only.
    order = np.argsort(key, kind="stable")
    splitter = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
    folds = np.empty(len(key), np.int64)
    for fold, (_, rows) in enumerate(splitter.split(order, key[order])):
        folds[order[rows]] = fold
    return folds


def fold_keys(
    target: ArrayLike,
    weight: ArrayLike | None,
    n_strata: Sequence[int] | None,
    n_splits: int,
    classes: Sequence[str] | None = None,
) -> IntArray:
    """The key of each row: class, then weight stratum, then rank block of weights.

    Without weights the key is the class. A stratum that is too small for the folds
    joins its neighbour in the same class. `classes` are the names for messages.
    """
    label = np.asarray(target)
    n_classes = _n_classes(label, n_strata, classes)
    _must_have_every_class(label, n_classes, n_splits, classes)
    if weight is None:
        return label.astype(np.int64)
    w = np.asarray(weight, float)
    stratum = weight_strata(w, label, n_strata or [1] * n_classes)
    keys = np.empty(len(label), np.int64)
    n_keys = 0
    for c in range(n_classes):
        rows = np.flatnonzero(label == c)
        blocks = _blocks(w[rows], stratum[rows], n_splits)
        keys[rows] = n_keys + blocks
        n_keys += int(blocks.max()) + 1
    return keys


def must_have_weight(
    target: ArrayLike, weight: ArrayLike, n_splits: int, classes: Sequence[str]
) -> None:
    """Refuse classes with fewer weighted rows than folds: some part would have none."""
    label, w = np.asarray(target), np.asarray(weight, float)
    for name, n in zip(
        classes, np.bincount(label[w > 0], minlength=len(classes)), strict=True
    ):
        if n < n_splits:
            raise UserError(
                f"class {name!r} has {n} rows with a weight above 0, too few for"
                f" {n_splits} folds: choose fewer splits (bag.n_splits) or add rows"
            )


def weight_strata(
    weight: ArrayLike, target: ArrayLike, n_strata: Sequence[int]
) -> IntArray:
    """The stratum of each row within its class: 0 for the lightest weights.

    Weights often tell where a row comes from, such as the simulated process. The log
    weights of class c are cut into `n_strata[c]` clusters (k-means), or as many as
    there are different weights. Zero counts as the smallest weight above it.

    >>> weight_strata([1.0, 9.0, 1.1, 8.0, 5.0], [0, 0, 0, 0, 1], [2, 1]).tolist()
    [0, 1, 0, 1, 0]
    """
    w, label = np.asarray(weight, float), np.asarray(target)
    if w.shape != label.shape:
        raise ValueError(
            "weight_strata takes weights and labels of one length, got shapes"
            f" {w.shape} and {label.shape}"
        )
    if (w < 0).any():
        raise ValueError(f"weight_strata takes weights >= 0, got {w.min():g}")
    strata = np.zeros(len(w), np.int64)
    for c, n in enumerate(n_strata):
        rows = np.flatnonzero((label == c) & (w > 0))
        if n > 1 and len(rows):
            strata[rows] = _clusters(np.log(w[rows]), n)
    return strata


def _clusters(value: NDArray[np.float64], n_clusters: int) -> IntArray:
    """The cluster of each value, numbered from the smallest.

    Not the largest gaps: those of the real Higgs weights split off strata of eight
    rows. Ten starts find the best partition of one axis.
    """
    different, which, count = np.unique(value, return_inverse=True, return_counts=True)
    n = min(n_clusters, len(different))
    means = KMeans(n, n_init=10, random_state=0)
    found = means.fit_predict(different[:, None], sample_weight=count)
    rank = np.argsort(np.argsort(means.cluster_centers_[:, 0]))
    numbered: IntArray = rank[found][which].astype(np.int64)
    return numbered


def _blocks(weight: NDArray[np.float64], stratum: IntArray, n_splits: int) -> IntArray:
    """The rank block of each row of one class, numbered from the lightest.

    A block holds a multiple of n_splits rows, so that no fold gets one row more of
    it; only the last of a stratum takes what is left over.
    """
    order = np.lexsort((weight, stratum))
    starts = np.flatnonzero(np.diff(stratum[order], prepend=-1)).tolist()
    cuts: list[int] = []
    for start, stop in itertools.pairwise([*starts, len(order)]):
        size = n_splits * math.ceil((stop - start) / (n_splits * BLOCKS))
        cuts += range(start, stop - n_splits + 1, size)
    cuts = [cut for cut in cuts if cut >= n_splits]  # the first block begins at 0
    block = np.empty(len(order), np.int64)
    block[order] = np.searchsorted(cuts, np.arange(len(order)), side="right")
    return block


def _n_classes(
    label: IntArray, n_strata: Sequence[int] | None, classes: Sequence[str] | None
) -> int:
    lengths = {len(each) for each in (n_strata, classes) if each is not None}
    n_classes = max(lengths, default=int(label.max(initial=-1)) + 1)
    if len(lengths) > 1 or (label.size and not 0 <= label.min() <= label.max()):
        raise ValueError(
            "fold_keys takes as many n_strata as classes, and labels from 0 on, got"
            f" {sorted(lengths)} and labels from {label.min()}"
        )
    return n_classes


def _must_have_every_class(
    label: IntArray, n_classes: int, n_splits: int, classes: Sequence[str] | None
) -> None:
    counts = np.bincount(label, minlength=n_classes)
    if len(counts) > n_classes:
        raise ValueError(
            f"fold_keys takes labels below {n_classes}, got {len(counts) - 1}"
        )
    names = classes or [str(c) for c in range(n_classes)]
    rare = [f"{names[c]!r} ({n})" for c, n in enumerate(counts) if n < n_splits]
    if rare:
        raise UserError(
            f"every class needs a row in each of the {n_splits} folds, but there are"
            f" too few rows of {', '.join(rare)}: choose fewer splits (bag.n_splits)"
            " or add rows"
        )


def _must_fill_folds(key: IntArray, n_splits: int) -> None:
    if n_splits < 2 or key.ndim != 1 or not key.size:
        raise ValueError(
            "split_folds takes a key for each row and two splits or more, got shape"
            f" {key.shape} and {n_splits} splits"
        )
    different, counts = np.unique(key, return_counts=True)
    if counts.min() < n_splits:
        raise ValueError(
            f"split_folds takes {n_splits} rows or more of each key, got"
            f" {counts.min()} of key {different[counts.argmin()]}; see fold_keys"
        )
