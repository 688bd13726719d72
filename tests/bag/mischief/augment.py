"""Random views that change nothing and do harm: what PLAN says, so many times.

A worker elsewhere gets this module with its PLAN as it is when the work is packed. Each
harm first leaves a file in the plan's folder: so it is seen whether it came to pass.
"""

import ctypes
import os
import signal
import time
from pathlib import Path

import torch

PLAN = {"harm": None, "folder": "", "times": 1, "n_members": 1}

HARMS = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(3),
    "SIGSTOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "sleep": lambda: time.sleep(3600),
    "torch memory": lambda: torch.empty(10**15),
    "memory": lambda: bytearray(1 << 60),
    "error": lambda: int("no number"),
}


def augment(x, columns, uniform):
    """The same rows, unless a group of at least `n_members` is to be harmed."""
    if PLAN["harm"] and x.shape[0] >= PLAN["n_members"] and claimed():
        HARMS[PLAN["harm"]]()
    return x


augment.n_uniform = 1


def claimed() -> bool:
    """Whether it is our turn; so many times in all, whoever asks."""
    for time_ in range(PLAN["times"]):
        try:
            (Path(PLAN["folder"]) / f"{time_}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False
