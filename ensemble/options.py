"""The arguments and options that several verbs share, with their help."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

Name = Annotated[str, Argument(help="name or folder of a competition")]
RunPath = Annotated[Path, Argument(help="folder of a run")]
DataFolder = Annotated[
    Path | None,
    Option(
        help="folder of the competition's files [default: data/NAME, else simulated]"
    ),
]
Settings = Annotated[
    list[str] | None,
    Option("--set", help="change a value of the recipe: training.epochs=5"),
]
Jobs = Annotated[
    int | None,
    Option(
        "--jobs",
        "-j",
        help="worker processes; -1: one a core [default: 1, of a cluster all]",
    ),
]
Backend = Annotated[str, Option(help="loky: this machine; dask or ray: a cluster")]
Address = Annotated[
    str | None, Option(help="HOST:PORT of the cluster's scheduler", metavar="HOST:PORT")
]
Patience = Annotated[
    float | None,
    Option(
        help="seconds without progress after which a worker is given up"
        " [default: 20 epochs, at least 300; 1800 until one is done]"
    ),
]
Products = Annotated[
    str | None,
    Option(help="standard, onednn, bfloat16 or tf32 [default: the fastest allowed]"),
]
GroupSize = Annotated[
    int | None,
    Option(help="members that train as one network [default: from memory and speed]"),
]
Device = Annotated[str, Option(help="auto, cpu, cuda or cuda:N")]
