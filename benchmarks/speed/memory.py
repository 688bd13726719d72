"""The greatest memory of a process and of those that it started (Linux)."""

import re
from pathlib import Path

PROC = Path("/proc")


def peak_mib(pid: int) -> float:
    """The sum of the greatest resident sizes of a process and its descendants, in MiB.

    What processes share, such as libraries, counts for each.
    """
    return sum(_own_peak(one) for one in [pid, *_descendants(pid)]) / 1024


def _own_peak(pid: int) -> int:
    try:
        status = (PROC / str(pid) / "status").read_text()
    except OSError:  # it has just ended
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in (PROC / str(pid) / "task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *_descendants(child)]
    return found
