"""Callbacks with Keras's names: what happens during training besides training.

>>> import densecore as dc
>>> stop = dc.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)

They are given to ``fit(callbacks=[...])``. A class of one's own derives from `Callback`.
"""

from .._callback import Callback, CallbackList
from ..history import History
from ..progress import ProgressBar
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .reports import CSVLogger, LambdaCallback, TensorBoard
from .saving import BackupAndRestore, ModelCheckpoint
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
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
]
