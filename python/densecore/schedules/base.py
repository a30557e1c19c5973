"""The base class of learning rate schedules, their registry, and the rates of many steps."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base import checks
from .._base.lookup import unknown
from .._base.registry import Registry, name_that_finds

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

    def _number(self, name: str, value: Any, **limits: float) -> float:
        return checks.number(f"{type(self).__name__}: {name}", value, **limits)

    def _name(self, name: Any, default: str) -> str:
        return checks.text(f"{type(self).__name__}: name", name) if name else default

    def _several(self, name: str, values: Any) -> list[float]:
        wanted = isinstance(values, list | tuple) or getattr(values, "ndim", 0) == 1
        if not wanted:
            raise TypeError(
                f"{type(self).__name__}: {name}: found {checks.shown(values)}, wanted a list of "
                "numbers"
            )
        return [self._at_least_zero(name, value) for value in values]

    def _positive(self, name: str, value: Any) -> float:
        return self._number(name, value, above=0)

    def _at_least_zero(self, name: str, value: Any) -> float:
        return self._number(name, value, least=0)


class _Schedules(Registry[LearningRateSchedule]):
    def maker(self, name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        if name == "FromFunction":  # no file can hold its function
            unknown("schedule", name, [word for word in self.words() if word != "FromFunction"])
        return super().maker(name, custom_objects)

    def serialize(self, thing: LearningRateSchedule) -> dict[str, Any]:
        """As `Registry.serialize`, with the name that a custom class is registered under."""
        found = super().serialize(thing)
        name = name_that_finds(type(thing))
        return found if name is None else {**found, "registered_name": name}

    def deserialize(
        self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> LearningRateSchedule:
        """The schedule that `serialize` describes.

        Parameters
        ----------
        config : dict
            ``{"class_name": ..., "config": {...}}``
        custom_objects : dict, optional
            Further classes by name; they come first.

        Raises
        ------
        ValueError
            The class is unknown, or its configuration is not one; the message says which.
        """
        if not isinstance(config, Mapping) or not isinstance(config.get("config"), Mapping):
            raise ValueError(
                f"schedule: found {checks.shown(config)}, wanted class_name and config"
            )
        try:
            return super().deserialize(config, custom_objects)
        except TypeError as error:
            raise ValueError(f"schedule {config.get('class_name')}: {error}") from None


SCHEDULES = _Schedules("schedule", LearningRateSchedule, key="class_name")


def _rate(schedule: Callable[[Any], Any], step: int) -> float:
    value = schedule(step)
    found = checks.real(value)
    if found is None:
        raise TypeError(
            f"{schedule!r}: found {checks.shown(value)} for step {step}, wanted a finite number "
            ">= 0"
        )
    try:
        return float(found)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def rates(
    schedule: Callable[[Any], Any], first_step: int, count: int, below: float | None = None
) -> Rates:
    """The rates of consecutive steps, checked.

    Parameters
    ----------
    schedule : callable
        A `LearningRateSchedule`, or any function of the step.
    first_step, count : int
    below : float, optional
        What they must be less than.

    Returns
    -------
    ndarray (count,) of float64
        Finite, >= 0 and less than `below`; after the first rates NaN for those that are not: the
        core asks again when it comes to such a step. A schedule that is made for a number of steps
        may go astray beyond.

    Raises
    ------
    ValueError
        The first rate is not.
    """
    steps = np.arange(first_step, first_step + count)
    # A schedule written for Keras overrides `__call__`, for one step at a time.
    if isinstance(schedule, LearningRateSchedule) and (
        type(schedule).__call__ is LearningRateSchedule.__call__
    ):
        found = np.asarray(schedule(steps), np.float64)
    else:
        found = np.full(count, np.nan)
        for place, step in enumerate(steps):
            try:
                found[place] = _rate(schedule, int(step))
            except Exception:
                if place == 0:
                    raise
                break  # the core asks again when it comes to this step
    limit = math.inf if below is None else below
    bad = ~(np.isfinite(found) & (found >= 0) & (found < limit))
    if bad[:1].any():
        wanted = "a finite number >= 0" + ("" if below is None else f" and < {below:g}")
        raise ValueError(
            f"{schedule!r}: found the rate {found[0]} for step {first_step}, wanted {wanted}"
        )
    return np.where(bad, np.nan, found)
