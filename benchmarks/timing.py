"""Timing in turn: whatever disturbs the machine for a while disturbs every contestant."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable

Call = Callable[[int], None]


def repeats_for(call: Call, seconds: float) -> int:
    """How often to repeat for a measurement of about `seconds`; warms up first."""
    if _spent(call, 1) > 20 * seconds and _spent(call, 1) > seconds:
        return 1  # not slow to start only, but slow
    count = 1
    while (spent := _spent(call, count)) < seconds / 4:
        count *= 4
    return max(1, math.ceil(count * seconds / spent))


def _spent(call: Call, count: int) -> float:
    start = time.perf_counter()
    call(count)
    return time.perf_counter() - start


def in_turn(
    calls: dict[str, Call],
    rounds: int,
    seconds: float,
    between: Callable[[str], None] = lambda name: None,
) -> dict[str, list[float]]:
    """Seconds per repetition of every call in every round.

    `between` is called before each contestant's turn, with its name.
    """
    counts = {}
    for name, call in calls.items():
        between(name)
        counts[name] = repeats_for(call, seconds)
    times: dict[str, list[float]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()  # a collection in one contestant's turn would be another's garbage
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                between(name)
                times[name].append(_spent(call, counts[name]) / counts[name])
    finally:
        if collecting:
            gc.enable()
    return times
