"""The base class of callbacks, and the list of them that `fit` calls."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import checks
from .._base.warn import warn
from ..metrics import larger_is_better

if TYPE_CHECKING:  # models know callbacks, and not the other way round
    from ..models.model import Model

Logs = dict[str, Any]

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """Base class: its hooks do nothing; override those that are needed.

    `fit` calls the hooks of epochs from the loop in the core. A hook of training batches in any
    callback makes `fit` go through the batches in Python instead: the same bits, but a few
    microseconds more for each batch.

    Attributes
    ----------
    model : Sequential
        The model that is trained. ``model.stop_training = True`` ends the training after the
        present batch, set when an epoch begins after its first one; when an epoch ends, at once.
    params : dict
        ``epochs``, ``steps`` (batches of an epoch, None when unknown), ``verbose``, ``batch_size``,
        ``rows``, ``metrics`` (the names that the logs of an epoch have).
    """

    # Callbacks that must see what the others have done in an epoch come last, whatever their place.
    runs_last = False
    # With `fit(comm=...)` those that write files run on rank 0 only.
    writes_files = False
    _warned_of = ""  # the number whose absence has been warned of
    # The share of the present epoch that is done; None where it is not known.
    _share: "Callable[[], float] | None" = None
    # The CallbackList this belongs to: BackupAndRestore restores the state of every callback in it.
    _companions: "CallbackList | None" = None

    def __init__(self) -> None:
        self.model: Model = None  # type: ignore[assignment]
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with `params` before anything else."""
        self.params = params

    def set_model(self, model: "Model") -> None:
        """Called with the model before training begins."""
        self.model = model
        direction = getattr(self, "_direction", None)
        if isinstance(direction, Direction):
            direction.ask(model)

    def get_state(self) -> dict[str, Any]:
        """The state of this callback in a backup: values that JSON holds, and arrays."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` said; called after `on_train_begin`."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, with its logs; not after an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch (counted from 0)."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation, with all its numbers; what is added to them, the
        callbacks after this one and the history see too."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step of training, with the means over the epoch's batches so far."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate`, and before each validation in `fit`."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After `evaluate`, with its numbers, and after each validation in `fit`."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `evaluate`."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `evaluate`, with the means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of `predict`; ``logs["outputs"]`` are its outputs."""

    def _release(self) -> None:
        """Called when `fit` is left, also by an exception: end lines, close files."""

    def monitored(self, name: str, logs: Logs | None) -> float | None:
        """A number of an epoch's logs by its name; None when it is not there, or not due yet.

        Warns
        -----
        UserWarning
            Once, as Keras: there is no such number; the message lists those that there are.
        """
        logs = logs or {}
        if name in logs:
            return float(logs[name])
        if name in self.params.get("metrics", ()):  # a validation that is not made every epoch
            return None
        hint = (
            ": fit was given no validation data"
            if name.startswith("val_") and not any(key.startswith("val_") for key in logs)
            else ""
        )
        if self._warned_of != name:
            self._warned_of = name
            warn(
                f"{type(self).__name__}: found no '{name}' to monitor{hint}, so that it does "
                f"nothing; known: {', '.join(logs) or 'nothing'}"
            )
        return None


def overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback does something of its own in a hook, by its class or as an attribute."""
    own = getattr(callback, hook, None)
    return getattr(own, "__func__", own) is not getattr(Callback, hook)


class Direction:
    """Compares a monitored number with the best one so far.

    Parameters
    ----------
    owner : str
        Whose argument `mode` is, for the error.
    monitor : str
    mode : {"auto", "min", "max"}
        "auto" asks the model's metric of that name, and else goes by the name: ``accuracy`` and
        its like are to grow, everything else to fall.
    min_delta : float, default 0.0
        What is less better than that is not better.
    """

    def __init__(self, owner: str, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        checks.text(f"{owner}: monitor", monitor)
        mode = checks.one_of(f"{owner}: mode", mode, ("auto", "min", "max"))
        self.grows = mode == "max" or (mode == "auto" and larger_is_better(monitor))
        self._asked = monitor.removeprefix("val_") if mode == "auto" else None
        self._delta = abs(checks.number(f"{owner}: min_delta", min_delta))

    def ask(self, model: "Model") -> None:
        """A metric of the model knows better than its name does."""
        if self._asked is not None:
            self.grows = model._directions.get(self._asked, self.grows)

    def better(self, value: float, best: float | None) -> bool:
        """Whether `value` is better than `best`; anything but NaN is better than None."""
        if best is None or best != best:
            return value == value
        return value - self._delta > best if self.grows else value + self._delta < best


def best_number(name: str, value: Any) -> float | None:
    """A monitored number out of a state, or None; TypeError for anything else."""
    found = checks.real(value)
    if value is not None and found is None:
        raise TypeError(f"{name}: found {checks.shown(value)}, wanted a number or None")
    return found


def check_verbose(owner: str, value: Any) -> int:
    """A callback's `verbose`: an integer >= 0 or a bool, and "auto" is 1.

    Raises
    ------
    ValueError, TypeError
        It is anything else.
    """
    if isinstance(value, str) and value == "auto":
        return 1
    if isinstance(value, bool):
        return int(value)
    return checks.integer(f"{owner}: verbose", value, 0)


class CallbackList:
    """Calls the same hook of several callbacks, in their order.

    Parameters
    ----------
    callbacks : Callback, or iterable of them, optional
    model : Sequential, optional
    **params
        What `set_params` gives to each.

    Raises
    ------
    TypeError
        Something that is not a callback.
    """

    def __init__(
        self,
        callbacks: "Iterable[Callback] | Callback | CallbackList | None" = None,
        model: "Model | None" = None,
        **params: Any,
    ) -> None:
        given: list[Any] = []
        if isinstance(callbacks, CallbackList):
            given = list(callbacks.callbacks)
        elif isinstance(callbacks, Callback):
            given = [callbacks]
        elif callbacks is not None:
            if not isinstance(callbacks, Iterable) or isinstance(callbacks, str | np.ndarray):
                raise TypeError(
                    f"callbacks: found {checks.shown(callbacks)}, wanted a list of Callback"
                )
            given = list(callbacks)
        for callback in given:
            if not isinstance(callback, Callback):
                kind = callback.__name__ if isinstance(callback, type) else type(callback).__name__
                called = ", an instance of it: call it" if isinstance(callback, type) else ""
                raise TypeError(f"callbacks: found {kind}, wanted a Callback{called}")
        self.callbacks: list[Callback] = given
        self.params = params
        # Written even when another callback raises: the epoch was trained.
        self.history: Callback | None = None
        for callback in self.callbacks:
            callback.set_params(params)
            if model is not None:
                callback.set_model(model)
            callback._companions = self

    def append(self, callback: Callback) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        callback._companions = self

    def watch(self, share: "Callable[[], float] | None") -> None:
        """Tell each how to find out which share of an epoch is done."""
        for callback in self.callbacks:
            callback._share = share

    def all_callbacks(self) -> list[Callback]:
        """All callbacks, and the history."""
        return [*self.callbacks, *([] if self.history is None else [self.history])]

    def listens(self, hook: str) -> bool:
        """Whether any callback overrides a hook."""
        return bool(self.callbacks) and any(overrides(each, hook) for each in self.callbacks)

    def listens_to_batches(self, kind: str) -> bool:
        """Whether any callback overrides a hook of batches, of "train", "test" or "predict"."""
        return bool(self.callbacks) and any(map(self.listens, _BATCH_HOOKS[kind]))

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in sorted(self.callbacks, key=lambda callback: callback.runs_last):
            callback.on_train_begin(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def release(self) -> None:
        """Let each end its lines and close its files."""
        for callback in self.callbacks:
            callback._release()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        ordinary = [callback for callback in self.callbacks if not callback.runs_last]
        try:
            for callback in ordinary:
                callback.on_epoch_end(epoch, logs)
        finally:
            if self.history is not None:
                self.history.on_epoch_end(epoch, logs)
        for callback in self.callbacks:
            if callback.runs_last:
                callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)

    on_batch_begin, on_batch_end = on_train_batch_begin, on_train_batch_end

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_test_begin(logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_predict_begin(logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_predict_end(logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_predict_batch_begin(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Call the hook of each."""
        for callback in self.callbacks:
            callback.on_predict_batch_end(batch, logs)
