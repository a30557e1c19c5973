"""The activations: those of the note (Eq. 2, Eq. 15), and Keras's others under its names.

This is where an oracle for a new activation goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._base.constants import SELU_ALPHA, SELU_SCALE
from . import series
from ._checks import Array
from .series import Series


class Activation(NamedTuple):
    """An activation function and its derivative.

    Attributes
    ----------
    forward : callable
        ``z -> a``, Eq. 2.
    backward : callable
        ``(z, a, g) -> dC/dz`` with ``g = dC/da``: the second factor of Eq. 13, applied to the
        first one.
    series : callable or None
        The function of a power series, from which its higher derivatives follow; None for one that
        takes a row as a whole.

    All take the activation's parameters, if it has any, by Keras's names.
    """

    forward: Callable[..., Array]
    backward: Callable[..., Array]
    series: Callable[..., Series] | None = None


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) without overflow."""
    e = np.exp(-np.abs(z))  # never above 1, so that no z overflows
    return np.asarray(np.where(z >= 0, 1.0, e) / (1.0 + e))


def softmax(z: Array) -> Array:
    """exp(z_i) / sum_j exp(z_j) over the last axis."""
    # Subtracting the row's maximum cancels in the quotient and keeps every exponential <= 1.
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _softmax_backward(z: Array, a: Array, g: Array) -> Array:
    # da_i/dz_j = a_i ([i = j] - a_j): all outputs of a row depend on all of its inputs.
    return np.asarray(a * (g - np.sum(g * a, axis=-1, keepdims=True)))


def _log_softmax(z: Array) -> Array:
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))


def _log_softmax_backward(z: Array, a: Array, g: Array) -> Array:
    return np.asarray(g - np.exp(a) * np.sum(g, axis=-1, keepdims=True))


# Straight pieces. Each derivative is a choice between g and nothing, so that a unit that is off
# stops even an infinite g; a NaN is neither inside nor outside, and passes.


def _inside(z: Array, low: float, high: float, g: Array) -> Array:
    chosen = np.where((low < z) & (z < high), g, np.zeros_like(g))
    return np.where(np.isnan(z), z, chosen)


def _relu(
    z: Array,
    negative_slope: float = 0.0,
    max_value: float = math.inf,
    threshold: float = 0.0,
) -> Array:
    z = np.asarray(z)
    # No product with a slope of 0, which would make NaN of an infinite z.
    off = negative_slope * (z - threshold) if negative_slope else np.where(np.isnan(z), z, 0.0)
    return np.where(z > threshold, np.minimum(z, max_value), off).astype(z.dtype)


def _relu_backward(
    z: Array,
    a: Array,
    g: Array,
    negative_slope: float = 0.0,
    max_value: float = math.inf,
    threshold: float = 0.0,
) -> Array:
    if (negative_slope, max_value, threshold) == (0.0, math.inf, 0.0):
        # Written with "<=", so that the gradient at a NaN is not quietly replaced by zero.
        return np.where(z <= 0, np.zeros_like(g), g)
    off = negative_slope * g if negative_slope else np.zeros_like(g)
    slope = np.where(z > threshold, np.where(z <= max_value, g, np.zeros_like(g)), off)
    return np.where(np.isnan(z), z, slope)


def _leaky_relu(z: Array, negative_slope: float = 0.2) -> Array:
    return _relu(z, negative_slope)


def _leaky_relu_backward(z: Array, a: Array, g: Array, negative_slope: float = 0.2) -> Array:
    return np.where(np.isnan(z), z, _relu_backward(z, a, g, negative_slope))


def _hard_sigmoid(z: Array) -> Array:
    return np.asarray(np.clip(z + 3.0, 0.0, 6.0) / 6.0)


def _hard_silu(z: Array) -> Array:
    return np.asarray(np.maximum(z, -3.0) * _hard_sigmoid(z))


def _hard_silu_backward(z: Array, a: Array, g: Array) -> Array:
    return np.asarray(g * (_hard_sigmoid(z) + _inside(z, -3.0, 3.0, z / 6.0)))


# Smooth ones.


def _exponential_below(z: Array, scale: float, alpha: float, width: float) -> Array:
    # The exponential is taken of what lies below 0 only: above it would overflow.
    below = scale * alpha * np.expm1(np.minimum(z, 0.0) / width)
    return np.where(z > 0, scale * z, below).astype(z.dtype)


def _exponential_below_slope(z: Array, g: Array, scale: float, alpha: float, width: float) -> Array:
    below = scale * alpha / width * np.exp(np.minimum(z, 0.0) / width)
    return np.asarray(g * np.where(z > 0, scale, below).astype(z.dtype))


_SELU = (SELU_SCALE, SELU_ALPHA, 1.0)


def _softplus(z: Array) -> Array:
    return np.asarray(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))))


def _limited(z: Array, limit: float = 800.0) -> Array:
    """Keep a factor finite where the other one has vanished: infinity times 0 is NaN."""
    return np.asarray(np.clip(z, -limit, limit))


def _silu(z: Array) -> Array:
    return np.asarray(np.maximum(z, -800.0) * sigmoid(z))


def _silu_backward(z: Array, a: Array, g: Array) -> Array:
    s = sigmoid(z)
    return np.asarray(g * (s * (1.0 + _limited(z) * (1.0 - s))))


_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _normal_cdf(z: Array) -> Array:
    # erfc and not 1 + erf, which loses the lower tail.
    if z.size == 0:
        return z.copy()
    return np.asarray(0.5 * _erfc(-z.astype(np.float64) / math.sqrt(2.0)))


def _tanh_gelu_argument(z: Array) -> Array:
    # 0.5 (1 + tanh(u / 2)) is sigmoid(u), which keeps the lower tail.
    return np.asarray(2.0 * math.sqrt(2.0 / math.pi) * (z + 0.044715 * z * z * z))


def _gelu(z: Array, approximate: bool = False) -> Array:
    if approximate:
        x = _limited(z, 30.0)
        return np.asarray(np.maximum(z, -30.0) * sigmoid(_tanh_gelu_argument(x)))
    return np.asarray(np.maximum(z, -50.0) * _normal_cdf(z)).astype(z.dtype)


def _gelu_backward(z: Array, a: Array, g: Array, approximate: bool = False) -> Array:
    if approximate:
        x = _limited(z, 30.0)
        s = sigmoid(_tanh_gelu_argument(x))
        slope = 2.0 * math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * x * x)
        return np.asarray(g * (s + x * s * (1.0 - s) * slope))
    x = _limited(z, 50.0).astype(np.float64)
    density = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return np.asarray(g * (_normal_cdf(z) + x * density).astype(z.dtype))


def _tanh_softplus(z: Array) -> Array:
    # n / (n + 2) with n = e (e + 2), e = exp(z): it keeps the lower tail.
    e = np.exp(np.minimum(z, 40.0))
    n = e * (e + 2.0)
    return np.asarray(n / (n + 2.0))


def _mish(z: Array) -> Array:
    return np.asarray(np.maximum(z, -800.0) * _tanh_softplus(z))


def _mish_backward(z: Array, a: Array, g: Array) -> Array:
    t = _tanh_softplus(z)
    return np.asarray(g * (t + _limited(z) * sigmoid(z) * (1.0 - t * t)))


def _softsign(z: Array) -> Array:
    size = np.minimum(np.abs(z), 1e30)
    return np.asarray(np.copysign(size / (1.0 + size), z))


def _softsign_backward(z: Array, a: Array, g: Array) -> Array:
    inverse = 1.0 / (1.0 + np.abs(z))
    return np.asarray(g * inverse * inverse)


# Formulas for power series, where they differ from those above.


def _relu_series(
    z: Series, negative_slope: float = 0.0, max_value: float = math.inf, threshold: float = 0.0
) -> Series:
    above = z if math.isinf(max_value) else series.where(z.c[0] < max_value, z, max_value)
    return series.where(z.c[0] > threshold, above, (z - threshold) * negative_slope)


def _elu_series(z: Series, alpha: float = 1.0, width: float = 1.0, scale: float = 1.0) -> Series:
    return series.where(z.c[0] > 0, z * scale, (series.exp(z / width) - 1.0) * (alpha * scale))


def _gelu_series(z: Series, approximate: bool = False) -> Series:
    if approximate:
        return z * series.sigmoid((z + z * z * z * 0.044715) * math.sqrt(8 / math.pi))
    density = series.exp(z * z * -0.5) * (1 / math.sqrt(2 * math.pi))
    cdf = np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in z.c[0].reshape(-1)])
    return z * series.integrated(cdf.reshape(z.c[0].shape).astype(z.c[0].dtype), density)


# Shrinking and sparse ones.


def _shrink(soft: bool) -> Activation:
    def forward(z: Array, threshold: float = 0.5) -> Array:
        kept = z - threshold * np.sign(z) if soft else z
        return np.where(np.isnan(z) | (np.abs(z) > threshold), kept, 0.0).astype(z.dtype)

    def backward(z: Array, a: Array, g: Array, threshold: float = 0.5) -> Array:
        chosen = np.where(np.abs(z) > threshold, g, np.zeros_like(g))
        return np.where(np.isnan(z), z, chosen)

    def of_series(z: Series, threshold: float = 0.5) -> Series:
        return series.where(np.abs(z.c[0]) > threshold, z, z * 0.0)

    return Activation(forward, backward, of_series)


def _threshold(z: Array, threshold: float = 0.0, default_value: float = 0.0) -> Array:
    return np.where(np.isnan(z) | (z > threshold), z, default_value).astype(z.dtype)


def _threshold_backward(
    z: Array, a: Array, g: Array, threshold: float = 0.0, default_value: float = 0.0
) -> Array:
    return np.where(np.isnan(z), z, np.where(z > threshold, g, np.zeros_like(g)))


def _threshold_series(z: Series, threshold: float = 0.0, default_value: float = 0.0) -> Series:
    return series.where(z.c[0] > threshold, z, z * 0.0 + default_value)


def _sparse_sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (np.clip(z, -1.0, 1.0) + 1.0))


def _sparse_plus(z: Array) -> Array:
    root = 0.5 * (np.clip(z, -1.0, 1.0) + 1.0)
    return np.where(z > 1.0, z, root * root)


def _sparse_plus_series(z: Series) -> Series:
    middle = (z + 1.0) * (z + 1.0) * 0.25
    return series.where(z.c[0] > 1, z, series.where(z.c[0] < -1, z * 0.0, middle))


def _square_root(z: Array, b: float) -> Array:
    return np.asarray(np.hypot(z, np.sqrt(z.dtype.type(b))))


def _squareplus(z: Array, b: float = 4.0) -> Array:
    away = _square_root(z, b) + np.abs(z)
    # Below 0 the sum cancels: there it is the quotient.
    below = 0.5 * (b / np.maximum(away, np.finfo(z.dtype).smallest_normal))
    return np.where(z < 0, below, 0.5 * away).astype(z.dtype)


def _squareplus_backward(z: Array, a: Array, g: Array, b: float = 4.0) -> Array:
    return np.asarray(g * (a / np.maximum(_square_root(z, b), np.finfo(z.dtype).smallest_normal)))


def _squareplus_series(z: Series, b: float = 4.0) -> Series:
    return (z + series.root(z * z + b)) * 0.5


#: The activation functions by name.
ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda z: z.copy(), lambda z, a, g: g.copy(), lambda z: z),
    "sigmoid": Activation(sigmoid, lambda z, a, g: g * (a * (1.0 - a)), series.sigmoid),
    "tanh": Activation(np.tanh, lambda z, a, g: g * (1.0 - a * a), series.tanh),
    "relu": Activation(_relu, _relu_backward, _relu_series),
    "softmax": Activation(softmax, _softmax_backward),
    "leaky_relu": Activation(
        _leaky_relu,
        _leaky_relu_backward,
        lambda z, negative_slope=0.2: _relu_series(z, negative_slope),
    ),
    "relu6": Activation(
        lambda z: np.clip(z, 0.0, 6.0),
        lambda z, a, g: _inside(z, 0.0, 6.0, g),
        lambda z: series.clipped(z, 0.0, 6.0),
    ),
    "elu": Activation(
        lambda z, alpha=1.0: _exponential_below(z, 1.0, alpha, 1.0),
        lambda z, a, g, alpha=1.0: _exponential_below_slope(z, g, 1.0, alpha, 1.0),
        _elu_series,
    ),
    "selu": Activation(
        lambda z: _exponential_below(z, *_SELU),
        lambda z, a, g: _exponential_below_slope(z, g, *_SELU),
        lambda z: _elu_series(z, _SELU[1], 1.0, _SELU[0]),
    ),
    "celu": Activation(
        lambda z, alpha=1.0: _exponential_below(z, 1.0, alpha, alpha),
        lambda z, a, g, alpha=1.0: _exponential_below_slope(z, g, 1.0, alpha, alpha),
        lambda z, alpha=1.0: _elu_series(z, alpha, alpha),
    ),
    "exponential": Activation(np.exp, lambda z, a, g: g * a, series.exp),
    "gelu": Activation(_gelu, _gelu_backward, _gelu_series),
    "silu": Activation(_silu, _silu_backward, lambda z: z * series.sigmoid(z)),
    "mish": Activation(_mish, _mish_backward, lambda z: z * series.tanh(series.softplus(z))),
    "softplus": Activation(_softplus, lambda z, a, g: g * sigmoid(z), series.softplus),
    "softsign": Activation(_softsign, _softsign_backward, lambda z: z / (series.absolute(z) + 1.0)),
    "log_sigmoid": Activation(
        lambda z: -_softplus(-z), lambda z, a, g: g * sigmoid(-z), lambda z: z - series.softplus(z)
    ),
    "hard_sigmoid": Activation(
        _hard_sigmoid,
        lambda z, a, g: _inside(z, -3.0, 3.0, g / 6.0),
        lambda z: series.clipped(z + 3.0, 0.0, 6.0) / 6.0,
    ),
    "hard_silu": Activation(
        _hard_silu, _hard_silu_backward, lambda z: z * series.clipped(z + 3.0, 0.0, 6.0) / 6.0
    ),
    "hard_tanh": Activation(
        lambda z: np.clip(z, -1.0, 1.0),
        lambda z, a, g: _inside(z, -1.0, 1.0, g),
        lambda z: series.clipped(z, -1.0, 1.0),
    ),
    "tanh_shrink": Activation(
        lambda z: z - np.tanh(z), lambda z, a, g: g * np.tanh(z) ** 2, lambda z: z - series.tanh(z)
    ),
    "log_softmax": Activation(_log_softmax, _log_softmax_backward),
    "hard_shrink": _shrink(soft=False),
    "soft_shrink": _shrink(soft=True),
    "threshold": Activation(_threshold, _threshold_backward, _threshold_series),
    "sparse_plus": Activation(
        _sparse_plus, lambda z, a, g: g * _sparse_sigmoid(z), _sparse_plus_series
    ),
    "sparse_sigmoid": Activation(
        _sparse_sigmoid,
        lambda z, a, g: _inside(z, -1.0, 1.0, 0.5 * g),
        lambda z: (series.clipped(z, -1.0, 1.0) + 1.0) * 0.5,
    ),
    "squareplus": Activation(_squareplus, _squareplus_backward, _squareplus_series),
}


def activation_derivatives(name: str, z: Array, **parameters: Any) -> tuple[Array, Array, Array]:
    """The first three derivatives of an activation that works element by element.

    Parameters
    ----------
    name : str
        A name of `ACTIVATIONS` whose `series` is not None.
    z : array
    **parameters : float
        The activation's, by Keras's names.
    """
    z = np.asarray(z)
    zeros = [np.zeros_like(z) for _ in range(series.TERMS - 2)]
    function = ACTIVATIONS[name].series
    assert function is not None
    c = function(Series([z, np.ones_like(z), *zeros]), **parameters).c
    return c[1], 2 * c[2], 6 * c[3]
