"""The made-up sample: the real layout, and physics that holds together."""

import gzip

import numpy as np
import pandas as pd
import pytest

from competitions.higgs.decays import boosted, moving, split
from competitions.higgs.kinematics import Momentum, derive
from competitions.higgs.simulate import simulate, simulate_events
from competitions.higgs.spec import COMPETITION

UNSEEN_MASSES = ["DER_mass_vis", "DER_mass_jet_jet"]  # see kinematics.py


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, n_train=3000, n_test=1500, seed=4)
    return {
        path.name.split(".")[0]: pd.read_csv(path) for path in folder.glob("*.csv.gz")
    }


@pytest.fixture(scope="module")
def events():
    made = simulate_events(6000, np.random.default_rng(2))
    return made.replace(COMPETITION.missing[0], np.nan)


def test_the_files_have_the_columns_of_the_challenge(sample):
    inputs = ["EventId", *COMPETITION.features]
    assert list(sample["training"]) == [*inputs, "Weight", "Label"]
    assert list(sample["test"]) == inputs
    assert list(sample["random_submission"]) == ["EventId", "RankOrder", "Class"]
    assert list(sample["solution"]) == ["EventId", "Class", "Weight"]


def test_ids_go_on_from_train_to_test(sample):
    assert sample["training"]["EventId"].tolist() == list(range(100_000, 103_000))
    for name in ("test", "solution", "random_submission"):
        assert sample[name]["EventId"].tolist() == list(range(103_000, 104_500))


@pytest.mark.parametrize(
    ("name", "label"), [("training", "Label"), ("solution", "Class")]
)
def test_each_class_has_its_total_weight_in_both_parts(sample, name, label):
    totals = sample[name].groupby(label)["Weight"].sum()
    np.testing.assert_allclose(totals[["b", "s"]], COMPETITION.class_totals)
    assert (sample[name][label] == "s").mean() == pytest.approx(1 / 3, abs=0.001)


def test_the_sample_submission_ranks_all_test_rows(sample):
    ranks = sample["random_submission"]["RankOrder"]
    assert sorted(ranks) == list(range(1, 1501))


def test_one_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, n_train=300, n_test=100, seed=seed)
    a, b, c = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in "abc"
    )
    assert len(a) == 4
    assert a == b
    same = [name for name in a if a[name] == c[name]]
    assert same == ["random_submission.csv.gz"]  # has no more than ids


def test_numbers_have_three_decimals_and_no_negative_zero(tmp_path):
    simulate(tmp_path, n_train=300, n_test=100)
    cells = gzip.decompress((tmp_path / "test.csv.gz").read_bytes()).decode().split(",")
    numbers = [cell for cell in cells if "." in cell and "\n" not in cell]
    assert len(numbers) > 2000
    assert max(len(number.partition(".")[2]) for number in numbers) == 3
    assert "-0.0" not in numbers


def test_events_pass_the_cuts_of_the_challenge(events):
    assert events["PRI_lep_pt"].min() >= 26
    assert events["PRI_tau_pt"].min() >= 20
    assert events["PRI_jet_leading_pt"].min() >= 30
    assert events["PRI_jet_subleading_pt"].min() >= 30
    assert events[["PRI_tau_eta", "PRI_lep_eta"]].abs().max().max() <= 2.5
    assert events["PRI_jet_leading_eta"].abs().max() <= 4.5
    assert events.filter(regex="_phi$").abs().max().max() <= np.pi + 0.0005


def test_columns_are_missing_where_they_are_in_the_real_files(events):
    n_jets = events["PRI_jet_num"]
    assert sorted(n_jets.unique()) == [0, 1, 2, 3]
    of_pair = events.filter(regex="jet_jet|lep_eta_cent|subleading")
    assert of_pair.shape[1] == 7
    for column in of_pair:
        assert (events[column].isna() == (n_jets < 2)).all()
    for column in events.filter(regex="jet_leading"):
        assert (events[column].isna() == (n_jets < 1)).all()
    always = events.drop(columns=[*of_pair, *events.filter(regex="jet_leading")])
    assert always.columns[always.isna().any()].tolist() == ["DER_mass_MMC"]


def test_jets_are_sorted_and_summed(events):
    first, second = events["PRI_jet_leading_pt"], events["PRI_jet_subleading_pt"]
    assert (first >= second)[events["PRI_jet_num"] >= 2].all()
    two = events[events["PRI_jet_num"] <= 2]
    listed = two[["PRI_jet_leading_pt", "PRI_jet_subleading_pt"]].sum(axis=1)
    assert (two["PRI_jet_all_pt"] - listed).abs().max() < 0.0021
    three = events["PRI_jet_num"] == 3
    assert (events["PRI_jet_all_pt"] > first + second + 30)[three].all()


def test_derived_columns_follow_from_the_primary_ones(events):
    derived = derive(events)
    exact = derived.columns.difference(UNSEEN_MASSES)
    off = (derived[exact] - events[exact]).abs()
    assert off["DER_sum_pt"].max() < 0.003
    assert off["DER_pt_h"].quantile(0.99) < 0.05
    assert off["DER_met_phi_centrality"].quantile(0.99) < 0.05
    heavier = events[UNSEEN_MASSES] - derived[UNSEEN_MASSES]
    assert (heavier.median() > 0).all()


def test_signal_is_three_strata_of_weights_and_background_five(events):
    for label, n_strata in (("s", 3), ("b", 5)):
        weights = np.sort(events.loc[events["Label"] == label, "Weight"])
        assert (np.diff(np.log(weights)) > 0.2).sum() == n_strata - 1


@pytest.mark.parametrize("label", ["s", "b"])
def test_medians_are_near_those_of_real_events(events, higgs_folder, label):
    real = pd.read_csv(higgs_folder / "training.csv.gz").replace(-999.0, np.nan)
    columns = [c for c in COMPETITION.features if not c.endswith(("_eta", "_phi"))]
    real, made = (t.loc[t["Label"] == label, columns] for t in (real, events))
    spread = real.quantile(0.84) - real.quantile(0.16)
    assert ((made.median() - real.median()).abs() / spread).max() < 0.3


def test_a_decay_keeps_energy_and_momentum():
    rng = np.random.default_rng(1)
    parent = moving(*rng.normal(0, 50, (2, 100)), 172.5, 1.0, rng)
    one, other = split(parent, 80.4, 4.8, rng)
    np.testing.assert_allclose(parent.mass, 172.5)
    np.testing.assert_allclose(one.mass, 80.4)
    np.testing.assert_allclose(other.mass, 4.8, rtol=1e-6)
    np.testing.assert_allclose((one + other).energy, parent.energy)
    np.testing.assert_allclose((one + other).px, parent.px, atol=1e-9)


def test_a_decay_has_no_preferred_direction():
    rng = np.random.default_rng(1)
    at_rest = Momentum(*np.zeros((3, 20_000)), np.full(20_000, 10.0))
    one, _ = split(at_rest, 0.0, 0.0, rng)
    mean = np.array([one.px.mean(), one.py.mean(), one.pz.mean()]) / 5
    assert np.abs(mean).max() < 4 / np.sqrt(3 * 20_000)


def test_a_boost_by_hand():
    at_rest = Momentum(*(np.array([p]) for p in (0.0, 0.0, 0.0, 3.0)))
    frame = Momentum(*(np.array([p]) for p in (0.0, 0.0, 4.0, 5.0)))  # gamma = 5 / 3
    seen = boosted(at_rest, frame)
    assert [seen.pz[0], seen.energy[0]] == pytest.approx([4.0, 5.0])
