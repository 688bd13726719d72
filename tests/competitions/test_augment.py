"""Views of an event: what must change in them, and what must not."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from competitions.higgs.augment import augment, views
from competitions.higgs.features import momenta
from competitions.higgs.kinematics import Event, Momentum, derive, derive_columns
from tests.competitions.test_kinematics import random_events

unit = st.floats(0, 1, exclude_max=True)
NAMES = ("tau", "lep", "met", "jet1", "jet2")


def events():
    raw = random_events(5)
    more = {"DER_mass_MMC": 90.0, "PRI_met_sumet": 200.0, "PRI_jet_num": 1.0}
    return raw.join(derive(raw)).assign(**more)


def seen_in(view, inputs):
    x = torch.tensor(inputs.to_numpy())
    uniform = torch.tensor(view, dtype=torch.float64).expand(len(x), 3)
    seen = augment(x, list(inputs), uniform)
    return pd.DataFrame(seen.numpy(), columns=inputs.columns)


def derived_from(inputs, jet_all_pt):
    """The DER_* columns computed anew from the momenta among the inputs."""
    inputs = inputs.assign(met_pz=0.0)
    parts = {
        name: [inputs[f"{name}_{part}"].to_numpy() for part in ("px", "py", "pz")]
        for name in NAMES
    }
    massless = {
        name: Momentum(*p, energy=np.sqrt(sum(q**2 for q in p)))
        for name, p in parts.items()
    }
    return derive_columns(Event(**massless), jet_all_pt.to_numpy())


@settings(max_examples=30, deadline=None)
@given(view=st.tuples(unit, unit, unit))
def test_what_is_computed_from_a_view_is_what_was_measured(view):
    raw = events()
    derived = derived_from(seen_in(view, momenta(raw)), raw["PRI_jet_all_pt"])
    pd.testing.assert_frame_equal(derived, derive(raw), atol=1e-5)


def test_half_a_turn_negates_what_is_across_the_beam():
    inputs = momenta(events())
    seen = seen_in((0.0, 0.9, 0.9), inputs)
    across = [name for name in inputs if name.endswith(("_px", "_py"))]
    assert len(across) == 10
    pd.testing.assert_frame_equal(seen[across], -inputs[across])
    pd.testing.assert_frame_equal(
        seen.drop(columns=across), inputs.drop(columns=across)
    )


@pytest.mark.parametrize(
    ("view", "ends"), [((0.5, 0.2, 0.9), "_py"), ((0.5, 0.9, 0.2), ("_pz", "_eta"))]
)
def test_a_mirror_negates_one_direction_only(view, ends):
    inputs = momenta(events()).join(events().filter(regex="_eta$"))
    seen = seen_in(view, inputs)
    flipped = [name for name in inputs if name.endswith(ends)]
    assert len(flipped) == (5 if ends == "_py" else 8)
    pd.testing.assert_frame_equal(seen[flipped], -inputs[flipped])
    pd.testing.assert_frame_equal(
        seen.drop(columns=flipped), inputs.drop(columns=flipped)
    )


def test_rows_of_any_shape_turn_as_they_would_alone():
    columns = ["lep_px", "lep_py", "lep_pz", "DER_mass_vis"]
    x, uniform = torch.randn(2, 3, 4), torch.rand(2, 3, 3)
    alone = [
        augment(x[m, n], columns, uniform[m, n]) for m in range(2) for n in range(3)
    ]
    torch.testing.assert_close(
        augment(x, columns, uniform), torch.stack(alone).reshape(2, 3, 4)
    )


def test_the_numbers_cover_the_whole_turn_evenly():
    uniform = torch.rand(4000, 3, generator=torch.Generator().manual_seed(1))
    x = torch.tensor([1.0, 0.0]).expand(4000, 2)
    seen = augment(x, ["lep_px", "lep_py"], uniform)
    sectors = torch.histc(torch.atan2(seen[:, 1], seen[:, 0]), 8, -math.pi, math.pi)
    assert (sectors - 500).abs().max() < 5 * math.sqrt(500)


def test_views_are_different_and_the_first_is_the_event_itself():
    inputs = momenta(events())
    seen = [seen_in(view, inputs) for view in views(8)]
    pd.testing.assert_frame_equal(seen[0], inputs)
    mixed = np.stack([table["lep_px"] + 2 * table["lep_pz"] for table in seen])
    assert len(np.unique(mixed[:, 0].round(6))) == 8
    np.testing.assert_allclose(sum(t["lep_py"] for t in seen), 0, atol=1e-9)
    np.testing.assert_allclose(sum(t["lep_pz"] for t in seen), 0, atol=1e-9)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"2 names and numbers of shape \(5, 2\)"):
        augment(torch.zeros(5, 2), ["a_px", "a_py"], torch.zeros(5, 2))
