"""What physics computes from the measured momenta: the DER_* columns.

An event is a lepton, a hadronic tau, the missing transverse momentum (what the unseen
neutrinos carried away) and up to two listed jets, each given by

    pt   momentum across the beam, in GeV
    eta  pseudorapidity: 0 across the beam, +-infinity along it; pz = pt sinh(eta)
    phi  angle around the beam, in (-pi, pi]

Every array has one entry per event. A jet that is not there is NaN, and so is all that
is computed from it.

Of the 13 DER_* columns of the real file, 10 follow from its PRI_* columns to the last
digit. `DER_mass_vis` and `DER_mass_jet_jet` were computed with masses of the tau's
visible products (around 0.9 GeV) and of the jets (around 14 % of pt) that no column
tells; here these are massless, which gives a lower bound. `DER_mass_MMC` is left out:
its algorithm is not public.

C. Adam-Bourdarios et al., "Learning to discover: the Higgs boson machine learning
challenge", documentation of 2014, CERN Open Data record 329.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Array = np.ndarray


@dataclass(frozen=True)
class Momentum:
    """One particle of each event, in Cartesian components, in GeV.

    >>> pair = Momentum.polar(3.0, 0.0, 0.0) + Momentum.polar(3.0, 0.0, np.pi)
    >>> round(float(pair.mass), 6), round(float(pair.pt), 6)
    (6.0, 0.0)
    """

    px: Array
    py: Array
    pz: Array
    energy: Array

    @classmethod
    def polar(cls, pt: Array, eta: Array, phi: Array, mass: Array = 0.0) -> "Momentum":
        energy = np.hypot(pt * np.cosh(eta), mass)
        return cls(pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy)

    def __add__(self, other: "Momentum") -> "Momentum":
        return Momentum(
            self.px + other.px,
            self.py + other.py,
            self.pz + other.pz,
            self.energy + other.energy,
        )

    @property
    def pt(self) -> Array:
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> Array:
        return np.arcsinh(self.pz / self.pt)

    @property
    def phi(self) -> Array:
        return np.arctan2(self.py, self.px)

    @property
    def magnitude(self) -> Array:
        return np.hypot(self.pt, self.pz)

    @property
    def mass(self) -> Array:
        return np.sqrt(np.maximum(self.energy**2 - self.magnitude**2, 0.0))


@dataclass(frozen=True)
class Event:
    """The particles of each event."""

    tau: Momentum
    lep: Momentum
    met: Momentum  # across the beam only: its pz is unknown, and 0 here
    jet1: Momentum
    jet2: Momentum


def read_event(raw: pd.DataFrame) -> Event:
    """The particles in the PRI_* columns of a table, massless, NaN where no jet is."""

    def particle(name: str) -> Momentum:
        parts = (raw[f"PRI_{name}_{part}"] for part in ("pt", "eta", "phi"))
        return Momentum.polar(*(part.to_numpy(float) for part in parts))

    met_pt, met_phi = (raw[name].to_numpy(float) for name in ("PRI_met", "PRI_met_phi"))
    return Event(
        tau=particle("tau"),
        lep=particle("lep"),
        met=Momentum.polar(met_pt, 0.0 * met_pt, met_phi),
        jet1=particle("jet_leading"),
        jet2=particle("jet_subleading"),
    )


def derive(raw: pd.DataFrame) -> pd.DataFrame:
    """The DER_* columns, `DER_mass_MMC` apart, of a table with the PRI_* columns."""
    event = read_event(raw)
    return derive_columns(event, raw["PRI_jet_all_pt"].to_numpy(float), raw.index)


def derive_columns(
    event: Event, jet_all_pt: Array, index: pd.Index | None = None
) -> pd.DataFrame:
    """The same from particles, which may have masses, and the summed pt of all jets."""
    tau, lep, met, jet1, jet2 = event.tau, event.lep, event.met, event.jet1, event.jet2
    higgs = tau + lep + met
    columns = {
        "DER_mass_transverse_met_lep": transverse_mass(met, lep),
        "DER_mass_vis": (tau + lep).mass,
        "DER_pt_h": higgs.pt,
        "DER_deltaeta_jet_jet": np.abs(jet1.eta - jet2.eta),
        "DER_mass_jet_jet": (jet1 + jet2).mass,
        "DER_prodeta_jet_jet": jet1.eta * jet2.eta,
        "DER_deltar_tau_lep": np.hypot(tau.eta - lep.eta, angle_between(tau, lep)),
        "DER_pt_tot": (higgs + or_nothing(jet1) + or_nothing(jet2)).pt,
        "DER_sum_pt": tau.pt + lep.pt + jet_all_pt,
        "DER_pt_ratio_lep_tau": lep.pt / tau.pt,
        "DER_met_phi_centrality": phi_centrality(met.phi, lep.phi, tau.phi),
        "DER_lep_eta_centrality": eta_centrality(lep.eta, jet1.eta, jet2.eta),
    }
    return pd.DataFrame(columns, index=index)


def or_nothing(jet: Momentum) -> Momentum:
    """The same jets; one that is not there becomes one without momentum.

    >>> or_nothing(Momentum.polar(np.array([np.nan, 2.0]), 0.0, 0.0)).px.tolist()
    [0.0, 2.0]
    """
    return each_part(np.nan_to_num, jet)


def each_part(function: Callable[..., Array], *particles: Momentum) -> Momentum:
    """What the function makes of all px, of all py, of all pz and of all energies.

    >>> one = Momentum.polar(np.ones(3), 0.0, 0.0)
    >>> each_part(lambda part: part[:2], one).energy.tolist()
    [1.0, 1.0]
    """
    parts = ((p.px, p.py, p.pz, p.energy) for p in particles)
    return Momentum(*map(function, *parts))


def angle_between(one: Momentum, other: Momentum) -> Array:
    """The angle around the beam between two particles, in [0, pi].

    >>> one, other = (Momentum.polar(1.0, 0.0, phi) for phi in (3.0, -3.0))
    >>> round(float(angle_between(one, other)), 3)
    0.283
    """
    return np.abs((one.phi - other.phi + np.pi) % (2 * np.pi) - np.pi)


def transverse_mass(one: Momentum, other: Momentum) -> Array:
    """The mass of two massless particles if neither moved along the beam.

    m^2 = 2 pt1 pt2 (1 - cos(phi1 - phi2)). For the lepton and the neutrino of a W boson
    it stays below the mass of the W.

    >>> one, other = (Momentum.polar(40.0, 1.0, phi) for phi in (0.0, np.pi))
    >>> round(float(transverse_mass(one, other)), 6)
    80.0
    """
    across = one.pt * other.pt - one.px * other.px - one.py * other.py
    return np.sqrt(2 * np.maximum(across, 0.0))


def phi_centrality(met_phi: Array, lep_phi: Array, tau_phi: Array) -> Array:
    """Where the missing momentum points: between lepton and tau, or away from them.

    sqrt(2) halfway between the two, 1 along one of them, less outside, -sqrt(2)
    opposite to the halfway direction. With A = sin(met - lep) and B = sin(tau - met),
    both times the sign of sin(tau - lep), it is (A + B) / sqrt(A^2 + B^2). It jumps
    where lepton and tau are collinear or back to back; 0 where all are on one line.

    >>> met_phi = np.array([0.5, 0.0, 0.5 - np.pi])
    >>> phi_centrality(met_phi, lep_phi=0.0, tau_phi=1.0).round(3).tolist()
    [1.414, 1.0, -1.414]
    """
    side = np.where(np.sin(tau_phi - lep_phi) < 0, -1.0, 1.0)
    a, b = side * np.sin(met_phi - lep_phi), side * np.sin(tau_phi - met_phi)
    length = np.hypot(a, b)
    return np.divide(a + b, length, out=np.zeros_like(length), where=length > 0)


def eta_centrality(eta: Array, eta1: Array, eta2: Array) -> Array:
    """1 halfway between two jets in pseudorapidity, 1/e at either, 0 far outside.

    >>> middle, at_jet = (eta_centrality(eta, 2.0, -2.0) for eta in (0.0, 2.0))
    >>> round(float(middle), 3), round(float(at_jet), 3)
    (1.0, 0.368)
    """
    from_middle, gap = np.abs(eta - (eta1 + eta2) / 2), np.abs(eta1 - eta2)
    far = np.full(np.shape(gap), np.inf)
    return np.exp(-4 * np.divide(from_middle, gap, out=far, where=gap != 0) ** 2)
