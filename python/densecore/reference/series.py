"""Arithmetic with power series, by which an activation's formula gives its derivatives.

A series holds f(z), f'(z),
f''(z) / 2 and f'''(z) / 6: products, quotients and exponentials of such series are those of their
functions (Griewank & Walther, *Evaluating Derivatives*, 2008, table 13.1), so that an activation is
written as its formula, and no derivative is worked out by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._checks import Array

TERMS = 4


class Series:
    """The coefficients of f(z + t) = c[0] + c[1] t + c[2] t² + c[3] t³."""

    def __init__(self, coefficients: list[Array]) -> None:
        self.c = coefficients

    @staticmethod
    def constant(value: Any, like: Array) -> Series:
        """A function that does not move."""
        full = np.full_like(like, value)
        return Series([full, *(np.zeros_like(like) for _ in range(TERMS - 1))])

    def _other(self, other: Any) -> Series:
        return other if isinstance(other, Series) else Series.constant(other, self.c[0])

    def __add__(self, other: Any) -> Series:
        return Series([a + b for a, b in zip(self.c, self._other(other).c, strict=True)])

    def __sub__(self, other: Any) -> Series:
        return self + self._other(other) * -1.0

    def __mul__(self, other: Any) -> Series:
        b = self._other(other).c
        return Series([sum_of(self.c[i] * b[k - i] for i in range(k + 1)) for k in range(TERMS)])

    def __truediv__(self, other: Any) -> Series:
        b, q = self._other(other).c, list[Array]()
        for k in range(TERMS):
            q.append((self.c[k] - sum_of(q[i] * b[k - i] for i in range(k))) / b[0])
        return Series(q)


def sum_of(terms: Any) -> Array:
    """Their sum; 0 of none."""
    return np.asarray(sum(terms, 0.0))


def absolute(u: Series) -> Series:
    """|u|, by the side of 0 that u is on."""
    return where(u.c[0] < 0, u * -1.0, u)


def root(u: Series) -> Series:
    """The square root: r' = u' / (2 r)."""
    r = [np.sqrt(u.c[0])]
    for k in range(1, TERMS):
        r.append((u.c[k] - sum_of(r[i] * r[k - i] for i in range(1, k))) / (2.0 * r[0]))
    return Series(r)


def integrated(value: Array, slope: Series) -> Series:
    """The function that has this value and this derivative."""
    return Series([value, *(slope.c[k] / (k + 1) for k in range(TERMS - 1))])


def exp(u: Series) -> Series:
    """The exponential: e' = u' e."""
    e = [np.exp(u.c[0])]
    for k in range(1, TERMS):
        e.append(sum_of(i * u.c[i] * e[k - i] for i in range(1, k + 1)) / k)
    return Series(e)


def sigmoid(u: Series) -> Series:
    """1 / (1 + exp(-u))."""
    return Series.constant(1.0, u.c[0]) / (exp(u * -1.0) + 1.0)


def tanh(u: Series) -> Series:
    """2 sigmoid(2 u) - 1."""
    return sigmoid(u * 2.0) * 2.0 - 1.0


def softplus(z: Series) -> Series:
    """log(1 + exp(z))."""
    return integrated(np.logaddexp(0.0, z.c[0]), sigmoid(z))


def where(condition: Array, yes: Series, no: Any) -> Series:
    """One series or another, element by element."""
    pairs = zip(yes.c, yes._other(no).c, strict=True)
    return Series([np.where(condition, a, b) for a, b in pairs])


def clipped(z: Series, low: float, high: float) -> Series:
    """z, at least low and at most high."""
    return where(z.c[0] < low, z * 0 + low, where(z.c[0] > high, z * 0 + high, z))
