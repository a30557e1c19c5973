"""ModelCheckpoint: the model as a file, after every epoch or whenever it is the best so far."""

import os
from typing import TYPE_CHECKING, Any

from .._base import checks
from .backup import BackupAndRestore as BackupAndRestore  # its place in 0.1
from .base import Callback, Direction, Logs, best_number, check_verbose

if TYPE_CHECKING:
    pass

StrPath = str | os.PathLike[str]


class ModelCheckpoint(Callback):
    """Save the model after each epoch, or whenever it is the best so far.

    Every file appears whole or not at all, and holds the optimizer's state too: ``load_model`` and
    ``fit(initial_epoch=...)`` go on as if nothing had happened.

    Parameters
    ----------
    filepath : path
        May name the epoch (counted from 1) and its numbers: ``"{epoch:02d}-{val_loss:.2f}.model"``.
        Directories are made when they are missing.
    monitor : str, default "val_loss"
        The number that decides what is best.
    verbose : {0, 1}, default 0
        1 says when a file is written.
    save_best_only : bool, default False
        Whether to save only when `monitor` is better than ever before.
    save_weights_only : bool, default False
        Accepted for Keras's sake: the file is the whole model either way.
    mode : {"auto", "min", "max"}, default "auto"
        Whether the number is to fall or to grow; "auto" goes by its name.
    save_freq : "epoch" or int, default "epoch"
        A number of batches instead of each epoch; the numbers are then means over the epoch so far.
    initial_value_threshold : float, optional
        What the first model saved has to be better than.

    Raises
    ------
    ValueError
        `mode` or `save_freq` is not one of these.
    """

    writes_files = True

    def __init__(
        self,
        filepath: StrPath,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.filepath = checks.path("ModelCheckpoint: filepath", filepath)
        self.monitor = monitor
        self.verbose = check_verbose("ModelCheckpoint", verbose)
        self.save_best_only = checks.flag("ModelCheckpoint: save_best_only", save_best_only)
        self.save_weights_only = checks.flag(
            "ModelCheckpoint: save_weights_only", save_weights_only
        )
        self.save_freq = save_freq
        self.best = best_number("ModelCheckpoint: initial_value_threshold", initial_value_threshold)
        self._direction = Direction("ModelCheckpoint", monitor, mode)
        self._epoch = 0
        self._batches = 0
        if isinstance(save_freq, str) and save_freq == "epoch":
            return
        if save_best_only and monitor.startswith("val_"):
            raise ValueError(
                f"ModelCheckpoint: found save_freq={save_freq!r} with monitor={monitor!r}, which "
                "is known at the end of an epoch only; wanted save_freq='epoch' or another monitor"
            )
        self.save_freq = checks.integer(
            "ModelCheckpoint: save_freq", save_freq, 1, wanted="'epoch' or a number of batches"
        )
        self.on_train_batch_end = self._batch_end  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Refuse now a model that no file can hold, not after the first epoch.

        Raises
        ------
        TypeError
            The learning rate is a function, a schedule of a class that files do not know, or an
            activation is a pair of functions.
        """
        self.model._file_config()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the epoch for the files' names."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, if it is time."""
        if self.save_freq == "epoch":
            self._consider(logs or {})

    def _batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches % int(self.save_freq) == 0:
            self._consider({**(logs or {}), "batch": batch + 1})

    def _consider(self, logs: Logs) -> None:
        why = ""
        if self.save_best_only:
            value = self.monitored(self.monitor, logs)
            if value is None or not self._direction.better(value, self.best):
                return
            before = "" if self.best is None else f" from {self.best:.5f}"
            why = f"{self.monitor} improved{before} to {value:.5f}, "
            self.best = value
        path = self._path(logs)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.model.save(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: {why}model saved to {path}")

    def _path(self, logs: Logs) -> str:
        names = {**logs, "epoch": self._epoch + 1}
        try:
            return self.filepath.format(**names)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"ModelCheckpoint: filepath: found {self.filepath!r} with {error}, known: "
                f"{', '.join(names)}"
            ) from None

    def get_state(self) -> dict[str, Any]:
        """The best number so far."""
        return {"best": self.best, "batches": self._batches}

    def set_state(self, state: dict[str, Any]) -> None:
        """Compare with that from now on."""
        best = best_number("best", state["best"])
        self.best, self._batches = best, checks.integer("batches", state["batches"])
