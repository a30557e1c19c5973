"""Second derivatives of losses by the outputs, as products with a direction.

A loss is added here by a function in `_CURVATURES`. The arrays are of outputs only: NumPy does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import DTYPES, Array
from .base import CORE


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1, e) / (1 + e))


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _squares(a: Array, y: Array, v: Array, loss: Any) -> Array:
    return 2 * v


def _straight(a: Array, y: Array, v: Array, loss: Any) -> Array:
    return np.zeros_like(v)


def _huber(a: Array, y: Array, v: Array, loss: Any) -> Array:
    return np.asarray(np.where(np.abs(a - y) <= loss.delta, v, 0))


def _log_cosh(a: Array, y: Array, v: Array, loss: Any) -> Array:
    return np.asarray((1 - np.tanh(a - y) ** 2) * v)


def _binary(z: Array, y: Array, v: Array, loss: Any) -> Array:
    p = _sigmoid(z)
    return np.asarray(p * (1 - p) * v)


def _categorical(z: Array, y: Array, v: Array, loss: Any) -> Array:
    # The gradient is (sum of y) p - y.
    p = _softmax(z)
    product = p * (v - (p * v).sum(axis=1, keepdims=True))
    if loss.kind.startswith("sparse"):
        return np.asarray(product)
    smoothing = loss.label_smoothing
    return np.asarray(product * (y.sum(axis=1, keepdims=True) * (1 - smoothing) + smoothing))


# name → (whether it is of the last layer's z, the product of one row's second derivatives with v;
# before the division by the number of outputs, where the loss is their mean).
_CURVATURES: dict[str, tuple[bool, Callable[[Array, Array, Array, Any], Array]]] = {
    "mean_squared_error": (False, _squares),
    "mean_absolute_error": (False, _straight),
    "huber": (False, _huber),
    "log_cosh": (False, _log_cosh),
    "binary_crossentropy": (True, _binary),
    "categorical_crossentropy": (True, _categorical),
    "sparse_categorical_crossentropy": (True, _categorical),
}


def check(loss: Any, fused: bool) -> None:
    """Raise unless the second derivatives of the loss are known."""
    name = getattr(loss, "kind", type(loss).__name__)
    if name not in _CURVATURES:
        raise ValueError(
            f"loss: found '{name}', wanted one with second derivatives: {', '.join(_CURVATURES)}"
        )
    if _CURVATURES[name][0] and not fused:
        raise ValueError(
            f"loss: found '{name}' of outputs that are not those of its own "
            f"{CORE[name]['link']}, wanted that as the last activation, or from_logits=True"
        )


def gradient_and_product(
    loss: Any, fused: bool, output: Array, y: Array, weight: Array | None, direction: Array
) -> tuple[Array, Array]:
    """dC/doutput, and the second derivatives of C by the outputs times `direction`.

    Parameters
    ----------
    loss : Loss
        One that `check` lets pass.
    fused : bool
        Whether `output` is the last layer's z.
    output, direction : ndarray (rows, outputs)
    y : ndarray (rows, outputs), or (rows,) class numbers
    weight : ndarray (rows,) or None
    """
    rows, outputs = output.shape
    averaged = CORE[loss.kind]["averaged"]
    scale = loss.row_factor(weight, rows, outputs)
    gradient = np.empty_like(output)
    target = y.astype(np.int32) if y.ndim == 1 else y
    DTYPES[output.dtype.name].kernels.loss(
        loss.kind, fused, output, target, weight, scale, gradient, loss._parameters()
    )
    product = _CURVATURES[loss.kind][1](output, y, direction, loss)
    factor = scale / (outputs if averaged else 1)
    product = product * factor if weight is None else product * (factor * weight)[:, None]
    return gradient, np.require(product, output.dtype, ["C", "A"])
