"""Baselines of a table's scores: a constant answer, and a linear model."""

from collections.abc import Sequence

import numpy as np

from .._base.dtypes import Array, Doubles
from .algebra import inverse_factor, product, solved
from .folds import Indices
from .members import out_of_fold, train
from .recipe import Recipe

# Up to so many inputs, least squares are solved exactly.
_EXACT = 600
# Rows that are float64 at once: those of a part would take several times a large table's inputs.
_CHUNK = 8192

_LINEAR = Recipe(
    "linear", folds=1, members=1, periodic=0, hidden=(), epochs=24, extras=False,
    weight_decay=0.001, learning_rate=1e-2, label_smoothing=0.0,
)  # fmt: skip


def linear_predictions(
    x: Array,
    y: Array,
    outputs: int,
    classification: bool,
    held_out: Sequence[Indices],
    seed: int,
    weight: Array | None,
) -> Doubles:
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
    found: Doubles = out_of_fold(ensemble, x, held_out)[1][0] * scale + mean
    return found


def _least_squares(
    x: Array, y: Array, held_out: Sequence[Indices], weight: Array | None
) -> Doubles:
    """Least squares by the normal equations of all rows, less those of the rows held out."""
    rows = np.unique(np.concatenate(held_out))
    out = np.zeros((len(x), y.shape[1]))
    w = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)

    def sums(chosen: Indices) -> tuple[Doubles, Doubles]:
        gram = np.zeros((x.shape[1] + 1, x.shape[1] + 1))
        moment = np.zeros((y.shape[1], x.shape[1] + 1))
        for some in _chunks(chosen):
            a = _with_constant(x[some])
            gram += product(a.T * w[some], a)
            moment += product(y[some].T * w[some], a)
        return gram, moment

    gram, moment = sums(np.arange(len(x)))
    for part in held_out:
        g, m = sums(part)
        g, m = gram - g, moment - m
        size = np.sqrt(np.maximum(np.diagonal(g), 1e-300))
        # A little of a ridge: indicators of all categories add up to one.
        factor = inverse_factor(g / size / size[:, np.newaxis] + 1e-9 * np.eye(len(g)))
        kernel = solved(factor, m / size) / size
        for some in _chunks(part):
            out[some] = product(kernel, _with_constant(x[some]).T).T
    return out[rows]


def _chunks(rows: Indices) -> list[Indices]:
    return [rows[at : at + _CHUNK] for at in range(0, len(rows), _CHUNK)]


def _with_constant(x: Array) -> Doubles:
    return np.column_stack([np.ones(len(x)), x.astype(np.float64)])
