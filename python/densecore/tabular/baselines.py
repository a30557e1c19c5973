"""Baselines of a table's scores: a constant answer, and a linear model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .algebra import inverse_factor, product, solved
from .folds import Indices
from .members import out_of_fold, train
from .recipe import Recipe

# Up to so many inputs, least squares are solved exactly.
_EXACT = 600

_LINEAR = Recipe(
    "linear", folds=1, members=1, periodic=0, hidden=(), epochs=24, extras=False,
    weight_decay=0.001, learning_rate=1e-2, label_smoothing=0.0,
)  # fmt: skip


def linear_predictions(
    x: NDArray[Any],
    y: NDArray[Any],
    outputs: int,
    classification: bool,
    held_out: Sequence[Indices],
    seed: int,
    weight: NDArray[Any] | None,
) -> NDArray[np.float64]:
    """A linear model's predictions (rows, outputs) of the rows that it has not seen, in the order
    of `out_of_fold`: probabilities, or numbers in the units of `y`."""
    if not classification and x.shape[1] <= _EXACT:
        return _least_squares(x, y, held_out, weight)
    mean, scale = np.zeros(outputs), np.ones(outputs)
    if not classification:
        # The recipe's rate and epochs are for targets of this size.
        mean, deviation = y.mean(axis=0), y.std(axis=0)
        scale = np.where(deviation > 0, deviation, 1.0)
        y = (y - mean) / scale
    ensemble = train(_LINEAR, x, y, outputs, classification, held_out, seed, weight=weight)
    found: NDArray[np.float64] = out_of_fold(ensemble, x, held_out)[1][0] * scale + mean
    return found


def _least_squares(
    x: NDArray[Any], y: NDArray[Any], held_out: Sequence[Indices], weight: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Least squares by the normal equations of all rows, less those of the rows held out."""
    rows = np.unique(np.concatenate(held_out))
    out = np.zeros((len(x), y.shape[1]))
    w = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)

    def sums(chosen: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        a = _with_constant(x[chosen])
        return product(a.T * w[chosen], a), product(y[chosen].T * w[chosen], a)

    parts = [sums(slice(at, at + 8192)) for at in range(0, len(x), 8192)]
    gram, moment = sum(p[0] for p in parts), sum(p[1] for p in parts)
    for part in held_out:
        g, m = sums(part)
        g, m = gram - g, moment - m
        size = np.sqrt(np.maximum(np.diagonal(g), 1e-300))
        # A little of a ridge: indicators of all categories add up to one.
        factor = inverse_factor(g / size / size[:, np.newaxis] + 1e-9 * np.eye(len(g)))
        out[part] = product(solved(factor, m / size) / size, _with_constant(x[part]).T).T
    return out[rows]


def _with_constant(x: NDArray[Any]) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])
