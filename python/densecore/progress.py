"""The progress display of training: one line in a terminal, a few lines in a log."""

import os
import sys
import time
from typing import TextIO


class EpochProgress:
    """Called after each epoch; shows it.

    In a terminal one line is rewritten in place, at most twenty times a second. Elsewhere (pipes,
    files, CI logs) about ten whole lines tell of the whole training.

    Parameters
    ----------
    epochs : int
        The number to count to.
    verbose : {"auto", 0, 1, 2}
        0 shows nothing, 1 and "auto" as above, 2 a line per epoch.
    stream : file, optional
        By default `sys.stdout` at the time of the call.
    """

    interval = 0.05  # seconds between two updates of the line

    def __init__(self, epochs: int, verbose: int | str, stream: TextIO | None = None) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"verbose: found {verbose!r}, wanted 'auto', 0, 1 or 2")
        self._epochs = epochs
        self._verbose = 1 if verbose == "auto" else int(verbose)
        self._stream = sys.stdout if stream is None else stream
        self._in_place = self._verbose == 1 and _is_terminal(self._stream)
        self._start = self._drawn = time.perf_counter()
        self._first: int | None = None
        self._open_line = False
        self._pending: str | None = None

    def __call__(self, epoch: int, logs: dict[str, float]) -> None:
        """Show that `epoch` (counted from 0) has ended with these numbers."""
        if self._verbose == 0:
            return
        now = time.perf_counter()
        if self._first is None:
            self._first = epoch
        line = self._line(epoch, logs, now)
        if self._in_place:
            self._pending = line
            if now - self._drawn >= self.interval or epoch + 1 >= self._epochs:
                self._draw(now)
        elif self._verbose == 2 or self._is_due(epoch):
            self._write(line + "\n")

    def close(self) -> None:
        """Show what has not been shown, and end the line."""
        if self._pending is not None:
            self._draw(time.perf_counter())
        if self._open_line:
            self._write("\n")
            self._open_line = False

    def _is_due(self, epoch: int) -> bool:
        assert self._first is not None
        tenth = max((self._epochs - self._first) // 10, 1)
        return epoch in (self._first, self._epochs - 1) or (epoch + 1) % tenth == 0

    def _line(self, epoch: int, logs: dict[str, float], now: float) -> str:
        assert self._first is not None
        width = len(str(self._epochs))
        numbers = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        elapsed = now - self._start
        time_text = _duration(elapsed)
        left = self._epochs - 1 - epoch
        if self._in_place and left > 0:
            time_text += f", {_duration(elapsed / (epoch + 1 - self._first) * left)} left"
        return f"Epoch {epoch + 1:{width}d}/{self._epochs} - {numbers} - {time_text}"

    def _draw(self, now: float) -> None:
        line = self._pending or ""
        self._pending = None
        self._drawn = now
        # One column less than there are: a full last column would wrap.
        columns = _columns(self._stream) - 1
        if len(line) > columns:
            line = line[: max(columns - 1, 0)] + "…"
        self._write("\r" + line.ljust(columns))
        self._open_line = True

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of the pipe has gone: training is what matters.
            self._verbose = 0
            self._pending = None
            self._open_line = False


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (AttributeError, OSError, ValueError):
        return 80


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
