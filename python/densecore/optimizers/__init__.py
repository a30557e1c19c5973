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


def LossScaleOptimizer(
    inner_optimizer: Optimizer,
    initial_scale: float = 2.0**15,
    dynamic_growth_steps: int = 2000,
    **others: Any,
) -> Optimizer:
    """The optimizer within: gradients of float32 and float64 need no scale.

    Parameters
    ----------
    inner_optimizer : str or Optimizer
    initial_scale, dynamic_growth_steps, **others
        Accepted for Keras's sake, and without effect.
    """
    return get(inner_optimizer)


def __getattr__(name: str) -> Any:
    with imports:
        import importlib  # most programs need none of these

    if name == "schedules":  # where Keras has them, too
        with imports:
            return importlib.import_module("..schedules", __package__)
    if name == "legacy":  # Keras 2's place of these classes
        return importlib.import_module(__name__)
    with imports:
        from .._base import unsupported

    return unsupported.find(__name__, name, globals()["__all__"])


globals()["__all__"] = public(globals(), "get", "names", "serialize", "deserialize", "Schedule")
