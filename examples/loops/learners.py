"""What the examples of whole agents share: their comparison with the same agent in PyTorch.

An agent is a class with `act`, which chooses actions, and `update`, which learns from a batch. The
loop around it is NumPy, and the same program for both libraries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

Agent = Callable[[int], Any]  # seed -> an agent


class Watch:
    """An agent whose updates are timed and counted."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.seconds, self.updates = 0.0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.agent, name)

    def update(self, *batch: Any) -> Any:
        start = time.perf_counter()
        result = self.agent.update(*batch)
        self.seconds += time.perf_counter() - start
        self.updates += 1
        return result


def compare(loop: Callable[[Agent], float], ours: Agent, theirs: Agent, rounds: int = 3) -> None:
    """Run the loop with both libraries in turn; `loop` returns what it has reached."""
    try:
        theirs(0)
    except ImportError:
        print("--compare: PyTorch is not installed")
        return
    agents = {"densecore": ours, "PyTorch": theirs}
    best = {name: (float("inf"), float("inf")) for name in agents}
    reached = {}
    for _ in range(rounds):
        for name, make in agents.items():
            watches: list[Watch] = []

            def watched(seed: int, make: Agent = make, kept: list[Watch] = watches) -> Watch:
                kept.append(Watch(make(seed)))
                return kept[-1]

            start = time.perf_counter()
            reached[name] = loop(watched)
            spent = time.perf_counter() - start
            (watch,) = watches
            best[name] = min(best[name], (1e6 * watch.seconds / watch.updates, spent))
    print(f"{'':12}{'an update':>12}{'whole loop':>12}{'reached':>12}")
    for name, (update, whole) in best.items():
        print(f"{name:12}{update:9.0f} µs{whole:10.2f} s{reached[name]:12.4g}")
    ratios = [b / a for a, b in zip(best["densecore"], best["PyTorch"], strict=True)]
    print(f"{'ratio':12}{ratios[0]:10.1f} ×{ratios[1]:10.1f} ×")
