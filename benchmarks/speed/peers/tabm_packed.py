"""The package `tabm`, with its independent perceptrons packed into one module."""

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import Setup
from benchmarks.speed.peers.tabm_parts import train_heads
from benchmarks.speed.work import Work

PACKAGES = ("tabm", "torch")


def differs(case: Case) -> str:
    return ""


def train(case: Case, setup: Setup) -> Work:
    """Each of the k networks has its own weights, rows and batches."""
    return train_heads(case, setup, "tabm-packed", own_batches=True)
