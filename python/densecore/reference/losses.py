"""The losses: that of the note (Eq. 7, Eq. 8), and Keras's others under its names.

This is where an oracle for a new loss goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

    All four take the loss's parameters, if it has any, by Keras's names.
    """

    value: Callable[..., Array]
    gradient: Callable[..., Array]
    link: str | None = None
    fused_value: Callable[..., Array] | None = None
    fused_gradient: Callable[..., Array] | None = None


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


def _smoothed(a: Array, y: Any, label_smoothing: float) -> Array:
    """Targets drawn towards the same for every class."""
    return np.asarray(_targets(a, y) * (1.0 - label_smoothing) + label_smoothing / a.shape[-1])


def _categorical(a: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    return np.asarray(-np.sum(_smoothed(a, y, label_smoothing) * np.log(_clip(a)[0]), axis=-1))


def _categorical_gradient(a: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    p, replaced = _clip(a)
    return np.where(replaced, np.zeros_like(a), -_smoothed(a, y, label_smoothing) / p)


def _categorical_fused(z: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    # -log softmax(z)_i = log(sum_j e^z_j) - z_i, and the row's maximum cancels once more.
    y = _smoothed(z, y, label_smoothing)
    z = z - z.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=-1)) * y.sum(axis=-1) - (y * z).sum(axis=-1))


def _categorical_fused_gradient(z: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    y = _smoothed(z, y, label_smoothing)
    return np.asarray(softmax(z) * y.sum(axis=-1, keepdims=True) - y)


def _halfway(a: Array, y: Any, label_smoothing: float) -> Array:
    """Targets drawn towards 1/2."""
    return np.asarray(_targets(a, y) * (1.0 - label_smoothing) + label_smoothing / 2.0)


def _entropy(p: Array, y: Array) -> Array:
    return np.asarray(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def _entropy_of_logit(z: Array, y: Array) -> Array:
    return np.asarray(np.maximum(z, 0.0) - z * y + np.log1p(np.exp(-np.abs(z))))


def _binary(a: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    return np.asarray(np.mean(_entropy(_clip(a)[0], _halfway(a, y, label_smoothing)), axis=-1))


def _binary_gradient(a: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    (p, replaced), y = _clip(a), _halfway(a, y, label_smoothing)
    return np.where(replaced, np.zeros_like(a), (p - y) / (p * (1.0 - p)) / a.shape[-1])


def _binary_fused(z: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    return np.asarray(np.mean(_entropy_of_logit(z, _halfway(z, y, label_smoothing)), axis=-1))


def _binary_fused_gradient(z: Array, y: Any, label_smoothing: float = 0.0) -> Array:
    return np.asarray((sigmoid(z) - _halfway(z, y, label_smoothing)) / z.shape[-1])


# Terms: the loss of each output and its derivative, of which the row's is the mean.


def _mean_of(term: Callable[..., tuple[Array, Array]]) -> Loss:
    def value(a: Array, y: Any, **parameters: float) -> Array:
        return np.asarray(np.mean(term(a, _targets(a, y), **parameters)[0], axis=-1))

    def gradient(a: Array, y: Any, **parameters: float) -> Array:
        return np.asarray(term(a, _targets(a, y), **parameters)[1] / a.shape[-1])

    return Loss(value, gradient)


def _sum_of(term: Callable[..., tuple[Array, Array]]) -> Loss:
    mean = _mean_of(term)
    return Loss(
        lambda a, y, **parameters: mean.value(a, y, **parameters) * a.shape[-1],
        lambda a, y, **parameters: mean.gradient(a, y, **parameters) * a.shape[-1],
    )


def _absolute(a: Array, y: Array) -> tuple[Array, Array]:
    return np.abs(a - y), np.sign(a - y)


def _huber(a: Array, y: Array, delta: float = 1.0) -> tuple[Array, Array]:
    slope = np.clip(a - y, -delta, delta)
    return slope * (a - y - 0.5 * slope), slope


def _log_cosh(a: Array, y: Array) -> tuple[Array, Array]:
    size = np.abs(a - y)
    e = np.exp(-size)
    # Near 0 the difference of the textbook's formula cancels.
    near = np.log1p((1.0 - e) ** 2 / (2.0 * np.maximum(e, 0.1)))
    far = size + np.log1p(e * e) - np.log(2.0)
    return np.where(size < 1, near, far).astype(a.dtype), np.tanh(a - y)


def _squared_logarithmic(a: Array, y: Array) -> tuple[Array, Array]:
    kept = np.maximum(a, _CLIP)
    d = np.log1p(kept) - np.log1p(np.maximum(y, _CLIP))
    return d * d, np.where(a < _CLIP, np.zeros_like(d), 2.0 * d / (1.0 + kept))


def _percentage(a: Array, y: Array) -> tuple[Array, Array]:
    scale = 100.0 / np.maximum(np.abs(y), _CLIP)
    return scale * np.abs(a - y), scale * np.sign(a - y)


def _poisson(a: Array, y: Array) -> tuple[Array, Array]:
    return a - y * np.log(a + _CLIP), 1.0 - y / (a + _CLIP)


def _hinge(a: Array, y: Array) -> tuple[Array, Array]:
    side = np.where(y == 0, -1.0, y).astype(a.dtype)  # as in Keras, targets 0 stand for -1
    short_of = np.maximum(1.0 - side * a, 0.0)
    slope = np.where(short_of <= 0, np.zeros_like(a), -side)
    return short_of, np.where(np.isnan(short_of), short_of, slope)


def _squared_hinge(a: Array, y: Array) -> tuple[Array, Array]:
    short_of, slope = _hinge(a, y)
    return short_of * short_of, 2.0 * short_of * slope


def _divergence(a: Array, y: Array) -> tuple[Array, Array]:
    low = a.dtype.type(_CLIP)
    p, q = np.clip(y, low, 1.0), np.clip(a, low, 1.0)
    return p * np.log(p / q), np.where((a < low) | (a > 1), np.zeros_like(a), -p / q)


def _focal(
    a: Array,
    y: Array,
    alpha: float = 0.25,
    gamma: float = 2.0,
    apply_class_balancing: bool = False,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    (p, replaced), y = _clip(a), _halfway(a, y, label_smoothing)
    wrong = y * (1.0 - p) + (1.0 - y) * p
    weight = y * alpha + (1.0 - y) * (1.0 - alpha) if apply_class_balancing else 1.0
    factor, entropy = weight * wrong**gamma, _entropy(p, y)
    slope = factor * ((p - y) / (p * (1.0 - p)) + gamma * (1.0 - 2.0 * y) * entropy / wrong)
    return factor * entropy, np.where(replaced, np.zeros_like(a), slope)


def _focal_of_logit(
    z: Array,
    y: Array,
    alpha: float = 0.25,
    gamma: float = 2.0,
    apply_class_balancing: bool = False,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    y, p, rest = _halfway(z, y, label_smoothing), sigmoid(z), sigmoid(-z)
    wrong = np.maximum(y * rest + (1.0 - y) * p, np.finfo(z.dtype).tiny)
    weight = y * alpha + (1.0 - y) * (1.0 - alpha) if apply_class_balancing else 1.0
    with np.errstate(under="ignore"):
        factor, entropy = weight * wrong**gamma, _entropy_of_logit(z, y)
    slope = p - y + gamma * (1.0 - 2.0 * y) * entropy * (p * rest / wrong)
    return factor * entropy, factor * slope


def _categorical_focal(
    a: Array, y: Array, alpha: float = 0.25, gamma: float = 2.0
) -> tuple[Array, Array]:
    p, replaced = _clip(a)
    factor = alpha * y * (1.0 - p) ** gamma
    slope = factor * (gamma * np.log(p) / (1.0 - p) - 1.0 / p)
    return -factor * np.log(p), np.where(replaced, np.zeros_like(a), slope)


# Losses of a row as a whole, or with other than one output per target.


def _generalized(a: Array, y: Any, q: float = 0.5) -> Array:
    of_class = (_one_hot(a, y) * a).sum(axis=-1)
    return np.asarray((1.0 - np.maximum(of_class, 1e-7) ** q) / q)


def _generalized_gradient(a: Array, y: Any, q: float = 0.5) -> Array:
    chosen = _one_hot(a, y)
    slope = np.where(a < 1e-7, 0.0, -(np.maximum(a, 1e-7) ** (q - 1.0)))
    return np.asarray(chosen * slope, a.dtype)


def _quantile_terms(a: Array, y: Any, quantiles: Sequence[float] = (0.5,)) -> tuple[Array, Array]:
    # Output t * len(quantiles) + q is quantile q of target t.
    count = len(quantiles)
    y = np.asarray(y, dtype=a.dtype)
    checked_array("y", y, (a.shape[0], a.shape[1] // count))
    tau = np.tile(np.asarray(quantiles, a.dtype), y.shape[1])
    d = np.repeat(y, count, axis=1) - a
    slope = np.where(d > 0, -tau, np.where(d < 0, 1.0 - tau, d))  # none at 0; a NaN remains
    return np.where(d > 0, tau * d, (tau - 1.0) * d), slope.astype(a.dtype)


def _quantile(a: Array, y: Any, quantiles: Sequence[float] = (0.5,)) -> Array:
    return np.asarray(np.mean(_quantile_terms(a, y, quantiles)[0], axis=-1))


def _quantile_gradient(a: Array, y: Any, quantiles: Sequence[float] = (0.5,)) -> Array:
    return np.asarray(_quantile_terms(a, y, quantiles)[1] / a.shape[-1])


def _gaussian_parts(a: Array, y: Any) -> tuple[Array, Array, Array]:
    count = a.shape[1] // 2
    mean, s = a[:, :count], a[:, count:]
    y = np.asarray(y, dtype=a.dtype)
    return mean - checked_array("y", y, mean.shape), s, np.exp(-s)


def _gaussian(a: Array, y: Any) -> Array:
    d, s, precision = _gaussian_parts(a, y)
    return np.asarray(np.mean(0.5 * (s + d * d * precision), axis=-1))


def _gaussian_gradient(a: Array, y: Any) -> Array:
    d, s, precision = _gaussian_parts(a, y)
    parts = [d * precision, 0.5 * (1.0 - d * d * precision)]
    return np.asarray(np.concatenate(parts, axis=1) / s.shape[1])


def _categorical_hinge(a: Array, y: Any) -> Array:
    y = _targets(a, y)
    short_of = np.max((1.0 - y) * a, axis=-1) - np.sum(y * a, axis=-1) + 1.0
    return np.asarray(np.maximum(short_of, 0.0))


def _categorical_hinge_gradient(a: Array, y: Any) -> Array:
    y = _targets(a, y)
    wrong = (1.0 - y) * a
    first = wrong.argmax(axis=-1)[:, None] == np.arange(a.shape[1])
    value = _categorical_hinge(a, y)[:, None]
    slope = np.where(value > 0, np.where(first, 1.0 - y, 0.0) - y, 0.0)
    return np.where(np.isnan(value), value, slope).astype(a.dtype)


def _lengths(a: Array, y: Array) -> tuple[Array, Array]:
    # Keras keeps them from 0.
    length = np.maximum(np.sqrt(np.sum(a * a, axis=-1, keepdims=True)), 1e-12)
    return length, np.maximum(np.sqrt(np.sum(y * y, axis=-1, keepdims=True)), 1e-12)


def _cosine(a: Array, y: Any) -> Array:
    y = _targets(a, y)
    length, y_length = _lengths(a, y)
    return np.asarray(-np.sum(a / length * (y / y_length), axis=-1))


def _cosine_gradient(a: Array, y: Any) -> Array:
    y = _targets(a, y)
    length, y_length = _lengths(a, y)
    cosine = np.sum(a / length * (y / y_length), axis=-1, keepdims=True)
    return np.asarray((cosine * a / length - y / y_length) / length)


_BINARY_FOCAL = _mean_of(_focal)
_BINARY_FOCAL_OF_LOGIT = _mean_of(_focal_of_logit)

#: The losses by name. Targets are like the output, but of `sparse_categorical_crossentropy` class
#: indices (batch,), of `quantile` a column for each group of quantiles, and of `gaussian_nll` half
#: as many columns as outputs: first the means, then the logarithms of the variances.
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
    "mean_absolute_error": _mean_of(_absolute),
    "huber": _mean_of(_huber),
    "log_cosh": _mean_of(_log_cosh),
    "mean_squared_logarithmic_error": _mean_of(_squared_logarithmic),
    "mean_absolute_percentage_error": _mean_of(_percentage),
    "poisson": _mean_of(_poisson),
    "quantile": Loss(_quantile, _quantile_gradient),
    "gaussian_nll": Loss(_gaussian, _gaussian_gradient),
    "binary_focal_crossentropy": Loss(
        _BINARY_FOCAL.value,
        _BINARY_FOCAL.gradient,
        "sigmoid",
        _BINARY_FOCAL_OF_LOGIT.value,
        _BINARY_FOCAL_OF_LOGIT.gradient,
    ),
    "categorical_focal_crossentropy": _sum_of(_categorical_focal),
    "categorical_generalized_cross_entropy": Loss(_generalized, _generalized_gradient),
    "hinge": _mean_of(_hinge),
    "squared_hinge": _mean_of(_squared_hinge),
    "categorical_hinge": Loss(_categorical_hinge, _categorical_hinge_gradient),
    "kl_divergence": _sum_of(_divergence),
    "cosine_similarity": Loss(_cosine, _cosine_gradient),
}
