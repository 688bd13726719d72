"""The formulas, and what they make of the 22,889 real events.

All columns of the file are rounded to three decimals, the inputs too. So a formula is
right if, for each event, some inputs that round to those of the file lead to a value
that rounds to that of the file. `reach` collects values that such inputs lead to;
everything between two of them is reached as well, by continuity.
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.higgs.kinematics import Momentum, derive, phi_centrality
from tests.reference import derive_one_event

HALF_DIGIT = 0.0005
DIGITS = 1e-9  # of float64, in sums of some TeV
EXACT = [
    "DER_mass_transverse_met_lep",
    "DER_pt_h",
    "DER_deltaeta_jet_jet",
    "DER_prodeta_jet_jet",
    "DER_deltar_tau_lep",
    "DER_pt_tot",
    "DER_sum_pt",
    "DER_pt_ratio_lep_tau",
    "DER_met_phi_centrality",
    "DER_lep_eta_centrality",
]


@pytest.fixture(scope="module")
def real(higgs_folder):
    parts = [
        pd.read_csv(higgs_folder / f"{part}.csv.gz") for part in ("training", "test")
    ]
    return pd.concat(parts, ignore_index=True).replace(-999.0, np.nan)


@pytest.fixture(scope="module")
def reached(real):
    return reach(real)


def measured(events):
    return [c for c in events if c.startswith("PRI_") and c != "PRI_jet_num"]


def reach(events):
    """Lowest and highest DER_* found among inputs that round to those of the events."""
    middle = derive(events)
    found, slopes = [middle], {}
    for column in measured(events):
        for step in (-HALF_DIGIT, HALF_DIGIT):
            found.append(derive(events.assign(**{column: events[column] + step})))
        slopes[column] = (found[-1] - middle).fillna(0.0)
    for name in middle:  # the two corners of the box that the slope points at
        for step in (-HALF_DIGIT, HALF_DIGIT):
            moved = {c: events[c] + step * np.sign(slopes[c][name]) for c in slopes}
            found.append(middle.assign(**{name: derive(events.assign(**moved))[name]}))
    return _hull(found)


def approach(event, name, n_draws=5_000):
    """The value nearest to the file's that inputs within the rounding were found for.

    Drawn at random, then ever closer around the best: slow, but for any formula.
    """
    rng, columns = np.random.default_rng(1), measured(event)
    drawn = event.loc[event.index.repeat(n_draws)].reset_index(drop=True)
    middle, best = event[columns].to_numpy(), np.zeros(len(columns))
    for width in (2.0, 0.5, 0.1, 0.02):
        steps = best + rng.uniform(-width, width, (n_draws, len(columns)))
        steps = steps.clip(-1, 1)
        drawn[columns] = middle + HALF_DIGIT * steps
        values = derive(drawn)[name]
        nearest = (values - drawn[name]).abs().argmin()
        best = steps[nearest]
    return values[nearest]


def outside(events, low, high, name):
    """How far the file's value is from all reached, beyond its own rounding."""
    beyond = np.fmax(low[name] - events[name], events[name] - high[name])
    return beyond - HALF_DIGIT - DIGITS


def _hull(tables):
    stacked = np.stack([table.to_numpy() for table in tables])
    low, high = np.fmin.reduce(stacked), np.fmax.reduce(stacked)
    like = {"index": tables[0].index, "columns": tables[0].columns}
    return pd.DataFrame(low, **like), pd.DataFrame(high, **like)


@pytest.mark.parametrize("name", EXACT)
def test_the_formula_gives_the_real_column_within_its_rounding(real, reached, name):
    assert (derive(real)[name].isna() == real[name].isna()).all()
    left = real[outside(real, *reached, name) > 0]
    assert len(left) <= 10  # where a length is almost 0, or a slope changes sign
    for row in left.index:
        nearest = approach(real.loc[[row]], name)
        assert abs(nearest - real.loc[row, name]) <= HALF_DIGIT + DIGITS


@pytest.mark.parametrize("name", ["DER_mass_vis", "DER_mass_jet_jet"])
def test_massless_particles_give_a_lower_bound_of_the_real_mass(real, reached, name):
    low, _ = reached
    assert (derive(real)[name].isna() == real[name].isna()).all()
    assert (real[name].dropna() >= low[name].dropna() - HALF_DIGIT - DIGITS).all()


def test_the_visible_tau_of_the_real_mass_is_never_heavier_than_a_tau_lepton(
    real, reached
):
    _, high = reached
    tau, lep = (
        Momentum.polar(
            real[f"PRI_{name}_pt"],
            real[f"PRI_{name}_eta"],
            real[f"PRI_{name}_phi"],
            mass,
        )
        for name, mass in (("tau", 1.777), ("lep", 0.0))
    )
    rounding = high["DER_mass_vis"] - derive(real)["DER_mass_vis"] + HALF_DIGIT
    too_heavy = real["DER_mass_vis"] > (tau + lep).mass + rounding
    assert not too_heavy.any()


def random_events(seed, n_events=50):
    rng = np.random.default_rng(seed)
    events = pd.DataFrame(index=range(n_events))
    for name in ("tau", "lep", "jet_leading", "jet_subleading"):
        events[f"PRI_{name}_pt"] = rng.uniform(20, 200, n_events)
        events[f"PRI_{name}_eta"] = rng.uniform(-3, 3, n_events)
        events[f"PRI_{name}_phi"] = rng.uniform(-math.pi, math.pi, n_events)
    events["PRI_met"] = rng.uniform(0, 100, n_events)
    events["PRI_met_phi"] = rng.uniform(-math.pi, math.pi, n_events)
    n_jets = rng.integers(0, 3, n_events)
    events.loc[n_jets < 1, events.filter(like="jet_leading").columns] = np.nan
    events.loc[n_jets < 2, events.filter(like="jet_subleading").columns] = np.nan
    pts = events[["PRI_jet_leading_pt", "PRI_jet_subleading_pt"]]
    events["PRI_jet_all_pt"] = pts.sum(axis=1)
    return events


def test_the_columns_are_those_of_the_slow_twin():
    events = random_events(1)
    slow = pd.DataFrame([derive_one_event(row) for row in events.to_dict("records")])
    pd.testing.assert_frame_equal(derive(events), slow, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-7, 7), seed=st.integers(0, 99))
def test_turning_the_event_around_the_beam_changes_nothing(angle, seed):
    events = random_events(seed)
    turned = events.copy()
    for column in events.filter(regex="_phi$"):
        turned[column] = events[column] + angle
    pd.testing.assert_frame_equal(derive(turned), derive(events), atol=1e-6)


@pytest.mark.parametrize("part", ["phi", "eta"])
def test_a_mirrored_event_has_the_same_columns(part):
    events = random_events(2)
    mirrored = events.copy()
    for column in events.filter(regex=f"_{part}$"):
        mirrored[column] = -events[column]
    pd.testing.assert_frame_equal(derive(mirrored), derive(events), atol=1e-6)


def test_a_boost_along_the_beam_keeps_masses_and_separations():
    events, names = random_events(3), ["DER_mass_vis", "DER_mass_jet_jet"]
    names += ["DER_deltaeta_jet_jet", "DER_deltar_tau_lep", "DER_lep_eta_centrality"]
    boosted = events.copy()
    for column in events.filter(regex="_eta$"):
        boosted[column] = events[column] + 0.7
    pd.testing.assert_frame_equal(derive(boosted)[names], derive(events)[names])


def test_masses_and_lengths_by_hand():
    three, four = (
        Momentum.polar(pt, 0.0, phi) for pt, phi in ((3, 0), (4, math.pi / 2))
    )
    assert (three + four).pt == pytest.approx(5)
    assert (three + four).mass == pytest.approx(math.sqrt(24))  # 7^2 - 5^2
    assert (three + four).magnitude == pytest.approx(5)


def test_a_particle_with_a_mass_keeps_its_mass_and_direction():
    one = Momentum.polar(30.0, 1.2, -2.0, mass=5.0)
    assert [one.pt, one.eta, one.phi, one.mass] == pytest.approx([30.0, 1.2, -2.0, 5.0])


def test_missing_momentum_in_line_with_both_has_no_centrality():
    assert phi_centrality(np.array(0.5), np.array(0.5), np.array(0.5)) == 0
