"""What the plots have in common: titles, notes and logarithmic axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ensemble.runs.report.canvas import INK


def name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, loc="right")
    axes.set_title(y, loc="left", fontsize=12, color=INK, pad=5)
    axes.set_axisbelow(True)


def note(
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


def logarithmic(axes: Axes, values: np.ndarray, below: float, above: float) -> None:
    """A logarithmic axis that holds all values above zero, labelled in tens."""
    values = values[values > 0]
    axes.set_yscale("log")
    axes.set_ylim(below * values.min(initial=1), above * values.max(initial=1e-9))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(power_of_ten))
    axes.yaxis.set_minor_formatter(NullFormatter())


def floats(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], float)


def power_of_ten(value: float, _: object = None) -> str:
    """
    >>> [power_of_ten(v) for v in (0.001, 0.1, 1, 100, 1000, 2000)]
    ['10⁻³', '0.1', '1', '100', '10³', '']
    """
    exponent = round(np.log10(value)) if value > 0 else 0
    if value <= 0 or not np.isclose(value, 10.0**exponent):
        return ""
    if -2 <= exponent <= 2:
        return f"{value:g}"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
