"""What was done, when, and how fast it went while all processes were busy."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Span:
    """Member-samples that were done by one process from `start` to `end`, in seconds.

    A member-sample is one row on its way forward and back through one member, with its
    share of the update.
    """

    start: float
    end: float
    n_samples: int


@dataclass(frozen=True)
class Work:
    """What a contestant has done: its spans, and the updates that each member made.

    `n_updates` is counted where the library tells it, and covers the spans only.
    `n_at_once` spans run side by side while all processes are busy.
    """

    spans: tuple[Span, ...]
    n_updates: int
    n_at_once: int = 1

    @property
    def n_samples(self) -> int:
        return sum(span.n_samples for span in self.spans)

    @property
    def rate(self) -> float:
        """Member-samples a second while all processes were busy."""
        return busy_rate(self.spans, self.n_at_once)


def busy_rate(spans: Sequence[Span], n_at_once: int) -> float:
    """Member-samples a second while `n_at_once` spans run side by side.

    So the start of processes, and the time in which only some have work left, do not
    count. Within a span the work is taken to be even.

    >>> busy_rate([Span(0, 2, 20), Span(3, 4, 10)], n_at_once=1)
    10.0
    >>> busy_rate([Span(0, 2, 20), Span(1, 4, 60)], n_at_once=2)
    30.0
    """
    times = sorted({time for span in spans for time in (span.start, span.end)})
    samples = seconds = 0.0
    for start, end in pairwise(times):
        running = [s for s in spans if s.start <= start and end <= s.end]
        if len(running) == n_at_once:
            seconds += end - start
            samples += sum(
                s.n_samples / (s.end - s.start) * (end - start) for s in running
            )
    if seconds == 0.0:
        raise ValueError(
            f"busy_rate takes spans of which {n_at_once} run side by side, got {spans}"
        )
    return samples / seconds
