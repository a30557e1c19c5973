"""A progress line for loops of one's own: Keras's ``utils.Progbar``."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import checks


class Progbar:
    """A line that says how far a loop is, with means of numbers.

    Parameters
    ----------
    target : int or None
        Steps in all; None if that is not known.
    width : int, default 20
        Characters of the bar.
    verbose : {0, 1, 2}, default 1
        0 silent, 1 a line that is written again and again, 2 one line at the end.
    interval : float, default 0.05
        Seconds between two writings.
    stateful_metrics : list of str, optional
        Names of numbers that are shown as they are, and not as means.
    unit_name : str, default "step"
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Sequence[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target = None if target is None else checks.integer("target", target, 0)
        self.width = checks.integer("width", width, 1)
        self.verbose = checks.integer("verbose", verbose, 0, 2)
        self.interval = checks.number("interval", interval, least=0)
        self.stateful_metrics = set(stateful_metrics or ())
        self.unit_name = unit_name
        self._sums: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._shown = 0.0
        self._start = time.perf_counter()

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """Say that so many steps are made.

        Parameters
        ----------
        current : int
        values : list of (str, float), optional
            Numbers of the steps since the last call.
        finalize : bool, optional
            Whether this is the end; by default when `current` has reached `target`.
        """
        current = checks.integer("current", current, 0)
        for name, value in values or ():
            number = float(np.asarray(value))
            if name in self.stateful_metrics:
                self._sums[name] = (number, 1.0)
            else:
                weight = max(current - self._seen, 1)
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = (total + weight * number, count + weight)
        self._seen = current
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        now = time.perf_counter()
        due = finalize or (self.verbose == 1 and now - self._shown >= self.interval)
        if self.verbose == 0 or not due:
            return
        self._shown = now
        line = self._line(current, now - self._start)
        sys.stdout.write(f"\r{line}" if self.verbose == 1 else line)
        sys.stdout.write("\n" if finalize else "")
        sys.stdout.flush()

    def add(self, n: int, values: Any = None) -> None:
        """Say that n more steps are made.

        Parameters
        ----------
        n : int
        values : list of (str, float), optional
        """
        self.update(self._seen + checks.integer("n", n, 0), values)

    def _line(self, current: int, seconds: float) -> str:
        parts = [f"{current}/{self.target}" if self.target else str(current)]
        if self.target and self.verbose == 1:
            done = min(self.width * current // self.target, self.width)
            parts[0] += f" {'━' * done}{' ' * (self.width - done)}"
        parts.append(f"{seconds:.0f}s")
        parts += [f"{name}: {total / count:.4f}" for name, (total, count) in self._sums.items()]
        return " - ".join(parts)
