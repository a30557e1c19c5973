"""What a network has to beat: always the same answer, and a linear model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.blas import one_blas_thread
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
        # The scores are in the model's file, whose bits must not depend on the threads.
        with one_blas_thread():
            return _least_squares(x, y, held_out, weight)
    mean, scale = np.zeros(outputs), np.ones(outputs)
    if not classification:
        # The recipe's rate and epochs are for targets of this size.
        mean, deviation = y.mean(axis=0), y.std(axis=0)
        scale = np.where(deviation > 0, deviation, 1.0)
        y = (y - mean) / scale
    ensemble = train(_LINEAR, x, y, outputs, classification, held_out, seed, weight=weight)
    found: NDArray[np.float64] = out_of_fold(ensemble, x, held_out)[1] * scale + mean
    return found


def _least_squares(
    x: NDArray[Any], y: NDArray[Any], held_out: Sequence[Indices], weight: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Least squares by the normal equations of all rows, less those of the rows held out."""
    rows = np.unique(np.concatenate(held_out))
    out = np.zeros((len(x), y.shape[1]))
    w = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)

    def sums(chosen: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        a = np.column_stack([np.ones(len(x[chosen])), x[chosen].astype(np.float64)])
        aw = a * w[chosen][:, None]
        return aw.T @ a, aw.T @ y[chosen]

    parts = [sums(slice(at, at + 8192)) for at in range(0, len(x), 8192)]
    gram, moment = sum(p[0] for p in parts), sum(p[1] for p in parts)
    for part in held_out:
        g, m = sums(part)
        g, m = gram - g, moment - m
        # A little of a ridge: indicators of all categories add up to one.
        g[np.diag_indices(len(g))] += 1e-9 * max(float(np.trace(g)) / len(g), 1e-300)
        solved = np.linalg.lstsq(g, m, rcond=1e-12)[0]
        out[part] = np.column_stack([np.ones(len(part)), x[part].astype(np.float64)]) @ solved
    return out[rows]
