"""Callbacks with Keras's names: hooks of training, evaluation and prediction.

>>> import densecore as dc
>>> stop = dc.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)

They are given to ``fit(callbacks=[...])``. A custom class derives from `Callback`.
"""

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
