"""How far a training of many networks has come, told while it runs in the core."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.2  # seconds between two calls


@contextlib.contextmanager
def watched(tell: Callable[[float], None] | None, losses: NDArray[np.float64]) -> Iterator[None]:
    """Call `tell` from another thread with the share of numbers in `losses` that are there.

    The core writes into `losses`, which starts as NaN, without the GIL. A loss that is not finite
    counts as one that is not there yet.
    """
    if tell is None or losses.size == 0:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            tell(float(np.isfinite(losses).mean()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    tell(1.0)
