"""How fast CSV files are read, beside other libraries.

    python benchmarks/csv_reading.py --rows 250000 --columns 31 --runs 7

The table has a text id, numbers of 3 to 6 decimals and a label. The readers take turns,
each reading in a process of its own. All are told which columns are text, read a few
small files first, and end with the numbers in one NumPy array and the ids in a list.

"Odd" counts the lines of `ODD` that are refused, as they should be, rather than read as
something; "ids" those of `IDS` that stay as they are. Readers that are not installed
are left out; "ours, slowly" is ours at a file with a quote.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ensemble.runs.provenance import environment

TEXT = ["id", "label"]
GOOD = b"a,1,2,b\n"
ODD = [b"a,1,2", b"a,1,2,b,4", b"a,nan,2,b", b"a,inf,2,b", b"a,1e400,2,b", b"a\r,1,2,b"]
ODD += [b"a\0,1,2,b", b"\xff,1,2,b", b"a,True,2,b", b"a,1 2,3,b", b"a,0x1,2,b"]
IDS = ["007", "NA", "9007199254740993", " a ", "1e3"]
NEEDS = {"pandas": "pandas", "pandas+pyarrow": "pyarrow", "pyarrow": "pyarrow"}
NEEDS |= {"polars": "polars", "ours": "ensemble", "ours, slowly": "ensemble"}


def main() -> None:
    arguments = _arguments()
    if arguments.one:
        print(*_measure(arguments.one, arguments.file))
        return
    with TemporaryDirectory(dir=arguments.folder) as folder:
        plain, quoted = Path(folder, "plain.csv"), Path(folder, "quoted.csv")
        _write(plain, arguments.rows, arguments.columns)
        quoted.write_bytes(plain.read_bytes().replace(b"id", b'"id"', 1))
        megabytes = plain.stat().st_size / 1e6
        print(
            f"{environment()['machine']}; {arguments.rows:,} rows, {megabytes:.0f} MB"
        )
        print(f"medians of {arguments.runs}\n")
        files = {name: quoted if "slowly" in name else plain for name in NEEDS}
        told = _take_turns(files, arguments.runs)
    print("| reader | s | min - max | MB/s | peak memory / numbers | odd | ids |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in told.items():
        seconds, peaks = np.array([row[:2] for row in rows], float).T
        s = np.median(seconds)
        memory = np.median(peaks) / (8 * arguments.rows * arguments.columns)
        print(
            f"| {name} | {s:.2f} | {seconds.min():.2f} - {seconds.max():.2f}"
            f" | {megabytes / s:.0f} | {memory:.2f} | {' | '.join(rows[0][2:])} |"
        )


def _take_turns(files: dict[str, Path], n_runs: int) -> dict[str, list[list[str]]]:
    told: dict[str, list[list[str]]] = {}
    for _ in range(n_runs):
        for name, file in files.items():
            if importlib.util.find_spec(NEEDS[name]):
                command = [sys.executable, __file__, "--one", name, "--file", str(file)]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                told.setdefault(name, []).append(done.stdout.decode().split())
    return told


def _measure(name: str, path: Path) -> tuple[float, int, str, str]:
    """Seconds, bytes above those before, refused odd lines, ids as they were."""
    read = _reader(name)
    small = path.with_name("small.csv")
    refused = sum(_is_refused(read, small, line) for line in ODD)
    small.write_bytes(b"id,x,y,label\n" + b"".join(i.encode() + GOOD[1:] for i in IDS))
    ids, _ = read(small, ["x", "y"])
    kept = sum(a == b for a, b in zip(IDS, ids, strict=True))
    with path.open() as file:
        numeric = [c for c in file.readline().strip().split(",") if c.startswith("x")]
    before, started = _memory("VmRSS:"), time.perf_counter()
    read(path, numeric)
    seconds = time.perf_counter() - started
    used = _memory("VmHWM:") - before
    return seconds, used, f"{refused}/{len(ODD)}", f"{kept}/{len(IDS)}"


def _is_refused(read: Callable[..., Any], path: Path, line: bytes) -> bool:
    path.write_bytes(b"id,x,y,label\n" + 3 * GOOD + line + b"\n" + 3 * GOOD)
    try:
        read(path, ["x", "y"])
    except Exception:  # each library has its own
        return True
    return False


def _reader(name: str) -> Callable[[Path, Sequence[str]], tuple[list[str], Any]]:
    """A function of a file and its numeric columns; it returns ids and numbers."""
    return {"pyarrow": _pyarrow, "polars": _polars}.get(name) or partial(_pandas, name)


def _pandas(name: str, path: Path, numeric: Sequence[str]) -> tuple[list[str], Any]:
    if name.startswith("ours"):
        from ensemble.data.tables import read_table

        table = read_table(path, numeric, TEXT)
    else:
        import pandas as pd

        engine: Any = "pyarrow" if name == "pandas+pyarrow" else "c"
        kinds = _kinds(numeric, str, float)
        table = pd.read_csv(path, engine=engine, dtype=kinds, keep_default_na=False)
    return table["id"].tolist(), table[list(numeric)].to_numpy()


def _pyarrow(path: Path, numeric: Sequence[str]) -> tuple[list[str], Any]:
    import pyarrow as pa
    import pyarrow.csv

    kinds = _kinds(numeric, pa.string(), pa.float64())
    options = pa.csv.ConvertOptions(column_types=kinds)
    table = pa.csv.read_csv(path, convert_options=options)
    return table["id"].to_pylist(), np.stack([table[c].to_numpy() for c in numeric])


def _polars(path: Path, numeric: Sequence[str]) -> tuple[list[str], Any]:
    import polars as pl

    table = pl.read_csv(path, schema_overrides=_kinds(numeric, pl.String, pl.Float64))
    return table["id"].to_list(), table.select(numeric).to_numpy(order="fortran")


def _kinds(numeric: Sequence[str], text: Any, number: Any) -> dict[str, Any]:
    return dict.fromkeys(TEXT, text) | dict.fromkeys(numeric, number)


def _memory(kind: str) -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(kind)[1].split()[0])


def _write(path: Path, n_rows: int, n_columns: int) -> None:
    rng = np.random.default_rng(0)
    names = [f"x{column}" for column in range(n_columns)]
    form = "%07d," + ",".join(f"%.{3 + c % 4}f" for c in range(n_columns)) + ",s\n"
    with path.open("w") as file:
        file.write(",".join(["id", *names, "label"]) + "\n")
        for row in range(n_rows):
            file.write(form % (row, *rng.normal(0, 100, n_columns)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--columns", type=int, default=31)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the tables are written")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
