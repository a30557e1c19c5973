"""First to third derivatives of the activations, by arithmetic with power series.

This is where an oracle for the derivatives of a new activation goes. A series holds f(z), f'(z),
f''(z) / 2 and f'''(z) / 6: products, quotients and exponentials of such series are those of their
functions (Griewank & Walther, *Evaluating Derivatives*, 2008, table 13.1), so that an activation is
written as what it is, and no derivative is ever worked out by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._checks import Array

_TERMS = 4


class Series:
    """The coefficients of f(z + t) = c[0] + c[1] t + c[2] t² + c[3] t³."""

    def __init__(self, coefficients: list[Array]) -> None:
        self.c = coefficients

    @staticmethod
    def constant(value: Any, like: Array) -> Series:
        """A function that does not move."""
        full = np.full_like(like, value)
        return Series([full, *(np.zeros_like(like) for _ in range(_TERMS - 1))])

    def _other(self, other: Any) -> Series:
        return other if isinstance(other, Series) else Series.constant(other, self.c[0])

    def __add__(self, other: Any) -> Series:
        return Series([a + b for a, b in zip(self.c, self._other(other).c, strict=True)])

    def __sub__(self, other: Any) -> Series:
        return self + self._other(other) * -1.0

    def __mul__(self, other: Any) -> Series:
        b = self._other(other).c
        return Series([sum_of(self.c[i] * b[k - i] for i in range(k + 1)) for k in range(_TERMS)])

    def __truediv__(self, other: Any) -> Series:
        b, q = self._other(other).c, list[Array]()
        for k in range(_TERMS):
            q.append((self.c[k] - sum_of(q[i] * b[k - i] for i in range(k))) / b[0])
        return Series(q)


def sum_of(terms: Any) -> Array:
    """Their sum; 0 of none."""
    return np.asarray(sum(terms, 0.0))


def _integrated(value: Array, slope: Series) -> Series:
    """The function that has this value and this derivative."""
    return Series([value, *(slope.c[k] / (k + 1) for k in range(_TERMS - 1))])


def _exp(u: Series) -> Series:
    # e' = u' e
    e = [np.exp(u.c[0])]
    for k in range(1, _TERMS):
        e.append(sum_of(i * u.c[i] * e[k - i] for i in range(1, k + 1)) / k)
    return Series(e)


def _sigmoid(u: Series) -> Series:
    return Series.constant(1.0, u.c[0]) / (_exp(u * -1.0) + 1.0)


def _tanh(u: Series) -> Series:
    return _sigmoid(u * 2.0) * 2.0 - 1.0


def _softplus(z: Series) -> Series:
    return _integrated(np.logaddexp(0.0, z.c[0]), _sigmoid(z))


def _gelu(z: Series, approximate: bool = False) -> Series:
    if approximate:
        return z * _sigmoid((z + z * z * z * 0.044715) * math.sqrt(8 / math.pi))
    density = _exp(z * z * -0.5) * (1 / math.sqrt(2 * math.pi))
    cdf = np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in z.c[0].reshape(-1)])
    return z * _integrated(cdf.reshape(z.c[0].shape).astype(z.c[0].dtype), density)


def _where(condition: Array, yes: Series, no: Any) -> Series:
    pairs = zip(yes.c, yes._other(no).c, strict=True)
    return Series([np.where(condition, a, b) for a, b in pairs])


def _relu(
    z: Series, negative_slope: float = 0.0, max_value: float = math.inf, threshold: float = 0.0
) -> Series:
    above = z if math.isinf(max_value) else _where(z.c[0] < max_value, z, max_value)
    return _where(z.c[0] > threshold, above, (z - threshold) * negative_slope)


def _clipped(z: Series, low: float, high: float) -> Series:
    return _where(z.c[0] < low, z * 0 + low, _where(z.c[0] > high, z * 0 + high, z))


def _elu(z: Series, alpha: float = 1.0, width: float = 1.0, scale: float = 1.0) -> Series:
    return _where(z.c[0] > 0, z * scale, (_exp(z / width) - 1.0) * (alpha * scale))


def _softsign(z: Series) -> Series:
    return z / (_where(z.c[0] < 0, z * -1.0, z) + 1.0)


# name → the activation of a series.
DERIVATIVES: dict[str, Callable[..., Series]] = {
    "linear": lambda z: z,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "leaky_relu": lambda z, negative_slope=0.2: _relu(z, negative_slope),
    "relu6": lambda z: _clipped(z, 0.0, 6.0),
    "elu": _elu,
    "selu": lambda z: _elu(z, 1.6732632423543772848, 1.0, 1.0507009873554804934),
    "celu": lambda z, alpha=1.0: _elu(z, alpha, alpha),
    "exponential": _exp,
    "gelu": _gelu,
    "silu": lambda z: z * _sigmoid(z),
    "mish": lambda z: z * _tanh(_softplus(z)),
    "softplus": _softplus,
    "softsign": _softsign,
    "log_sigmoid": lambda z: z - _softplus(z),
    "hard_sigmoid": lambda z: _clipped(z + 3.0, 0.0, 6.0) / 6.0,
    "hard_silu": lambda z: z * _clipped(z + 3.0, 0.0, 6.0) / 6.0,
    "hard_tanh": lambda z: _clipped(z, -1.0, 1.0),
    "tanh_shrink": lambda z: z - _tanh(z),
}


def activation_derivatives(name: str, z: Array, **parameters: Any) -> tuple[Array, Array, Array]:
    """f'(z), f''(z) and f'''(z) of an activation that works element by element."""
    z = np.asarray(z)
    zeros = [np.zeros_like(z) for _ in range(_TERMS - 2)]
    c = DERIVATIVES[name](Series([z, np.ones_like(z), *zeros]), **parameters).c
    return c[1], 2 * c[2], 6 * c[3]
