"""Keras's accuracy functions: the share of right answers in each row."""

import math
from typing import Any

import numpy as np

from .._autodiff.traced import plain
from .._base import checks
from .._base.dtypes import Array
from .._data.arrays import as_labels


def _arrays(y_true: Any, y_pred: Any, labels: bool = False) -> tuple[Array, Array]:
    """Targets and outputs as arrays: of the same shape, or, with `labels`, class numbers."""
    targets, outputs = np.asarray(plain(y_true)), np.asarray(plain(y_pred))
    for name, array in (("y_true", targets), ("y_pred", outputs)):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{name}: found {checks.shown(array)}, wanted real numbers")
    if not outputs.ndim:
        raise ValueError("y_pred: found one number, wanted an array (rows, outputs)")
    wanted = outputs.shape[:-1] if labels else outputs.shape
    if targets.size != math.prod(wanted):
        raise ValueError(f"y_true: found shape {targets.shape}, wanted {wanted}")
    targets = targets.reshape(wanted)
    if labels:
        classes = as_labels(targets.reshape(-1), targets.size, outputs.shape[-1], "y_true")
        targets = classes.reshape(wanted)
    return targets, outputs


def _in_top_k(y_pred: Array, classes: Array, k: int) -> Array:
    """Whether fewer than k outputs of a row are larger than that of its class."""
    own = np.take_along_axis(y_pred, classes[..., None], axis=-1)
    return np.asarray((y_pred > own).sum(axis=-1) < k, np.float64)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """The share of a row's outputs that are on the side of the threshold that the target says.

    Parameters
    ----------
    y_true, y_pred : array_like (rows, outputs)
    threshold : float, default 0.5

    Returns
    -------
    ndarray (rows,)
    """
    targets, outputs = _arrays(y_true, y_pred)
    threshold = checks.number("threshold", threshold)
    right = (outputs > threshold) == (targets > 0.5)
    return np.asarray(np.mean(right, axis=-1, dtype=np.float64))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 for rows whose largest output is that of the largest target, else 0.

    Parameters
    ----------
    y_true, y_pred : array_like (rows, outputs)

    Returns
    -------
    ndarray (rows,)
    """
    targets, outputs = _arrays(y_true, y_pred)
    same = np.argmax(outputs, axis=-1) == np.argmax(targets, axis=-1)
    return np.asarray(same, np.float64)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """1 for rows whose largest output is the class, else 0.

    Parameters
    ----------
    y_true : array_like (rows,) or (rows, 1)
    y_pred : array_like (rows, outputs)

    Returns
    -------
    ndarray (rows,)
    """
    targets, outputs = _arrays(y_true, y_pred, labels=True)
    return np.asarray(np.argmax(outputs, axis=-1) == targets, np.float64)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """1 for rows whose class has fewer than k larger outputs than its own, else 0.

    Parameters
    ----------
    y_true, y_pred : array_like (rows, outputs)
    k : int, default 5

    Returns
    -------
    ndarray (rows,)
    """
    k = checks.integer("k", k, 1)
    targets, outputs = _arrays(y_true, y_pred)
    return _in_top_k(outputs, np.argmax(targets, axis=-1), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """The same for class numbers (rows,) or (rows, 1).

    Parameters
    ----------
    y_true : array_like (rows,) or (rows, 1)
    y_pred : array_like (rows, outputs)
    k : int, default 5

    Returns
    -------
    ndarray (rows,)
    """
    k = checks.integer("k", k, 1)
    targets, outputs = _arrays(y_true, y_pred, labels=True)
    return _in_top_k(outputs, targets, k)


def _arrays_along(y_true: Any, y_pred: Any, axis: Any) -> tuple[Array, Array, int]:
    targets, outputs = _arrays(y_true, y_pred)
    return targets, outputs, checks.integer("axis", axis, -outputs.ndim, outputs.ndim - 1)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """The correlation of a row's outputs with its targets.

    Parameters
    ----------
    y_true, y_pred : array_like (rows, outputs)
    axis : int, default -1

    Returns
    -------
    ndarray (rows,)
    """
    targets, outputs, axis = _arrays_along(y_true, y_pred, axis)
    y = targets - targets.mean(axis=axis, keepdims=True)
    a = outputs - outputs.mean(axis=axis, keepdims=True)
    size = np.sqrt((y * y).sum(axis=axis) * (a * a).sum(axis=axis))
    return np.asarray((y * a).sum(axis=axis) / np.maximum(size, 1e-12))


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """2 cov(y, a) / (var y + var a + (mean y - mean a)²) of each row.

    Parameters
    ----------
    y_true, y_pred : array_like (rows, outputs)
    axis : int, default -1

    Returns
    -------
    ndarray (rows,)
    """
    targets, outputs, axis = _arrays_along(y_true, y_pred, axis)
    y, a = targets.mean(axis=axis, keepdims=True), outputs.mean(axis=axis, keepdims=True)
    shared = ((targets - y) * (outputs - a)).mean(axis=axis)
    apart = np.squeeze(np.square(y - a), axis=axis)
    return np.asarray(2 * shared / (targets.var(axis=axis) + outputs.var(axis=axis) + apart + 1e-7))
