"""Means and variances of data, and advice about data that should have been scaled."""

from typing import Any

import numpy as np
from sklearn.utils.sparsefuncs import mean_variance_axis

from .._base.dtypes import Array
from .._base.warn import warn

LARGE = 1000.0  # larger inputs are mentioned when a training has diverged


def moments(X: Any, weights: Array | None) -> tuple[Array, Array]:
    """Weighted mean and variance (columns,) in double precision, of sparse rows as of dense ones.

    The variance of a constant column is 1, so that it becomes 0 whatever its rounding.
    """
    if hasattr(X, "tocsr"):
        mean, variance = mean_variance_axis(X.astype(np.float64), axis=0, weights=weights)
    else:
        mean = np.average(X.astype(np.float64, copy=False), axis=0, weights=weights)
        variance = np.average((X - mean) ** 2, axis=0, weights=weights)
    rounding = 10 * np.finfo(np.float64).eps * len(np.atleast_1d(X)) ** 0.5
    constant = variance <= (rounding * np.abs(mean)) ** 2
    return np.asarray(mean), np.where(constant, 1.0, variance)


def warn_of_constant(y: Array) -> None:
    """Warn of targets that are all the same: there is nothing to learn from them."""
    if len(y) > 1 and (y == y[:1]).all():
        first = y[0].tolist() if isinstance(y[0], np.ndarray | np.generic) else y[0]
        warn(f"y: found {first!r} in all {len(y)} rows: any model of constant targets is trivial")


def advice(X: Any, names: Any) -> str:
    """Advice about a training on X that has diverged."""
    found = "a smaller learning_rate_init or clipnorm=1 may help"
    largest = abs(X).max(axis=0)
    largest = largest.toarray() if hasattr(largest, "toarray") else np.asarray(largest)
    column = int(largest.argmax())
    if largest.flat[column] > LARGE:
        name = f"{column}" if names is None else f"{column} ('{names[column]}')"
        found += (
            f"; column {name} has values up to {largest.flat[column]:.3g}: scale_inputs=True "
            "standardises them"
        )
    return found
