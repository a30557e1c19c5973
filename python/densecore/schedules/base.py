"""The base class of learning rate schedules, and how one is written to a file and read."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.lookup import unknown

Rates = NDArray[np.float64]


class LearningRateSchedule:
    """Base class: override `_rates`, or `__call__` as in Keras.

    Raises
    ------
    ValueError, TypeError
        An argument is no number or out of its range, now; or a step < 0, when it is called.
    """

    def __call__(self, step: Any) -> Any:
        """The rate of a step, as a float, or of an array of steps, as an array of float64."""
        steps = np.asarray(step, np.float64)
        if steps.size and not (steps >= 0).all():
            raise ValueError(f"{type(self).__name__}: found step {steps.min()}, wanted >= 0")
        rates = np.asarray(self._rates(steps), np.float64)
        return float(rates) if steps.ndim == 0 else np.broadcast_to(rates, steps.shape).copy()

    def _rates(self, steps: Rates) -> Any:
        raise NotImplementedError(f"{type(self).__name__} computes no rates: override __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LearningRateSchedule":
        """The schedule that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LearningRateSchedule) or type(other) is not type(self):
            return NotImplemented
        return bool(self.get_config() == other.get_config())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({shown})"

    def _number(self, name: str, value: Any, wanted: str, accept: Callable[[float], bool]) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{type(self).__name__}: {name}: found {value!r}, wanted a number"
            ) from None
        if not (math.isfinite(number) and accept(number)):
            raise ValueError(f"{type(self).__name__}: {name}: found {value}, wanted {wanted}")
        return number

    def _positive(self, name: str, value: Any) -> float:
        return self._number(name, value, "a finite number > 0", lambda x: x > 0)

    def _at_least_zero(self, name: str, value: Any) -> float:
        return self._number(name, value, "a finite number >= 0", lambda x: x >= 0)


_CLASSES: dict[str, type[LearningRateSchedule]] = {}  # by name; the package fills it


def register(cls: type[LearningRateSchedule]) -> None:
    """Let `deserialize` find a class of this package by its name."""
    _CLASSES[cls.__name__] = cls


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
    if not isinstance(name, str) or name not in known or name == "FromFunction":
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
