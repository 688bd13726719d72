"""Which way matrices are multiplied: the fastest that is exact enough.

A processor has several ways to the product of two float32 matrices, and the fastest is
several times as fast as the slowest; which one it is differs from machine to machine:

    standard   torch's default: MKL on a CPU, cuBLAS on a GPU, all in float32
    onednn     oneDNN, free to use bfloat16 units for the factors; sums, inputs and
               outputs are float32. Where a processor has no such units, it computes in
               float32, and may still beat MKL
    tf32       TF32 units of a GPU: factors of 10 bits, sums in float32
    bfloat16   factors and result rounded to bfloat16, sums in float32

A short measurement finds speed and error of each on the machine at hand. The driver
makes it once for a run, writes it into the run and hands it to every worker, because
members trained in two ways differ.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Products = Literal["standard", "onednn", "tf32", "bfloat16"]

KINDS: dict[str, tuple[Products, ...]] = {
    "cpu": ("standard", "onednn", "bfloat16"),
    "cuda": ("standard", "tf32", "bfloat16"),
}
EXACT = 4.0  # as float32 counts what errs at most so much more than `standard`
GAIN = 1.15  # a way is left for another that is so much faster: no noise decides
MEMBERS = 2  # of the products that are measured
SECONDS, LEAST_TIMES = 0.02, 5  # of measurement for each way


@dataclass(frozen=True)
class Measured:
    """Speed and mean error (as a share of the root mean square product) of a way."""

    products: Products
    gflops: float
    error: float


@dataclass(frozen=True)
class Choice:
    """The way that was chosen, and what was measured of all.

    Of `measured` only those in `allowed` are exact enough.
    """

    products: Products
    measured: tuple[Measured, ...] = ()
    allowed: tuple[Products, ...] = ()

    def record(self) -> list[dict[str, object]]:
        """What was measured, as plain data for run.json."""
        return [
            asdict(one) | {"allowed": one.products in self.allowed}
            for one in self.measured
        ]


def on_this_machine(device: str) -> tuple[Products, ...]:
    """The ways that a device has."""
    return KINDS["cuda" if device.startswith("cuda") else "cpu"]


def choose_products(
    precision: str, device: str, n_rows: int = 256, n_units: int = 600
) -> Choice:
    """The fastest way that `precision` allows: float32, or bfloat16 and all others.

    Measured are products of a batch of `n_rows` with a layer of `n_units`; not those of
    a GPU that only a cluster has, where bfloat16 is what it says.
    """
    kinds = on_this_machine(device)
    if device.startswith("cuda") and not torch.cuda.is_available():
        return Choice("standard" if precision == "float32" else "bfloat16")
    measured = tuple(_measure(kind, device, n_rows, n_units) for kind in kinds)
    allowed = tuple(
        one.products for one in measured if is_allowed(one, measured[0], precision)
    )
    return Choice(pick(measured, precision), measured, allowed)


def pick(measured: tuple[Measured, ...], precision: str) -> Products:
    """The fastest allowed way; an earlier one, where a later is hardly faster.

    >>> ways = (Measured("standard", 190, 9e-6), Measured("onednn", 430, 2e-5),
    ...         Measured("bfloat16", 750, 2e-3))
    >>> pick(ways, "float32"), pick(ways, "bfloat16")
    ('onednn', 'bfloat16')
    """
    chosen = measured[0]
    for one in measured[1:]:
        is_faster = one.gflops > GAIN * chosen.gflops
        if is_faster and is_allowed(one, measured[0], precision):
            chosen = one
    return chosen.products


def is_allowed(one: Measured, standard: Measured, precision: str) -> bool:
    """Whether a way is as exact as `precision` asks: float32, or bfloat16."""
    return precision != "float32" or one.error <= EXACT * standard.error


def product_dtype(products: Products) -> torch.dtype:
    """What factors are cast to."""
    return torch.bfloat16 if products == "bfloat16" else torch.float32


@contextmanager
def multiplying(products: Products) -> Iterator[None]:
    """Float32 products are made in this way inside the block."""
    # one setting a library: the older single switch would move both
    cpu: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    gpu: Any = torch.backends.cuda.matmul
    before = cpu.fp32_precision, gpu.fp32_precision
    cpu.fp32_precision = "bf16" if products == "onednn" else "ieee"
    gpu.fp32_precision = "tf32" if products == "tf32" else "ieee"
    try:
        yield
    finally:
        cpu.fp32_precision, gpu.fp32_precision = before


def _measure(products: Products, device: str, n_rows: int, n_units: int) -> Measured:
    generator = torch.Generator().manual_seed(0)
    x_MNI, w_MIO = (
        torch.randn(MEMBERS, n, n_units, generator=generator).to(device)
        for n in (n_rows, n_units)
    )
    exact = torch.bmm(x_MNI.double(), w_MIO.double())
    dtype = product_dtype(products)

    def multiply() -> Tensor:
        return torch.bmm(x_MNI.to(dtype), w_MIO.to(dtype)).float()

    with multiplying(products):
        error = (multiply() - exact).abs().mean()
        seconds = _fastest(multiply, device)
    return Measured(
        products=products,
        gflops=2 * x_MNI.numel() * n_units / seconds / 1e9,
        error=float(error / exact.square().mean().sqrt()),
    )


def _fastest(multiply: Callable[[], Tensor], device: str) -> float:
    """The least time of a product: other work on the machine only ever adds to it."""
    taken: list[float] = []
    while len(taken) < LEAST_TIMES or sum(taken[1:]) < SECONDS:  # the first compiles
        started = time.perf_counter()
        multiply()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return min(taken)
