import re
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from ensemble.runs.report.canvas import SIGNAL, VARIABLES, draw


def bars(figure: Figure, section: dict[str, Any]) -> None:
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1.23456789, 3, 2], "o-", color=SIGNAL)
    axes.set_xlabel(section["name"])


def test_the_same_plot_twice_has_the_same_bytes():
    first, second = (draw(bars, {"name": "x"}, name="a", label="b") for _ in range(2))
    assert first == second


def test_no_stand_in_colour_is_left_and_each_is_a_variable():
    svg = draw(bars, {"name": "x"}, name="a", label="b")
    assert not re.search(r"#0101\d\d", svg)
    assert "stroke: var(--signal)" in svg
    assert set(re.findall(r"var\((--\w+)\)", svg)) <= set(VARIABLES.values())


def test_a_plot_loads_nothing_and_names_no_other_place():
    svg = draw(bars, {"name": "x"}, name="a", label="b")
    assert "http" not in svg
    assert "<?xml" not in svg
    assert "<image" not in svg


def test_ids_of_two_plots_do_not_meet():
    one, two = (draw(bars, {"name": "x"}, name=n, label="b") for n in ("one", "two"))
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, known in zip((one, two), ids, strict=True):
        assert set(re.findall(r'[("]#([^")]+)', svg)) == known


def test_a_plot_can_be_read_aloud():
    svg = draw(bars, {"name": "x"}, name="a", label='more "than" <one>')
    assert 'role="img"' in svg
    assert '<title>more "than" &lt;one&gt;</title>' in svg


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$\\frac{1}{", "a & b"])
def test_a_name_is_text_and_neither_markup_nor_mathematics(name):
    svg = draw(bars, {"name": name}, name="a", label=name, stamp=name)
    assert "<script" not in svg

    class Texts(HTMLParser):
        found: list[str] = []  # noqa: RUF012 - of this one parser

        def handle_data(self, data: str) -> None:
            self.found.append(data)

    parser = Texts()
    parser.feed(svg)
    assert parser.found.count(name) == 3  # the title, the axis and the stamp


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    draw(bars, {"name": "x"}, name="a", label="b")
    assert dict(mpl.rcParams) == before
