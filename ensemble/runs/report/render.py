"""Collected figures -> one HTML page that needs nothing else.

All that comes from outside is escaped by jinja2; markup of our own (the plots, the
style sheet, 'not recorded') is marked as such. The same figures give the same bytes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from ensemble.runs.report import member_plots, plots
from ensemble.runs.report.canvas import draw
from ensemble.runs.report.measure import Section

FOLDER = Path(__file__).parent
NOT_RECORDED = Markup('<span class="none">not recorded</span>')
PLOTS = {
    "distributions": (
        plots.plot_distributions,
        "Distributions of the score for both classes",
    ),
    "roc": (plots.plot_roc, "Background rejection against signal efficiency"),
    "calibration": (
        plots.plot_calibration,
        "Observed against predicted share of signal",
    ),
    "growth": (
        member_plots.plot_growth,
        "Scores of the bag against its number of members",
    ),
    "learning": (
        member_plots.plot_learning,
        "Training and out-of-fold loss by epoch",
    ),
    "correlation": (
        member_plots.plot_correlation,
        "Correlation between the predictions of members",
    ),
}


def render(collected: Section) -> str:
    """The report page of what `collect` returned."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    members = collected["members"]
    return environment.get_template("template.html").render(
        r=collected,
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        plots=_plots(collected),
        sparks=_sparks(collected["learning"]["oof"]),
        n_failed=sum(bool(member["failed"]) for member in members),
        **_words(collected),
    )


def _plots(collected: Section) -> dict[str, Markup]:
    stamp = _stamp(collected)
    svg = {
        name: draw(plot, collected[name], name=name, label=label, stamp=stamp)
        for name, (plot, label) in PLOTS.items()
    }
    label = f"{collected['cutoff']['metric']} against the share of rows selected"
    for name, width, height in (("cutoff", 1060, 390), ("cutoff_narrow", 480, 380)):
        svg[name] = draw(
            plots.plot_cutoff,
            collected["cutoff"],
            name=name,
            label=label,
            stamp=stamp,
            width=width,
            height=height,
        )
    return {name: Markup(text) for name, text in svg.items()}


def _stamp(collected: Section) -> str:
    """Where a plot came from, short enough for its corner."""
    name = collected["asked"]["competition"]["name"]
    whole = f"{name} {collected['run'] or collected['asked']['recipe']['name']}"
    short = whole if len(whole) <= 28 else whole[:27] + "…"
    return f"SIMULATED {short}" if collected["simulated"] else short


def _words(collected: Section) -> dict[str, Any]:
    """Sentences and lists that are easier to put together here than in the page."""
    bins = collected["calibration"]["bins"]
    sizes = [f["n_bytes"] for f in collected["files"] if f["n_bytes"] is not None]
    n_negative_strata = sum(
        s["class"] == collected["data"]["classes"][0]["name"]
        for s in collected["strata"]
    )
    return {
        "rows_per_bin": _grouped(bins[0]["rows"]) if bins else "0",
        "total_bytes": sum(sizes),
        "first_positive": n_negative_strata,
        "correlation_read": _correlation_read(collected["correlation"]),
        "recipe_text": _recipe_text(collected["asked"]["recipe"]),
        "recipe_values": sorted(_flatten(collected["asked"]["recipe"])),
        "packages": ", ".join(
            f"{name} {version}"
            for name, version in sorted(collected["repeat"]["packages"].items())
            if version is not None
        )
        or None,
    }


def _correlation_read(correlation: Section) -> str:
    if correlation["mean"] is None:
        return "No two members predicted the same rows."
    return (
        "Each cell is a pair of members on the rows that both left out, shaded as in"
        " the histogram beside it; pairs with a dot share no rows. Averaging helps"
        f" where members differ. Mean {correlation['mean']:.3f}, from"
        f" {correlation['least']:.3f} to {correlation['greatest']:.3f} over"
        f" {correlation['n_pairs']:,} pairs."
    )


def _recipe_text(recipe: Section) -> str:
    """The recipe in a few sentences."""
    bag, network, training = recipe["bag"], recipe["network"], recipe["training"]
    optimizer, rule = training["optimizer"], recipe["rule"]
    hidden = ", ".join(str(n) for n in network["hidden"])
    kind = {"adamw": "AdamW"}.get(optimizer["kind"], optimizer["kind"].upper())
    alike = training["balance_classes"]
    balance = "both classes weighted alike" if alike else "weights as they are"
    cutoff = (
        "read off the plateau of the smoothed out-of-fold curve"
        if rule["fraction"] is None
        else f"given as {rule['fraction']:.1%}"
    )
    return (
        f"{bag['n_splits']}-fold cross-validation, {bag['n_repeats']} times, makes"
        f" {bag['n_splits'] * bag['n_repeats']} members. Each has hidden layers of"
        f" {hidden} units ({network['activation'].replace('_', '-')}), dropout"
        f" {network['dropout']:g}, and is trained for {training['epochs']} epochs in"
        f" batches of {training['batch_size']} by {kind} at a rate"
        f" of {optimizer['learning_rate']:g} on {training['loss'].replace('_', ' ')},"
        f" {balance}. The cutoff is {cutoff}."
    )


def _flatten(value: Any, path: str = "") -> Sequence[tuple[str, str]]:
    """
    >>> _flatten({"bag": {"seed": 0}, "name": "quick"})
    [('bag.seed', '0'), ('name', 'quick')]
    """
    if not isinstance(value, dict):
        return [(path, "none" if value is None else str(value))]
    return [
        line
        for key, one in value.items()
        for line in _flatten(one, f"{path}.{key}" if path else str(key))
    ]


def _sparks(curves: Sequence[Section]) -> dict[int, str]:
    """Points of a small out-of-fold curve for each member, all on one scale."""
    losses = [loss for curve in curves for loss in curve["loss"] if loss is not None]
    low, high = min(losses, default=0.0), max(losses, default=1.0)
    span = (high - low) or 1.0
    points = {}
    for curve in curves:
        n = max(1, len(curve["loss"]) - 1)
        points[curve["index"]] = " ".join(
            f"{2 + 80 * i / n:.1f},{18 - 16 * (loss - low) / span:.1f}"
            for i, loss in enumerate(curve["loss"])
            if loss is not None
        )
    return points


def _if_known(show: Callable[..., str]) -> Callable[..., str]:
    """A filter that says so where a value is not recorded."""

    def shown(value: Any, *details: Any) -> str:
        return NOT_RECORDED if value is None else show(value, *details)

    return shown


def _grouped(value: float) -> str:
    return f"{value:,.0f}"


def _short(value: float) -> str:
    """
    >>> [_short(v) for v in (0.00213, 4.85112, 410999.8)]
    ['0.00213', '4.85', '411,000']
    """
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spread(mean_and_error: Section, digits: int) -> str:
    mean, error = mean_and_error["mean"], mean_and_error["error"]
    if mean is None:
        return NOT_RECORDED
    return f"{mean:.{digits}f} {_error(error, digits)}".rstrip()


def _error(error: float | None, digits: int) -> str:
    """
    >>> _error(0.0123, 2), _error(0.0012, 2), _error(None, 2)
    ('± 0.01', '± < 0.01', '')
    """
    if error is None:
        return ""
    small = 0 < error < 0.5 * 10**-digits
    return f"± < {10**-digits:.{digits}f}" if small else f"± {error:.{digits}f}"


def _duration(seconds: float) -> str:
    """
    >>> [_duration(s) for s in (3.21, 112, 7265)]
    ['3.2 s', '1:52 min', '2:01 h']
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def _bytes(n_bytes: float) -> str:
    """
    >>> [_bytes(n) for n in (999, 64_128, 2_976_200, 3e9)]
    ['999 B', '64 kB', '3.0 MB', '3.0 GB']
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB" if n_bytes >= 1e3 else f"{n_bytes:.0f} B"


def _cell(text: Any) -> Markup:
    """Text of others, so that no spreadsheet takes it for a formula when pasted.

    >>> _cell("=1+1"), _cell("<b>")
    (Markup('&#39;=1+1'), Markup('&lt;b&gt;'))
    """
    text = str(text)
    return escape(f"'{text}" if text.startswith(_FORMULA_STARTS) else text)


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_FILTERS: dict[str, Callable[..., str]] = {
    "known": _if_known(_cell),
    "cell": _cell,
    "number": _if_known(lambda value, digits: f"{value:.{digits}f}"),
    "error": _error,
    "spread": _spread,
    "percent": _if_known(lambda value, digits: f"{100 * value:.{digits}f} %"),
    "grouped": _if_known(_grouped),
    "short": _if_known(_short),
    "duration": _if_known(_duration),
    "bytes": _if_known(_bytes),
    "mebibytes": _if_known(lambda value: f"{value:,.0f} MiB"),
}
