"""Callbacks with Keras's names: hooks of training, evaluation and prediction.

>>> import densecore as dc
>>> stop = dc.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)

They are given to ``fit(callbacks=[...])``. A custom class derives from `Callback`.
"""

from typing import TYPE_CHECKING

from .._base import unsupported
from .averages import SwapEMAWeights
from .backup import BackupAndRestore
from .base import Callback, CallbackList
from .checkpoints import ModelCheckpoint
from .history import History
from .learning_rate import LearningRateScheduler, ReduceLROnPlateau
from .logs import CSVLogger, LambdaCallback, TensorBoard
from .progress import ProgressBar
from .stopping import EarlyStopping, TerminateOnNaN, TimeLimit

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
]

ProgbarLogger = ProgressBar  # Keras's name

if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> object:
        return unsupported.find(__name__, name, __all__)
