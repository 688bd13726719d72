"""The matrix products that the machine can do: the best of torch.mm at 2048^3.

`python -m benchmarks.speed.peak THREADS DEVICE` measures in its own process and prints
JSON. Each setting of torch is told with its error, since some are float32 in name only.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from benchmarks.speed.contestants import N_CORES, ROOT, threads_environment

SIZE = 2048
SECONDS = 0.4  # for each setting
SETTINGS = ("highest", "high", "medium")  # of torch.set_float32_matmul_precision


@dataclass(frozen=True)
class Peak:
    """Operations a second of one setting, and the mean error of the product's entries.

    Entries have a standard deviation of sqrt(2048) = 45.
    """

    dtype: str
    setting: str
    gflops: float
    error: float


def measure_peaks(device: str) -> list[dict[str, Any]]:
    """In one process of all threads, and on a CPU in a process a core at once."""
    together = _in_processes(1, N_CORES, device)
    apart = _in_processes(N_CORES, 1, device) if device == "cpu" else []
    return together + apart


def best_peaks(peaks: list[dict[str, Any]]) -> dict[str, float]:
    """The best GFLOP/s of honest float32 and of bfloat16.

    Float32 is what errs at most ten times as much as torch's default.

    >>> def one(dtype, gflops, error):
    ...     return {"dtype": dtype, "gflops": gflops, "error": error}
    >>> fast_but_wrong = one("float32", 900.0, 0.08)
    >>> best_peaks([one("float32", 200.0, 1e-5), fast_but_wrong])
    {'float32': 200.0}
    """
    exact = min(p["error"] for p in peaks if p["dtype"] == "float32")
    best: dict[str, float] = {}
    for peak in peaks:
        dtype, honest = peak["dtype"], peak["error"] <= 10 * exact
        if dtype == "bfloat16" or honest:
            best[dtype] = max(best.get(dtype, 0.0), peak["gflops"])
    return best


def _in_processes(n: int, threads: int, device: str) -> list[dict[str, Any]]:
    """The sum over n processes that run at once, setting by setting."""
    command = [sys.executable, "-m", __name__, str(threads), device]
    running = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=threads_environment(threads),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(n)
    ]
    answers = [json.loads(process.communicate()[0]) for process in running]
    return [
        one[0]
        | {"gflops": sum(p["gflops"] for p in one), "processes": n, "threads": threads}
        for one in zip(*answers, strict=True)
    ]


def _measure(threads: int, device: str) -> list[Peak]:
    import torch

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIZE, SIZE, generator=generator) for _ in range(2))
    exact = a.double() @ b.double()
    a, b, peaks = a.to(device), b.to(device), []
    for setting in SETTINGS:
        torch.set_float32_matmul_precision(setting)
        peaks.append(_of_one(a, b, exact, "float32", setting))
    torch.set_float32_matmul_precision("highest")
    return [*peaks, _of_one(a.bfloat16(), b.bfloat16(), exact, "bfloat16", "highest")]


def _of_one(a: Any, b: Any, exact: Any, dtype: str, setting: str) -> Peak:
    import torch

    product = a @ b
    error = (product.cpu().double() - exact).abs().mean().item()
    best, stop = float("inf"), perf_counter() + SECONDS
    while perf_counter() < stop:
        start = perf_counter()
        torch.mm(a, b, out=product)
        if a.is_cuda:
            torch.cuda.synchronize()
        best = min(best, perf_counter() - start)
    return Peak(dtype, setting, 2 * SIZE**3 / best / 1e9, error)


if __name__ == "__main__":
    print(json.dumps([asdict(p) for p in _measure(int(sys.argv[1]), sys.argv[2])]))
