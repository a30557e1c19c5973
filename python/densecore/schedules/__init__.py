"""Learning rates that depend on the step, with Keras's names and formulas.

A schedule is a function of the step's number, counted from 0 (the updates that the optimizer has
made before it). All compute in double precision, for one step or for an array of steps.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base.lookup import unknown
from .base import LearningRateSchedule, Rates
from .cosines import CosineDecay, CosineDecayRestarts, OneCycle
from .decays import (
    Constant,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    StepDecay,
)
from .from_values import FromArray, FromFunction, Scaled

__all__ = [
    "Constant",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "FromArray",
    "FromFunction",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Scaled",
    "StepDecay",
    "deserialize",
    "names",
    "rates",
    "serialize",
]

_CLASSES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls for cls in LearningRateSchedule.__subclasses__()
}


def names() -> list[str]:
    """Every schedule's name."""
    return list(_CLASSES)


def serialize(schedule: Any) -> dict[str, Any]:
    """A schedule as JSON can hold it: ``{"class_name": ..., "config": ...}``, as Keras."""
    return {"class_name": type(schedule).__name__, "config": schedule.get_config()}


def deserialize(
    config: Mapping[str, Any],
    custom_objects: Mapping[str, type[LearningRateSchedule]] | None = None,
) -> LearningRateSchedule:
    """The schedule that `serialize` describes.

    Raises
    ------
    ValueError
        The class is unknown, or its configuration is not one; the message says which.
    """
    known = {**_CLASSES, **(custom_objects or {})}
    if not isinstance(config, Mapping) or not isinstance(config.get("config"), Mapping):
        raise ValueError(f"schedule: found {config!r}, wanted class_name and config")
    name = config.get("class_name")
    if not isinstance(name, str) or name not in known or known[name] is FromFunction:
        unknown("schedule", name, [each for each in known if each != "FromFunction"])
    try:
        return known[name].from_config(config["config"])
    except TypeError as error:
        raise ValueError(f"schedule {name}: {error}") from None


def _rate(schedule: Callable[[Any], Any], step: int) -> float:
    value = schedule(step)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"{schedule!r}: found {value!r} for step {step}, wanted a finite number >= 0"
        ) from None


def rates(schedule: Callable[[Any], Any], first_step: int, count: int) -> Rates:
    """The rates of consecutive steps, checked, as what computes with them wants them.

    Parameters
    ----------
    schedule : callable
        A `LearningRateSchedule`, or any function of the step.
    first_step, count : int

    Returns
    -------
    ndarray (count,) of float64
        Finite and >= 0.

    Raises
    ------
    ValueError
        A rate is not; the message says of which step.
    """
    steps = np.arange(first_step, first_step + count)
    # `__call__` is what a schedule of Keras's kind overrides, with one step in mind.
    if isinstance(schedule, LearningRateSchedule) and (
        type(schedule).__call__ is LearningRateSchedule.__call__
    ):
        found = np.asarray(schedule(steps), np.float64)
    else:
        found = np.array([_rate(schedule, int(step)) for step in steps], np.float64)
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(
            f"{schedule!r}: found the rate {found[place]} for step {first_step + place}, wanted a "
            "finite number >= 0"
        )
    return found
