"""A training that is killed and started again: what `test_resume.py` and `tools/kill_check.py` run.

Arguments: a folder, a way to resume ("backup", "best" or "checkpoint"), where to kill oneself (such
as "epoch_end:3", "batch:17" or "never"), the seed of a new model. Prints a digest of parameters,
optimizer state and history, and leaves a log in the folder.
"""

import hashlib
import json
import os
import signal
import sys
from typing import Any

import numpy as np

import densecore as dc
from densecore import callbacks as cb

EPOCHS = 10


class Kill(cb.Callback):
    """Ends the process as a power cut does."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._kind, _, number = where.partition(":")
        self._left = int(number or 0)
        if self._kind == "batch":
            self.on_train_batch_end = self.count  # type: ignore[method-assign,assignment]

    def count(self, *_: Any) -> None:
        self._left -= 1
        if self._left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._kind == "epoch_begin" and epoch == self._left:
            self._left = 0
            self.count()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._kind == "epoch_end" and epoch == self._left:
            self._left = 0
            self.count()


def new_model(seed: int) -> dc.Sequential:
    model = dc.Sequential([dc.Input(6), dc.Dense(16, "tanh"), dc.Dense(1)], seed=seed)
    model.compile("adam", "mse", ["mae"])
    return model


def main(folder: str, way: str, where: str, seed: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = np.sin(x.sum(axis=1)) + rng.normal(size=200)
    path = os.path.join(folder, "model")
    model = new_model(seed)
    first = 0
    callbacks: list[cb.Callback] = [cb.LearningRateScheduler(lambda e, rate: 0.02 / (1 + e))]
    if way == "checkpoint":
        if os.path.exists(path):
            model = dc.load_model(path)
            first = model.progress["epochs"]
        callbacks += [cb.ModelCheckpoint(path)]
    elif way == "backup":
        # A state in every one: the best weights, a threshold, a rate, a file's size.
        callbacks = [
            cb.BackupAndRestore(os.path.join(folder, "backup")),
            cb.EarlyStopping("val_loss", patience=5, restore_best_weights=True),
            cb.ModelCheckpoint(path, save_best_only=True),
            cb.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.5),
            cb.CSVLogger(os.path.join(folder, "log.csv")),
        ]
    elif way == "best":
        # The best epoch is the first: its weights have to outlive the process.
        callbacks += [
            cb.BackupAndRestore(os.path.join(folder, "backup")),
            cb.EarlyStopping("val_loss", mode="max", patience=20, restore_best_weights=True),
        ]
    callbacks.append(Kill(where))
    history = model.fit(
        x, y, 16, EPOCHS, verbose=0, validation_split=0.3, initial_epoch=first, callbacks=callbacks
    )
    digest = hashlib.sha256()
    for array in [model.parameters, *model._network.optimizer_states().values()]:
        digest.update(array.tobytes())
    digest.update(str(model.progress).encode())
    print(digest.hexdigest(), json.dumps(history.history), history.epoch)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
