"""Who trains the cases, in how many processes and threads; loads no library."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.speed.cases import TABM, Case

ROOT = Path(__file__).parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
N_CORES = len(os.sched_getaffinity(0))
BASELINE = "plain PyTorch"  # of all ratios


@dataclass(frozen=True)
class Setup:
    """How a contestant trains: handed to its peer module."""

    processes: int = 1
    threads: int = N_CORES
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    group_size: int | None = None  # of this bag; none: what `ensemble run` takes


@dataclass(frozen=True)
class Contestant:
    """A library used in one way; `apart`: from the environment of the peers."""

    name: str
    peer: str
    setup: Setup
    apart: bool = False
    only: tuple[str, ...] = ()  # names of cases; none: all

    def takes(self, case: Case) -> bool:
        return not self.only or case.name in self.only


def threads_environment(threads: int | None) -> dict[str, str]:
    """The environment of a process with so many threads; none: as a user's would be."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept if threads is None else kept | dict.fromkeys(names, str(threads))


def contestants_for(device: str) -> list[Contestant]:
    """All of them, in the order in which they are measured."""
    return _on_cpu() if device == "cpu" else _on_gpu(device)


def _on_cpu() -> list[Contestant]:
    one = Setup(1, N_CORES)
    each = Setup(N_CORES, 1)
    one_bf16 = Setup(1, N_CORES, precision="bfloat16")
    each_bf16 = Setup(N_CORES, 1, precision="bfloat16")
    return [
        Contestant("this bag, float32", "bag", one),
        Contestant("this bag, float32, a process a core", "bag", each),
        Contestant("this bag, bfloat16", "bag", one_bf16),
        Contestant("this bag, bfloat16, a process a core", "bag", each_bf16),
        Contestant(BASELINE, "plain", one),
        Contestant("plain PyTorch, a process a core", "plain", each),
        Contestant("plain PyTorch, bfloat16 autocast", "plain", each_bf16),
        Contestant("torch.func.vmap", "vmapped", one),
        Contestant("scikit-learn Bagging of MLPClassifier", "scikit", each),
        Contestant("pytabkit RealMLP bag", "realmlp", one, apart=True),
        Contestant("TabM package, packed MLPs", "tabm_packed", one, apart=True),
        Contestant("TabM", "tabm_shared", one, apart=True, only=(TABM.name,)),
    ]


def _on_gpu(device: str) -> list[Contestant]:
    setup = Setup(device=device)
    bf16 = Setup(device=device, precision="bfloat16")
    return [
        Contestant("this bag, float32", "bag", setup),
        Contestant("this bag, bfloat16", "bag", bf16),
        Contestant(BASELINE, "plain", setup),
        Contestant("plain PyTorch, bfloat16 autocast", "plain", bf16),
        Contestant("torch.func.vmap", "vmapped", setup),
        Contestant("pytabkit RealMLP bag", "realmlp", setup, apart=True),
        Contestant("TabM package, packed MLPs", "tabm_packed", setup, apart=True),
        Contestant("TabM", "tabm_shared", setup, apart=True, only=(TABM.name,)),
    ]
