import copy

import pytest

from ensemble.recipe import Recipe
from ensemble.runs.difference import is_growth, run_difference
from ensemble.runs.document import plain
from tests.runs.samples import COMPETITION


def document() -> dict:
    return {
        "competition": COMPETITION.model_dump(),
        "recipe": Recipe(name="quick").model_dump(),
        "data": {"folder": "a", "sha256": {"train.csv": "0" * 64}, "simulated": False},
        "code_sha256": "1" * 64,
    }


def changed(path: str, value) -> dict:
    other = document()
    *above, last = path.split(".")
    section = other
    for key in above:
        section = section[key]
    section[last] = value
    return other


def test_equal_documents_do_not_differ_whether_read_or_made():
    assert run_difference(plain(document()), document()) == []
    assert not is_growth(document(), document())


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("recipe.training.epochs", 60, "recipe.training.epochs: 30 there, 60 here"),
        ("recipe.network.hidden", (600, 600), "recipe.network.hidden: 3 values there"),
        ("competition.weight", None, 'competition.weight: "Weight" there, null here'),
        (
            "competition.features",
            ("y",),
            'competition.features[0]: "x" there, "y" here',
        ),
        (
            "data.sha256",
            {},
            f'data.sha256.train.csv: "{"0" * 56}... there, absent here',
        ),
        ("code_sha256", "2" * 64, "code_sha256: "),
        ("data.simulated", True, "data.simulated: false there, true here"),
        ("recipe.training.optimizer.learning_rate", 0.5, "learning_rate: 0.001 there"),
    ],
)
def test_what_differs_is_said_in_words(path, value, line):
    (found,) = run_difference(document(), changed(path, value))
    assert line in found or "[600, 600, 600] there, [600, 600] here" in found
    assert not is_growth(document(), changed(path, value))


def test_the_same_data_in_another_folder_are_the_same():
    assert run_difference(document(), changed("data.folder", "b")) == []


def test_more_repeats_are_growth_and_fewer_are_not():
    more = changed("recipe.bag.n_repeats", 35)
    assert is_growth(document(), more)
    assert not is_growth(more, document())
    assert run_difference(document(), more) == [
        "recipe.bag.n_repeats: 4 there, 35 here"
    ]
    both = copy.deepcopy(more)
    both["recipe"]["training"]["epochs"] = 60
    assert not is_growth(document(), both)


def test_one_is_one_however_it_is_written_but_not_true():
    at = "recipe.training.optimizer.learning_rate"
    assert run_difference(changed(at, 1), changed(at, 1.0)) == []
    assert len(run_difference(changed(at, 1), changed(at, True))) == 1
