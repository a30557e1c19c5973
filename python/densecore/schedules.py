"""Learning rates that depend on the step, with Keras's names and formulas.

A schedule is a function of the step's number, counted from 0 (the updates that the optimizer has
made before it). All compute in double precision, for one step or for an array of steps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._names import unknown

Rates = NDArray[np.float64]


class LearningRateSchedule:
    """Base class: override `_rates`, or `__call__` as in Keras."""

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
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None
    ) -> None:
        self.boundaries = [self._at_least_zero("boundaries", b) for b in boundaries]
        self.values = [self._at_least_zero("values", value) for value in values]
        self.name = name or "PiecewiseConstant"
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries: found {list(boundaries)}, wanted increasing "
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
    factor : float
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
        self.factor = self._number("factor", factor, "0 < factor <= 1", lambda x: 0 < x <= 1)
        self.name = name or "StepDecay"

    def _rates(self, steps: Rates) -> Any:
        return self.initial_learning_rate * self.factor ** np.floor(steps / self.every)


class ExponentialDecay(LearningRateSchedule):
    """initial · decay_rate^(step / decay_steps), the exponent rounded down with `staircase`.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool
    name : str, optional
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.decay_rate = self._positive("decay_rate", decay_rate)
        self.staircase = bool(staircase)
        self.name = name

    def _rates(self, steps: Rates) -> Any:
        exponent = steps / self.decay_steps
        if self.staircase:
            exponent = np.floor(exponent)
        return self.initial_learning_rate * self.decay_rate**exponent


class InverseTimeDecay(LearningRateSchedule):
    """initial / (1 + decay_rate · step / decay_steps), rounded down with `staircase`.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
    staircase : bool
    name : str, optional
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.decay_rate = self._at_least_zero("decay_rate", decay_rate)
        self.staircase = bool(staircase)
        self.name = name

    def _rates(self, steps: Rates) -> Any:
        time = steps / self.decay_steps
        if self.staircase:
            time = np.floor(time)
        return self.initial_learning_rate / (1 + self.decay_rate * time)


class PolynomialDecay(LearningRateSchedule):
    """(initial - end) · (1 - step / decay_steps)^power + end, and the end rate afterwards.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    end_learning_rate : float
    power : float
    cycle : bool
        Whether `decay_steps` is doubled, tripled, … once it is passed, instead of staying at the
        end: the rate jumps up again.
    name : str, optional
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
        self.cycle = bool(cycle)
        self.name = name

    def _rates(self, steps: Rates) -> Any:
        if self.cycle:
            length = self.decay_steps * np.maximum(np.ceil(steps / self.decay_steps), 1)
        else:
            length = np.asarray(self.decay_steps)
            steps = np.minimum(steps, self.decay_steps)
        share = (1 - steps / length) ** self.power
        end = self.end_learning_rate
        return (self.initial_learning_rate - end) * share + end


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the highest rate to alpha times it (Loshchilov & Hutter, SGDR, 2017).

    Parameters
    ----------
    initial_learning_rate : float
        Of step 0: of the warm-up, when there is one.
    decay_steps : int
        Length of the decay, after the warm-up.
    alpha : float
        The share of the highest rate that is left in the end.
    name : str
    warmup_target : float, optional
        The rate that the warm-up ends with, and the decay starts from.
    warmup_steps : int
        Steps of the straight line from `initial_learning_rate` to `warmup_target`.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        # A warm-up may begin at 0.
        first = self._positive if warmup_target is None else self._at_least_zero
        self.initial_learning_rate = first("initial_learning_rate", initial_learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.alpha = self._number("alpha", alpha, "0 <= alpha <= 1", lambda x: 0 <= x <= 1)
        self.name = name
        self.warmup_target = (
            None if warmup_target is None else self._positive("warmup_target", warmup_target)
        )
        self.warmup_steps = self._at_least_zero("warmup_steps", warmup_steps)

    def _rates(self, steps: Rates) -> Any:
        if self.warmup_target is None:
            return self.initial_learning_rate * _cosine(steps / self.decay_steps, self.alpha)
        after = (steps - self.warmup_steps) / self.decay_steps
        decayed = self.warmup_target * _cosine(after, self.alpha)
        if self.warmup_steps == 0:
            return decayed
        rise = self.warmup_target - self.initial_learning_rate
        warming = self.initial_learning_rate + rise * steps / self.warmup_steps
        return np.where(steps < self.warmup_steps, warming, decayed)


def _cosine(share: Rates, alpha: float) -> Rates:
    """From 1 at share 0 to alpha at share 1 and after."""
    half = 0.5 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))
    return np.asarray((1 - alpha) * half + alpha, np.float64)


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine again and again, each time longer and lower (Loshchilov & Hutter, 2017).

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
        Length of the first decay.
    t_mul, m_mul : float
        What the next one's length, and its highest rate, are multiplied with.
    alpha : float
        The share of the highest rate that is left at the end of each.
    name : str
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = self._positive("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = self._positive("first_decay_steps", first_decay_steps)
        self.t_mul = self._number("t_mul", t_mul, "a number >= 1", lambda x: x >= 1)
        self.m_mul = self._positive("m_mul", m_mul)
        self.alpha = self._number("alpha", alpha, "0 <= alpha <= 1", lambda x: 0 <= x <= 1)
        self.name = name

    def _rates(self, steps: Rates) -> Any:
        share = steps / self.first_decay_steps
        if self.t_mul == 1:
            restarts = np.floor(share)
            share = share - restarts
        else:
            # Restart number i begins after 1 + t + … + t^(i-1) = (1 - t^i) / (1 - t) first lengths.
            # The logarithm may miss a whole number by its last bit, and the step with it.
            t = self.t_mul
            restarts = np.floor(np.log(1 - share * (1 - t)) / np.log(t))
            restarts += (1 - t ** (restarts + 1)) / (1 - t) <= share
            restarts -= (1 - t**restarts) / (1 - t) > share
            share = (share - (1 - t**restarts) / (1 - t)) / t**restarts
        height = self.initial_learning_rate * self.m_mul**restarts
        return height * _cosine(share, self.alpha)


class OneCycle(LearningRateSchedule):
    """Up to the highest rate and down again (Smith & Topin, Super-convergence, 2018).

    The rate rises from ``max / div_factor`` to ``max`` in the first `pct_start` of the steps, and
    falls to ``max / div_factor / final_div_factor``, at which it stays. The names are PyTorch's.

    Parameters
    ----------
    max_learning_rate : float
    total_steps : int
        At least 2.
    pct_start : float
        In (0, 1).
    div_factor, final_div_factor : float
    anneal : {"cos", "linear"}
        Along half a cosine or a straight line.
    name : str
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        anneal: str = "cos",
        name: str = "OneCycle",
    ) -> None:
        self.max_learning_rate = self._positive("max_learning_rate", max_learning_rate)
        self.total_steps = self._number("total_steps", total_steps, "at least 2", lambda x: x >= 2)
        self.pct_start = self._number("pct_start", pct_start, "0 < share < 1", lambda x: 0 < x < 1)
        self.div_factor = self._positive("div_factor", div_factor)
        self.final_div_factor = self._positive("final_div_factor", final_div_factor)
        if anneal not in ("cos", "linear"):
            raise ValueError(f"OneCycle: anneal: found {anneal!r}, wanted 'cos' or 'linear'")
        self.anneal = anneal
        self.name = name

    def _rates(self, steps: Rates) -> Any:
        last = self.total_steps - 1
        top = self.pct_start * last
        low = self.max_learning_rate / self.div_factor
        rising = self._between(low, self.max_learning_rate, steps / top)
        end = low / self.final_div_factor
        falling = self._between(self.max_learning_rate, end, (steps - top) / (last - top))
        return np.where(steps <= top, rising, falling)

    def _between(self, begin: float, end: float, share: Rates) -> Rates:
        share = np.clip(share, 0, 1)
        if self.anneal == "cos":
            return np.asarray(end + (begin - end) * 0.5 * (1 + np.cos(np.pi * share)))
        return np.asarray(begin + (end - begin) * share)


class FromArray(LearningRateSchedule):
    """``values[step]``, and the last one afterwards.

    Parameters
    ----------
    values : sequence of float
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


_CLASSES: dict[str, type[LearningRateSchedule]] = {
    cls.__name__: cls for cls in LearningRateSchedule.__subclasses__()
}


def names() -> list[str]:
    """Every schedule's name."""
    return list(_CLASSES)


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
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
        found = np.array([float(schedule(int(step))) for step in steps], np.float64)
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(
            f"{schedule!r}: found the rate {found[place]} for step {first_step + place}, wanted a "
            "finite number >= 0"
        )
    return found
