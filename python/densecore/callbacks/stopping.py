"""Callbacks that end a training."""

import math
import time
from typing import Any

import numpy as np

from .._base import checks
from .base import Callback, Direction, Logs, best_number, check_verbose


class EarlyStopping(Callback):
    """Stop when a number has not become better for a number of epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Any name in the epoch's logs: ``"val_loss"``, ``"accuracy"``, …
    min_delta : float, default 0.0
        What is less better than that is not better.
    patience : int, default 0
        Epochs without improvement after which to stop.
    verbose : {0, 1}, default 0
        1 says what happens.
    mode : {"auto", "min", "max"}, default "auto"
        Whether the number is to fall or to grow; "auto" goes by its name.
    baseline : float, optional
        Improvements that do not get beyond it do not count for `patience`.
    restore_best_weights : bool, default False
        Whether the model ends with the weights of its best epoch instead of its last one.
    start_from_epoch : int, default 0
        Epochs before this one are ignored.

    Attributes
    ----------
    best, best_epoch : float, int
        The best number, and its epoch counted from 0.
    stopped_epoch : int
        The epoch after which training was stopped; 0 when it was not.
    """

    _state = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = checks.integer("EarlyStopping: patience", patience, 0)
        self.verbose = check_verbose("EarlyStopping", verbose)
        self.baseline = best_number("EarlyStopping: baseline", baseline)
        self.restore_best_weights = checks.flag(
            "EarlyStopping: restore_best_weights", restore_best_weights
        )
        self.start_from_epoch = checks.integer(
            "EarlyStopping: start_from_epoch", start_from_epoch, 0
        )
        self._direction = Direction("EarlyStopping", monitor, mode, min_delta)
        self._reset()

    def _reset(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier training."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare, and stop when patience is at its end."""
        value = self.monitored(self.monitor, logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._direction.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._direction.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give back the best weights."""
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        """The best number with its weights, and how long ago it was."""
        return {name: getattr(self, name) for name in self._state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Wait on from there."""
        wait, stopped_epoch, best_epoch = (
            checks.integer(name, state[name]) for name in ("wait", "stopped_epoch", "best_epoch")
        )
        weights = state["best_weights"]
        if weights is not None:
            if not isinstance(weights, list):
                raise TypeError(f"best_weights: found {checks.shown(weights)}, wanted arrays")
            found, wanted = ([np.shape(w) for w in ws] for ws in (weights, self.model.weights))
            if found != wanted:
                raise ValueError("best_weights: found arrays of other shapes than the model's")
        self.best = best_number("best", state["best"])
        self.wait, self.stopped_epoch, self.best_epoch = wait, stopped_epoch, best_epoch
        self.best_weights = weights


class TerminateOnNaN(Callback):
    """Stop when the loss is not a number, or infinite.

    Parameters
    ----------
    every_batch : bool, default False
        Whether to look after each batch, as Keras does; else after each epoch, which leaves the
        loop in the core.
    """

    def __init__(self, every_batch: bool = False) -> None:
        super().__init__()
        if checks.flag("TerminateOnNaN: every_batch", every_batch):
            self.on_train_batch_end = self._batch_end  # type: ignore[method-assign]

    def _batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._check("Batch", batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the loss."""
        if not self.model.stop_training:  # said already, of a batch of this epoch
            self._check("Epoch", epoch + 1, logs)

    def _check(self, what: str, number: int, logs: Logs | None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"{what} {number}: the loss is {loss}, training is stopped")
            self.model.stop_training = True


class TimeLimit(Callback):
    """Stop after the first epoch that ends later than a time after the beginning.

    Parameters
    ----------
    seconds : float
        Of wall-clock time, > 0.
    every_batch : bool, default False
        Whether to look after each batch too, instead of after each epoch only: for epochs that take
        long.

    Raises
    ------
    ValueError
        `seconds` is not > 0.
    """

    def __init__(self, seconds: float, every_batch: bool = False) -> None:
        super().__init__()
        self.seconds = checks.number("TimeLimit: seconds", seconds, above=0)
        self._end = math.inf
        if checks.flag("TimeLimit: every_batch", every_batch):
            self.on_train_batch_end = self._look  # type: ignore[method-assign, assignment]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the clock."""
        self._end = time.monotonic() + self.seconds

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the clock."""
        self._look(epoch, logs)

    def _look(self, number: int, logs: Logs | None = None) -> None:
        if time.monotonic() >= self._end:
            self.model.stop_training = True
