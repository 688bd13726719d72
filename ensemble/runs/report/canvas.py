"""Drawing that takes its colours from the page.

Matplotlib knows fixed colours, but a page has a light and a dark theme. So plots are
drawn in stand-in colours, and each stand-in is then replaced by a CSS variable of the
page: one SVG serves both themes, and the printer.
"""

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

# The page's style sheet gives every one of these names a colour in each theme.
INK = "#010101"
QUIET = "#010102"
HAIRLINE = "#010103"
PAPER = "#010104"
SIGNAL = "#010105"
BACKGROUND = "#010106"
CHOSEN = "#010107"
VARIABLES = {
    INK: "--ink",
    QUIET: "--quiet",
    HAIRLINE: "--hairline",
    PAPER: "--paper",
    SIGNAL: "--signal",
    BACKGROUND: "--background",
    CHOSEN: "--chosen",
}

WIDTH, HEIGHT = 480, 350  # in CSS pixels; the page scales a plot to its column
_DPI = 72  # makes matplotlib's points and the SVG's pixels the same

_STYLE: Any = {
    "axes.edgecolor": QUIET,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 12,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=[INK]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.dpi": _DPI,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout everywhere
    "font.size": 12,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "path.simplify_threshold": 0.2,
    "savefig.dpi": _DPI,
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "svg.hashsalt": "ensemble",  # the same plot twice has the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a '$' in a name is a '$'
    "xtick.color": QUIET,
    "xtick.direction": "in",
    "xtick.labelcolor": QUIET,
    "xtick.labelsize": 11.5,
    "ytick.color": QUIET,
    "ytick.direction": "in",
    "ytick.labelcolor": QUIET,
    "ytick.labelsize": 11.5,
}


def draw(
    plot: Callable[[Figure, dict[str, Any]], None],
    section: dict[str, Any],
    *,
    name: str,
    label: str,
    stamp: str = "",
    width: int = WIDTH,
    height: int = HEIGHT,
) -> str:
    """An `<svg>` element for inline use in a page.

    `name` keeps its ids apart from those of the page's other plots; `label` is what a
    screen reader says; `stamp` stands small in the corner, so that a plot on a slide
    still tells where it came from. Not for several threads: matplotlib's settings are
    global.
    """
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        size = (width / _DPI, height / _DPI)
        figure = Figure(figsize=size, layout="constrained")
        plot(figure, section)
        figure.text(3 / width, 4 / height, stamp, fontsize=9.5, color=QUIET)
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata)
    return _for_the_page(buffer.getvalue(), name, label)


def _for_the_page(svg: str, name: str, label: str) -> str:
    root = _without_namespaces(svg)
    for key in ("width", "height", "version"):
        root.attrib.pop(key)
    root.attrib |= {"role": "img", "aria-label": label, "class": "plot"}
    title = ElementTree.Element("title")
    title.text = label
    root.insert(0, title)
    _rename_ids(root, name)
    for element in root.iter():
        _polish(element.attrib)
        if element.tag != "text" and element.tag != "title":
            element.text = None
        element.tail = None
    return ElementTree.tostring(root, encoding="unicode")


def _without_namespaces(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        parent.tag = parent.tag.rpartition("}")[2]
        for key in [key for key in parent.attrib if "}" in key]:
            parent.set(key.rpartition("}")[2], parent.attrib.pop(key))
        for child in list(parent):
            if child.tag.endswith(("}style", "}metadata")):
                parent.remove(child)
    return root


def _rename_ids(root: ElementTree.Element, name: str) -> None:
    """Prefix the ids that something refers to, and drop the others."""
    text = ElementTree.tostring(root, encoding="unicode")
    new = {
        old: f"{name}-{count}"
        for count, old in enumerate(dict.fromkeys(re.findall(r"[\"(]#([\w.-]+)", text)))
    }
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in new:
            element.set("id", new[old])
        if "href" in element.attrib:
            element.set("href", "#" + new[element.attrib["href"][1:]])
        if "clip-path" in element.attrib:
            element.set("clip-path", f"url(#{new[element.attrib['clip-path'][5:-1]]})")


def _polish(attributes: dict[str, str]) -> None:
    """Variables for stand-in colours, the page's font, and two decimals."""
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for key in ("d", "x", "y", "width", "height", "transform"):
        if key in attributes:
            attributes[key] = _shorten(attributes[key])
    if "style" in attributes:
        style = re.sub(r"font-family: [^;]*;? ?", "", attributes["style"])
        for colour, variable in VARIABLES.items():
            style = style.replace(colour, f"var({variable})")
        attributes["style"] = style


def _shorten(numbers: str) -> str:
    numbers = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", numbers)
    return re.sub(r"\s+", " ", numbers).strip()
