"""What is in the data of a competition, before anything is trained on them.

`check_examples` collects it as plain data, `print_check` shows that on a terminal.
"""

from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ensemble.data.examples import Examples
from ensemble.data.faults import some
from ensemble.spec import Competition
from ensemble.validation.drift import adversarial_auc, column_drift, judge
from ensemble.validation.folds import weight_strata

DRIFTED = 0.01  # a corrected p-value below this is worth a look
MOST_COLUMNS = 40  # shown on a terminal
BAR = 10  # characters

Report = dict[str, Any]


def check_examples(competition: Competition, train: Examples, test: Examples) -> Report:
    """What `ensemble check` tells, as data that JSON can hold."""
    drift = column_drift(train.features, test.features)
    report = {
        "competition": competition.name,
        "weight_column": competition.weight,
        "files": {"train": _file(train), "test": _file(test)},
        "n_features": train.features.shape[1],
        "columns": [_column(name, train, test, drift) for name in competition.features],
        "duplicate_columns": _duplicate_columns(train.features),
        "classes": _classes(competition, train),
        "strata": _strata(competition, train),
        "duplicates": _duplicates(train, test),
        "adversarial": _adversarial(train, test),
    }
    return report | {"notes": _notes(report)}


def _file(examples: Examples) -> Report:
    notes = list(examples.notes)
    return {"n_rows": len(examples), "sha256": examples.sha256, "notes": notes}


def _column(
    name: str, train: Examples, test: Examples, drift: dict[str, dict[str, float]]
) -> Report:
    values = train.features[name]
    return {
        "name": name,
        "missing_train": int(values.isna().sum()),
        "missing_test": int(test.features[name].isna().sum()),
        "is_constant": values.nunique(dropna=False) <= 1,
        **drift[name],
    }


def _duplicate_columns(features: pd.DataFrame) -> list[list[str]]:
    """Groups of columns that are equal in every row."""
    groups: dict[bytes, list[str]] = {}
    for name in features:
        content = (features[name].to_numpy() + 0.0).tobytes()  # + 0.0: -0 is 0
        groups.setdefault(content, []).append(str(name))
    return [names for names in groups.values() if len(names) > 1]


def _classes(competition: Competition, train: Examples) -> list[Report]:
    target = _target(train)
    return [
        {"label": label, **_share(train, target == index)}
        for index, label in enumerate(competition.classes)
    ]


def _strata(competition: Competition, train: Examples) -> list[Report]:
    """Weights often take few values, which tell where a row comes from."""
    if train.weight is None or competition.weight_strata is None:
        return []
    target = _target(train)
    stratum = weight_strata(train.weight, target, competition.weight_strata)
    strata = []
    for index, label in enumerate(competition.classes):
        for number in np.unique(stratum[target == index]):
            rows = (target == index) & (stratum == number)
            lowest, highest = train.weight[rows].min(), train.weight[rows].max()
            between = {"lightest": float(lowest), "heaviest": float(highest)}
            name = {"label": label, "stratum": int(number)}
            strata.append(name | _share(train, rows) | between)
    return strata


def _target(train: Examples) -> np.ndarray:
    if train.target is None:
        raise ValueError(
            "check_examples takes train rows first, got rows without target"
        )
    return train.target


def _share(train: Examples, rows: np.ndarray) -> Report:
    weight = None if train.weight is None else float(train.weight[rows].sum())
    return {"n_rows": int(rows.sum()), "weight": weight}


def _duplicates(train: Examples, test: Examples) -> Report:
    """Rows whose features are equal to those of an earlier row, or of a train row."""
    rows = pd.Series(_hashes(train.features))
    labels = pd.Series(_target(train)).groupby(rows.to_numpy()).nunique()
    of_test = pd.Series(_hashes(test.features))
    return {
        "train": int(rows.duplicated().sum()),
        "train_conflicting": int(rows.isin(labels.index[labels > 1]).sum()),
        "test": int(of_test.duplicated().sum()),
        "test_in_train": int(of_test.isin(rows).sum()),
        "shared_ids": int(pd.Index(test.ids).isin(train.ids).sum()),
    }


def _hashes(features: pd.DataFrame) -> np.ndarray:
    hashed = pd.util.hash_pandas_object(features + 0.0, index=False)
    return hashed.to_numpy()


def _adversarial(train: Examples, test: Examples) -> Report | None:
    found = adversarial_auc(train.features, test.features)
    if found is None:
        return None
    auc, spread = found
    return {"auc": auc, "chance_spread": spread, "meaning": judge(auc, spread)}


def _notes(report: Report) -> list[str]:
    """What deserves a look, a sentence each."""
    notes = [
        f"{name}: {note}"
        for name, file in report["files"].items()
        for note in file["notes"]
    ]
    columns, duplicates = report["columns"], report["duplicates"]
    constant = [c["name"] for c in columns if c["is_constant"]]
    drifted = [c["name"] for c in columns if c["p_value"] < DRIFTED]
    if constant:
        notes.append(f"constant in train, so of no use: {some(constant)}")
    notes += [
        f"equal in every train row: {some(g)}" for g in report["duplicate_columns"]
    ]
    if drifted:
        notes.append(f"distributed differently in train and test: {some(drifted)}")
    sentences = {
        "train": "train rows repeat an earlier one; folds may share them",
        "train_conflicting": "train rows have a twin with another label",
        "test_in_train": "test rows are equal to a train row",
        "shared_ids": "test ids are train ids too, of other rows",
    }
    notes += [f"{duplicates[k]:,} {s}" for k, s in sentences.items() if duplicates[k]]
    return notes


def print_check(report: Report, console: Console) -> None:
    """Show a report on a terminal of 80 columns or more."""
    console.print(_headline(report))
    console.print(_classes_table(report))
    console.print(_columns_table(report))
    console.print(_verdict(report))


def _headline(report: Report) -> Text:
    files = report["files"]
    text = Text(report["competition"], style="bold")
    text.append(
        f": {files['train']['n_rows']:,} train rows, {files['test']['n_rows']:,} test"
        f" rows, {report['n_features']} features",
        style="not bold",
    )
    if report["weight_column"]:
        text.append(f", weight column {report['weight_column']!r}", style="not bold")
    return text


def _classes_table(report: Report) -> Table:
    table = _table("class", "stratum", "rows", "share", "weight", "each weighs")
    n_rows = sum(row["n_rows"] for row in report["classes"])
    for entry in report["classes"]:
        strata = [s for s in report["strata"] if s["label"] == entry["label"]]
        lines = [entry, *strata] if len(strata) > 1 else [entry]
        for line in lines:
            table.add_row(*_class_cells(line, n_rows), style=_dim("stratum" in line))
    return table


def _class_cells(line: Report, n_rows: int) -> list[Text]:
    between = ""
    if "lightest" in line:
        low, high = f"{line['lightest']:.3g}", f"{line['heaviest']:.3g}"
        between = low if low == high else f"{low} to {high}"
    weight = "" if line["weight"] is None else f"{line['weight']:,.1f}"
    label = "" if "stratum" in line else line["label"]
    stratum = str(line["stratum"] + 1) if "stratum" in line else ""
    share = f"{line['n_rows'] / n_rows:.1%}"
    cells = [label, stratum, f"{line['n_rows']:,}", share, weight, between]
    return [Text(cell) for cell in cells]


def _columns_table(report: Report) -> Group:
    """Columns with nothing to tell are only counted."""
    told = [c for c in report["columns"] if _tells(c)]
    told.sort(key=lambda c: (c["p_value"] >= DRIFTED, -c["missing_train"]))
    table = _table("column", "missing", "train", "test", "drift", "p")
    n_train, n_test = (report["files"][k]["n_rows"] for k in ("train", "test"))
    for column in told[:MOST_COLUMNS]:
        train, test = column["missing_train"] / n_train, column["missing_test"] / n_test
        p_value = column["p_value"]
        table.add_row(
            Text(column["name"] + " (constant)" * column["is_constant"]),
            Text(_bar(train), style="cyan"),
            Text(f"{train:.1%}"),
            Text(f"{test:.1%}"),
            Text(f"{column['distance']:.3f}"),
            Text(f"{p_value:.2g}", style="bold red" if p_value < DRIFTED else ""),
        )
    n_left = len(report["columns"]) - min(len(told), MOST_COLUMNS)
    rest = "without missing values or drift" if len(told) <= MOST_COLUMNS else ""
    line = Text(f" {n_left} more columns {rest}".rstrip(), style="dim")
    return Group(*([table] if told else []), *([line] if n_left else []))


def _tells(column: Report) -> bool:
    is_missing = column["missing_train"] + column["missing_test"] > 0
    return bool(is_missing or column["is_constant"] or column["p_value"] < DRIFTED)


def _verdict(report: Report) -> Panel:
    notes = [Text(f"! {note}", style="yellow") for note in report["notes"]]
    adversarial = report["adversarial"]
    if adversarial:
        is_fine = adversarial["auc"] < 0.5 + 3 * adversarial["chance_spread"]
        told = (
            f"train against test: AUC {adversarial['auc']:.3f} (chance gives .500 ±"
            f" {adversarial['chance_spread']:.3f}); {adversarial['meaning']}"
        )
        notes.append(Text(told, style="green" if is_fine else "yellow"))
    if not report["notes"]:
        calm = "no constant, repeated or drifting columns, no repeated rows or ids"
        notes.insert(0, Text(calm, style="green"))
    return Panel(Group(*notes), box=box.ROUNDED, border_style="dim")


def _table(*names: str) -> Table:
    """The first column is of names, the others of numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, name in enumerate(names):
        is_number = place > 0 and name not in ("missing", "stratum")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    return table


def _bar(share: float) -> str:
    n_full = round(share * BAR)
    return "█" * n_full + "░" * (BAR - n_full)


def _dim(is_dim: bool) -> str:
    return "dim" if is_dim else ""
