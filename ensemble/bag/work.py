"""What a worker gets and gives back, wherever it is.

Workers get arrays and plain values and give back what a group has learned; only the
driver writes files.
"""

import gc
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ensemble.bag.in_bag import TrainingData
from ensemble.bag.plan import Member
from ensemble.bag.products import Products
from ensemble.bag.train import TrainedMember, train_group
from ensemble.recipe import Recipe

NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory",
             "CUBLAS_STATUS_ALLOC_FAILED")  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What all groups are trained with: it goes to each worker once."""

    data: TrainingData
    recipe: Recipe
    views: bytes | None = None  # packed
    products: Products = "standard"


@dataclass(frozen=True)
class OutOfMemory:
    """A group did not fit into the memory of its worker."""

    reason: str


@dataclass(frozen=True)
class Died:
    """The worker of a group is gone, and what it had trained with it."""

    reason: str


Trained = list[TrainedMember]
Hear = Callable[[int, float], None]


def train(
    work: Work, members: Sequence[Member], device: str, n_threads: int, hear: Hear
) -> Trained | OutOfMemory:
    """Train a group on this machine; `hear(epoch, loss)` is told how far it is."""
    views = None if work.views is None else pickle.loads(work.views)
    try:
        with threads(n_threads):
            return train_group(
                work.data, members, work.recipe, views, device, hear, work.products
            )
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join((str(error) or "no memory is left").split())
    gc.collect()  # the frames of the error held what it had
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    return OutOfMemory(f"out of memory on {device} ({reason[:120]})")


def answer(
    work: Work, members: Sequence[Member], device: str, n_threads: int, hear: Hear
) -> "Trained | OutOfMemory | Exception":
    """What a worker says in the end: what was trained, or what came in between.

    First it is heard, with epoch 0, that somebody has begun.
    """
    hear(0, 0.0)
    try:
        return train(work, members, device, n_threads, hear)
    except Exception as error:
        return _portable(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that is what an error says: torch has no exception of its own for it.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in NO_MEMORY)


def exit_reason(code: int | None) -> str:
    """Why a process is gone, from its exit code: negative is that of a signal.

    >>> exit_reason(-11), exit_reason(3)
    ('killed by SIGSEGV', 'it left with exit code 3')
    """
    if code is None or code >= 0:
        return f"it left with exit code {code}"
    name = signal.Signals(-code).name
    hint = ", perhaps because memory ran out" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def _portable(error: Exception) -> Exception:
    """The error as it can be sent to the driver, with where it happened as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does then
        return RuntimeError("\n".join([repr(error), *error.__notes__]))
    return error


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """torch takes so many threads for its products."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
