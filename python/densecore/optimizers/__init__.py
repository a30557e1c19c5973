"""Optimizers with Keras's names and defaults.

An optimizer object holds settings only; what it accumulates (Adam's moments, the step count)
belongs to the model that is compiled with it. Settings may change at any time and hold from the
next step on: ``model.optimizer.learning_rate = 1e-4``.
"""

from typing import Any

from .._base.lookup import unknown
from .base import Optimizer, Schedule
from .pipeline import Pipeline
from .rules import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Nadam, RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Nadam",
    "Optimizer",
    "Pipeline",
    "RMSprop",
    "Schedule",
    "get",
    "names",
]

_CLASSES: dict[str, type[Any]] = {
    cls.name: cls for cls in (SGD, Adam, AdamW, Nadam, Adamax, RMSprop, Adagrad, Adadelta, Lion)
}


def names() -> list[str]:
    """Every optimizer that `compile` accepts by name."""
    return list(_CLASSES)


def get(optimizer: "str | Optimizer | dict[str, Any]") -> Optimizer:
    """An optimizer from its name, its configuration, or itself.

    Raises
    ------
    ValueError
        The name is unknown; the message lists the known ones.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    config = dict(optimizer) if isinstance(optimizer, dict) else {"name": optimizer}
    name = config.pop("name", None)
    resolved = name.lower() if isinstance(name, str) else name
    if not isinstance(resolved, str) or resolved not in _CLASSES:
        unknown("optimizer", name, _CLASSES)
    if "label" in config:
        config["name"] = config.pop("label")
    made: Optimizer = _CLASSES[resolved](**config)
    return made


def __getattr__(name: str) -> Any:
    # Where Keras has it; most programs need none.
    if name == "schedules":
        import importlib

        return importlib.import_module("..schedules", __package__)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
