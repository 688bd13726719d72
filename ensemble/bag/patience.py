"""How long a group may be silent before its worker is taken for hung."""

import time
from collections.abc import Callable

LEAST_SECONDS = 300.0  # also for the prediction after the last epoch
FIRST_SECONDS = 1800.0  # before anybody has finished an epoch: nothing is known yet
EPOCHS = 20.0
LONGEST_LOOK = 2.0  # longer between two looks, and it was the driver that stood still


class Patience:
    """The silence of those who are waited for, and how much of it is too much.

    That is twenty times the longest epoch so far, and at least five minutes; half an
    hour while no epoch is finished; or `seconds`, where they are given. Who has not
    begun yet, since a process starts or sends for its data, has five minutes in any
    case.
    """

    def __init__(
        self, seconds: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._last_look = clock()
        self._silent: dict[int, float] = {}
        self._begun: set[int] = set()
        self._longest = 0.0

    def limit(self, ticket: int) -> float:
        """The seconds of silence that are borne now."""
        least = 0.0 if ticket in self._begun else LEAST_SECONDS
        if self._seconds is not None:
            return max(least, self._seconds)
        if not self._longest:
            return FIRST_SECONDS
        return max(LEAST_SECONDS, EPOCHS * self._longest)

    def begin(self, ticket: int) -> None:
        """Wait for somebody, if that is not so yet."""
        self._silent.setdefault(ticket, 0.0)

    def heard(self, ticket: int, epoch: int) -> None:
        """Somebody has finished an epoch, or with 0 begun."""
        if epoch > 0:
            self._longest = max(self._longest, self._silent[ticket])
        self._silent[ticket] = 0.0
        self._begun.add(ticket)

    def forget(self, ticket: int) -> None:
        """Wait for somebody no longer."""
        self._silent.pop(ticket, None)

    def exhausted(self) -> list[int]:
        """Who has been silent for too long; to be asked every now and then.

        Time in which the driver itself was stopped or busy elsewhere does not count.
        """
        now = self._clock()
        passed, self._last_look = min(now - self._last_look, LONGEST_LOOK), now
        for ticket in self._silent:
            self._silent[ticket] += passed
        return [t for t, seconds in self._silent.items() if seconds > self.limit(t)]
