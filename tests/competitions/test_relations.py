import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.higgs.features import modern
from competitions.higgs.relations import relations
from competitions.higgs.simulate import simulate_events
from competitions.higgs.spec import FEATURES

RAW = simulate_events(60, np.random.default_rng(3))[list(FEATURES)].replace(
    -999.0, np.nan
)


def turned(raw: pd.DataFrame, angle: float, flip_y: bool, flip_z: bool) -> pd.DataFrame:
    """The same events measured with other axes."""
    seen = raw.copy()
    for name in raw.filter(regex="_phi$"):
        if name.startswith("PRI_"):
            phi = (-1 if flip_y else 1) * raw[name] + angle
            seen[name] = np.arctan2(np.sin(phi), np.cos(phi))
    for name in raw.filter(regex="^PRI_.*_eta$"):
        seen[name] = (-1 if flip_z else 1) * raw[name]
    return seen


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.booleans(), st.booleans())
def test_no_turn_and_no_mirror_changes_the_modern_inputs(angle, flip_y, flip_z):
    seen = modern(turned(RAW, angle, flip_y, flip_z))
    pd.testing.assert_frame_equal(seen, modern(RAW), atol=1e-5, rtol=1e-5)


def test_modern_has_95_inputs_and_none_is_infinite():
    inputs = modern(RAW)
    assert inputs.shape == (60, 95)
    assert inputs.columns.is_unique
    assert not np.isinf(inputs.to_numpy()).any()


def test_relations_of_an_event_by_hand():
    """Lepton along x, tau along y, missing momentum between them, no jets."""
    row = dict.fromkeys(FEATURES, math.nan) | {
        "PRI_tau_pt": 30.0, "PRI_tau_eta": 0.0, "PRI_tau_phi": math.pi / 2,
        "PRI_lep_pt": 40.0, "PRI_lep_eta": 0.0, "PRI_lep_phi": 0.0,
        "PRI_met": 50.0, "PRI_met_phi": math.atan2(30, 40), "PRI_met_sumet": 100.0,
        "PRI_jet_num": 0.0, "DER_sum_pt": 70.0, "DER_mass_MMC": 120.0,
    }  # fmt: skip
    one = relations(pd.DataFrame([row])).iloc[0]
    mass = math.sqrt(2 * 30 * 40)
    assert one["neutrino_share_tau"] == pytest.approx(math.asinh(2))  # met = tau + lep
    assert one["neutrino_share_lep"] == pytest.approx(math.asinh(2))
    assert one["collinear"] == 1
    assert one["mass_collinear"] == pytest.approx(math.log1p(2 * mass))
    assert one["mass_MMC_to_visible"] == pytest.approx(math.log(120 / mass))
    assert one["met_along_tau"] == pytest.approx(math.log1p(30))
    assert one["zeta_met"] == pytest.approx(math.log1p(70 / math.sqrt(2)))
    assert one["zeta"] == pytest.approx(math.log1p(0.15 * 70 / math.sqrt(2)), rel=1e-4)
    assert one["angle_tau_lep"] == pytest.approx(math.pi / 2)
    assert one["transverse_mass_tau_met"] == pytest.approx(
        math.log1p(math.sqrt(2 * 30 * 50 * (1 - 3 / 5)))
    )
    assert one["share_lep"] == pytest.approx(40 / 120)
    assert one[["jets_0", "jets_1", "no_mass_MMC"]].tolist() == [1, 0, 0]
    assert one.filter(like="jet1").isna().all()


def test_the_real_events_have_no_infinite_inputs(higgs_folder):
    raw = pd.read_csv(higgs_folder / "training.csv.gz", na_values=[-999.0])
    inputs = modern(raw[list(FEATURES)])
    assert not np.isinf(inputs.to_numpy(np.float32)).any()
    assert inputs.filter(like="tau_lep").notna().all().all()
