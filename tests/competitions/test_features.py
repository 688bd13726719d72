"""Inputs of the recipes, from made-up events and from real ones."""

import math

import numpy as np
import pandas as pd
import pytest

from competitions.higgs.features import invariants, melis, modern, momenta
from competitions.higgs.kinematics import derive


def shortened(x):
    return math.copysign(math.log1p(abs(x)), x)


def one_event(n_jets=2):
    """tau along x, lepton along y, jets opposite to each, missing momentum at pi/4."""
    raw = {"PRI_tau_pt": 30.0, "PRI_tau_eta": 0.0, "PRI_tau_phi": 0.0}
    raw |= {"PRI_lep_pt": 40.0, "PRI_lep_eta": 0.0, "PRI_lep_phi": math.pi / 2}
    raw |= {"PRI_met": 10.0, "PRI_met_phi": math.pi / 4, "PRI_met_sumet": 200.0}
    raw |= {"PRI_jet_num": float(n_jets), "PRI_jet_all_pt": 0.0}
    for jet, name, phi in ((1, "leading", math.pi), (2, "subleading", -math.pi / 2)):
        there = [50.0, 0.0, phi] if n_jets >= jet else [math.nan] * 3
        parts = (f"PRI_jet_{name}_{part}" for part in ("pt", "eta", "phi"))
        raw |= dict(zip(parts, there, strict=True))
    raw = pd.DataFrame([raw])
    return derive(raw).assign(DER_mass_MMC=100.0).join(raw)


def test_the_winning_recipe_has_35_inputs():
    inputs = melis(one_event())
    assert inputs.shape == (1, 35)
    assert not [name for name in inputs if name.endswith("_phi")]


def test_long_tails_are_shortened_and_the_rest_is_left():
    raw, inputs = one_event(), melis(one_event())
    assert inputs["PRI_tau_pt"][0] == pytest.approx(math.log(31))
    assert inputs["DER_mass_MMC"][0] == pytest.approx(math.log(101))
    for name in ("DER_deltar_tau_lep", "PRI_tau_eta", "DER_pt_ratio_lep_tau"):
        assert inputs[name][0] == raw[name][0]


def test_the_ten_invariants_by_hand():
    extra = invariants(one_event()).iloc[0]
    back_to_back = 2 * math.sqrt(30 * 50)  # both masses of tau and leading jet
    right_angle = math.sqrt(2 * 30 * 50)  # of tau and subleading jet
    expected = {
        "mass_tau_jet1": (math.log1p(back_to_back) - 4.76) / 0.66,
        "mass_tau_jet2": (math.log1p(right_angle) - 4.74) / 0.67,
        "transverse_mass_tau_lep": shortened(math.log1p(math.sqrt(2400)) - 4.13)
        / 0.345,
        "transverse_mass_tau_jet1": shortened(math.log1p(back_to_back) - 4.18) / 0.509,
        "transverse_mass_tau_jet2": shortened(math.log1p(right_angle) - 4.05) / 0.498,
        "momentum_whole": math.log(math.hypot(30 - 50, 40 - 50)) - 4.81,
        "angle_least": (math.pi / 4 - 0.79) / 0.55,
        "angle_met_least": (math.pi / 4 - 0.95) / 0.74,
        "angle_tau_least": (math.pi / 4 - 1.37) / 0.86,
        "angle_lep_met": (math.pi / 4 - 1.735) / 1.02,
    }
    assert extra.to_dict() == pytest.approx(expected)


def test_without_a_jet_its_masses_are_0_and_its_momentum_counts_as_none():
    extra = invariants(one_event(n_jets=0)).iloc[0]
    assert (extra.filter(like="jet") == 0).all()
    assert extra["momentum_whole"] == pytest.approx(math.log(50) - 4.81)


def test_raw_columns_of_a_missing_jet_stay_missing():
    inputs = melis(one_event(n_jets=1)).iloc[0]
    assert inputs.isna().sum() == 6  # pt and eta of the second jet, four of the pair
    assert not inputs.filter(like="leading_pt").isna()["PRI_jet_leading_pt"]


def test_momenta_replace_what_they_are_computed_from():
    inputs = momenta(one_event())
    assert inputs.shape == (1, 30)
    assert not [name for name in inputs if name.endswith(("_phi", "_eta", "PRI_met"))]
    assert inputs["lep_px"][0] == pytest.approx(0.0)
    assert inputs["lep_py"][0] == pytest.approx(40.0)
    assert inputs["met_px"][0] == pytest.approx(10 / math.sqrt(2))


def test_inputs_do_not_depend_on_the_other_rows():
    rows = pd.concat([one_event(0), one_event(1), one_event(2)], ignore_index=True)
    alone = [modern(rows.iloc[[row]]) for row in range(3)]
    pd.testing.assert_frame_equal(modern(rows), pd.concat(alone))


def test_the_constants_of_the_invariants_are_their_means_on_real_events(higgs_folder):
    """Which the definitions (of a transverse mass, of a missing jet) must lead to."""
    train = pd.read_csv(higgs_folder / "training.csv.gz").replace(-999.0, np.nan)
    balanced = train["Weight"] / train.groupby("Label")["Weight"].transform("sum")
    extra = invariants(train)
    there = extra.where(extra != 0)
    mean = there.mul(balanced, axis=0).sum() / there.notna().mul(balanced, axis=0).sum()
    assert mean.abs().max() < 0.06
