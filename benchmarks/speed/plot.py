"""The results as pictures: bars of every contestant, and lines of growth."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, OURS_BF16, PEER = "#c2410c", "#f59e0b", "#94a3b8"
INK, FAINT = "#1e293b", "#64748b"
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "ensemble",  # the same picture is the same file
}


def plot_speed(document: dict[str, Any], path: Path) -> None:
    """A panel a case: member-samples a second, and how many times plain PyTorch."""
    cases = document["cases"]
    heights = [1 + len(_shown(case)) for case in cases]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.5, 0.24 * sum(heights) + 0.3 * len(cases) + 0.6))
        grid = figure.subplots(
            len(cases), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for axes, case in zip(grid[:, 0], cases, strict=True):
            _bars(axes, case)
        figure.suptitle(
            "Member-samples a second, and how many times plain PyTorch",
            x=0.01,
            ha="left",
            fontweight="bold",
        )
        n = document["repetitions"]
        said = f"medians of {n}, from least to greatest; * is other work: see the table"
        _foot(figure, document, said)
        _save(figure, path)


def plot_growth(document: dict[str, Any], path: Path) -> None:
    """Time against members, rows and width, with the line of least squares."""
    sweeps = document["growth"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.1))
        for axes, sweep in zip(figure.subplots(1, len(sweeps)), sweeps, strict=True):
            _line(axes, sweep)
        figure.suptitle(
            "How the time of a bag grows", x=0.01, ha="left", fontweight="bold"
        )
        n = len(sweeps[0]["seconds"][0])
        _foot(figure, document, f"medians of {n} whole calls, line of least squares")
        _save(figure, path)


def _bars(axes: Axes, case: dict[str, Any]) -> None:
    shown = _shown(case)
    places = range(len(shown), 0, -1)
    medians = [one["median"] for one in shown]
    spread = (
        [one["median"] - one["min"] for one in shown],
        [one["max"] - one["median"] for one in shown],
    )
    axes.barh(places, medians, color=[_colour(one) for one in shown], height=0.72)
    axes.errorbar(
        medians, places, xerr=spread, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2
    )
    for place, one in zip(places, shown, strict=True):
        ratio = f"  {one['ratio']:.1f} x" if "ratio" in one else ""
        axes.annotate(
            f"{one['median']:,.0f}{ratio}",
            (one["max"], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold" if one["peer"] == "bag" else "normal",
        )
    axes.set_yticks(places, [_label(one) for one in shown], fontsize=8)
    axes.set_xlim(0, 1.22 * max(one["max"] for one in shown))
    axes.set_title(f"{case['name']}:  {case['describe']}", loc="left", fontsize=8.5)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines[["bottom", "left"]].set_visible(False)


def _line(axes: Axes, sweep: dict[str, Any]) -> None:
    for x, seconds in zip(sweep["x"], sweep["seconds"], strict=True):
        axes.plot([x] * len(seconds), seconds, ".", color=PEER, markersize=4)
    fit = sweep["fit"]
    ends = [0, max(sweep["x"])]
    axes.plot(ends, [fit["intercept"] + fit["slope"] * x for x in ends], color=OURS)
    axes.plot(sweep["x"], sweep["median"], "o", color=OURS, markersize=4)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(sweep["unit"])
    axes.set_ylabel("seconds")
    title = f"{sweep['name']}, {sweep['labels'][0]} to {sweep['labels'][-1]}"
    axes.set_title(f"{title}\n$R^2$ = {fit['r2']:.4f}", loc="left", fontsize=9)


def _shown(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The contestants that were measured, the fastest first."""
    measured = [result for result in case["results"] if not result["failed"]]
    return sorted(measured, key=lambda result: -result["median"])


def _label(result: dict[str, Any]) -> str:
    mark = " *" if result["differs"] else ""
    return f"{result['contestant']}{mark}"


def _colour(result: dict[str, Any]) -> str:
    if result["peer"] != "bag":
        return PEER
    return OURS if result["setup"]["precision"] == "float32" else OURS_BF16


def _foot(figure: Figure, document: dict[str, Any], said: str) -> None:
    commit = (document["commit"] or "?")[:9]
    text = f"{document['date']}, {document['machine']}, commit {commit}; {said}"
    figure.text(0.01, 0.0, text, fontsize=6.5, color=FAINT, va="bottom")


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout(rect=(0, 0.02, 1, 0.99))
    figure.savefig(path, dpi=150, facecolor="white", metadata=_undated(path))


def _undated(path: Path) -> dict[str, Any]:
    return {"Date": None} if path.suffix == ".svg" else {}
