"""Plots of the bag as a whole: each draws one section of the collected figures.

Axis titles stand at the far end of their axis and carry the unit, as in papers of the
field. Curves are named where they run, so that no legend has to be read.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ensemble.runs.report.axes import (
    floats,
    logarithmic,
    name_axes,
    note,
    power_of_ten,
)
from ensemble.runs.report.canvas import BACKGROUND, CHOSEN, INK, PAPER, QUIET, SIGNAL

Section = dict[str, Any]
Style = dict[str, Any]
_COLOURS = (BACKGROUND, SIGNAL)  # of the negative and the positive class


def plot_cutoff(figure: Figure, cutoff: Section) -> None:
    """The metric against the share of rows called positive."""
    axes = figure.subplots()
    x = 100 * np.asarray(cutoff["fractions"])
    smoothed = floats(cutoff["smoothed"])
    low, high = floats(cutoff["low"]), floats(cutoff["high"])
    lo, hi = (100 * edge for edge in cutoff["plateau"])
    axes.axvspan(lo, hi, color=CHOSEN, alpha=0.12, lw=0)
    axes.fill_between(x, low, high, color=INK, alpha=0.14, lw=0)
    axes.plot(x, floats(cutoff["values"]), color=QUIET, lw=0.8, alpha=0.8)
    axes.plot(x, smoothed, color=INK, lw=2)
    fraction, value = 100 * cutoff["fraction"], cutoff["value"]
    axes.plot(fraction, value, "o", ms=8, color=CHOSEN, mec=PAPER, mew=1.5, zorder=5)
    end = _interesting_end(x, smoothed, hi)
    top = float(np.nanmax(high[x <= end], initial=value))
    axes.set(xlim=(0, end), ylim=(0.45 * value, top + 0.16 * value))
    axes.plot([fraction, fraction], [value, top + 0.05 * value], color=CHOSEN, lw=0.8)
    text = f"top {fraction:.1f} %: {value:.2f}" + cutoff["fitted"] * " in sample"
    style: Style = {"va": "bottom", "weight": "bold"}
    side = "left" if fraction < end / 3 else "center"
    note(axes, text, (fraction, top), CHOSEN, ha=side, dy=12, **style)
    if cutoff["fitted"]:
        place = ((lo + hi) / 2, 0.45 * value)
        note(axes, "plateau", place, CHOSEN, ha="center", dy=5)
    if cutoff["fitted"] and cutoff["honest"] is not None:
        axes.axhline(cutoff["honest"], color=SIGNAL, lw=1.3, ls=(0, (5, 3)))
        text = f"honest: {cutoff['honest']:.2f}"
        note(axes, text, (end, cutoff["honest"]), SIGNAL, ha="right", dy=5, **style)
    name_axes(axes, f"rows called {cutoff['positive']} / %", cutoff["axis"])


def plot_distributions(figure: Figure, scores: Section) -> None:
    """Both classes along the score, and the share of the positive one below."""
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [2.6, 1]}
    )
    edges = floats(scores["edges"])
    heights = [floats(one["sum"]) for one in scores["classes"]]
    for one, height, colour in zip(scores["classes"], heights, _COLOURS, strict=True):
        _histogram(upper, edges, height, floats(one["error"]), colour)
        _name_histogram(upper, edges, height, one, colour)
    logarithmic(upper, np.concatenate(heights), below=0.4, above=8)
    _plot_share(lower, edges, *heights)
    for axes in (upper, lower):
        axes.set_xlim(edges[0], edges[-1])
        if scores["threshold"] is not None:
            axes.axvline(scores["threshold"], color=CHOSEN, lw=1.2)
            axes.axvspan(scores["threshold"], edges[-1], color=CHOSEN, alpha=0.08, lw=0)
    if scores["threshold"] is not None:
        place = (scores["threshold"], upper.get_ylim()[1])
        note(upper, "selected →", place, CHOSEN, ha="right", va="top", dx=-4, dy=-2)
    name = scores["classes"][-1]["name"]
    name_axes(upper, "", f"{scores['unit']} / {edges[1] - edges[0]:.3g}")
    name_axes(lower, f"mean predicted probability of {name}", f"share of {name}")


def plot_roc(figure: Figure, roc: Section) -> None:
    """Background rejection against signal efficiency; inset: the usual ROC curve."""
    axes = figure.subplots()
    negative, positive = roc["classes"]
    efficiency, passed = floats(roc["positive"]), floats(roc["negative"])
    kept = passed > 0
    axes.plot(efficiency[kept], 1 / passed[kept], color=INK)
    guess = np.linspace(0.001, 1, 200)
    axes.plot(guess, 1 / guess, color=QUIET, lw=0.9, ls=(0, (1, 2)))
    axes.set_yscale("log")
    few = kept & (efficiency >= 0.02)  # with fewer the rejection is noise
    top = 3 * float((1 / passed[few]).max(initial=30.0))
    axes.set(xlim=(0, 1), ylim=(1, top))
    axes.yaxis.set_major_formatter(FuncFormatter(power_of_ten))
    name_axes(axes, f"{positive} efficiency", f"{negative} rejection, 1 / efficiency")
    inset = axes.inset_axes((0.60, 0.56, 0.38, 0.42))
    inset.plot(passed, efficiency, color=INK, lw=1.3)
    inset.plot([0, 1], [0, 1], color=QUIET, lw=0.9, ls=(0, (1, 2)))
    inset.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[0, 1])
    inset.text(0.68, 0.30, "AUC", color=QUIET, ha="center", fontsize=11)
    inset.text(0.68, 0.10, _digits(roc["auc"], 4), ha="center", weight="bold")
    x, y = roc["chosen"]
    if x is not None and y:
        inset.plot(y, x, "o", ms=5, color=CHOSEN, mec=PAPER, mew=1, zorder=5)
        axes.plot(x, 1 / y, "o", ms=7, color=CHOSEN, mec=PAPER, mew=1.2, zorder=5)
        text = f"selected: {x:.0%} of {positive},\n{y:.2%} of {negative}"
        side, dx, dy = ("right", -8, -6) if x > 0.45 else ("center", 0, -26)
        note(axes, text, (x, 1 / y), CHOSEN, ha=side, va="top", dx=dx, dy=dy)


def plot_calibration(figure: Figure, calibration: Section) -> None:
    """Observed share of signal against the predicted one; below, the difference."""
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [2.4, 1]}
    )
    bins = calibration["bins"]
    predicted = floats([b["predicted"] for b in bins])
    observed = floats([b["observed"] for b in bins])
    error = floats([b["error"] for b in bins])
    upper.plot([0, 1], [0, 1], color=QUIET, lw=0.9, ls=(0, (1, 2)))
    lower.axhline(0, color=QUIET, lw=0.9, ls=(0, (1, 2)))
    for axes, y in ((upper, observed), (lower, observed - predicted)):
        axes.errorbar(
            predicted, y, yerr=error, fmt="o", ms=4.5, color=INK, elinewidth=1
        )
    upper.set(xlim=(0, 1), ylim=(0, 1))
    reach = 1.15 * np.nanmax(np.abs(observed - predicted) + np.nan_to_num(error))
    lower.set_ylim(-max(reach, 0.01), max(reach, 0.01))
    lower.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    name = calibration["positive"]
    note(upper, f"more {name} than predicted", (0.03, 0.93), QUIET, va="top")
    note(upper, f"less {name} than predicted", (0.97, 0.05), QUIET, ha="right")
    name_axes(upper, "", f"observed share of {name}")
    name_axes(
        lower,
        f"predicted probability of {name}",
        "observed − predicted",  # noqa: RUF001 - a minus sign
    )


def _histogram(
    axes: Axes, edges: np.ndarray, height: np.ndarray, error: np.ndarray, colour: str
) -> None:
    axes.stairs(height, edges, fill=True, color=colour, alpha=0.16, lw=0)
    axes.stairs(height, edges, color=colour, lw=1.6)
    middle, some = (edges[1:] + edges[:-1]) / 2, height > 0
    down = np.minimum(error, 0.999 * height)  # a logarithmic axis has no zero
    axes.errorbar(
        middle[some],
        height[some],
        yerr=[down[some], error[some]],
        fmt="none",
        ecolor=colour,
        elinewidth=1,
    )


def _name_histogram(
    axes: Axes, edges: np.ndarray, height: np.ndarray, one: Section, colour: str
) -> None:
    """The class's name above its bins, left of the middle."""
    at = len(height) // 3
    place = (edges[at], max(height[at - 8 : at + 9].max(), 1e-9))
    text = f"{one['name']}, {_grouped(one['total'])}"
    note(axes, text, place, colour, ha="center", va="bottom", dy=6, weight="bold")


def _plot_share(
    axes: Axes, edges: np.ndarray, negative: np.ndarray, positive: np.ndarray
) -> None:
    total = positive + negative
    share = np.divide(positive, total, out=np.zeros_like(total), where=total > 0)
    axes.stairs(share, edges, color=INK, lw=1.4)
    logarithmic(axes, share, below=0.5, above=2)


def _interesting_end(x: np.ndarray, smoothed: np.ndarray, plateau_end: float) -> float:
    """Where the curve has fallen well below its height for good, in percent."""
    high = np.flatnonzero(smoothed > 0.6 * np.nanmax(smoothed))
    fallen = x[high[-1]] if len(high) else x[-1]
    return float(min(x[-1], max(fallen, 1.5 * plateau_end)))


def _digits(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
