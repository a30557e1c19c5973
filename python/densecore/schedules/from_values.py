"""Rates that the user gives: numbers or a function."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base import checks
from .base import SCHEDULES, LearningRateSchedule, Rates


class FromArray(LearningRateSchedule):
    """``values[step]``, and the last one afterwards.

    Parameters
    ----------
    values : sequence of float

    Raises
    ------
    ValueError
        It is not a vector of finite numbers >= 0.
    """

    def __init__(self, values: Any) -> None:
        array = np.asarray(values)
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
            raise ValueError(
                f"FromArray: values: found {array.dtype} of shape {array.shape}, wanted a vector "
                "of numbers"
            )
        bad = ~(np.isfinite(array) & (array >= 0))
        if bad.any():
            place = int(np.argmax(bad))
            raise ValueError(
                f"FromArray: values: found {array[place]} for step {place}, wanted finite numbers "
                ">= 0"
            )
        self.values = [float(value) for value in array]
        self._array = array.astype(np.float64)

    def _rates(self, steps: Rates) -> Any:
        return self._array[np.minimum(steps, len(self._array) - 1).astype(np.int64)]


class FromFunction(LearningRateSchedule):
    """``function(step)``, asked step by step with an int.

    Parameters
    ----------
    function : callable
        Step → rate. A model file cannot hold it.

    Raises
    ------
    TypeError
        It is not callable.
    """

    def __init__(self, function: Callable[[int], float]) -> None:
        if not callable(function):
            raise TypeError(f"FromFunction: found {type(function).__name__}, wanted a callable")
        self.function = function

    def _rates(self, steps: Rates) -> Any:
        flat = [self.function(int(step)) for step in steps.reshape(-1)]
        return np.asarray(flat, np.float64).reshape(steps.shape)

    def get_config(self) -> dict[str, Any]:
        """Refused: a function is no configuration.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            "FromFunction: its function cannot be written to a file; FromArray holds the rates "
            "themselves"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FromFunction):
            return NotImplemented
        return self.function is other.function

    __hash__ = None

    def __repr__(self) -> str:
        return f"FromFunction({self.function!r})"


def schedule_of(what: str, value: Any) -> Any:
    """The schedule that an argument describes, or None for what must be a number.

    Parameters
    ----------
    what : str
        The argument, for messages.
    value : object
        A schedule or any function of the step, the configuration of a schedule, or an array with a
        number for each step.

    Raises
    ------
    TypeError, ValueError
        A function that cannot be called with a step or gives no number for it; no configuration of
        a schedule; an array with other elements than numbers >= 0.
    """
    if isinstance(value, dict):
        value = SCHEDULES.deserialize(value)
    if isinstance(value, list | tuple) or (hasattr(value, "ndim") and value.ndim > 0):
        value = FromArray(value)
    if not callable(value):
        return None
    try:
        first = value(0)
    except TypeError as error:
        raise TypeError(
            f"{what}: found {checks.shown(value)}, which cannot be called with the number of a "
            f"step: {error}"
        ) from error
    checks.number(what, first, least=0)
    return value


class Scaled(LearningRateSchedule):
    """Another schedule's rates times a factor.

    Parameters
    ----------
    schedule : LearningRateSchedule
    factor : float
        > 0.

    Raises
    ------
    ValueError, TypeError
        It is not a schedule, or the factor is not > 0.
    """

    def __init__(self, schedule: LearningRateSchedule, factor: float) -> None:
        if not isinstance(schedule, LearningRateSchedule):
            raise TypeError(f"Scaled: found {type(schedule).__name__}, wanted a schedule")
        self.schedule = schedule
        self.factor = self._positive("factor", factor)

    def _rates(self, steps: Rates) -> Any:
        return self.factor * np.asarray(self.schedule(steps), np.float64)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal one; JSON-able."""
        return {"schedule": SCHEDULES.serialize(self.schedule), "factor": self.factor}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Scaled":
        """The schedule that `get_config` describes."""
        return cls(SCHEDULES.deserialize(config["schedule"]), config["factor"])

    def __repr__(self) -> str:
        return f"Scaled({self.schedule!r}, factor={self.factor!r})"
