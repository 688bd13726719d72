"""Activation and dropout of a hidden layer in one pass over memory, on a CPU.

With torch's own operations they take a dozen passes, and on a CPU what the layers of a
step hand on does not stay in the cache between them. The loops are compiled by numba at
their first use. On other devices the same is done by torch, a pass at a time.

`bytes` come in as random numbers and go out as the mask that is needed for the way
back: 1 where a unit was open, else 0.

Shape letters: M members, N rows, H units, G groups of competing units.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

Kernel = Callable[..., None]


def add_bias(x_MNH: Tensor, bias_MH: Tensor) -> None:
    """`x <- x + bias` in place: cheaper than to begin a product with copies of it."""
    if x_MNH.is_cuda:
        x_MNH += bias_MH[:, None]
    else:
        _add_bias(x_MNH.detach().numpy(), bias_MH.detach().numpy())


def gate(x_MNH: Tensor, bytes_MNH: Tensor, threshold: int, relu: bool) -> None:
    """Dropout, behind a relu if wanted: `x <- x open 256 / threshold`, in place.

    A unit is open if its byte is below the threshold and, with `relu`, x above 0.
    """
    if x_MNH.is_cuda:
        gate_with_torch(x_MNH, bytes_MNH, threshold, relu)
        return
    for x_NH, bytes_NH in zip(_rows(x_MNH), _rows(bytes_MNH), strict=True):
        _gate(x_NH, bytes_NH, threshold, np.float32(256 / threshold), relu)


def gate_with_torch(
    x_MNH: Tensor, bytes_MNH: Tensor, threshold: int, relu: bool
) -> None:
    """The same on any device."""
    is_open = bytes_MNH < threshold
    if relu:
        x_MNH.relu_()
        is_open &= x_MNH != 0  # where it is no number, too: it must not be hidden
    bytes_MNH.copy_(is_open)
    x_MNH.mul_(is_open).mul_(256 / threshold)


def gate_largest(x_MNH: Tensor, bytes_MNH: Tensor, threshold: int, size: int) -> None:
    """The same where of `size` units g, g + G, g + 2 G, ... the largest is open.

    In a tie, all of the largest are.
    """
    if x_MNH.is_cuda:
        gate_largest_with_torch(x_MNH, bytes_MNH, threshold, size)
        return
    for x_NH, bytes_NH in zip(_rows(x_MNH), _rows(bytes_MNH), strict=True):
        best_G = np.empty(x_NH.shape[1] // size, np.float32)
        _gate_largest(x_NH, bytes_NH, threshold, np.float32(256 / threshold), best_G)


def gate_largest_with_torch(
    x_MNH: Tensor, bytes_MNH: Tensor, threshold: int, size: int
) -> None:
    """The same on any device."""
    groups = x_MNH.view(*x_MNH.shape[:-1], size, -1)
    is_open = (groups == groups.amax(-2, keepdim=True)).flatten(-2)
    is_open &= bytes_MNH < threshold
    bytes_MNH.copy_(is_open)
    x_MNH.mul_(is_open).mul_(256 / threshold)


def gate_back(gradient_MNH: Tensor, mask_MNH: Tensor, threshold: int) -> Tensor:
    """The gradient of what came in, from that of what went out."""
    if gradient_MNH.is_cuda:
        return gate_back_with_torch(gradient_MNH, mask_MNH, threshold)
    back_MNH = torch.empty(gradient_MNH.shape)
    arrays = gradient_MNH.contiguous(), mask_MNH, back_MNH
    for gradient_NH, mask_NH, back_NH in zip(*map(_rows, arrays), strict=True):
        scale = np.float32(256 / threshold)
        _gate_back(gradient_NH.ravel(), mask_NH.ravel(), scale, back_NH.ravel())
    return back_MNH


def gate_back_with_torch(
    gradient_MNH: Tensor, mask_MNH: Tensor, threshold: int
) -> Tensor:
    """The same on any device."""
    return (gradient_MNH * mask_MNH).mul_(256 / threshold)


def count_words(state_M1: Tensor, words_MW: Tensor) -> None:
    """The next words of SplitMix64 for each member; its state is left alone."""
    _count_words(state_M1.numpy().view(np.uint64), words_MW.numpy().view(np.uint64))


def _rows(array_MNH: Tensor) -> list[np.ndarray[Any, Any]]:
    return list(array_MNH.detach().numpy())


def _compiled(loop: Kernel) -> Kernel:
    """Compiled at its first call, and kept on disk where there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True)(loop)
    except RuntimeError:  # no folder that can be written
        return numba.njit(nogil=True)(loop)


# The products with 0 in these loops are there for what is no number: a selection would
# turn it into 0, and a member that has met one would go on as if it had not.


@_compiled
def _add_bias(x_MNH, bias_MH):  # type: ignore[no-untyped-def]
    for m in range(x_MNH.shape[0]):
        for n in range(x_MNH.shape[1]):
            for h in range(x_MNH.shape[2]):
                x_MNH[m, n, h] += bias_MH[m, h]


@_compiled
def _keep_larger(best_G, x_G):  # type: ignore[no-untyped-def]
    for g in range(best_G.shape[0]):
        best_G[g] = max(best_G[g], x_G[g])


@_compiled
def _gate_equal(x_G, best_G, bytes_G, threshold, scale):  # type: ignore[no-untyped-def]
    for g in range(best_G.shape[0]):
        is_open = (x_G[g] == best_G[g]) & (bytes_G[g] < threshold)
        bytes_G[g] = is_open
        x_G[g] = x_G[g] * (scale if is_open else np.float32(0))


@_compiled
def _gate(x_NH, bytes_NH, threshold, scale, relu):  # type: ignore[no-untyped-def]
    for n in range(x_NH.shape[0]):
        for h in range(x_NH.shape[1]):
            x = x_NH[n, h]
            is_open = bytes_NH[n, h] < threshold
            if relu:
                is_open &= not x <= np.float32(0)
            bytes_NH[n, h] = is_open
            x_NH[n, h] = x * (scale if is_open else np.float32(0))


@_compiled
def _gate_largest(x_NH, bytes_NH, threshold, scale, best_G):  # type: ignore[no-untyped-def]
    G = best_G.shape[0]
    for n in range(x_NH.shape[0]):
        best_G[:] = x_NH[n, :G]
        for first in range(G, x_NH.shape[1], G):
            _keep_larger(best_G, x_NH[n, first : first + G])
        for first in range(0, x_NH.shape[1], G):
            places = slice(first, first + G)
            _gate_equal(x_NH[n, places], best_G, bytes_NH[n, places], threshold, scale)


@_compiled
def _gate_back(gradient, mask, scale, back):  # type: ignore[no-untyped-def]
    for i in range(back.shape[0]):
        back[i] = gradient[i] * (scale if mask[i] else np.float32(0))


@_compiled
def _count_words(state_M1, words_MW):  # type: ignore[no-untyped-def]
    for m in range(words_MW.shape[0]):
        state = state_M1[m, 0]
        for w in range(words_MW.shape[1]):
            z = state + np.uint64(w + 1) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            words_MW[m, w] = z ^ (z >> np.uint64(31))
