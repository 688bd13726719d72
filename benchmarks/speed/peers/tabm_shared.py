"""TabM: heads that share their weight matrices, and each batch of rows."""

from benchmarks.speed.cases import Case
from benchmarks.speed.contestants import Setup
from benchmarks.speed.peers.tabm_parts import train_heads
from benchmarks.speed.work import Work

PACKAGES = ("tabm", "torch")


def differs(case: Case) -> str:
    return (
        f"{case.n_members} heads share their weights and batches: as many products,"
        f" but one update for all, and no {case.n_members} independent networks"
    )


def train(case: Case, setup: Setup) -> Work:
    return train_heads(case, setup, "tabm", own_batches=False)
