"""How much of each kind of networks, and of a linear model, predictions are made of."""

import numpy as np

from .._base.dtypes import Array, Doubles
from .algebra import exp, log, log1p
from .linear import losses_of
from .scores import best_power, sharpened

_SHARES = np.linspace(0, 1, 21)
_LEAST = 0.03
# What is believed before the rows are asked: among few rows a line is the better guess.
_EVEN_ROWS = 100
_DEVIATION = 0.3
# A row speaks for half of one: the networks of a part were all trained on nearly the same rows.
_WORTH = 0.5
# How often a kind of networks is added, and how many rows it takes to have as much to say as the
# belief that all kinds are alike.
_STEPS = 30
_ALIKE_ROWS = 100


def share_of_first(
    first: Doubles, second: Doubles, truth: Doubles, weight: Doubles | None
) -> float:
    """The share of the first of two kinds of networks that rows not seen speak for, 0 to 1.

    Before they are asked, it is a half: two kinds are most often as good as each other, but the
    bins of one kind are far better for targets that jump. Of classes the log-loss would become
    better by a thousandth, and more labels be wrong: there all networks count the same.

    Parameters
    ----------
    first, second, truth : ndarray (rows, outputs)
        Of networks that have not seen the rows.
    """
    w = np.ones(len(truth)) if weight is None else weight

    def likelihood(share: float) -> float:
        mixed = share * first + (1 - share) * second
        mean = float((losses_of(mixed, truth, False) * w).mean())
        return -0.5 * len(truth) * float(log(max(mean, 1e-14)))

    return _mean_share(_WORTH * np.array([likelihood(share) for share in _SHARES]), 0.5)


def shares_of_kinds(
    kinds: Doubles, truth: Array, classification: bool, weight: Doubles | None
) -> list[float]:
    """The shares of several kinds of networks that rows not seen speak for.

    Kinds are added to a mixture one at a time, each the best to add, the same one as often as it is
    that (Caruana, Niculescu-Mizil, Crew & Ksikes, 2004). It begins with all kinds alike, which
    counts the more the fewer rows there are.

    Parameters
    ----------
    kinds : ndarray (kinds, rows, outputs)
        Numbers or probabilities, from networks that have not seen the rows.
    truth : ndarray (rows,) of class numbers, or (rows, outputs)
    """
    w = np.ones(len(truth)) if weight is None else weight
    if classification:
        truth = np.eye(kinds.shape[2])[truth]
    counts = np.full(len(kinds), _ALIKE_ROWS / len(truth) * _STEPS / len(kinds))
    total: Doubles = counts[0] * kinds.sum(axis=0)
    for _ in range(_STEPS):
        size = counts.sum() + 1
        losses = [
            float((losses_of((total + kind) / size, truth, classification) * w).mean())
            for kind in kinds
        ]
        best = int(np.argmin(losses))
        counts[best] += 1
        total = total + kinds[best]
    shares = counts / counts.sum()
    shares[shares < _LEAST] = 0.0
    return [round(float(share), 4) for share in shares / shares.sum()]


def _mean_share(likelihood: Doubles, before: float) -> float:
    """The mean of the shares, by their likelihoods (shares,) and what is believed before."""
    likelihood = likelihood - 0.5 * ((_SHARES - before) / _DEVIATION) ** 2
    chances = exp(likelihood - likelihood.max())
    return round(float((chances * _SHARES).sum() / chances.sum()), 3)


def best_share(
    outside: Doubles,
    variance: Doubles,
    optimism: float,
    linear: Doubles,
    truth: Array,
    classification: bool,
    weight: Doubles | None,
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
    share = _mean_share(likelihood, 1 / (1 + rows / _EVEN_ROWS))
    return share if share >= _LEAST else 0.0
