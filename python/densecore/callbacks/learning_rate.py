"""Callbacks that change the learning rate between epochs."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import checks
from .base import Callback, Direction, Logs, best_number, check_verbose

if TYPE_CHECKING:
    from ..models.model import Model


def _require_a_number(name: str, model: "Model") -> None:
    """A schedule sets the rate of each step: a callback's would be gone with the next one."""
    if model._compiled_optimizer().schedule is not None:
        raise ValueError(
            f"{name}: found an optimizer whose learning_rate is a schedule, wanted a number: only "
            "one of them can set the rate"
        )


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` or ``schedule(epoch)`` → the epoch's learning rate.
    verbose : {0, 1}, default 0
        1 says each epoch's.

    Raises
    ------
    TypeError
        `schedule` is not callable, or does not return a number.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(
                f"LearningRateScheduler: found {type(schedule).__name__}, wanted a callable"
            )
        self.schedule = schedule
        self.verbose = check_verbose("LearningRateScheduler", verbose)
        self._takes_rate = _accepts_two(schedule)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse an optimizer that has a schedule of its own."""
        _require_a_number("LearningRateScheduler", self.model)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Ask the schedule."""
        old = float(self.model._compiled_optimizer().learning_rate)
        new = self.schedule(epoch, old) if self._takes_rate else self.schedule(epoch)
        array = np.asarray(new)
        if array.ndim != 0 or array.dtype.kind not in "iuf":
            raise TypeError(
                f"LearningRateScheduler: the schedule returned {new!r} for epoch {epoch}, wanted a "
                "number"
            )
        self.model._compiled_optimizer().learning_rate = float(array)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(array):g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add ``learning_rate`` to the epoch's numbers."""
        if logs is not None:
            logs["learning_rate"] = float(self.model._compiled_optimizer().learning_rate)


def _accepts_two(function: Callable[..., Any]) -> bool:
    """Whether a call with two arguments is meant: `try` would hide the function's own errors."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


class ReduceLROnPlateau(Callback):
    """Reduce the learning rate when a number has not become better for a number of epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Any name in the epoch's logs.
    factor : float, default 0.1
        What the learning rate is multiplied with, < 1.
    patience : int, default 10
        Epochs without improvement after which to do so.
    verbose : {0, 1}, default 0
        1 says when it happens.
    mode : {"auto", "min", "max"}, default "auto"
        Whether the number is to fall or to grow; "auto" goes by its name.
    min_delta : float, default 0.0001
        What is less better than that is not better.
    cooldown : int, default 0
        Epochs after a reduction that are not counted.
    min_lr : float, default 0.0
        The learning rate does not fall below it.

    Raises
    ------
    ValueError
        A factor that is not between 0 and 1, or another mode.
    """

    _state = ("wait", "cooldown_counter", "best")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.factor = checks.number("ReduceLROnPlateau: factor", factor, above=0, below=1)
        self.patience = checks.integer("ReduceLROnPlateau: patience", patience, 0)
        self.verbose = check_verbose("ReduceLROnPlateau", verbose)
        self.cooldown = checks.integer("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lr = checks.number("ReduceLROnPlateau: min_lr", min_lr, least=0)
        self._direction = Direction("ReduceLROnPlateau", monitor, mode, min_delta)
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.cooldown_counter = 0
        self.best: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training; refuse an optimizer that has a schedule of its own."""
        _require_a_number("ReduceLROnPlateau", self.model)
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and reduce when patience ends; adds ``learning_rate`` to the numbers."""
        rate = float(self.model._compiled_optimizer().learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.monitored(self.monitor, logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._direction.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self._reduce(epoch, rate)

    def _reduce(self, epoch: int, rate: float) -> None:
        # Below the smallest double the optimizer would refuse the rate.
        new = max(rate * self.factor, self.min_lr, np.finfo(np.float64).tiny)
        self.model._compiled_optimizer().learning_rate = new
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate reduced to {new:g}")
        self.cooldown_counter, self.wait = self.cooldown, 0

    def get_state(self) -> dict[str, Any]:
        """The best number, and how long ago it was."""
        return {name: getattr(self, name) for name in self._state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Wait on from there."""
        wait, cooldown = (checks.integer(name, state[name]) for name in self._state[:2])
        self.best = best_number("best", state["best"])
        self.wait, self.cooldown_counter = wait, cooldown
