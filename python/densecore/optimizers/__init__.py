"""Optimizers with Keras's names and defaults.

An optimizer object holds settings only; accumulated arrays (Adam's moments) and the step count
belong to the model that is compiled with it. Settings may change at any time and hold from the next
step on: ``model.optimizer.learning_rate = 1e-4``.
"""

from typing import Any

from .._base.lazy import imports
from .._base.registry import public
from .base import OPTIMIZERS
from .base import Optimizer as Optimizer
from .base import Schedule as Schedule
from .pipeline import Pipeline as Pipeline
from .rules import *

OPTIMIZERS.collect(globals(), lambda cls: cls.name)

get = OPTIMIZERS.get
names = OPTIMIZERS.names
serialize = OPTIMIZERS.serialize
deserialize = OPTIMIZERS.deserialize


def __getattr__(name: str) -> Any:
    with imports:
        import importlib  # most programs need none of these

    if name == "schedules":  # where Keras has them, too
        with imports:
            return importlib.import_module("..schedules", __package__)
    if name == "legacy":  # Keras 2's place of these classes
        return importlib.import_module(__name__)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


globals()["__all__"] = public(globals(), "get", "names", "serialize", "deserialize", "Schedule")
