"""How fast saved networks predict rows, beside a plain loop over them in PyTorch.

    python -m benchmarks.inference --members 70 --rows 10000 --repeats 5

Prints member-rows a second and the share of the machine's float32 matrix-product peak:
medians of alternating runs, least and most in brackets; then the memory that each way
adds, in a process of its own. Weights are random: they change no time.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ensemble.bag.inference import members_at_once, predict
from ensemble.bag.model import Arrays, load_members
from ensemble.recipe import MLP, Recipe

SIZES = (35, 600, 600, 600, 2)
PLAIN_ROWS = 8192  # of a batch of the plain loop; fewer and more are slower
FLOP = 2 * sum(i * o for i, o in pairwise(SIZES))  # of a row, for one member


def make_members(n: int) -> list[Arrays]:
    """Members of random weights, as they are saved."""
    rng, members = np.random.default_rng(0), []
    for _ in range(n):
        member = {
            "negative_MK": np.array([1, 0]),
            "positive_MK": np.array([0, 1]),
            "standardize.mean_MI": rng.normal(size=SIZES[0]),
            "standardize.scale_MI": rng.uniform(0.5, 2, SIZES[0]),
        }
        for layer, (i, o) in enumerate(pairwise(SIZES)):
            weight = rng.normal(size=(i, o)) * (2 / i) ** 0.5
            member[f"network.layers.{layer}.weight_MIO"] = weight
            member[f"network.layers.{layer}.bias_MO"] = np.zeros(o)
        members.append({name: a.astype(np.float32) for name, a in member.items()})
    return members


def stacked(members: list[Arrays]) -> Callable[[Tensor], Tensor]:
    """The mean score of the members as the toolkit computes it."""
    recipe = Recipe(name="wide", network=MLP(hidden=SIZES[1:-1]))
    n = members_at_once(members[0], n_threads=torch.get_num_threads())
    starts = range(0, len(members), n)
    models = [load_members(recipe, members[m : m + n]) for m in starts]
    return lambda x_RI: (
        sum(predict(model, x_RI).sum(0) for model in models) / len(members)
    )


def plain(members: list[Arrays]) -> Callable[[Tensor], Tensor]:
    """The same with one `nn.Sequential` after another, as one would write it."""
    networks = [_sequential(member) for member in members]
    stats = [
        [torch.from_numpy(member[f"standardize.{n}_MI"]) for n in ("mean", "scale")]
        for member in members
    ]

    @torch.inference_mode()
    def mean_score(x_RI: Tensor) -> Tensor:
        total_R = torch.zeros(len(x_RI))
        for network, (mean_I, scale_I) in zip(networks, stats, strict=True):
            blocks = [
                network(torch.nan_to_num((x - mean_I) / scale_I)).softmax(1)[:, 1]
                for x in x_RI.split(PLAIN_ROWS)
            ]
            total_R += torch.cat(blocks)
        return total_R / len(networks)

    return mean_score


WAYS = {"stacked": stacked, "plain loop": plain}


def peak_gflops(n: int = 2048, repeats: int = 5) -> float:
    """What a large float32 matrix product reaches on this machine."""
    a = torch.randn(n, n)
    return (
        2 * n**3 / min(_seconds(partial(torch.mm, a, a)) for _ in range(repeats)) / 1e9
    )


def added_mib(way: str, n_members: int, n_rows: int) -> float:
    """The most memory in use while predicting, above that before, in MiB (Linux)."""
    mean_score = WAYS[way](make_members(n_members))
    x_RI = torch.randn(n_rows, SIZES[0])
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the start
    before = _peak_mib()
    mean_score(x_RI)
    return _peak_mib() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("members", 70), ("rows", 10_000), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    members = make_members(given.members)
    x_RI = torch.randn(given.rows, SIZES[0])
    ways = {name: make(members) for name, make in WAYS.items()}
    answers = [mean_score(x_RI[:500]) for mean_score in ways.values()]
    torch.testing.assert_close(*answers, rtol=0, atol=1e-5)

    peak, work = peak_gflops(), given.members * given.rows
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, mean_score in ways.items():
            seconds[name].append(_seconds(partial(mean_score, x_RI)))
    print(
        f"{given.members} members x {given.rows:,} rows, {torch.get_num_threads()}"
        f" threads, n = {given.repeats}, peak {peak:.0f} GFLOP/s"
    )
    for name, all_seconds in seconds.items():
        rates = [work / s for s in all_seconds]
        median = statistics.median(rates)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            mib = pool.apply(added_mib, (name, given.members, given.rows))
        print(
            f"{name:<11} {median:>10,.0f} [{min(rates):,.0f}-{max(rates):,.0f}]"
            f" member-rows/s, {median * FLOP / peak / 1e9:.0%} of peak, +{mib:.0f} MiB"
        )


def _sequential(member: Arrays) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer, (i, o) in enumerate(pairwise(SIZES)):
        linear = nn.Linear(i, o)
        weight_IO = torch.from_numpy(member[f"network.layers.{layer}.weight_MIO"])
        linear.weight.data.copy_(weight_IO.T)
        linear.bias.data.copy_(
            torch.from_numpy(member[f"network.layers.{layer}.bias_MO"])
        )
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
