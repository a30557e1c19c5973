"""Rates that fall, or stay as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import checks
from .base import LearningRateSchedule, Rates


class Constant(LearningRateSchedule):
    """The same rate at every step.

    Parameters
    ----------
    learning_rate : float
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = self._positive("learning_rate", learning_rate)

    def _rates(self, steps: Rates) -> Any:
        return np.full(steps.shape, self.learning_rate)


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[0]`` up to and with step ``boundaries[0]``, then ``values[1]``, and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Increasing.
    values : sequence of float
        One more than boundaries.
    name : str, optional

    Raises
    ------
    ValueError, TypeError
        Boundaries that do not increase, or another number of values than one more.
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None
    ) -> None:
        self.boundaries = self._several("boundaries", boundaries)
        self.values = self._several("values", values)
        self.name = self._name(name, "PiecewiseConstant")
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries: found {self.boundaries}, wanted increasing "
                "numbers"
            )
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay: found {len(self.values)} values for "
                f"{len(self.boundaries)} boundaries, wanted one more"
            )

    def _rates(self, steps: Rates) -> Any:
        return np.asarray(self.values)[np.searchsorted(self.boundaries, steps, side="left")]


class StepDecay(LearningRateSchedule):
    """initial · factor^⌊step / every⌋: a fixed factor after every so many steps.

    Parameters
    ----------
    initial_learning_rate : float
    every : int
        Steps between two changes.
    factor : float, default 0.1
        In (0, 1].
    name : str, optional
    """

    def __init__(
        self,
        initial_learning_rate: float,
        every: int,
        factor: float = 0.1,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.every = self._positive("every", every)
        self.factor = self._number("factor", factor, above=0, most=1)
        self.name = self._name(name, "StepDecay")

    def _rates(self, steps: Rates) -> Any:
        return self.initial_learning_rate * self.factor ** np.floor(steps / self.every)


class _DecaySteps(LearningRateSchedule):
    """Base class of schedules that decay by a rate for each `decay_steps` steps."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.decay_rate = self._checked_rate("decay_rate", decay_rate)
        self.staircase = checks.flag("staircase", staircase)
        self.name = self._name(name, type(self).__name__)

    def _checked_rate(self, name: str, value: float) -> float:
        return self._positive(name, value)

    def _periods(self, steps: Rates) -> Rates:
        """How many times `decay_steps` have passed."""
        periods: Rates = steps / self.decay_steps
        return np.floor(periods) if self.staircase else periods


class ExponentialDecay(_DecaySteps):
    """initial · decay_rate^(step / decay_steps), the exponent rounded down with `staircase`.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool, default False
    name : str, optional
    """

    def _rates(self, steps: Rates) -> Any:
        return self.initial_learning_rate * self.decay_rate ** self._periods(steps)


class InverseTimeDecay(_DecaySteps):
    """initial / (1 + decay_rate · step / decay_steps), rounded down with `staircase`.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool, default False
    name : str, optional
    """

    def _checked_rate(self, name: str, value: float) -> float:
        return self._at_least_zero(name, value)

    def _rates(self, steps: Rates) -> Any:
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(steps))


class PolynomialDecay(LearningRateSchedule):
    """(initial - end) · (1 - step / decay_steps)^power + end, and the end rate afterwards.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    end_learning_rate : float, default 0.0001
    power : float, default 1.0
    cycle : bool, default False
        Whether `decay_steps` is doubled, tripled, … once it is passed, instead of staying at the
        end: the rate jumps up again.
    name : str, default "PolynomialDecay"
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.end_learning_rate = self._at_least_zero("end_learning_rate", end_learning_rate)
        self.power = self._positive("power", power)
        self.cycle = checks.flag("cycle", cycle)
        self.name = self._name(name, type(self).__name__)

    def _rates(self, steps: Rates) -> Any:
        if self.cycle:
            length = self.decay_steps * np.maximum(np.ceil(steps / self.decay_steps), 1)
        else:
            length = np.asarray(self.decay_steps)
            steps = np.minimum(steps, self.decay_steps)
        share = (1 - steps / length) ** self.power
        end = self.end_learning_rate
        return (self.initial_learning_rate - end) * share + end
