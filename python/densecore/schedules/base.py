"""What a learning rate schedule is."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
