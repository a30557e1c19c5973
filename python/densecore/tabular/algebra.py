"""Products, solutions and elementary functions with the same bits on every processor.

NumPy's products are those of its BLAS, and its exp, log and sin are chosen by the processor: both
round otherwise on another machine, and so would what a table's model is made of. The core's do not.
"""

from typing import Any

import numpy as np

from .._base.dtypes import DTYPES, Doubles

_KERNELS = DTYPES["float64"].kernels
# Up to so many columns are eliminated one by one: products of smaller blocks cost more in calls.
_BLOCK = 16


def product(a: Doubles, b: Doubles) -> Doubles:
    """A B (n, m) of A (n, k) and B (k, m); soonest when m is the longest side."""
    out = np.empty((len(a), b.shape[1]))
    if out.size and a.shape[1]:
        _KERNELS.gemm(np.ascontiguousarray(a), np.ascontiguousarray(b), None, out)
    else:
        out[:] = 0
    return out


def inverse_factor(matrix: Doubles) -> Doubles:
    """R (n, n), lower triangular, with Rᵀ R the inverse of a symmetric positive definite matrix.

    It is the inverse of the Cholesky factor, of halves of the matrix: nearly all work is in
    products. What rounding makes of a pivot that is 0 counts as very little.
    """
    n = len(matrix)
    if n <= _BLOCK:
        return _eliminated(matrix)
    half = n // 2
    first = inverse_factor(matrix[:half, :half])
    below = product(matrix[half:, :half], first.T)  # of the factor itself
    rest = inverse_factor(matrix[half:, half:] - product(below, below.T))
    out = np.zeros((n, n))
    out[:half, :half] = first
    out[half:, half:] = rest
    out[half:, :half] = -product(rest, product(below, first))
    return out


def _eliminated(matrix: Doubles) -> Doubles:
    n = len(matrix)
    rows = np.hstack([matrix, np.eye(n)])
    least = 1e-14 * np.abs(np.diagonal(matrix)) + 1e-300
    for k in range(n):
        root = np.sqrt(max(rows[k, k], least[k]))
        rows[k, k:] /= root
        rows[k + 1 :, k:] -= rows[k + 1 :, k, np.newaxis] / root * rows[k, k:]
    return np.tril(rows[:, n:])


def solved(factor: Doubles, right: Doubles) -> Doubles:
    """The rows of `right` (m, n) times the inverse whose factor is given."""
    return product(product(right, factor.T), factor)


def exp(x: Any) -> Doubles:
    """e to the power of each element."""
    return _function("exp", x)


def log(x: Any) -> Doubles:
    """The natural logarithm of each element."""
    return _function("log", x)


def log1p(x: Any) -> Doubles:
    """log(1 + x) of each element."""
    return _function("log1p", x)


def expm1(x: Any) -> Doubles:
    """exp(x) - 1 of each element."""
    return _function("expm1", x)


def _function(name: str, x: Any) -> Doubles:
    values = np.asarray(x, np.float64)
    out = np.empty(values.shape)
    if values.size:
        _KERNELS.function(name, values.ravel(), out.reshape(-1))
    return out


def sine_and_cosine(turns: Doubles) -> tuple[Doubles, Doubles]:
    """Sine and cosine of 2π times each element (0 to 1), by series within an eighth of a turn."""
    quarter = np.round(4 * turns)
    angle = (turns - quarter / 4) * (2 * np.pi)
    square = angle * angle
    sine, cosine = np.ones_like(angle), np.ones_like(angle)
    for k in range(16, 0, -2):
        sine = 1 - square / (k * (k + 1)) * sine
        cosine = 1 - square / (k * (k - 1)) * cosine
    sine = angle * sine
    odd = quarter % 2 == 1
    first, second = np.where(odd, cosine, sine), np.where(odd, sine, cosine)
    return (
        np.where(np.isin(quarter, (2, 3)), -first, first),
        np.where(np.isin(quarter, (1, 2)), -second, second),
    )
