"""The plots of a report: each draws one section of the collected figures.

Axis titles stand at the far end of their axis and carry the unit, as in papers of the
field. Curves are named where they run, so that no legend has to be read.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ensemble.runs.report.canvas import (
    BACKGROUND,
    CHOSEN,
    INK,
    PAPER,
    QUIET,
    SIGNAL,
)

Section = dict[str, Any]
N_SHADES = 10


def plot_cutoff(figure: Figure, cutoff: Section) -> None:
    """The metric against the share of rows called positive."""
    axes = figure.subplots()
    x = 100 * np.asarray(cutoff["fractions"])
    smoothed = _floats(cutoff["smoothed"])
    low, high = _floats(cutoff["low"]), _floats(cutoff["high"])
    lo, hi = (100 * edge for edge in cutoff["plateau"])
    axes.axvspan(lo, hi, color=CHOSEN, alpha=0.12, lw=0)
    axes.fill_between(x, low, high, color=INK, alpha=0.14, lw=0)
    axes.plot(x, _floats(cutoff["values"]), color=QUIET, lw=0.8, alpha=0.8)
    axes.plot(x, smoothed, color=INK, lw=2)
    fraction, value = 100 * cutoff["fraction"], cutoff["value"]
    axes.plot(fraction, value, "o", ms=8, color=CHOSEN, mec=PAPER, mew=1.5, zorder=5)
    end = _interesting_end(x, smoothed, hi)
    top = float(np.nanmax(high[x <= end], initial=value))
    axes.set(xlim=(0, end), ylim=(0.45 * value, top + 0.16 * value))
    text = f"top {fraction:.1f} %: {value:.2f} in sample"
    style = {"va": "bottom", "weight": "bold"}
    side = "left" if fraction < end / 3 else "center"
    _note(axes, text, (fraction, top), CHOSEN, ha=side, dy=12, **style)
    axes.plot([fraction, fraction], [value, top + 0.05 * value], color=CHOSEN, lw=0.8)
    _note(axes, "plateau", ((lo + hi) / 2, 0.45 * value), CHOSEN, ha="center", dy=5)
    if cutoff["honest"] is not None:
        axes.axhline(cutoff["honest"], color=SIGNAL, lw=1.3, ls=(0, (5, 3)))
        text = f"honest: {cutoff['honest']:.2f}"
        place = (end, cutoff["honest"])
        _note(axes, text, place, SIGNAL, ha="right", dy=5, **style)
    _titles(axes, f"rows called {cutoff['positive']} / %", cutoff["axis"])


def plot_distributions(figure: Figure, scores: Section) -> None:
    """Both classes along the score, and the share of the positive one below."""
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [2.6, 1]}
    )
    edges = _floats(scores["edges"])
    heights = [_floats(one["sum"]) for one in scores["classes"]]
    for one, height, colour in zip(scores["classes"], heights, _COLOURS, strict=True):
        _histogram(upper, edges, height, _floats(one["error"]), colour)
        _name_histogram(upper, edges, height, one, colour)
    _logarithmic(upper, np.concatenate(heights), below=0.4, above=8)
    _plot_share(lower, edges, *heights)
    for axes in (upper, lower):
        axes.set_xlim(edges[0], edges[-1])
        if scores["threshold"] is not None:
            axes.axvline(scores["threshold"], color=CHOSEN, lw=1.2)
            axes.axvspan(scores["threshold"], edges[-1], color=CHOSEN, alpha=0.08, lw=0)
    if scores["threshold"] is not None:
        place = (scores["threshold"], upper.get_ylim()[1])
        _note(upper, "selected →", place, CHOSEN, ha="right", va="top", dx=-4, dy=-2)
    name = scores["classes"][-1]["name"]
    _titles(upper, "", f"{scores['unit']} / {edges[1] - edges[0]:.3g}")
    _titles(lower, f"mean predicted probability of {name}", f"share of {name}")


def plot_roc(figure: Figure, roc: Section) -> None:
    """Background rejection against signal efficiency; inset: the usual ROC curve."""
    axes = figure.subplots()
    negative, positive = roc["classes"]
    efficiency, passed = _floats(roc["positive"]), _floats(roc["negative"])
    kept = passed > 0
    axes.plot(efficiency[kept], 1 / passed[kept], color=INK)
    guess = np.linspace(0.001, 1, 200)
    axes.plot(guess, 1 / guess, color=QUIET, lw=0.9, ls=(0, (1, 2)))
    axes.set_yscale("log")
    few = kept & (efficiency >= 0.02)  # with fewer the rejection is noise
    top = 3 * float((1 / passed[few]).max(initial=30.0))
    axes.set(xlim=(0, 1), ylim=(1, top))
    axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    _titles(axes, f"{positive} efficiency", f"{negative} rejection, 1 / efficiency")
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
        _note(axes, text, (x, 1 / y), CHOSEN, ha="right", va="top", dx=-8, dy=-6)


def plot_calibration(figure: Figure, calibration: Section) -> None:
    """Observed share of signal against the predicted one; below, the difference."""
    upper, lower = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [2.4, 1]}
    )
    bins = calibration["bins"]
    predicted = _floats([b["predicted"] for b in bins])
    observed = _floats([b["observed"] for b in bins])
    error = _floats([b["error"] for b in bins])
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
    _note(upper, f"more {name} than predicted", (0.03, 0.93), QUIET, va="top")
    _note(upper, f"less {name} than predicted", (0.97, 0.05), QUIET, ha="right")
    _titles(upper, "", f"observed share of {name}")
    _titles(
        lower,
        f"predicted probability of {name}",
        "observed − predicted",  # noqa: RUF001 - a minus sign
    )


def plot_growth(figure: Figure, growth: Section) -> None:
    """Scores of the mean over the first members; dots: each member alone."""
    panels, n_members = growth["panels"], np.asarray(growth["n_members"])
    column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(column, panels, strict=True):
        alone, bag = _floats(panel["alone"]), _floats(panel["bag"])
        members = 1 + np.arange(len(alone))
        axes.plot(members, alone, "o", ms=4.5, mew=0, color=QUIET, alpha=0.75)
        axes.plot(n_members, bag, "o-", ms=3.5, color=SIGNAL)
        axes.margins(x=0.03, y=0.22)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        _titles(axes, "", panel["name"])
    column[0].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    column[-1].set_xlabel("number of members", loc="right")
    style = {"xycoords": "axes fraction", "va": "bottom"}
    _note(column[0], "mean of the first n", (1, 1), SIGNAL, ha="right", dy=4, **style)
    _note(column[0], "● each alone", (0.66, 1), QUIET, ha="right", dx=-2, dy=4, **style)


def plot_learning(figure: Figure, learning: Section) -> None:
    """Loss by epoch, every member faint and their mean strong."""
    axes = figure.subplots()
    seen: list[float] = []
    for key, colour, text in (
        ("train", BACKGROUND, "training rows"),
        ("oof", SIGNAL, "out-of-fold rows"),
    ):
        curves = [c for c in learning[key] if c["loss"] and None not in c["loss"]]
        for curve in curves:
            axes.plot(*_thin(curve), color=colour, lw=0.7, alpha=0.3)
        if curves:
            epoch, mean = _thin(_mean_curve(curves))
            axes.plot(epoch, mean, color=colour, lw=2.2)
            dy, va = (-6, "top") if key == "train" else (6, "bottom")
            _note(axes, text, (epoch[-1], mean[-1]), colour, ha="right", va=va, dy=dy)
            seen += mean[len(mean) // 20 :]
    if not seen:
        style = {"xycoords": "axes fraction", "ha": "center", "style": "italic"}
        _note(axes, "not recorded", (0.5, 0.5), QUIET, **style)
    else:
        span = max(seen) - min(seen)
        axes.set_ylim(min(seen) - 0.25 * span - 1e-3, max(seen) + 0.15 * span + 1e-3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _titles(axes, "epoch", learning["loss"])


def plot_correlation(figure: Figure, correlation: Section) -> None:
    """Each pair of members shaded; the histogram of the pairs is the legend."""
    axes, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2.1, 1]})
    matrix = np.array([_floats(row) for row in correlation["matrix"]])
    row, column = np.tril_indices(len(matrix), -1)
    value = matrix[row, column]
    known = np.isfinite(value)
    low, high = correlation["scale"]
    edges = np.linspace(low, high, N_SHADES + 1)
    shade = np.digitize(value, edges[1:-1])
    count, _ = np.histogram(value[known], edges)
    for level in range(N_SHADES):
        opacity = (level + 1) / N_SHADES
        inside = known & (shade == level)
        _fill_cells(axes, column[inside], row[inside], opacity)
        right.stairs(
            count[level : level + 1],
            edges[level : level + 2],
            orientation="horizontal",
            fill=True,
            color=BACKGROUND,
            alpha=opacity,
        )
    axes.plot(column[~known], row[~known], ".", ms=2, color=QUIET)
    M = len(matrix)
    axes.set(xlim=(-0.6, M - 0.4), ylim=(M - 0.4, -0.6), aspect="equal", anchor="W")
    for one in (axes.xaxis, axes.yaxis):
        one.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(False)
    right.grid(False)
    right.set(ylim=(low, high))
    right.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    right.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _titles(axes, "member", "member")
    _titles(right, "pairs", "correlation")


_COLOURS = (BACKGROUND, SIGNAL)  # of the negative and the positive class


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
    _note(axes, text, place, colour, ha="center", va="bottom", dy=6, weight="bold")


def _plot_share(
    axes: Axes, edges: np.ndarray, negative: np.ndarray, positive: np.ndarray
) -> None:
    total = positive + negative
    share = np.divide(positive, total, out=np.zeros_like(total), where=total > 0)
    axes.stairs(share, edges, color=INK, lw=1.4)
    _logarithmic(axes, share, below=0.5, above=2)


def _logarithmic(axes: Axes, values: np.ndarray, below: float, above: float) -> None:
    """A logarithmic axis that holds all values above zero, labelled in tens."""
    values = values[values > 0]
    axes.set_yscale("log")
    axes.set_ylim(below * values.min(initial=1), above * values.max(initial=1e-9))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _fill_cells(
    axes: Axes, column: np.ndarray, row: np.ndarray, opacity: float
) -> None:
    """One path for all cells of a shade: a bag of 70 has 2,415 pairs."""
    if not len(row):
        return
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (0, 0)])
    vertices = (np.stack([column, row], axis=1)[:, None] + corners).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    path = Path(vertices, np.tile(np.array(codes, np.uint8), len(row)))
    axes.add_patch(PathPatch(path, color=BACKGROUND, alpha=opacity, lw=0))


def _mean_curve(curves: Sequence[Section]) -> Section:
    """The mean over members at the epochs that the most of them share."""
    longest = max((tuple(c["epoch"]) for c in curves), key=len)
    same = [c["loss"] for c in curves if tuple(c["epoch"]) == longest]
    return {"epoch": list(longest), "loss": np.mean(same, axis=0).tolist()}


def _thin(curve: Section, n_points: int = 60) -> tuple[list[float], list[float]]:
    """At most so many points, the first and the last among them."""
    n = len(curve["loss"])
    kept = np.unique(np.linspace(0, n - 1, min(n, n_points)).round().astype(int))
    return [curve["epoch"][i] for i in kept], [curve["loss"][i] for i in kept]


def _interesting_end(x: np.ndarray, smoothed: np.ndarray, plateau_end: float) -> float:
    """Where the curve has fallen well below its height for good, in percent."""
    high = np.flatnonzero(smoothed > 0.6 * np.nanmax(smoothed))
    fallen = x[high[-1]] if len(high) else x[-1]
    return float(min(x[-1], max(fallen, 1.5 * plateau_end)))


def _titles(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, loc="right")
    axes.set_title(y, loc="left", fontsize=12, color=INK, pad=5)
    axes.set_axisbelow(True)


def _note(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    colour: str,
    *,
    dx: float = 0,
    dy: float = 0,
    **style: Any,
) -> None:
    axes.annotate(
        text,
        place,
        xytext=(dx, dy),
        textcoords="offset points",
        color=colour,
        fontsize=11.5,
        annotation_clip=False,
        **style,
    )


def _floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def _digits(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _power_of_ten(value: float, _: object = None) -> str:
    """
    >>> [_power_of_ten(v) for v in (0.001, 0.1, 1, 100, 1000, 2000)]
    ['10⁻³', '0.1', '1', '100', '10³', '']
    """
    exponent = round(np.log10(value)) if value > 0 else 0
    if value <= 0 or not np.isclose(value, 10.0**exponent):
        return ""
    if -2 <= exponent <= 2:
        return f"{value:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _grouped(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
