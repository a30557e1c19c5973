"""The losses: that of the note (Eq. 7, Eq. 8), and Keras's others under its names.

This is where an oracle for a new loss goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ._checks import Array, checked_array
from .activations import sigmoid, softmax

# Probabilities are kept this far from 0 and 1 before a logarithm is taken.
_CLIP = 1e-7


class Loss(NamedTuple):
    """A loss of one row, its gradient, and both for the activation it goes with.

    Attributes
    ----------
    value : callable
        ``(a, y) -> (batch,)``, the loss of each row.
    gradient : callable
        ``(a, y) -> (batch, n)``, the gradient of each row's own loss by ``a``.
    link : str or None
        Name of the output activation with which the loss is fused: computed from ``z``, where
        no logarithm of a rounded probability is needed.
    fused_value, fused_gradient : callable or None
        ``(z, y)`` to the loss of each row and to its gradient by ``z``; None without a link.
    """

    value: Callable[[Array, Any], Array]
    gradient: Callable[[Array, Any], Array]
    link: str | None = None
    fused_value: Callable[[Array, Any], Array] | None = None
    fused_gradient: Callable[[Array, Any], Array] | None = None


# Losses (Eq. 7, Eq. 8).


def _targets(a: Array, y: Any) -> Array:
    y = np.asarray(y, dtype=a.dtype)
    return checked_array("y", y, a.shape)


def _one_hot(a: Array, y: Any) -> Array:
    """Turn the class indices y (batch,) into rows with a one at the class."""
    y = np.asarray(y)
    if y.dtype.kind not in "iu":
        raise TypeError(f"y: found dtype {y.dtype}, wanted integer class indices")
    if y.shape != a.shape[:1]:
        raise ValueError(f"y: found shape {y.shape}, wanted {a.shape[:1]}")
    n = a.shape[-1]
    wrong = y[(y < 0) | (y >= n)]
    if wrong.size:
        raise ValueError(f"y: found class {wrong[0]}, wanted classes 0 to {n - 1}")
    return np.asarray(y[:, None] == np.arange(n), dtype=a.dtype)


def _clip(a: Array) -> tuple[Array, Array]:
    """Return the probabilities to take the logarithm of, and where they were replaced."""
    low, high = a.dtype.type(_CLIP), a.dtype.type(1.0 - _CLIP)
    return np.clip(a, low, high), (a < low) | (a > high)


def _mse(a: Array, y: Any) -> Array:
    d = a - _targets(a, y)
    return np.asarray(np.mean(d * d, axis=-1))  # Eq. 8: (1/n) sum_i (a_i - y_i)^2


def _mse_gradient(a: Array, y: Any) -> Array:
    return np.asarray((2.0 / a.shape[-1]) * (a - _targets(a, y)))


def _categorical(a: Array, y: Any) -> Array:
    return np.asarray(-np.sum(_targets(a, y) * np.log(_clip(a)[0]), axis=-1))


def _categorical_gradient(a: Array, y: Any) -> Array:
    p, replaced = _clip(a)
    return np.where(replaced, np.zeros_like(a), -_targets(a, y) / p)


def _categorical_fused(z: Array, y: Any) -> Array:
    # -log softmax(z)_i = log(sum_j e^z_j) - z_i, and the row's maximum cancels once more.
    y = _targets(z, y)
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=-1)) * y.sum(axis=-1) - (y * z).sum(axis=-1))


def _categorical_fused_gradient(z: Array, y: Any) -> Array:
    y = _targets(z, y)
    return np.asarray(softmax(z) * y.sum(axis=-1, keepdims=True) - y)


def _binary(a: Array, y: Any) -> Array:
    p, y = _clip(a)[0], _targets(a, y)
    return np.asarray(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p), axis=-1))


def _binary_gradient(a: Array, y: Any) -> Array:
    (p, replaced), y = _clip(a), _targets(a, y)
    return np.where(replaced, np.zeros_like(a), (p - y) / (p * (1.0 - p)) / a.shape[-1])


def _binary_fused(z: Array, y: Any) -> Array:
    rows = np.maximum(z, 0.0) - z * _targets(z, y) + np.log1p(np.exp(-np.abs(z)))
    return np.asarray(np.mean(rows, axis=-1))


def _binary_fused_gradient(z: Array, y: Any) -> Array:
    return np.asarray((sigmoid(z) - _targets(z, y)) / z.shape[-1])


#: The losses by name. `sparse_categorical_crossentropy` takes class indices of shape (batch,).
LOSSES: dict[str, Loss] = {
    "mean_squared_error": Loss(_mse, _mse_gradient),
    "categorical_crossentropy": Loss(
        _categorical,
        _categorical_gradient,
        "softmax",
        _categorical_fused,
        _categorical_fused_gradient,
    ),
    "sparse_categorical_crossentropy": Loss(
        lambda a, y: _categorical(a, _one_hot(a, y)),
        lambda a, y: _categorical_gradient(a, _one_hot(a, y)),
        "softmax",
        lambda z, y: _categorical_fused(z, _one_hot(z, y)),
        lambda z, y: _categorical_fused_gradient(z, _one_hot(z, y)),
    ),
    "binary_crossentropy": Loss(
        _binary, _binary_gradient, "sigmoid", _binary_fused, _binary_fused_gradient
    ),
}
