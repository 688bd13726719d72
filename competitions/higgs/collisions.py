"""Made-up proton collisions, and what a detector makes of them.

Heavy particles decay to a lepton, a hadronic tau and neutrinos, and jets recoil against
them. The detector blurs what is visible, and takes for neutrinos what is missing to a
balance across the beam. Events that pass the cuts of the challenge are kept. The
distributions of jets are fitted by eye to the real events, the rest follows.

Shape letters in this file: N events, J jets that an event may have. Momenta in GeV.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from .decays import TURN, breit_wigner, hadron_mass, hadronic, leptonic, moving, split
from .kinematics import Array, Event, Momentum, each_part

W_MASS, TOP_MASS, BOTTOM_MASS = 80.4, 172.5, 4.8
LEP_PT, TAU_PT, JET_PT = 26.0, 20.0, 30.0  # the lowest in the real events
VISIBLE_ETA, JET_ETA = 2.5, 4.5  # the largest
UNSEEN = 11.0  # momentum that no part of the detector sees, in x and in y


@dataclass(frozen=True)
class Decay:
    """What a collision makes beside the recoiling jets."""

    tau: Momentum
    lep: Momentum
    jets_NJ: Momentum | None = None


@dataclass(frozen=True)
class Process:
    """A way in which a lepton and a tau come about.

    `jets` are the odds of 0, 1, ... recoiling jets, `jet_pt` how far they are above the
    cut in the mean; `apart` if two of them fly forward and backward.
    """

    hard: Callable[[Array, Array, Generator], Decay]
    jets: tuple[float, ...]
    jet_pt: float
    apart: bool = False


@dataclass(frozen=True)
class Measured:
    """Events as the detector sees them, NaN where there is no jet."""

    event: Event
    n_jets: Array
    jet_all_pt: Array
    sum_et: Array


def collide(process: Process, n_tries: int, rng: Generator) -> Measured:
    """Those of so many collisions that pass the cuts, as they are measured."""
    jets_NJ = _recoiling_jets(process, n_tries, rng)
    soft = _soft(n_tries, rng)
    unseen = _unseen(n_tries, UNSEEN, rng)
    recoil = soft + unseen + each_part(lambda part: np.nansum(part, axis=1), jets_NJ)
    decay = process.hard(-recoil.px, -recoil.py, rng)
    if decay.jets_NJ is not None:
        jets_NJ = each_part(_side_by_side, jets_NJ, decay.jets_NJ)

    tau, lep = _blur(decay.tau, 0.12, rng), _blur(decay.lep, 0.02, rng)
    seen = _passes(tau, TAU_PT, VISIBLE_ETA) & _passes(lep, LEP_PT, VISIBLE_ETA)
    tau, lep, jets_NJ, soft = (
        each_part(lambda part: part[seen], one) for one in (tau, lep, jets_NJ, soft)
    )
    return _measure(tau, lep, _blur(jets_NJ, 0.15, rng), soft, rng)


def tau_pair(
    px: Array, py: Array, rng: Generator, *, mass: float, width: float
) -> Decay:
    """A resonance decays to two tau leptons, and one of them to a lepton."""
    masses = breit_wigner(mass, width, len(px), rng)
    one, other = split(moving(px, py, masses, 1.3, rng), 0.0, 0.0, rng)
    return Decay(hadronic(one, rng), leptonic(other, rng))


def beside_boson(
    px: Array, py: Array, rng: Generator, *, mass: float, width: float
) -> Decay:
    """The same beside a W or Z boson that decays to two jets."""
    x, y = _across(rng.gamma(2, 40, len(px)), rng)
    jets = split(moving(x, y, W_MASS + 5, 0.8, rng), 0.0, 0.0, rng)
    pair = tau_pair(px - x, py - y, rng, mass=mass, width=width)
    return Decay(pair.tau, pair.lep, each_part(_stacked, *jets))


def w_boson(px: Array, py: Array, rng: Generator) -> Decay:
    """A W boson decays to a lepton, and one more recoiling jet is taken for a tau."""
    n = len(px)
    pt, eta = TAU_PT - 2 + rng.exponential(10, n), rng.uniform(-2.6, 2.6, n)
    fake = Momentum.polar(pt, eta, rng.uniform(0, TURN, n), hadron_mass(n, rng))
    mass = breit_wigner(W_MASS, 2.1, n, rng)
    boson = moving(px - fake.px, py - fake.py, mass, 2.0, rng)
    return Decay(fake, split(boson, 0.0, 0.0, rng)[0])


def top_pair(px: Array, py: Array, rng: Generator) -> Decay:
    """Two top quarks: one ends in a lepton, the other in a tau, each with a jet."""
    x, y = _across(rng.gamma(2, 45, len(px)), rng)
    top = moving(px / 2 + x, py / 2 + y, TOP_MASS, 0.9, rng)
    antitop = moving(px / 2 - x, py / 2 - y, TOP_MASS, 0.9, rng)
    (w1, jet1), (w2, jet2) = (
        split(one, W_MASS, BOTTOM_MASS, rng) for one in (top, antitop)
    )
    lep, tau = split(w1, 0.0, 0.0, rng)[0], split(w2, 0.0, 0.0, rng)[0]
    return Decay(hadronic(tau, rng), lep, each_part(_stacked, jet1, jet2))


def _recoiling_jets(process: Process, n: int, rng: Generator) -> Momentum:
    """Jets (N, J) before the detector, NaN beyond the number that an event has."""
    J = len(process.jets) - 1
    n_jets = rng.choice(J + 1, n, p=np.array(process.jets) / sum(process.jets))
    pt = JET_PT - 4 + rng.exponential(process.jet_pt, (n, J))
    pt[np.arange(J) >= n_jets[:, None]] = np.nan
    eta = rng.normal(0, 1.7, (n, J))
    if process.apart:
        side = rng.choice([-1.0, 1.0], n)
        eta[:, 0], eta[:, 1] = side * rng.normal(1.9, 1.1, (2, n)) * [[1], [-1]]
    mass = pt * rng.normal(0.14, 0.04, (n, J)).clip(0)
    return Momentum.polar(pt, eta, rng.uniform(0, TURN, (n, J)), mass)


def _soft(n: int, rng: Generator) -> Momentum:
    """What recoils without being a jet: little as a rule, with a long tail."""
    x, y = _across(rng.lognormal(np.log(6.0), 1.3, n).clip(max=60), rng)
    return Momentum(x, y, np.zeros(n), np.hypot(x, y))


def _unseen(n: int, size: float, rng: Generator) -> Momentum:
    """What flies past the detector, or is drowned in other collisions."""
    x, y = size * rng.standard_normal((2, n))
    return Momentum(x, y, np.zeros(n), np.hypot(x, y))


def _measure(
    tau: Momentum,
    lep: Momentum,
    jets_NJ: Momentum,
    soft: Momentum,
    rng: Generator,
) -> Measured:
    n = len(tau.px)
    whole = tau + lep + soft + each_part(lambda part: np.nansum(part, axis=1), jets_NJ)
    met = Momentum(-whole.px, -whole.py, np.zeros(n), whole.pt)

    listed_NJ = _passes(jets_NJ, JET_PT, JET_ETA)
    pt_NJ = np.where(listed_NJ, jets_NJ.pt, 0.0)
    order_NJ = np.argsort(-pt_NJ, axis=1)
    jets_NJ = each_part(lambda part: np.where(listed_NJ, part, np.nan), jets_NJ)
    jet1, jet2 = (
        each_part(lambda part, column=column: part[np.arange(n), column], jets_NJ)
        for column in (order_NJ[:, 0], order_NJ[:, 1])
    )
    jet_all_pt = pt_NJ.sum(axis=1)
    electron = rng.random(n) < 0.5  # a muon leaves little in the calorimeter
    sum_et = tau.pt + electron * lep.pt + jet_all_pt + rng.gamma(3, 22, n)
    event = Event(tau, lep, met, jet1, jet2)
    return Measured(event, listed_NJ.sum(axis=1).clip(max=3), jet_all_pt, sum_et)


def _passes(particle: Momentum, lowest_pt: float, highest_eta: float) -> Array:
    return (particle.pt > lowest_pt) & (np.abs(particle.eta) < highest_eta)


def _blur(particle: Momentum, resolution: float, rng: Generator) -> Momentum:
    factor = np.exp(resolution * rng.standard_normal(particle.px.shape))
    return each_part(lambda part: factor * part, particle)


def _across(pt: Array, rng: Generator) -> tuple[Array, Array]:
    phi = rng.uniform(0, TURN, len(pt))
    return pt * np.cos(phi), pt * np.sin(phi)


def _stacked(*columns: Array) -> Array:
    return np.stack(columns, axis=1)


def _side_by_side(*columns_NJ: Array) -> Array:
    return np.concatenate(columns_NJ, axis=1)
