"""The results as Markdown."""

from collections.abc import Sequence
from typing import Any

HEAD = (
    "contestant",
    "processes x threads",
    "member-samples/s",
    "min - max",
    "x plain",
    "of float32 peak",
    "of its own peak",
    "MiB",
)


def write_tables(document: dict[str, Any]) -> str:
    """All cases, the peaks they are held against, and the growth."""
    parts = [_about(document), _peaks(document)]
    parts += [_case(case, document) for case in document["cases"]]
    parts += [_growth(document["growth"])] if document["growth"] else []
    parts += [_winner(document["winner"])] if document.get("winner") else []
    return "\n\n".join(parts) + "\n"


def _about(document: dict[str, Any]) -> str:
    n = document["repetitions"]
    return (
        f"{document['date']}, {document['machine']}, device {document['device']},"
        f" commit {document['commit']}; {document['seconds'] / 60:.1f} minutes.\n\n"
        f"Medians of {n} alternating repetitions, with the least and the greatest. A"
        " member-sample is one row forward and back through one member, with its share"
        " of the update. Products count as 6 operations a weight, less the first"
        " layer's input gradient, which nobody computes. Memory is the greatest of all"
        " processes of a contestant together, libraries included."
    )


def _peaks(document: dict[str, Any]) -> str:
    rows = [
        [
            peak["dtype"],
            peak["setting"],
            f"{peak['processes']} x {peak['threads']}",
            f"{peak['gflops']:,.0f}",
            f"{peak['error']:.1e}",
            "yes" if peak["gflops"] == document["peak"][peak["dtype"]] else "",
        ]
        for peak in document["peaks"]
    ]
    head = ["dtype", "precision", "processes x threads", "GFLOP/s", "error", "the peak"]
    return "## torch.mm, 2048^3\n\n" + _markdown(head, rows)


def _case(case: dict[str, Any], document: dict[str, Any]) -> str:
    rows, notes = [], []
    for result in case["results"]:
        name = result["contestant"]
        if result["failed"]:
            rows.append([name, "", "failed", *[""] * (len(HEAD) - 3)])
            notes.append(f"- {name}: {result['failed']}")
            continue
        if result["differs"]:
            notes.append(f"- *{name}: {result['differs']}.")
            name = f"{name} *"
        rows.append([name, *_figures(result, document["peak"])])
    title = f"## {case['name']}\n\n{case['describe']}; {case['flops'] / 1e6:.3g} MFLOP"
    about = f"{title} a member-sample, {case['n_updates']} updates of each member.\n\n"
    return about + _markdown(HEAD, rows) + "".join(f"\n{note}" for note in ["", *notes])


def _figures(result: dict[str, Any], peak: dict[str, float]) -> list[str]:
    setup, gflops = result["setup"], result["gflops"]
    memory = result["device_mib"] or result["peak_mib"]
    return [
        f"{setup['processes']} x {setup['threads']}",
        f"{result['median']:,.0f}",
        f"{result['min']:,.0f} - {result['max']:,.0f}",
        f"{result['ratio']:.2f}" if "ratio" in result else "",
        f"{gflops / peak['float32']:.0%}",
        f"{gflops / peak[setup['precision']]:.0%}",
        f"{memory:,.0f}",
    ]


def _growth(sweeps: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            sweep["name"],
            f"{sweep['labels'][0]} - {sweep['labels'][-1]}",
            ", ".join(f"{seconds:.2f}" for seconds in sweep["median"]),
            f"{sweep['fit']['intercept']:.3f} s + {sweep['fit']['slope'] * 1e3:.3g} ms"
            f" x {sweep['unit']}",
            f"{sweep['fit']['r2']:.4f}",
        ]
        for sweep in sweeps
    ]
    about = "\n".join(f"- {sweep['name']}: from {sweep['case']}" for sweep in sweeps)
    head = ["against", "from - to", "seconds", "line of least squares", "R^2"]
    return f"## Growth of the time of a bag\n\n{_markdown(head, rows)}\n\n{about}"


def _winner(winner: dict[str, Any]) -> str:
    rows = [
        [name, f"{row['seconds']:,.0f}", row["how"]] for name, row in winner.items()
    ]
    head = ["70 networks of the winning recipe", "seconds", "how"]
    return "## The winning recipe\n\n" + _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
