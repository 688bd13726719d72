"""Plots of the members: how many are enough, how each learned, how they differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from ensemble.runs.report.axes import floats, name_axes, note
from ensemble.runs.report.canvas import BACKGROUND, QUIET, SIGNAL

Section = dict[str, Any]
Style = dict[str, Any]
N_SHADES = 10


def plot_growth(figure: Figure, growth: Section) -> None:
    """Scores of the mean over n members; dots: each member alone."""
    panels, n_members = growth["panels"], np.asarray(growth["n_members"])
    band: Style = {"alpha": 0.18, "lw": 0}
    column = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(column, panels, strict=True):
        alone, bag = floats(panel["alone"]), floats(panel["bag"])
        members = 1 + np.arange(len(alone))
        axes.plot(members, alone, "o", ms=4.5, mew=0, color=QUIET, alpha=0.75)
        spread = floats(panel["spread"])
        axes.fill_between(n_members, bag - spread, bag + spread, color=SIGNAL, **band)
        axes.plot(n_members, bag, "o-", ms=3.5 if len(alone) < 25 else 0, color=SIGNAL)
        axes.margins(x=0.03, y=0.22)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        name_axes(axes, "", panel["name"])
    column[0].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    column[-1].set_xlabel("number of members", loc="right")
    style: Style = {"xycoords": "axes fraction", "va": "bottom"}
    note(column[0], "mean of n members", (1, 1), SIGNAL, ha="right", dy=4, **style)
    note(column[0], "● each alone", (0.66, 1), QUIET, ha="right", dx=-2, dy=4, **style)


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
            note(axes, text, (epoch[-1], mean[-1]), colour, ha="right", va=va, dy=dy)
            seen += mean[len(mean) // 20 :]
    if not seen:
        style: Style = {"xycoords": "axes fraction", "ha": "center", "style": "italic"}
        note(axes, "not recorded", (0.5, 0.5), QUIET, **style)
    else:
        span = max(seen) - min(seen)
        axes.set_ylim(min(seen) - 0.25 * span - 1e-3, max(seen) + 0.15 * span + 1e-3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    name_axes(axes, "epoch", learning["loss"])


def plot_correlation(figure: Figure, correlation: Section) -> None:
    """Each pair of members shaded; the histogram of the pairs is the legend."""
    axes, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [2.1, 1]})
    matrix = np.array([floats(row) for row in correlation["matrix"]])
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
    name_axes(axes, "member", "member")
    name_axes(right, "pairs", "correlation")


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
