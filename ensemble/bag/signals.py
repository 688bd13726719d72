"""Ctrl-C is the driver's business alone: workers never hear of it, it ends them.

And they end when the driver does, however it ended.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_SECONDS = 0.2


@contextmanager
def signals_wait() -> Iterator[None]:
    """Ctrl-C and the like wait until the block is left.

    Processes that are started here never hear of them: they inherit the mask. In the
    driver that is not enough, since a signal may reach another thread of it.
    """
    waiting: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {
            number: signal.signal(number, lambda number, _: waiting.append(number))
            for number in SIGNALS
        }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def end_with(driver: int) -> None:
    """End this process when the one that started it is gone, even if it was killed."""

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
