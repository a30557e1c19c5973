"""Class numbers as rows of 0 and 1, and vectors of length 1."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray

from .._base import checks
from .._base.dtypes import Array


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32]:
    """Class numbers as rows of 0 with a 1 at the number's place.

    Parameters
    ----------
    x : array_like of int
        Of any shape; a last axis of length 1 is dropped, as in Keras.
    num_classes : int, optional
        By default the largest number plus 1.

    Returns
    -------
    ndarray (..., num_classes), float32

    Raises
    ------
    TypeError
        There are no elements, or they are not numbers.
    ValueError
        They are not integers >= 0, or not smaller than `num_classes`.
    """
    numbers = np.asarray(x)
    if numbers.dtype.kind not in "biuf" or numbers.size == 0:
        raise TypeError(
            f"to_categorical: found {numbers.dtype} of shape {numbers.shape}, wanted class numbers"
        )
    labels = numbers.astype(np.int64)
    if (labels != numbers).any() or labels.min() < 0:
        raise ValueError("to_categorical: found numbers that are no integers >= 0")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels.reshape(labels.shape[:-1])
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    classes = checks.integer("to_categorical: num_classes", num_classes, 1, checks.MAX_WIDTH)
    if labels.max() >= classes:
        raise ValueError(f"to_categorical: found class {labels.max()}, wanted 0 to {classes - 1}")
    result = np.zeros((labels.size, classes), np.float32)
    result[np.arange(labels.size), labels.reshape(-1)] = 1
    return result.reshape(*labels.shape, classes)


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> Array:
    """Each vector along an axis, divided by its norm; zeros stay.

    Parameters
    ----------
    x : array_like (..., features)
    axis : int, default -1
    order : float, default 2
        Of the norm, as of ``numpy.linalg.norm``.

    Returns
    -------
    ndarray of the shape of x

    Raises
    ------
    TypeError
        `x` are no vectors of real numbers.
    ValueError
        `x` has no such axis.
    """
    if isinstance(x, NDArrayOperatorsMixin) and checks.real(order) == 2:  # within losses and models
        length = np.sqrt(np.maximum(np.sum(x * x, axis=axis, keepdims=True), 1e-12))
        found: Array = x / length
        return found
    array = np.asarray(x)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise TypeError(
            f"normalize: found {array.dtype} of shape {array.shape}, wanted vectors of real numbers"
        )
    axis = checks.integer("normalize: axis", axis, -array.ndim, array.ndim - 1)
    infinite = checks.real(order) in (np.inf, -np.inf)
    power = order if infinite else checks.number("normalize: order", order)
    norms = np.atleast_1d(np.linalg.norm(array, power, axis))
    norms[norms == 0] = 1
    return np.asarray(array / np.expand_dims(norms, axis))
