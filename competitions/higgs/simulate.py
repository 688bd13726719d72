"""A made-up sample with the columns of the challenge, for where the real one is not.

Signal is a Higgs boson of 125 GeV that decays to a tau pair, made in three ways; the
background is Z bosons that do the same, W bosons beside jets, and top quarks. Cuts,
missing values, rounding, totals and strata of the weights are as in the real files;
distributions are near the real ones (see the README). No score on it says anything
about nature: whatever prints one must say "simulated".
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator

from .collisions import (
    Measured,
    Process,
    beside_boson,
    collide,
    tau_pair,
    top_pair,
    w_boson,
)
from .files import whole_file
from .kinematics import Array, Event, Momentum, derive_columns
from .spec import COMPETITION

FIRST_ID = 100_000


@dataclass(frozen=True)
class Source:
    """A process, its part of the rows of its class, and the weight of its events."""

    share: float
    weight: float
    process: Process


_h = partial(tau_pair, mass=125.0, width=0.004)
_vh = partial(beside_boson, mass=125.0, width=0.004)
_z = partial(tau_pair, mass=91.19, width=2.5)
SIGNAL = (
    Source(0.507, 0.0227, Process(_h, (0.08, 0.33, 0.5, 0.09), 42, apart=True)),
    Source(0.095, 0.0401, Process(_vh, (0.7, 0.25, 0.05), 20)),
    Source(0.398, 0.2819, Process(_h, (0.63, 0.27, 0.08, 0.02), 30)),
)
BACKGROUND = (
    Source(0.088, 1.12, Process(_z, (0.02, 0.2, 0.38, 0.3, 0.1), 40, apart=True)),
    Source(0.059, 4.96, Process(_z, (0.03, 0.2, 0.4, 0.3, 0.07), 42)),
    Source(0.070, 17.0, Process(top_pair, (0.7, 0.25, 0.05), 20)),
    Source(0.060, 17.0, Process(w_boson, (0.15, 0.35, 0.35, 0.15), 30)),
    Source(0.035, 17.0, Process(_z, (0.15, 0.35, 0.35, 0.15), 30)),
    Source(0.120, 33.6, Process(_z, (0.35, 0.55, 0.09, 0.01), 20)),
    Source(0.292, 33.6, Process(w_boson, (0.4, 0.5, 0.09, 0.01), 20)),
    Source(0.250, 79.3, Process(w_boson, (0.94, 0.055, 0.005), 15)),
    Source(0.026, 79.3, Process(_z, (0.94, 0.055, 0.005), 15)),
)


def simulate(
    folder: Path, n_train: int = 20_000, n_test: int = 10_000, seed: int = 1
) -> None:
    """Write the four files of the challenge into the folder, made up from the seed."""
    rng = np.random.default_rng(seed)
    train, test = (simulate_events(n, rng) for n in (n_train, n_test))
    test["EventId"] += n_train
    folder.mkdir(parents=True, exist_ok=True)
    features = test.drop(columns=["Weight", "Label"])
    _write(solution(test), folder / f"{COMPETITION.solution_file}.gz")
    _write(random_submission(test), folder / f"{COMPETITION.sample_file}.gz")
    _write(features, folder / f"{COMPETITION.test_file}.gz")
    _write(train, folder / f"{COMPETITION.train_file}.gz")


def simulate_events(n_events: int, rng: Generator) -> pd.DataFrame:
    """A table like the training file, its weights scaled to the totals."""
    n_signal = round(n_events / 3)
    counts = {"s": n_signal, "b": n_events - n_signal}
    parts = [
        _class_events(sources, counts[label], rng).assign(Label=label)
        for label, sources in (("s", SIGNAL), ("b", BACKGROUND))
    ]
    table = pd.concat(parts, ignore_index=True)
    for label, total in zip(COMPETITION.classes, COMPETITION.class_totals, strict=True):
        rows = table["Label"] == label
        table.loc[rows, "Weight"] *= total / table.loc[rows, "Weight"].sum()
    table = table.iloc[rng.permutation(n_events)]
    table.insert(0, "EventId", FIRST_ID + np.arange(n_events))
    return table.reset_index(drop=True)


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")


def random_submission(test: pd.DataFrame) -> pd.DataFrame:
    """The sample submission: in file order, all signal."""
    ranks = np.arange(1, len(test) + 1)
    return pd.DataFrame({"EventId": test["EventId"], "RankOrder": ranks, "Class": "s"})


def solution(test: pd.DataFrame) -> pd.DataFrame:
    """The truth of the test rows, whose weights sum to the totals."""
    return test[["EventId", "Label", "Weight"]].rename(columns={"Label": "Class"})


def _class_events(
    sources: tuple[Source, ...], n_events: int, rng: Generator
) -> pd.DataFrame:
    ends = np.round(np.cumsum([source.share for source in sources]) * n_events)
    counts = np.diff(ends.astype(int), prepend=0)
    return pd.concat(
        _source_events(source, count, rng)
        for source, count in zip(sources, counts, strict=True)
    )


def _source_events(source: Source, n_events: int, rng: Generator) -> pd.DataFrame:
    """So many events that pass the cuts, however many collisions that takes."""
    parts: list[pd.DataFrame] = []
    while sum(map(len, parts)) < n_events:
        parts.append(_columns(collide(source.process, 2 * n_events + 500, rng), rng))
    spread = rng.choice([0.9, 1.0, 1.1], n_events)
    return pd.concat(parts)[:n_events].assign(Weight=source.weight * spread)


def _columns(measured: Measured, rng: Generator) -> pd.DataFrame:
    """The 30 features in the order of the file, rounded as they are there."""
    event = measured.event
    derived = derive_columns(event, measured.jet_all_pt)
    transverse_mass = derived["DER_mass_transverse_met_lep"].to_numpy()
    derived["DER_mass_MMC"] = _mass_mmc(event, transverse_mass, rng)
    primary = {
        **_polar("tau", event.tau),
        **_polar("lep", event.lep),
        "PRI_met": event.met.pt,
        "PRI_met_phi": event.met.phi,
        "PRI_met_sumet": measured.sum_et,
        "PRI_jet_num": measured.n_jets,
        **_polar("jet_leading", event.jet1),
        **_polar("jet_subleading", event.jet2),
        "PRI_jet_all_pt": measured.jet_all_pt,
    }
    columns = derived.assign(**primary)[list(COMPETITION.features)]
    rounded = columns.round(3) + 0.0  # no -0.0
    return rounded.fillna(COMPETITION.missing[0]).astype({"PRI_jet_num": int})


def _polar(name: str, particle: Momentum) -> dict[str, Array]:
    parts = {"pt": particle.pt, "eta": particle.eta, "phi": particle.phi}
    return {f"PRI_{name}_{part}": value for part, value in parts.items()}


def _mass_mmc(event: Event, transverse_mass: Array, rng: Generator) -> Array:
    """A stand-in for the real estimate of the tau pair's mass, which is not public.

    Between a multiple of the visible mass and the mass with neutrinos that have the
    rapidity of the visible pair, smeared by 10 %. It fails more often the more the
    transverse mass speaks against a tau pair.
    """
    pair = event.tau + event.lep
    rapidity = np.arctanh(pair.pz / pair.energy)
    neutrinos = Momentum.polar(event.met.pt, rapidity, event.met.phi)
    mass = np.sqrt(1.55 * pair.mass * 1.23 * (pair + neutrinos).mass)
    fails = rng.random(len(mass)) < 0.5 / (1 + np.exp((73 - transverse_mass) / 7))
    return np.where(fails, np.nan, mass * np.exp(0.10 * rng.standard_normal(len(mass))))
