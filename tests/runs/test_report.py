import dataclasses
import json
import re
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ensemble.bag.plan import plan_bag
from ensemble.data.examples import Examples
from ensemble.recipe import Bag, Recipe
from ensemble.runs.predictions import Predictions
from ensemble.runs.report.canvas import VARIABLES
from ensemble.runs.report.collect import collect, to_json
from ensemble.runs.report.render import FOLDER, render
from ensemble.spec import Competition
from ensemble.validation.metrics import ams
from ensemble.validation.rules import fit_top_fraction, select_top

N = 600
COMPETITION = Competition(
    name="toy",
    title="A toy",
    task="binary",
    metric="ams",
    id="Id",
    target="Label",
    classes=("b", "s"),
    weight="Weight",
    features=("x",),
    class_totals=(400.0, 20.0),
    weight_strata=(2, 1),
    submission={"Id": "id"},
)
RECIPE = Recipe(name="tiny", bag=Bag(n_splits=2, n_repeats=2))
DOCUMENT: dict[str, Any] = {
    "name": "0001-tiny",
    "data": {"source": "files", "simulated": False, "sha256": {"train.csv": "ab" * 32}},
    "environment": {
        "python": "3.11",
        "machine": "a machine",
        "commit": "c0ffee",
        "packages": {"numpy": "2.0"},
    },
    "result": {"wall_seconds": 75.0, "peak_memory_mib": 512.0},
    "groups": [{"members": [0, 1, 2, 3], "seconds": 70.0, "device": "cpu"}],
    "commands": ["ensemble run toy"],
    "members": {
        "0000": {
            "files": {"weights.safetensors": {"sha256": "cd" * 32, "n_bytes": 1234}},
            "record": {},
        }
    },
}


def examples() -> Examples:
    rng = np.random.default_rng(0)
    target = (rng.random(N) < 0.3).astype(np.int64)
    weight = np.where(target == 1, 0.1, np.where(rng.random(N) < 0.5, 1.0, 9.0))
    return Examples(
        ids=np.arange(N).astype(str).astype(object),
        features=pd.DataFrame({"x": rng.normal(target, 1)}),
        target=target,
        weight=weight,
        sha256="ab" * 32,
    )


def predictions(train: Examples) -> Predictions:
    """Four members of a 2-fold bag: the truth with noise."""
    rng = np.random.default_rng(1)
    members = plan_bag(n_splits=2, n_repeats=2, seed=0)
    oof_MNK = np.full((4, N, 1), np.nan, np.float32)
    for member in members:
        if member.fold == 0:
            first = rng.permutation(N) < N // 2
        rows = first if member.fold == 0 else ~first
        logit = 2 * train.target[rows] - 1.5 + rng.normal(size=rows.sum())
        oof_MNK[member.index, rows, 0] = 1 / (1 + np.exp(-logit))
    test_MTK = rng.random((4, 50, 1)).astype(np.float32)
    return Predictions(members=tuple(members), oof_MNK=oof_MNK, test_MTK=test_MTK)


def records() -> list[dict[str, Any]]:
    return [
        {
            "index": member.index,
            "repeat": member.repeat,
            "fold": member.fold,
            "seed": member.seed,
            "n_train": N // 2,
            "n_oof": N // 2,
            "seconds": 1.5,
            "train_loss": [0.7, 0.5, 0.4],
            "curve": {"epoch": [1, 3], "oof_loss": [0.7, 0.45]},
            "failed": None,
        }
        for member in plan_bag(n_splits=2, n_repeats=2, seed=0)
    ]


@cache
def fitted() -> Any:
    train = examples()
    return fit_top_fraction(
        predictions(train).mean_oof()[:, 0],
        train.target,
        train.weight,
        COMPETITION.class_totals,
        seed=0,
    )


def collected(**changes: Any) -> dict[str, Any]:
    train = examples()
    given = {
        "document": DOCUMENT,
        "competition": COMPETITION,
        "recipe": RECIPE,
        "train": train,
        "predictions": predictions(train),
        "rule": fitted(),
        "records": records(),
    }
    return collect(**(given | changes))


@cache
def page() -> str:
    return render(collected())


def test_the_same_figures_give_the_same_bytes():
    assert to_json(collected()) == to_json(collected())
    assert render(collected()) == page()


def test_the_page_can_be_made_from_the_json_alone():
    told = collected()
    assert json.loads(to_json(told)) == told
    assert render(json.loads(to_json(told))) == page()


def test_the_json_is_strict_even_where_a_loss_is_not_a_number():
    broken = records()
    broken[1]["train_loss"] = [0.7, float("nan"), float("inf")]
    broken[1]["seconds"] = float("nan")
    text = to_json(collected(records=broken))
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["learning"]["train"][1]["loss"] == [0.7, None, None]
    render(json.loads(text))


def test_the_scores_are_those_of_slow_and_obvious_code():
    train, rule = examples(), fitted()
    told = collected()
    score = predictions(train).mean_oof()[:, 0]
    positive = train.target == 1
    weight = np.where(
        positive,
        train.weight * 20 / train.weight[positive].sum(),
        train.weight * 400 / train.weight[~positive].sum(),
    )
    selected = select_top(score, rule.fraction)
    bag = told["score"]["bag"]
    assert bag["auc"] == pytest.approx(
        roc_auc_score(positive, score, sample_weight=weight), rel=1e-6
    )
    assert bag["metric"] == pytest.approx(ams(selected, positive, weight), rel=1e-6)
    classes = told["distributions"]["classes"]
    assert [one["name"] for one in classes] == ["background", "signal"]
    assert [sum(one["sum"]) for one in classes] == pytest.approx([400, 20], rel=1e-5)
    assert told["roc"]["chosen"][0] == pytest.approx(
        weight[selected & positive].sum() / 20, rel=1e-5
    )
    assert sum(line["selected_rows"] for line in told["strata"]) == selected.sum()


def test_what_was_chosen_on_the_rows_stands_beside_its_honest_value():
    rule = fitted()
    text = visible_text(page())
    assert "honest" in text
    assert f"{rule.honest:.3f}" in text
    assert f"{rule.value:.3f}" in text
    assert f"{rule.optimism:.3f}" in text


def test_a_cutoff_that_was_given_is_not_called_chosen():
    given = dataclasses.replace(
        fitted(), fitted=False, plateau=(0.15, 0.15), fraction=0.15
    )
    text = visible_text(render(collected(rule=given)))
    assert "the cutoff was given" in text
    assert "shaded plateau" not in text
    assert "optimistic" not in text


def test_repeats_are_scored_one_by_one():
    repeats = collected()["score"]["repeats"]["auc"]["values"]
    train = examples()
    oof_MN = predictions(train).oof_MNK[:, :, 0]
    first = np.where(np.isfinite(oof_MN[0]), oof_MN[0], oof_MN[1])
    totals = np.bincount(train.target, train.weight)
    weight = train.weight * np.array([400, 20])[train.target] / totals[train.target]
    expected = roc_auc_score(train.target, first, sample_weight=weight)
    assert len(repeats) == 2
    assert repeats[0] == pytest.approx(expected, rel=1e-6)


def test_a_bag_grows_from_single_members_to_the_whole():
    told = collected()
    growth, members = told["growth"], told["members"]
    assert growth["n_members"] == [1, 2, 3, 4]
    auc = growth["panels"][0]
    assert auc["alone"] == [member["auc"] for member in members]
    assert min(auc["alone"]) <= auc["bag"][0] <= max(auc["alone"])
    assert auc["bag"][-1] == told["score"]["bag"]["auc"]


def test_nothing_recorded_is_said_and_does_not_break_the_page():
    bare = [{"index": index} for index in range(4)]
    told = collected(document={}, records=bare)
    text = visible_text(render(told))
    assert told["resources"]["wall_seconds"] is None
    assert text.count("not recorded") > 10
    assert "None" not in text


def test_what_is_odd_about_the_data_is_told():
    train = dataclasses.replace(examples(), notes=("3 rows are equal",))
    assert "3 rows are equal" in visible_text(render(collected(train=train)))


def test_a_failed_member_is_listed_with_its_reason():
    failed = [*records(), {"index": 4, "failed": "the loss became NaN at epoch 3"}]
    text = visible_text(render(collected(records=failed)))
    assert "failed: the loss became NaN at epoch 3" in text
    assert "1 failed" in text


def test_rows_that_nobody_predicted_are_left_out():
    train = examples()
    some = predictions(train)
    one = dataclasses.replace(
        some,
        members=some.members[:1],
        oof_MNK=some.oof_MNK[:1],
        test_MTK=some.test_MTK[:1],
    )
    told = collected(predictions=one)
    assert told["score"]["rows_predicted"] == N // 2
    assert told["correlation"]["n_pairs"] == 0
    totals = [sum(c["sum"]) for c in told["distributions"]["classes"]]
    assert totals == pytest.approx([400, 20], rel=1e-5)
    assert "No two members" in render(told)


def test_without_weights_rows_are_counted():
    competition = COMPETITION.model_copy(
        update={"weight": None, "class_totals": None, "weight_strata": None}
    )
    train = dataclasses.replace(examples(), weight=None)
    told = collected(competition=competition, train=train)
    assert told["distributions"]["unit"] == "rows"
    sums = [sum(c["sum"]) for c in told["distributions"]["classes"]]
    assert sums == np.bincount(train.target).tolist()
    render(told)


def test_simulated_data_are_said_to_be_so_and_others_are_not():
    simulated = DOCUMENT | {"data": {"simulated": True}}
    made_up = render(collected(document=simulated))
    text = visible_text(made_up)
    assert text.startswith("SIMULATED")  # the title of the window
    assert "Simulated data." in text
    assert text.count("SIMULATED toy 0001-tiny") == made_up.count('role="img"')
    assert "simulated" not in visible_text(page()).lower()


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_markup_in_names_is_shown_and_not_obeyed():
    competition = COMPETITION.model_copy(
        update=dict.fromkeys(("name", "title", "target", "weight", "url"), HOSTILE)
        | {"classes": (HOSTILE, "</style><b>")}
    )
    recipe = RECIPE.model_copy(update={"name": HOSTILE, "about": HOSTILE})
    document = json.loads(
        json.dumps(DOCUMENT)
        .replace("0001-tiny", "<script>")
        .replace("a machine", "<script>")
        .replace("c0ffee", "<script>")
        .replace("weights.safetensors", "<script>")
        .replace("numpy", "<script>")
        .replace("train.csv", "<script>")
        .replace("ensemble run", "<script>")
    )
    failed = [*records(), {"index": 4, "failed": HOSTILE}]
    plain, hostile = (
        Elements.of(render(told))
        for told in (
            collected(records=failed),
            collected(
                competition=competition,
                recipe=recipe,
                document=document,
                records=failed,
            ),
        )
    )
    assert hostile.count("script") == plain.count("script") == 1
    assert hostile.count("style") == plain.count("style") == 1
    assert hostile.count("img") == hostile.count("b") - plain.count("b") == 0


def test_a_cell_is_no_formula_when_it_is_pasted():
    names = [f"{start}cmd()" for start in ("=", "+", "-", "@", "\t", "\r")]
    data = {"sha256": dict.fromkeys(names, "ab" * 32), "source": "=cmd()"}
    told = collected(document=DOCUMENT | {"data": data})
    cells = [c for c in Elements.of(render(told)).cells if "cmd()" in c]
    assert cells[0] == "'=cmd()"
    assert sorted(cells[1:]) == sorted(f"'{name}" for name in names)


def test_the_page_is_whole_and_loads_nothing():
    assert Elements.of(page()).open == []
    assert not re.search(r"""(src|href)=["'](?!#)""", page())
    assert not re.search(r"url\((?!#)", page())
    for address in ("@import", "http://", "https://"):
        assert address not in page()
    assert "default-src 'none'" in page()


def test_ids_are_unique_and_every_anchor_leads_somewhere():
    ids = re.findall(r'\bid="([^"]+)"', page())
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page())) <= set(ids)


@pytest.mark.parametrize("variable", sorted(VARIABLES.values()))
def test_every_colour_of_a_plot_has_a_light_and_a_dark_value(variable):
    style = (FOLDER / "style.css").read_text()
    colours = re.search(rf"{variable}: light-dark\((#\w{{6}}), (#\w{{6}})\);", style)
    assert colours is not None
    assert colours[1] != colours[2]


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("name", ["ink", "quiet", "signal", "background", "chosen"])
def test_what_is_drawn_stands_out_from_the_paper(theme, name):
    """Contrast of at least 4.5, as WCAG 2.1 asks of text."""
    style = (FOLDER / "style.css").read_text()
    colours = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)
    found = {variable: both for variable, *both in colours}
    lights = sorted(luminance(found[one][theme]) for one in (name, "paper"))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


def luminance(colour: str) -> float:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


VOID = {"meta", "link", "br", "img", "input", "hr"}


class Elements(HTMLParser):
    """The elements of a page in order, its text, and what was left open."""

    def __init__(self):
        super().__init__()
        self.names, self.open, self.texts, self.cells = [], [], [], []

    @classmethod
    def of(cls, page: str) -> "Elements":
        parser = cls()
        parser.feed(page)
        parser.close()
        return parser

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data

    def count(self, tag: str) -> int:
        return self.names.count(tag)


def visible_text(page: str) -> str:
    return "".join(Elements.of(page).texts).strip()
