"""Rates that go up and down: warm-ups, restarts, one cycle."""

from typing import Any

import numpy as np

from .._base import checks
from .base import LearningRateSchedule, Rates


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the highest rate to alpha times it (Loshchilov & Hutter, SGDR, 2017).

    Parameters
    ----------
    initial_learning_rate : float
        Of step 0: of the warm-up, when there is one.
    decay_steps : int
        Length of the decay, after the warm-up.
    alpha : float, default 0.0
        The share of the highest rate that is left in the end.
    name : str, default "CosineDecay"
    warmup_target : float, optional
        The rate that the warm-up ends with, and the decay starts from.
    warmup_steps : int, default 0
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
        self.alpha = self._number("alpha", alpha, least=0, most=1)
        self.name = self._name(name, type(self).__name__)
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
    t_mul, m_mul : float, default 2.0 and 1.0
        Factors of the next decay's length, and of how far above its lowest rate it begins.
    alpha : float, default 0.0
        The share of the first rate that is left at the end of each.
    name : str, default "SGDRDecay"
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
        self.t_mul = self._number("t_mul", t_mul, least=1)
        self.m_mul = self._positive("m_mul", m_mul)
        self.alpha = self._number("alpha", alpha, least=0, most=1)
        self.name = self._name(name, type(self).__name__)

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
        falling = self.m_mul**restarts * _cosine(share, 0.0)
        return self.initial_learning_rate * ((1 - self.alpha) * falling + self.alpha)


class FlatCosine(LearningRateSchedule):
    """The same rate for a share of the steps, then half a cosine down to 0.

    Parameters
    ----------
    learning_rate : float
    decay_steps : int
        Length of both parts together; the rate is 0 after them.
    flat : float, default 0.5
        The share of the steps with the same rate, from 0 to less than 1.
    """

    def __init__(self, learning_rate: float, decay_steps: int, flat: float = 0.5) -> None:
        self.learning_rate = self._positive("learning_rate", learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.flat = self._number("flat", flat, least=0, below=1)

    def _rates(self, steps: Rates) -> Any:
        after = (steps / self.decay_steps - self.flat) / (1 - self.flat)
        return self.learning_rate * _cosine(after, 0.0)


class CosineCycles(LearningRateSchedule):
    """Whole cosines that rise from 0 and fall to 0, each twice as long as the one before.

    With t the share of the steps that are done, the rate is learning_rate (1 - cos(2π log2(1 +
    (2^cycles - 1) t))) / 2: `coslog4` of Holzmüller, Grinsztajn & Steinwart (*Better by default*,
    2024) for four cycles, with zeros at t = 0, 1/15, 3/15, 7/15 and 1. After the last step it is 0.

    Parameters
    ----------
    learning_rate : float
        The highest rate of each cycle.
    decay_steps : int
        Length of all cycles together.
    cycles : int, default 4
        From 1 to 30.
    """

    def __init__(self, learning_rate: float, decay_steps: int, cycles: int = 4) -> None:
        self.learning_rate = self._positive("learning_rate", learning_rate)
        self.decay_steps = self._positive("decay_steps", decay_steps)
        self.cycles = checks.integer(f"{type(self).__name__}: cycles", cycles, 1, 30)

    def _rates(self, steps: Rates) -> Any:
        t = np.clip(steps / self.decay_steps, 0, 1)
        return self.learning_rate * (
            0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + (2**self.cycles - 1) * t))
        )


class OneCycle(LearningRateSchedule):
    """Up to the highest rate and down again (Smith & Topin, Super-convergence, 2018).

    The rate rises from ``max / div_factor`` to ``max`` in the first `pct_start` of the steps, and
    falls to ``max / div_factor / final_div_factor``, at which it stays. The names are PyTorch's.

    Parameters
    ----------
    max_learning_rate : float
    total_steps : int
        At least 2.
    pct_start : float, default 0.3
        In (0, 1).
    div_factor, final_div_factor : float, default 25.0 and 10000.0
    anneal : {"cos", "linear"}, default "cos"
        Along half a cosine or a straight line.
    name : str, default "OneCycle"

    Raises
    ------
    ValueError, TypeError
        A number that is out of its range, or another `anneal`.
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
        self.total_steps = self._number("total_steps", total_steps, least=2)
        self.pct_start = self._number("pct_start", pct_start, above=0, below=1)
        self.div_factor = self._positive("div_factor", div_factor)
        self.final_div_factor = self._positive("final_div_factor", final_div_factor)
        self.anneal = checks.one_of("OneCycle: anneal", anneal, ("cos", "linear"))
        self.name = self._name(name, type(self).__name__)

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
