"""The progress display of training: one line in a terminal, a few lines in a log."""

import os
import sys
import threading
import time
from contextlib import nullcontext
from typing import Any, TextIO

from .._base import checks
from .._base.lazy import imports
from .base import Callback, Logs


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
    start : float, optional
        `time.perf_counter()` at the beginning of the first epoch; by default now.
    """

    interval = 0.05  # seconds between two updates of the line
    # Within an epoch: seconds until the first look and between two, by another thread.
    within = 0.5

    def __init__(
        self,
        epochs: int,
        verbose: int | str,
        stream: TextIO | None = None,
        start: float | None = None,
    ) -> None:
        check_verbose(verbose)
        self._epochs = epochs
        self._verbose = 1 if isinstance(verbose, str) else min(int(verbose), 2)
        self._stream = sys.stdout if stream is None else stream
        self._in_place = self._verbose == 1 and rewrites_lines(self._stream)
        self._start = time.perf_counter() if start is None else start
        self._drawn = self._start
        self._first: int | None = None
        self._open_line = False
        self._pending: str | None = None
        self._lock = threading.Lock()

    @property
    def in_place(self) -> bool:
        """Whether one line is rewritten."""
        return self._in_place

    def within_epoch(self, epoch: int, share: float) -> None:
        """Show how far an epoch (counted from 0) is, when nothing else has been shown for long."""
        with self._lock:
            now = time.perf_counter()
            if not self._in_place or self._verbose == 0 or now - self._drawn < self.within:
                return
            elapsed, width = now - self._start, len(str(self._epochs))
            self._pending = (
                f"Epoch {epoch + 1:{width}d}/{self._epochs} - {share:.0%} of the epoch - "
                f"{_duration(elapsed)}"
            )
            self._draw(now)

    def __call__(self, epoch: int, logs: dict[str, float]) -> None:
        """Show that `epoch` (counted from 0) has ended with these numbers."""
        with self._lock:
            self._show(epoch, logs)

    def _show(self, epoch: int, logs: dict[str, float]) -> None:
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
        with self._lock:
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
        numbers = " - ".join(f"{name}: {shown(value)}" for name, value in logs.items())
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


def rewrites_lines(stream: TextIO) -> bool:
    """Whether a carriage return goes back to the line's beginning: terminals and notebooks."""
    if type(stream).__module__.startswith("ipykernel"):
        return True
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


class ProgressBar(Callback):
    """Show the progress of a training; ``fit(verbose=...)`` makes one unless it is given one.

    Parameters
    ----------
    style : {"auto", 0, 1, 2, "bar"}, default "bar"
        As `fit`'s `verbose`. ``"bar"`` is tqdm's where it is installed and lines can be rewritten:
        otherwise, in pipes and logs for instance, it is as 1.
    stream : file, optional
        By default `sys.stdout` at the time of training.
    """

    def __init__(self, style: int | str = "bar", stream: TextIO | None = None) -> None:
        super().__init__()
        check_verbose(style)
        self.style = style
        self._stream = stream
        self._began = 0.0
        self._shown: Any = None
        self._epoch = 0  # the present one
        self._between = True  # two epochs, or before the first or behind the last one
        # During training only: neither can be copied or pickled.
        self._starting: threading.Lock | None = None
        self._ended: threading.Event | None = None
        self._watcher: threading.Thread | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the clock; a thread shows how far an epoch is that takes longer than a second."""
        self._release()
        self._began = time.perf_counter()
        self._epoch = self.model._initial_epoch if self.model is not None else 0
        self._between = True
        stream = sys.stdout if self._stream is None else self._stream
        if self.style in ("auto", "bar", 1) and rewrites_lines(stream):
            self._starting, self._ended = threading.Lock(), threading.Event()
            self._watcher = threading.Thread(target=self._watch, args=(self._ended,), daemon=True)
            self._watcher.start()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(EpochProgress.within):
            share = self._share
            # Between epochs, where other callbacks may take long, the share is the last one's.
            if share is None or self._between:
                continue
            self._display(self._epoch).within_epoch(self._epoch, share())

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note that the epoch has begun."""
        self._epoch, self._between = epoch, False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Show the epoch's numbers."""
        self._between = True
        self._display(epoch)(epoch, logs or {})

    def _release(self) -> None:
        if self._watcher is not None and self._ended is not None:
            self._ended.set()
            self._watcher.join()
            self._watcher = self._starting = self._ended = None
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _display(self, epoch: int) -> Any:
        with self._starting or nullcontext():
            if self._shown is None:
                self._shown = self._start(epoch)
        return self._shown

    def _start(self, epoch: int) -> "EpochProgress | _Bar":
        epochs = int(self.params.get("epochs", epoch + 1))
        stream = sys.stdout if self._stream is None else self._stream
        if self.style != "bar":
            return EpochProgress(epochs, self.style, stream, self._began)
        bar_class = _tqdm() if rewrites_lines(stream) else None
        if bar_class is None:
            return EpochProgress(epochs, 1, stream, self._began)
        return _Bar(bar_class, epochs, epoch, stream)


class _Bar:
    """tqdm's bar, one step per epoch."""

    def __init__(self, bar_class: Any, epochs: int, first: int, stream: TextIO) -> None:
        self._bar = bar_class(total=epochs, initial=first, unit="epoch", file=stream)

    def __call__(self, epoch: int, logs: Logs) -> None:
        self._bar.set_postfix({name: shown(value) for name, value in logs.items()}, refresh=False)
        self._bar.n = epoch  # a whole number again
        self._bar.update()

    def within_epoch(self, epoch: int, share: float) -> None:
        """Show how far an epoch is, as a part of a step."""
        self._bar.update(epoch + round(share, 2) - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _tqdm() -> Any:
    with imports:
        import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of notebooks without ipywidgets: it falls back itself
            with imports:
                from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def check_verbose(verbose: int | str) -> None:
    """Raise ValueError for what `fit` cannot show."""
    # Numbers above 2, which Keras takes, too, are lines without a bar.
    found = int(verbose) if isinstance(verbose, bool) else checks.real(verbose)
    if isinstance(verbose, str):
        known = verbose in ("auto", "bar")
    else:
        known = isinstance(found, int) and found >= 0
    if not known:
        raise ValueError(f"verbose: found {checks.shown(verbose)}, wanted 'auto', 0, 1, 2 or 'bar'")


def shown(value: float) -> str:
    """A number of the logs; learning rates need their exponent."""
    return f"{value:.4f}" if abs(value) >= 5e-4 or value == 0 else f"{value:.4e}"


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
