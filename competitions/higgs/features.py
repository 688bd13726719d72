"""From the columns of the file to what networks are fed: one function a recipe.

Each takes the raw columns, missing values as NaN, and works row by row: nothing here is
fitted. Means, scales and what stands for a missing value are each member's own.
"""

import numpy as np
import pandas as pd

from .kinematics import (
    Array,
    Event,
    angle_between,
    or_nothing,
    read_event,
    transverse_mass,
)
from .relations import relations

LONG_TAILED = (  # momenta and masses, all >= 0
    "PRI_jet_leading_pt",
    "PRI_jet_subleading_pt",
    "PRI_tau_pt",
    "PRI_lep_pt",
    "DER_pt_h",
    "PRI_met",
    "PRI_met_sumet",
    "DER_pt_tot",
    "DER_sum_pt",
    "DER_mass_jet_jet",
    "DER_mass_vis",
    "DER_mass_MMC",
    "DER_mass_transverse_met_lep",
    "PRI_jet_all_pt",
)


def melis(raw: pd.DataFrame) -> pd.DataFrame:
    """The 35 inputs of the winning recipe.

    The raw columns without the five angles around the beam, long tails shortened, and
    ten columns of `invariants`.

    G. Melis, "Dissecting the winning solution of the HiggsML challenge", 2015.
    """
    return pd.concat([shortened(without_phi(raw)), invariants(raw)], axis=1)


def momenta(raw: pd.DataFrame) -> pd.DataFrame:
    """The 30 inputs of the LUMIN recipe: momenta as (px, py, pz), all else as it is.

    G. C. Strong, "On the impact of selected modern deep-learning techniques to the
    performance and celerity of classification models in an experimental high-energy
    physics use case", 2020.
    """
    replaced = raw.filter(regex="^PRI_.*_(pt|eta|phi)$").columns.drop("PRI_jet_all_pt")
    return raw.drop(columns=[*replaced, "PRI_met"]).join(cartesian(raw))


def modern(raw: pd.DataFrame) -> pd.DataFrame:
    """95 inputs that no turn and no mirror changes.

    Those of `melis`, etas counted from the side of the tau, and the `relations` of the
    particles.
    """
    return pd.concat([melis(mirrored(raw)), relations(raw)], axis=1)


def mirrored(raw: pd.DataFrame) -> pd.DataFrame:
    """The same events seen in a mirror where the tau flies backward: its eta is >= 0.

    >>> mirrored(pd.DataFrame({"PRI_tau_eta": [-1.0], "PRI_lep_eta": [0.5]}))
       PRI_tau_eta  PRI_lep_eta
    0          1.0         -0.5
    """
    side = np.where(raw["PRI_tau_eta"] < 0, -1.0, 1.0)
    etas = raw.filter(regex="^PRI_.*_eta$")
    return raw.assign(**{name: side * etas[name] for name in etas})


def without_phi(raw: pd.DataFrame) -> pd.DataFrame:
    """The raw columns but PRI_*_phi: nothing in nature depends on them alone."""
    return raw.drop(columns=raw.filter(regex="^PRI_.*_phi$").columns)


def shortened(raw: pd.DataFrame) -> pd.DataFrame:
    """The same columns with the long-tailed ones on a logarithmic scale."""
    return raw.assign(**{name: shorten(raw[name]) for name in LONG_TAILED})


def shorten(x: Array) -> Array:
    """sign(x) ln(1 + |x|), which is x itself near 0.

    >>> shorten(np.array([-1.0, 0.0, 1.0])).round(3).tolist()
    [-0.693, 0.0, 0.693]
    """
    return np.sign(x) * np.log1p(np.abs(x))


def cartesian(raw: pd.DataFrame) -> pd.DataFrame:
    """px, py, pz of each particle, in GeV; px, py of the missing momentum."""
    event = read_event(raw)
    columns = {
        f"{name}_{part}": getattr(getattr(event, name), part)
        for name in ("tau", "lep", "met", "jet1", "jet2")
        for part in ("px", "py", "pz")
    }
    del columns["met_pz"]
    return pd.DataFrame(columns, index=raw.index)


def invariants(raw: pd.DataFrame) -> pd.DataFrame:
    """Ten masses and angles that the file lacks, scaled with Melis' constants.

    A mass with a jet that is not there is 0, about the mean of those that are. In the
    magnitude of the whole momentum such a jet counts as one without momentum.
    """
    event = read_event(raw)
    columns = _scaled_masses(event) | _scaled_angles(event)
    return pd.DataFrame(columns, index=raw.index)


def _scaled_masses(event: Event) -> dict[str, Array]:
    tau, lep, jet1, jet2 = event.tau, event.lep, event.jet1, event.jet2
    whole = tau + lep + or_nothing(jet1) + or_nothing(jet2)
    u1, u2 = (np.log1p((tau + jet).mass) for jet in (jet1, jet2))
    t, t1, t2 = (np.log1p(transverse_mass(tau, one)) for one in (lep, jet1, jet2))
    return {
        "mass_tau_jet1": np.nan_to_num((u1 - 4.76) / 0.66),
        "mass_tau_jet2": np.nan_to_num((u2 - 4.74) / 0.67),
        "transverse_mass_tau_lep": shorten(t - 4.13) / 0.345,
        "transverse_mass_tau_jet1": np.nan_to_num(shorten(t1 - 4.18) / 0.509),
        "transverse_mass_tau_jet2": np.nan_to_num(shorten(t2 - 4.05) / 0.498),
        "momentum_whole": np.log(whole.magnitude) - 4.81,
    }


def _scaled_angles(event: Event) -> dict[str, Array]:
    tau_lep = angle_between(event.tau, event.lep)
    tau_met = angle_between(event.tau, event.met)
    lep_met = angle_between(event.lep, event.met)
    met_nearest = np.minimum(tau_met, lep_met)
    return {
        "angle_least": (np.minimum(tau_lep, met_nearest) - 0.79) / 0.55,
        "angle_met_least": (met_nearest - 0.95) / 0.74,
        "angle_tau_least": (np.minimum(tau_lep, tau_met) - 1.37) / 0.86,
        "angle_lep_met": (lep_met - 1.735) / 1.02,
    }
