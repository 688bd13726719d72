"""A straight line through points, and how well it describes them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`y = intercept + slope x`; `r2` is the share of y's variance that it explains."""

    slope: float
    intercept: float
    r2: float

    def at(self, x: float) -> float:
        return self.intercept + self.slope * x


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line of least squares through at least two points.

    >>> fit_line([0, 1, 2], [1, 3, 5])
    Line(slope=2.0, intercept=1.0, r2=1.0)
    """
    if len(x) != len(y) or len(set(x)) < 2:
        raise ValueError(
            f"fit_line takes two or more places and a height for each, got {x} and {y}"
        )
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xx = sum((a - mean_x) ** 2 for a in x)
    yy = sum((b - mean_y) ** 2 for b in y)
    xy = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    r2 = 1.0 if yy == 0 else xy**2 / (xx * yy)
    return Line(xy / xx, mean_y - xy / xx * mean_x, r2)
