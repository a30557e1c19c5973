"""Linear models of a table's inputs, with a ridge: what the networks are blended with.

They are made for all parts of the rows at once. The strength of the ridge, and the columns that
they are given, are those that are best on the rows not seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._base.dtypes import Array, Doubles
from .algebra import exp, inverse_factor, log, product, solved
from .folds import Indices
from .linear_columns import Bent, Bins, Columns, Straight
from .preparation import Preparation

# Of the columns in double precision (40 MB); of classes, which take a search.
_MOST_NUMBERS = {False: 5e6, True: 4e6}
# For standardised columns, from nearly none (a table without noise) to hardly any slope.
_RIDGES = [1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0]
_CLASS_RIDGES = [1000.0, 100.0, 10.0, 1.0, 0.1]
_STEPS = 100


@dataclass
class Linear:
    """A linear model: x·kernel + bias; of classes, their logits.

    Attributes
    ----------
    kernel : ndarray (inputs, outputs)
    bias : ndarray (outputs,)
    outside : ndarray (rows, outputs)
        Numbers or probabilities of the rows that are held out once, in increasing order, from
        models that have not seen them.
    """

    kernel: Doubles
    bias: Doubles
    outside: Doubles


def fit_linear(
    preparation: Preparation,
    x: Array,
    y: Array,
    outputs: int,
    classification: bool,
    held_out: Sequence[Indices],
    weight: Doubles | None,
    *,
    simple: bool = False,
) -> Linear | None:
    """The best of some linear models, by the rows not seen; None when it would take long.

    Parameters
    ----------
    x : ndarray (rows, inputs)
    y : ndarray (rows,) of class numbers, or (rows, outputs)
    weight : ndarray (rows,), optional
    simple : bool, default False
        Without bins, and so with a single slope for a column of numbers.
    """
    rows = np.unique(np.concatenate(held_out))
    truth = np.eye(outputs)[y] if classification else np.asarray(y, np.float64)
    w = np.ones(len(x)) if weight is None else weight
    most = _MOST_NUMBERS[classification] / (outputs if classification else 1)
    best: Linear | None = None
    least = np.empty(0)
    for view in (Straight, Bent) if simple else (Straight, Bent, Bins):
        columns = Columns.of(view, preparation, x, w, most)
        if columns is None:
            continue
        solve = _logistic if classification else _least_squares
        found, outside = solve(columns.z, truth, held_out, w)
        losses = losses_of(outside[rows], truth[rows], classification) * w[rows]
        # Another view is for those whom it helps for certain.
        gains = least - losses if best is not None else None
        if gains is None or gains.mean() > 2 * gains.std() / len(gains) ** 0.5:
            kernel, bias = columns.of_inputs(found)
            best = Linear(view.spread(preparation, x, kernel), bias, outside[rows])
            least = losses
    return best


def losses_of(answers: Doubles, truth: Doubles, classification: bool) -> Doubles:
    """Squared errors (rows,), or logarithmic losses of probabilities."""
    if classification:
        return -log(np.clip((answers * truth).sum(axis=1), 1e-15, None))
    squares: Doubles = ((answers - truth) ** 2).sum(axis=1)
    return squares


# Solvers: the coefficients (columns and a constant, outputs) for all rows, and what those for the
# other parts say of each row. Within, coefficients are (outputs, columns): products with long rows
# are the soonest.


def _least_squares(
    z: Doubles, y: Doubles, held_out: Sequence[Indices], w: Doubles
) -> tuple[Doubles, Doubles]:
    a = np.column_stack([z, np.ones(len(z))])
    across = np.ascontiguousarray(a.T)
    rows = np.unique(np.concatenate(held_out))

    def sums(chosen: Any) -> tuple[Doubles, Doubles]:
        inside, weight = a[chosen], w[chosen]
        return (
            product(across[:, chosen] * weight, inside),
            product(y[chosen].T * weight, inside),
        )

    def solutions(gram: Doubles, moment: Doubles) -> Iterator[Doubles]:
        total = max(gram[-1, -1], 1e-300)
        mean, level = gram[:-1, -1] / total, moment[:, -1:] / total
        spread = gram[:-1, :-1] - total * np.outer(mean, mean)
        right = moment[:, :-1] - total * level * mean
        for ridge in _RIDGES:
            found = solved(inverse_factor(spread + ridge * np.eye(len(spread))), right)
            yield np.hstack([found, level - (found * mean).sum(axis=1, keepdims=True)])

    gram, moment = sums(slice(None))
    outside = np.zeros((len(_RIDGES), len(z), y.shape[1]))
    for part in held_out:
        g, m = sums(part)
        if len(held_out) == 1:  # no model sees these rows
            gram, moment, g, m = gram - g, moment - m, 0 * g, 0 * m
        unseen = across[:, part]
        for answers, found in zip(outside, solutions(gram - g, moment - m), strict=True):
            answers[part] = product(found, unseen).T
    errors = [float((losses_of(o[rows], y[rows], False) * w[rows]).sum()) for o in outside]
    best = int(np.argmin(errors))
    return list(solutions(gram, moment))[best].T, outside[best]


def _logistic(
    z: Doubles, y: Doubles, held_out: Sequence[Indices], w: Doubles
) -> tuple[Doubles, Doubles]:
    a = np.column_stack([z, np.ones(len(z))])
    across = np.ascontiguousarray(a.T)
    rows = np.unique(np.concatenate(held_out))
    free = np.ones(a.shape[1])
    free[-1] = 0  # a constant that is held back would move the mean of the probabilities

    def gram_of(chosen: Any) -> Doubles:
        return product(across[:, chosen] * w[chosen], a[chosen])

    def descend(chosen: Any, gram: Doubles, ridges: Sequence[float]) -> Iterator[Doubles]:
        """From the largest ridge to the smallest, each from the solution before."""
        inside, turned = a[chosen], np.ascontiguousarray(across[:, chosen])
        targets, weight = y[chosen].T, w[chosen]
        at = np.zeros((y.shape[1], a.shape[1]))
        for ridge in ridges:
            # Half the Gram matrix is above all second derivatives (Böhning, 1992): steps need no
            # search, and Nesterov's momentum makes them few.
            factor = inverse_factor(gram / 2 + np.diag(ridge * free + 1e-6))
            inverse = product(factor.T, factor)
            ahead, pace = at.copy(), 1.0
            for _ in range(_STEPS):
                slope = product((_softmax(product(ahead, turned)) - targets) * weight, inside)
                slope += ridge * free * ahead
                step = product(slope, inverse)
                new = ahead - step
                if float((slope * (new - at)).sum()) > 0:
                    pace = 1.0
                faster = (1 + (1 + 4 * pace**2) ** 0.5) / 2
                ahead = new + (pace - 1) / faster * (new - at)
                at, pace = new, faster
                if float((slope * step).sum()) < 1e-6 * len(inside):
                    break
            yield at

    gram = gram_of(slice(None))
    outside = np.zeros((len(_CLASS_RIDGES), *y.shape))
    for part in held_out:
        others = np.setdiff1d(np.arange(len(a)), part)
        unseen = across[:, part]
        ways = descend(others, gram - gram_of(part), _CLASS_RIDGES)
        for answers, found in zip(outside, ways, strict=True):
            answers[part] = _softmax(product(found, unseen)).T
    errors = [float((losses_of(o[rows], y[rows], True) * w[rows]).sum()) for o in outside]
    # The strongest of those that are as likely: what is unlikely to matter stays out.
    best = int(np.argmax(np.array(errors) <= min(errors) + 0.5))
    seen: Any = slice(None)
    if len(held_out) == 1:  # no model sees these rows
        seen, gram = others, gram - gram_of(held_out[0])
    *_, found = descend(seen, gram, _CLASS_RIDGES[: best + 1])
    return found.T, outside[best]


def _softmax(z: Doubles) -> Doubles:
    """The probabilities of logits (classes, rows)."""
    raised = exp(z - z.max(axis=0))
    answers: Doubles = raised / raised.sum(axis=0)
    return answers
