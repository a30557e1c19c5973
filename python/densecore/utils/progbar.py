"""The progress of a custom loop."""

import sys
import time
from collections.abc import Iterable
from typing import Any

from .._base import checks
from ..callbacks.progress import rewrites_lines


class Progbar:
    """How far a loop is, with means of numbers: one line that a terminal rewrites.

    Elsewhere (pipes, files) only the last line is written.

    Parameters
    ----------
    target : int or None
        The number of steps; None: not known.
    width : int, default 20
        Of the bar, in characters.
    verbose : {0, 1, 2}, default 1
        0 shows nothing, 2 the last line only.
    interval : float, default 0.05
        The least seconds between two lines.
    stateful_metrics : iterable of str, optional
        Names of numbers that are shown as they are; of others the mean over the steps is.
    unit_name : str, default "step"

    Raises
    ------
    TypeError, ValueError
        Sizes that are no integers >= 1.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        self.target = None if target is None else checks.integer("Progbar: target", target, 0)
        self.width = checks.integer("Progbar: width", width, 1)
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self._sums: dict[str, tuple[float, float]] = {}  # name → sum of numbers, and of their steps
        self._seen = 0
        self._start = time.perf_counter()
        self._drawn = 0.0
        self._length = 0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show that `current` steps are done, and numbers of the steps since the last call.

        Parameters
        ----------
        current : int
        values : iterable of (str, float), optional
        finalize : bool, optional
            Whether this is the last call; by default when `current` has come to the target.
        """
        steps = max(current - self._seen, 0)
        for name, value in values or ():
            number = float(value)
            if name in self.stateful_metrics:
                self._sums[name] = (number, 1.0)
            else:
                total, count = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = (total + number * max(steps, 1), count + max(steps, 1))
        self._seen = current
        last = finalize
        if last is None:
            last = self.target is not None and current >= self.target
        self._show(last)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done; `values` as in `update`."""
        self.update(self._seen + n, values)

    def _show(self, last: bool) -> None:
        now = time.perf_counter()
        in_place = self.verbose == 1 and rewrites_lines(sys.stdout)
        due = in_place and now - self._drawn >= self.interval
        if self.verbose == 0 or not (last or due):
            return
        self._drawn = now
        line = self._line(now - self._start)
        begin = "\r" if in_place else ""
        sys.stdout.write(begin + line.ljust(self._length) + ("\n" if last else ""))
        sys.stdout.flush()
        self._length = 0 if last else len(line)

    def _line(self, seconds: float) -> str:
        parts = []
        if self.target is None:
            parts.append(f"{self._seen}/Unknown")
        else:
            done = self.width if self.target == 0 else self.width * self._seen // self.target
            bar = "━" * min(done, self.width)
            parts.append(f"{self._seen}/{self.target} {bar:{self.width}}")
        each = seconds / max(self._seen, 1)
        parts.append(f"{seconds:.0f}s {1000 * each:.3g}ms/{self.unit_name}")
        parts += [f"{name}: {total / count:.4g}" for name, (total, count) in self._sums.items()]
        return " - ".join(parts)
