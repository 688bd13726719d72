"""Who trains the groups of a bag: this process, others beside it, or a cluster.

Threads are shared out so that workers x threads never exceed the cores: two processes
of two threads on two cores wait for each other most of the time.
"""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import joblib
import torch

from ensemble.bag.backlog import Backlog, Piece
from ensemble.bag.cluster import common_device, count_jobs, must_be_like_here
from ensemble.bag.hooks import ViewHooks, pack_views
from ensemble.bag.in_bag import TrainingData
from ensemble.bag.on_dask import DaskPool, dask_workers
from ensemble.bag.on_ray import RayPool, ray_workers
from ensemble.bag.patience import Patience
from ensemble.bag.plan import Member
from ensemble.bag.pool import EpochHook, Pool, work_off
from ensemble.bag.processes import Processes
from ensemble.bag.products import Products
from ensemble.bag.work import Hear, OutOfMemory, Trained, Work, train
from ensemble.errors import UserError
from ensemble.recipe import Recipe

BACKENDS = ("loky", "dask", "ray")


@dataclass(frozen=True)
class Workers:
    """How many workers there are, of which kind, and where.

    Of loky, `devices` has one for each; on a cluster there is one name for all, and a
    worker takes the device of that name that it can see.
    """

    backend: str
    n: int
    devices: tuple[str, ...]
    address: str | None = None
    patience: float | None = None

    @property
    def device(self) -> str:
        """What run.json keeps: 'cpu', 'cuda', or one GPU of several."""
        return self.devices[0] if len(set(self.devices)) == 1 else "cuda"


def find_workers(
    backend: str = "loky",
    address: str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    patience: float | None = None,
) -> Workers:
    """Who can train here; what cannot be is refused before anything is done.

    Without `jobs`, one worker on this machine, or all of a cluster.
    """
    if patience is not None and not patience > 0:  # nan neither
        raise UserError(f"--patience {patience:g} must be above 0 seconds")
    if backend == "loky":
        if address is not None:
            raise UserError(
                f"--address {address} is for --backend dask or ray; the workers of"
                " loky are on this machine"
            )
        n_workers = check_jobs(1 if jobs is None else jobs)
        devices = spread_devices(pick_device(device), n_workers)
        return Workers(backend, len(devices), devices, patience=patience)
    if backend not in BACKENDS:
        raise UserError(f"--backend {backend} is not known: {', '.join(BACKENDS)}")
    if backend == "dask":
        n_there, found = dask_workers(address)
    else:
        n_there, found = ray_workers(address, device)
    n_workers = count_jobs(jobs, n_there)
    must_be_like_here(found.items())
    devices = (common_device(device, found.values()),)
    return Workers(backend, n_workers, devices, address, patience)


def train_groups(
    groups: Sequence[Sequence[Member]],
    data: TrainingData,
    recipe: Recipe,
    view_hooks: ViewHooks | None = None,
    workers: Workers = Workers("loky", 1, ("cpu",)),
    on_epoch: EpochHook = lambda group, epoch, loss: None,
    tell: Callable[[str], None] = lambda text: None,
    scratch: Path | None = None,
    products: Products = "standard",
) -> Generator[Trained]:
    """Train all groups side by side; each is handed over once it is finished.

    `on_epoch(group, epoch, loss)` hears of the progress of the groups, from 0, and
    `tell` of what went wrong and is tried again. A temporary file may lie in `scratch`.
    A group may come in parts, or its members as failed ones. Closing the generator
    ends the workers.
    """
    work = Work(data, recipe, pack_views(view_hooks), products)
    backlog = Backlog(groups, tell)
    n_workers = min(workers.n, len(groups))
    if workers.backend == "loky" and n_workers <= 1:
        yield from _train_here(work, backlog, workers.device, on_epoch)
        return
    with closing(_open_pool(work, workers, n_workers, scratch)) as pool:
        yield from work_off(pool, backlog, Patience(workers.patience), on_epoch)


def _train_here(
    work: Work, backlog: Backlog, device: str, on_epoch: EpochHook
) -> Generator[Trained]:
    """Group after group in this process."""
    while backlog:
        piece = backlog.take()
        hear = _for_group(on_epoch, piece)
        trained = train(work, piece.members, device, threads_of(1), hear)
        if isinstance(trained, OutOfMemory):
            trained = backlog.too_large(piece, trained.reason)
        if trained:
            yield trained


def _open_pool(
    work: Work, workers: Workers, n_workers: int, scratch: Path | None
) -> Pool:
    if workers.backend == "loky":
        devices = workers.devices[:n_workers]
        return Processes(work, devices, threads_of(n_workers), scratch)
    if workers.address is None:
        raise ValueError(f"workers of {workers.backend} take an address, got none")
    pool = DaskPool if workers.backend == "dask" else RayPool
    return pool(work, workers.address, n_workers, workers.device)


def spread_devices(device: str, jobs: int) -> tuple[str, ...]:
    """A device for each worker: no two of them share a GPU.

    >>> spread_devices("cpu", 2), spread_devices("cuda:1", 2)
    (('cpu', 'cpu'), ('cuda:1',))
    """
    if device != "cuda":
        return (device,) * (jobs if device == "cpu" else 1)
    n_gpus = min(jobs, torch.cuda.device_count())
    return tuple(f"cuda:{i}" for i in range(n_gpus)) if n_gpus > 1 else ("cuda",)


def check_jobs(jobs: int) -> int:
    """How many workers there will be: -1 asks for one a core, as in scikit-learn."""
    cores = joblib.cpu_count()
    if jobs == -1:
        return int(cores)
    if not 1 <= jobs <= cores:
        raise UserError(
            f"--jobs {jobs}: this machine has {cores} cores, so take 1 to {cores},"
            " or -1 for all"
        )
    return jobs


def threads_of(jobs: int) -> int:
    """How many threads each of so many workers may have; OMP_NUM_THREADS is obeyed."""
    share = int(joblib.cpu_count()) // jobs
    return max(1, min(share, torch.get_num_threads()))


def pick_device(device: str) -> str:
    """`auto` is the GPU where there is one that torch can use."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UserError(
            f"--device {device} cannot be used here, take auto, cpu or cuda"
        )
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:80]
        raise UserError(
            f"--device {device} cannot be used here, take auto, cpu, cuda or cuda:N"
            f" ({reason})"
        ) from error
    return device


def _for_group(on_epoch: EpochHook, piece: Piece) -> Hear:
    return lambda epoch, loss: on_epoch(piece.group, epoch, loss)
