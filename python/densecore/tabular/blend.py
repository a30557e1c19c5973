"""How much of a linear model the predictions of networks are mixed with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .algebra import exp, log, log1p
from .linear import losses_of
from .scores import best_power, sharpened

Array = NDArray[np.float64]

_SHARES = np.linspace(0, 1, 21)
_LEAST = 0.03
# What is believed before the rows are asked: among few rows a line is the better guess.
_EVEN_ROWS = 100
_DEVIATION = 0.3
# A row speaks for half of one: the networks of a part were all trained on nearly the same rows.
_WORTH = 0.5


def best_share(
    outside: Array,
    variance: Array,
    optimism: float,
    linear: Array,
    truth: NDArray[Any],
    classification: bool,
    weight: Array | None,
) -> float:
    """The share of the linear model that rows not seen speak for, 0 to 1.

    It is the mean of the shares, each as likely as it makes the rows (their log-loss, or normal
    errors), so that a few rows cannot choose by chance. Of a row, few networks have not seen it,
    and the mean of all networks is better than theirs; what they differ by says how much (Krogh &
    Vedelsby, 1995). Without that, too much of the linear model would be taken.

    Parameters
    ----------
    outside, linear : ndarray (rows, outputs)
        Numbers or probabilities, from models that have not seen the rows.
    variance : ndarray (rows, outputs)
        What averaging over all networks takes off the variance of `outside`.
    optimism : float
        By how much the mean loss of `outside` is too small.
    truth : ndarray (rows,) of class numbers, or (rows, outputs)
    """
    w = np.ones(len(truth)) if weight is None else weight
    rows = len(truth)

    def of_numbers(share: float) -> float:
        mixed = (1 - share) * outside + share * linear
        errors = losses_of(mixed, truth, False) - (1 - share) ** 2 * variance.sum(axis=1)
        mean = float((errors * w).mean()) + (1 - share) * optimism
        return -0.5 * rows * float(log(max(mean, 1e-14)))

    def of_classes(share: float) -> float:
        mixed = (1 - share) * outside + share * linear
        power = best_power(mixed, truth, weight)
        chosen = np.arange(rows), truth
        logs = log(np.clip(sharpened(mixed, power)[chosen], 1e-15, None))
        # The second term of the logarithm's expansion, bounded.
        spared = (1 - share) ** 2 * variance[chosen] / np.maximum(mixed[chosen], 1e-6) ** 2
        found = float(((logs + 0.5 * power * log1p(spared)) * w).sum())
        return found - rows * (1 - share) * optimism

    of = of_classes if classification else of_numbers
    likelihood = _WORTH * np.array([of(share) for share in _SHARES])
    before = 1 / (1 + rows / _EVEN_ROWS)
    likelihood -= 0.5 * ((_SHARES - before) / _DEVIATION) ** 2
    chances = exp(likelihood - likelihood.max())
    share = float((chances * _SHARES).sum() / chances.sum())
    return round(share, 3) if share >= _LEAST else 0.0
