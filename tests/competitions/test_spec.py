"""The spec of the challenge, and its recipes."""

import pandas as pd
import pytest

from competitions.higgs.spec import COMPETITION, RECIPES


def test_the_features_are_the_columns_of_the_real_file(higgs_folder):
    test = pd.read_csv(higgs_folder / "test.csv.gz", nrows=1)
    assert tuple(test)[1:] == COMPETITION.features


def test_the_real_classes_have_the_totals_of_the_spec(higgs_folder):
    train = pd.read_csv(higgs_folder / "training.csv.gz")
    totals = train.groupby("Label")["Weight"].sum()
    expected = dict(zip(COMPETITION.classes, COMPETITION.class_totals, strict=True))
    assert totals.to_dict() == pytest.approx(expected)


def test_the_winning_recipe_is_a_bag_of_70_with_its_schedule():
    melis = RECIPES["melis"]
    assert melis.bag.n_members == 70
    assert melis.training.schedule.factor == pytest.approx(0.998**15)
    assert melis.training.optimizer.momentum == (0.5, 0.99)
    assert melis.training.emphasis.first_epoch == 60


def test_recipes_are_known_by_their_names_and_quick_is_the_default():
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    assert next(iter(RECIPES)) == "quick"
    assert set(RECIPES) >= {"smoke", "quick", "melis", "modern"}
