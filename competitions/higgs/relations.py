"""What physicists compute from pairs and triples of particles, beyond the file's own.

All of it is the same after a turn of the event around the beam and in a mirror, so that
a network need not learn that from examples. Masses and momenta are on a logarithmic
scale. A value for which a jet is missing is NaN.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from .kinematics import (
    Array,
    Event,
    Momentum,
    angle_between,
    eta_centrality,
    read_event,
    transverse_mass,
)

PARTICLES = ("tau", "lep", "met", "jet1", "jet2")


def relations(raw: pd.DataFrame) -> pd.DataFrame:
    """Masses, angles, the collinear picture of the tau pair, and what is missing."""
    event = read_event(raw)
    columns = (
        _masses(event)
        | _angles(event)
        | _collinear(event)
        | _projections(event)
        | _with_jets(event)
        | _shares(raw, event)
        | _present(raw)
    )
    return pd.DataFrame(columns, index=raw.index)


def _masses(event: Event) -> dict[str, Array]:
    tau, lep, met, jet1, jet2 = event.tau, event.lep, event.met, event.jet1, event.jet2
    visible = tau + lep
    across = [transverse_mass(*pair) for pair in combinations((tau, lep, met), 2)]
    masses = {
        "mass_lep_jet1": (lep + jet1).mass,
        "mass_lep_jet2": (lep + jet2).mass,
        "mass_visible_jet1": (visible + jet1).mass,
        "mass_visible_jet2": (visible + jet2).mass,
        "mass_visible_jets": (visible + jet1 + jet2).mass,
        "transverse_mass_tau_met": transverse_mass(tau, met),
        "transverse_mass_lep_jet1": transverse_mass(lep, jet1),
        "transverse_mass_met_jet1": transverse_mass(jet1, met),
        "transverse_mass_met_jet2": transverse_mass(jet2, met),
        "transverse_mass_visible_met": _heavy_transverse_mass(visible, met),
        "transverse_mass_total": np.sqrt(sum(mass**2 for mass in across)),
    }
    return {name: np.log1p(mass) for name, mass in masses.items()}


def _heavy_transverse_mass(one: Momentum, massless: Momentum) -> Array:
    """The transverse mass of a pair of which one has a mass."""
    energy = np.hypot(one.mass, one.pt)
    across = energy * massless.pt - one.px * massless.px - one.py * massless.py
    return np.sqrt(one.mass**2 + 2 * np.maximum(across, 0.0))


def _angles(event: Event) -> dict[str, Array]:
    """Angles around the beam of all pairs; distances along it where eta is known."""
    columns = {}
    for name, other in combinations(PARTICLES, 2):
        one, two = getattr(event, name), getattr(event, other)
        around = angle_between(one, two)
        if (name, other) != ("lep", "met"):  # Melis' inputs have it
            columns[f"angle_{name}_{other}"] = around
        if "met" in (name, other):
            continue
        along = np.abs(one.eta - two.eta)
        if name != "jet1":  # of the two jets the file has it
            columns[f"delta_eta_{name}_{other}"] = along
        if (name, other) != ("tau", "lep"):  # the file has that
            columns[f"delta_r_{name}_{other}"] = np.hypot(around, along)
    return columns


def _collinear(event: Event) -> dict[str, Array]:
    """Neutrinos that fly along the tau and the lepton: met = a tau + b lep.

    a and b are the neutrinos' momenta as parts of what is visible. Where both parts of
    the decay come out positive, the mass of the pair follows (else its column is 0).
    Ellis et al., "Higgs decay to tau+ tau-", 1988.
    """
    tau, lep, met = event.tau, event.lep, event.met
    cross = tau.px * lep.py - tau.py * lep.px
    cross = np.where(np.abs(cross) < 1e-3, 1e-3, cross)
    a = (met.px * lep.py - met.py * lep.px) / cross
    b = (met.py * tau.px - met.px * tau.py) / cross
    whole = np.maximum(1 + a, 0) * np.maximum(1 + b, 0)
    mass = np.log1p((tau + lep).mass * np.sqrt(whole))
    return {
        "neutrino_share_tau": np.arcsinh(2 * a),
        "neutrino_share_lep": np.arcsinh(2 * b),
        "mass_collinear": np.where((a > -1) & (b > -1), mass, 0.0),
        "collinear": ((a > 0) & (b > 0)).astype(float),
    }


def _projections(event: Event) -> dict[str, Array]:
    """Momenta along the bisector of tau and lepton (CDF's zeta), and along each."""
    tau, lep, met = event.tau, event.lep, event.met
    x, y = (tau.px / tau.pt + lep.px / lep.pt), (tau.py / tau.pt + lep.py / lep.pt)
    length = np.hypot(x, y) + 1e-6
    visible = ((tau.px + lep.px) * x + (tau.py + lep.py) * y) / length
    missing = (met.px * x + met.py * y) / length
    columns = {
        "zeta_visible": visible,
        "zeta_met": missing,
        "zeta": missing - 0.85 * visible,
        "met_along_tau": (met.px * tau.px + met.py * tau.py) / tau.pt,
        "met_along_lep": (met.px * lep.px + met.py * lep.py) / lep.pt,
    }
    return {name: np.sign(v) * np.log1p(np.abs(v)) for name, v in columns.items()}


def _with_jets(event: Event) -> dict[str, Array]:
    """How the tau pair, neutrinos included, recoils against the jets."""
    tau, lep, met, jet1, jet2 = event.tau, event.lep, event.met, event.jet1, event.jet2
    higgs, jets = tau + lep + met, jet1 + jet2
    return {
        "angle_higgs_jet1": angle_between(higgs, jet1),
        "angle_higgs_jets": angle_between(higgs, jets),
        "balance_higgs_jet1": np.log((higgs.pt + 1) / (jet1.pt + 1)),
        "pt_jets": np.log1p(jets.pt),
        "tau_eta_centrality": eta_centrality(tau.eta, jet1.eta, jet2.eta),
    }


def _shares(raw: pd.DataFrame, event: Event) -> dict[str, Array]:
    tau, lep, met = event.tau, event.lep, event.met
    visible, sum_et = tau + lep, raw["PRI_met_sumet"].to_numpy(float)
    mmc, sum_pt = (raw[c].to_numpy(float) for c in ("DER_mass_MMC", "DER_sum_pt"))
    whole = tau.pt + lep.pt + met.pt
    return {
        "met_significance": np.log(met.pt / np.sqrt(sum_et)),
        "pt_visible": np.log1p(visible.pt),
        "eta_visible": np.abs(visible.eta),
        "cos_theta_squared": np.tanh((tau.eta - lep.eta) / 2) ** 2,
        "mass_MMC_to_visible": np.log(mmc / visible.mass),
        "abs_eta_tau": np.abs(tau.eta),
        "abs_eta_lep": np.abs(lep.eta),
        "abs_eta_jet1": np.abs(event.jet1.eta),
        "sum_et_soft": np.log1p(np.maximum(sum_et - sum_pt + 100, 0)),
        "share_lep": lep.pt / whole,
        "share_tau": tau.pt / whole,
    }


def _present(raw: pd.DataFrame) -> dict[str, Array]:
    """Whether the MMC mass is missing, and the number of jets one by one."""
    columns = {"no_mass_MMC": raw["DER_mass_MMC"].isna().to_numpy(float)}
    for n_jets in range(4):
        columns[f"jets_{n_jets}"] = (raw["PRI_jet_num"] == n_jets).to_numpy(float)
    return columns
