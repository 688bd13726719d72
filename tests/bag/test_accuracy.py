"""Every way to train is as accurate as the others, on the real events.

Of a recipe cut short, bags of 2 members are trained with several seeds: in float32,
with the faster products, and by the slow twin. All ways of a seed share folds, first
weights, order of rows and dropout, so that they are compared in pairs: in the log loss
of the out-of-fold scores, both classes weighing the same, and in the scores.

docs/accuracy.md says what was seen and why the limits below are what they are; this
prints its tables:

    python -m tests.bag.test_accuracy --data data/higgs --seeds 10
"""

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ensemble.bag.in_bag import TrainingData
from ensemble.bag.inputs import make_training_data
from ensemble.bag.layers import BagLinear
from ensemble.bag.optim import GroupOptimizer
from ensemble.bag.plan import plan_bag
from ensemble.bag.train import train_group
from ensemble.bag.weights import training_weights
from ensemble.catalog import load_entry
from ensemble.data.examples import load_examples
from ensemble.recipe import Recipe
from ensemble.runs.provenance import environment
from ensemble.settings import with_settings
from ensemble.validation.metrics import auc, log_loss
from tests.reference import activation_by_hand, predict_by_hand, train_by_hand

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHORTENED = {
    "quick": ["training.epochs=15"],
    "melis": ["training.epochs=10", "training.schedule.factor=0.7"],
}
WAYS = ("standard", "onednn", "bfloat16", "twin", "other networks")
ROUGH = pytest.mark.parametrize("way", ["onednn", "bfloat16"])


@dataclass(frozen=True)
class Case:
    """A recipe cut short, and the real events with the folds of its seed."""

    recipe: Recipe
    data: TrainingData

    def train(self, way: str) -> np.ndarray:
        """Out-of-fold scores of all rows; "other networks" have other seeds."""
        members = plan_bag(2, 1, self.recipe.bag.seed)
        if way == "other networks":
            members, way = [replace(m, seed=m.seed + 1) for m in members], "standard"
        oof_R = np.full(len(self.data.target_R), np.nan)
        if way == "twin":
            for member in members:
                rows = self.data.out_of_bag(member)
                oof_R[rows] = self._train_twin(member, self.data.features_RI[rows])
        else:
            for one in train_group(self.data, members, self.recipe, products=way):
                oof_R[self.data.out_of_bag(one.member)] = one.oof_P
        return oof_R

    def loss(self, oof_R: np.ndarray) -> float:
        """The log loss, both classes weighing the same."""
        target, weight = self.data.target_R, self.data.weight_R
        every = np.arange(len(target))
        return log_loss(oof_R, target, training_weights(weight, target, every, True))

    def auc(self, oof_R: np.ndarray) -> float:
        return auc(oof_R, self.data.target_R, self.data.weight_R)

    def _train_twin(self, member, features) -> np.ndarray:
        twin = train_by_hand(self.data, member, self.recipe)
        activate = activation_by_hand(self.recipe.network)
        clip = self.recipe.inputs.clip
        return predict_by_hand([twin], torch.tensor(features), activate, clip=clip)[0]


@dataclass(frozen=True)
class Difference:
    """Of two ways, for each seed: log loss, and the mean distance of scores."""

    loss: np.ndarray
    score: np.ndarray


class Bags:
    """A shortened recipe with the seeds 0, 1, ... and what `standard` makes of it."""

    def __init__(self, folder: Path, name: str, n_seeds: int, *settings: str) -> None:
        entry = load_entry("higgs")
        train, test = load_examples(entry.competition, folder)
        bag = ["bag.n_splits=2", "bag.n_repeats=1", "training.curve_points=0"]
        short = with_settings(entry.recipe(name), [*bag, *SHORTENED[name], *settings])
        self.cases = []
        for seed in range(n_seeds):
            recipe = with_settings(short, [f"bag.seed={seed}"])
            data, _ = make_training_data(entry, recipe, train, test)
            self.cases.append(Case(recipe, replace(data, test_TI=data.test_TI[:1])))
        self.standard = self.train("standard")

    def train(self, way: str, n_seeds: int | None = None) -> list[np.ndarray]:
        return [case.train(way) for case in self.cases[:n_seeds]]

    def from_standard(self, oof: list[np.ndarray]) -> Difference:
        """Of some ways the first seeds are enough."""
        pairs = list(zip(self.cases, oof, self.standard, strict=False))
        return Difference(
            np.array([case.loss(one) - case.loss(two) for case, one, two in pairs]),
            np.array([np.abs(one - two).mean() for _, one, two in pairs]),
        )


# --- quick: silu and AdamW, where a small difference stays small ---------------------


@pytest.fixture(scope="module")
def quick(higgs_folder) -> Bags:
    return Bags(higgs_folder, "quick", 4)


def test_the_twin_ends_where_the_fast_training_does(quick):
    difference = quick.from_standard(quick.train("twin"))
    assert np.abs(difference.loss).max() < 1e-5
    assert difference.score.max() < 1e-5


@ROUGH
def test_rough_products_change_no_loss_and_hardly_a_score(quick, way):
    difference = quick.from_standard(quick.train(way))
    assert np.abs(difference.loss).max() < 1e-4
    assert difference.score.max() < 1e-3


def rounded(x: torch.Tensor, n_bits: int) -> torch.Tensor:
    """To so many significant bits; bfloat16 has 8 of them, float32 24."""
    step = 2 ** (24 - n_bits)
    return ((x.view(torch.int32) + step // 2) & -step).view(torch.float32)


def keeping(n_bits: int, update):
    """Weights themselves are kept in few bits, where small updates are lost."""

    def rough(self):
        update(self)
        for flat in (self.weights, self.others):
            flat.data.copy_(rounded(flat.data, n_bits))

    return rough


def multiplying_with(n_bits: int, forward):
    """Products, in training, are made of rounded weights."""

    def rough(self, x_MNI):
        if not self.training:
            return forward(self, x_MNI)
        kept = self.weight_MIO.data.clone()
        self.weight_MIO.data.copy_(rounded(kept, n_bits))
        y_MNO = forward(self, x_MNI)
        self.weight_MIO.data.copy_(kept)
        return y_MNO

    return rough


def test_weights_in_bfloat16_would_be_seen(quick, monkeypatch):
    rough = keeping(8, GroupOptimizer.update)
    monkeypatch.setattr(GroupOptimizer, "update", rough)
    difference = quick.from_standard(quick.train("bfloat16"))
    assert np.abs(difference.loss).max() > 2e-4
    assert difference.score.min() > 2e-3


def test_products_of_four_bits_would_be_seen(quick, monkeypatch):
    rough = multiplying_with(4, BagLinear.forward)
    monkeypatch.setattr(BagLinear, "forward", rough)
    difference = quick.from_standard(quick.train("standard", 2))
    assert difference.score.min() > 1e-3


# --- melis: max-channel and SGD, where rounding grows until networks are others ------


@pytest.fixture(scope="module")
def melis(higgs_folder) -> Bags:
    return Bags(higgs_folder, "melis", 6)


def test_the_twin_goes_the_same_way_until_rounding_has_grown(higgs_folder):
    early = Bags(higgs_folder, "melis", 1, "training.epochs=2")
    difference = early.from_standard(early.train("twin"))
    assert difference.score.max() < 1e-5


def test_the_twin_is_as_accurate_in_the_end(melis):
    difference = melis.from_standard(melis.train("twin", 2))
    assert np.abs(difference.loss).max() < 1.5e-3


@ROUGH
def test_rough_products_lead_to_networks_that_are_as_good(melis, way):
    difference = melis.from_standard(melis.train(way))
    assert np.abs(difference.loss.mean()) < 1.5e-3
    assert standard_error(difference.loss) < 1e-3


def test_weights_of_six_bits_would_be_seen(melis, monkeypatch):
    monkeypatch.setattr(GroupOptimizer, "update", keeping(6, GroupOptimizer.update))
    difference = melis.from_standard(melis.train("standard", 2))
    assert difference.loss.mean() > 1.5e-3


# --- the tables of docs/accuracy.md --------------------------------------------------


def standard_error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def table(bags: Bags) -> str:
    """In Markdown: means over the seeds."""
    lines = [
        "| way | log loss | AUC | loss - standard's | largest | scores apart | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in WAYS:
        started = time.perf_counter()
        oof = bags.train(way)
        seconds = (time.perf_counter() - started) / len(oof)
        difference = bags.from_standard(oof)
        pairs = list(zip(bags.cases, oof, strict=True))
        cells = [
            way,
            f"{np.mean([case.loss(one) for case, one in pairs]):.5f}",
            f"{np.mean([case.auc(one) for case, one in pairs]):.5f}",
            f"{difference.loss.mean():+.1e} ± {standard_error(difference.loss):.1e}",
            f"{np.abs(difference.loss).max():.1e}",
            f"{difference.score.mean():.1e}",
            f"{seconds:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("data/higgs"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--recipe", choices=SHORTENED, nargs="+", default=SHORTENED)
    parser.add_argument("--set", nargs="+", default=[], help="training.epochs=2")
    arguments = parser.parse_args()
    print(f"{environment()['machine']}; {arguments.seeds} seeds")
    for name in arguments.recipe:
        settings = [*SHORTENED[name], *arguments.set]
        bags = Bags(arguments.data, name, arguments.seeds, *arguments.set)
        print(f"\n`{name}` with {', '.join(settings)}\n\n{table(bags)}", flush=True)


if __name__ == "__main__":
    main()
