"""How much memory a group takes, and how many members therefore train together.

The members of a group share the data; all else each has for itself. What is counted
here is compared with what processes really take in tests/bag/test_memory.py.

Shape letters: M members, N rows of a batch, R training rows, T test rows, I inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch

from ensemble.bag.networks.mlp import layer_shapes
from ensemble.recipe import MLP, Recipe

MIB = 2**20
PROCESS = 500 * MIB  # python, torch and what else is loaded, on the host
CUDA_CONTEXT = 500 * MIB  # of a process, on a GPU
FREE_SHARE = 0.8  # of the memory that is free now may be planned with

# Members at once make the operations of a step longer and their number smaller, until
# the units of a layer no longer fit into the cache of a core. On an Intel Xeon (2 MB a
# core, 2026-11-23, n = 1 or 2 each) of 1, 2, 4 and 8 members 4 were fastest for 3 x 600
# units at batch 96, of 1, 2 and 4 members 2 at batch 256, and of 8, 16 and 32 members
# 32 for 6 x 33 units at batch 256. All of that is near this many numbers a layer.
CPU_NUMBERS = 2**18
CPU_MEMBERS = 32  # more than these save hardly anything, and are lost together

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes",
     "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a group's memory depends on beside the recipe."""

    n_rows: int
    n_test: int
    n_inputs: int
    n_outputs: int


@dataclass(frozen=True)
class Needs:
    """Bytes of a group of M members: `fixed + M member`."""

    fixed: int
    member: int

    def of(self, n_members: int) -> int:
        """Bytes of a group of so many members."""
        return self.fixed + n_members * self.member


@dataclass(frozen=True)
class GroupSize:
    """How many members train together, and what that takes of what is free.

    `free` are bytes for each worker, None where that is not known.
    """

    n_members: int
    bytes: int
    free: int | None
    reason: str


def group_needs(recipe: Recipe, shape: Shape, device: str, n_bytes: int = 4) -> Needs:
    """The memory of a group; factors of products have `n_bytes` a number (2: bfloat16).

    On a GPU the host's copy of the data is not counted.
    """
    fixed = shape.n_rows * (4 * shape.n_inputs + 16) + 4 * shape.n_test * shape.n_inputs
    fixed += CUDA_CONTEXT if device.startswith("cuda") else PROCESS
    n_weights = count_weights(recipe.network, shape)
    copies = 5 if recipe.training.optimizer.kind == "adamw" else 3
    weights = 4 * copies * n_weights + (2 * n_weights if n_bytes == 2 else 0)
    in_bag = shape.n_rows * (1 - 1 / recipe.bag.n_splits)
    rows = 28 * shape.n_rows + 16 * in_bag + 8 * shape.n_test
    batch = recipe.training.batch_size * _row_bytes(recipe.network, shape)
    return Needs(fixed, ceil(weights + rows + batch))


def count_weights(network: MLP, shape: Shape) -> int:
    """The numbers that a member learns.

    >>> count_weights(MLP(hidden=(600, 600, 600)), Shape(1, 1, 35, n_outputs=2))
    744002
    """
    shapes = _shapes(network, shape)
    total = sum(n_in * n_out + n_out for n_in, n_out in shapes)
    if network.periodic_std is not None:
        total += shape.n_inputs * network.n_frequencies * (2 + network.n_periodic)
    return total


def choose_group_size(
    recipe: Recipe,
    shape: Shape,
    n_members: int,
    n_workers: int,
    device: str,
    free: int | None,
) -> GroupSize:
    """So many members that all workers have as much to do, fast, in the free memory.

    On a GPU, all that fit; on a CPU, see `CPU_NUMBERS`.
    """
    needs = group_needs(recipe, shape, device)
    by_speed = n_members
    if not device.startswith("cuda"):
        widest = max(recipe.network.hidden)
        by_speed = round(CPU_NUMBERS / (recipe.training.batch_size * widest))
        by_speed = min(max(1, by_speed), CPU_MEMBERS)
    by_memory = n_members
    if free is not None:
        by_memory = max(1, int((free - needs.fixed) // needs.member))
    rounds = ceil(n_members / (min(by_speed, by_memory) * n_workers))
    size = ceil(n_members / (rounds * n_workers))
    reason = "memory" if by_memory < by_speed else "speed"
    return GroupSize(size, needs.of(size), free, reason)


def free_memory(device: str, n_workers: int = 1) -> int | None:
    """Bytes that each worker may plan with; None where the system does not tell."""
    if device.startswith("cuda"):
        if not torch.cuda.is_available():  # that of a cluster
            return None
        return int(FREE_SHARE * torch.cuda.mem_get_info(device)[0])
    there = [b for b in (_available(), *_left_in_cgroups()) if b is not None]
    return int(FREE_SHARE * min(there) / n_workers) if there else None


def _shapes(network: MLP, shape: Shape) -> list[tuple[int, int]]:
    embedded = 1 + network.n_periodic if network.periodic_std is not None else 1
    competing = network.group_size if network.activation == "maxout" else 1
    return layer_shapes(
        shape.n_inputs * embedded,
        shape.n_outputs,
        network.hidden,
        competing,
        network.dense,
    )


def _row_bytes(network: MLP, shape: Shape) -> int:
    """Of a batch, for each row: what layers keep for the way back, and gradients."""
    shapes = _shapes(network, shape)
    kept = {"relu": 1, "max_channel": 1, "silu": 2, "maxout": 2}[network.activation]
    if network.activation == "max_channel" and network.dropout == 0:
        kept = 4
    units = sum(n_out for _, n_out in shapes)
    seen = sum(n_in for n_in, _ in shapes) if network.dense else 0
    numbers = kept * units + seen + 2 * max(n_out for _, n_out in shapes)
    if network.periodic_std is not None:
        numbers += 3 * shape.n_inputs * network.n_frequencies
    return 4 * (numbers + 4 * shape.n_inputs) + units


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    return int(fields["MemAvailable"].split()[0]) * 1024


def _left_in_cgroups(files: Sequence[tuple[str, str]] = CGROUPS) -> list[int]:
    """What the limits of a container leave, where there are any."""
    left = []
    for limit, used in files:
        try:
            left.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such file, or 'max'
            continue
    return left
