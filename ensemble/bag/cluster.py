"""What clusters of any kind have in common: an address, and workers like us."""

import hashlib
import importlib
import importlib.metadata
import platform
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch

from ensemble.errors import UserError

SECONDS_TO_ANSWER = 5.0
PACKAGES = ("torch", "numpy", "ensemble-toolkit")


@dataclass(frozen=True)
class About:
    """What must be the same at every worker, and whether it sees a GPU."""

    versions: dict[str, str]
    has_gpu: bool


def about_here() -> About:
    """The versions on this machine, and whether there is a GPU."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    own = {"python": platform.python_version(), "code of ensemble": CODE}
    return About(own | packages, torch.cuda.is_available())


def must_be_reachable(address: str, start: str) -> None:
    """Say it within seconds if nobody listens there; `start` says the remedy.

    Servers of dask and ray are the first to speak, unless they wait for a handshake of
    TLS; without this, dask's client waits forever for another kind of server.
    """
    protocol, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--address {address} must be HOST:PORT")
    try:
        with socket.create_connection((host, int(port)), SECONDS_TO_ANSWER) as server:
            if protocol != "tls" and not server.recv(1):
                raise ConnectionError("the connection was closed at once")
    except (OSError, OverflowError, UnicodeError) as error:  # a port, a host's name
        raise UserError(
            f"--address {address} cannot be reached ({error}); {start}"
        ) from error


def must_be_like_here(workers: Iterable[tuple[str, About]]) -> None:
    """Workers of other versions may come to other results, or to none."""
    here = about_here().versions
    for name, about in workers:
        for what, version in about.versions.items():
            if version != here[what]:
                raise UserError(
                    f"the worker {name} has {what} {version}, but here it is"
                    f" {here[what]}: install the same there and start it again"
                )


def common_device(device: str, workers: Iterable[About]) -> str:
    """What each worker is to use; `auto` is the GPU if all of them see one."""
    all_have_one = all(about.has_gpu for about in workers)
    if device == "auto":
        return "cuda" if all_have_one else "cpu"
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device} on a cluster: take auto, cpu or cuda")
    if device == "cuda" and not all_have_one:
        raise UserError("--device cuda: not every worker of the cluster sees a GPU")
    return device


def count_jobs(jobs: int | None, n_workers: int) -> int:
    """How many of a cluster's workers are used."""
    if n_workers == 0:
        raise UserError("the cluster has no workers; docs/cluster.md says how to add")
    if jobs is None or jobs == -1:
        return n_workers
    if jobs < 1:
        raise UserError(f"--jobs {jobs}: take 1 or more, or -1 for the whole cluster")
    return min(jobs, n_workers)


def import_backend(name: str) -> ModuleType:
    """dask's or ray's module, which is not installed with this package itself."""
    with suppress(ModuleNotFoundError):
        return importlib.import_module(name)
    raise UserError(
        f"{name} is not installed here; pip install 'ensemble-toolkit[cluster]'"
    )


def _code_sha256() -> str:
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


CODE = _code_sha256()  # as it was loaded: a worker may run longer than a file lives
