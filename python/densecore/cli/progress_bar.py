"""A bar of a training that knows its end."""

import contextlib
import sys
import time
from types import TracebackType


class ProgressBar:
    """A line on standard error, rewritten as a training goes on; nothing where it is no terminal.

    Parameters
    ----------
    wanted : bool
        Whether to show it at all.
    """

    WIDTH = 30

    def __init__(self, wanted: bool) -> None:
        self._shown = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._start = time.perf_counter()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write("\r\033[K")

    def show(self, share: float) -> None:
        """Show that a share of the training is done, and how long the rest takes."""
        seconds = time.perf_counter() - self._start
        rest = f"{seconds * (1 - share) / share:.0f} s left" if share > 0.02 else "…"
        done = round(self.WIDTH * share)
        bar = "█" * done + "░" * (self.WIDTH - done)
        self._write(f"\r{bar} {share:4.0%}  {seconds:.0f} s, {rest}\033[K")

    def _write(self, text: str) -> None:
        if self._shown:
            with contextlib.suppress(OSError, ValueError, UnicodeError):
                sys.stderr.write(text)
                sys.stderr.flush()
