"""The derivatives of NumPy's functions of single elements."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .traced import Traced, plain, reduced

# f(gradient, result, *inputs) → the gradient by one input, before broadcasting is undone.
Partial = Callable[..., Array]


def element_wise(function: Callable[..., Array], *partials: Partial) -> Callable[..., Any]:
    """`function`, recorded when it computes, with a partial derivative for each input."""

    def call(*inputs: Any) -> Any:
        values = [np.asarray(plain(given)) for given in inputs]
        result = np.asarray(function(*values))
        sources = []
        for given, value, partial in zip(inputs, values, partials, strict=True):
            if isinstance(given, Traced):
                sources.append((given, _back(partial, result, values, value.shape)))
        return Traced(result, sources) if sources else result

    return call


def _back(
    partial: Partial, result: Array, values: list[Array], shape: tuple[int, ...]
) -> Callable[[Array], Array]:
    return lambda gradient: reduced(partial(gradient, result, *values), shape)


def _power_by_base(g: Array, a: Array, x: Array, p: Array) -> Array:
    return g * np.where(p == 0, 0.0, p * np.power(x, np.where(p == 0, 1.0, p - 1)))


def _power_by_exponent(g: Array, a: Array, x: Array, p: Array) -> Array:
    return g * a * np.log(np.where(x > 0, x, 1.0))


def _larger(g: Array, a: Array, x: Array, y: Array) -> Array:
    """The share of the first of two: equal ones get half each."""
    return g * np.where(x == y, 0.5, x == a)


def _second(g: Array, a: Array, x: Array, y: Array) -> Array:
    return g * np.where(x == y, 0.5, y == a)


_ONE: dict[Any, Partial] = {
    np.negative: lambda g, a, x: -g,
    np.positive: lambda g, a, x: g,
    np.absolute: lambda g, a, x: g * np.sign(x),
    np.fabs: lambda g, a, x: g * np.sign(x),
    np.conjugate: lambda g, a, x: g,
    np.exp: lambda g, a, x: g * a,
    np.exp2: lambda g, a, x: g * a * np.log(2),
    np.expm1: lambda g, a, x: g * (a + 1),
    np.log: lambda g, a, x: g / x,
    np.log2: lambda g, a, x: g / (x * np.log(2)),
    np.log10: lambda g, a, x: g / (x * np.log(10)),
    np.log1p: lambda g, a, x: g / (1 + x),
    np.sqrt: lambda g, a, x: g / (2 * a),
    np.cbrt: lambda g, a, x: g / (3 * a * a),
    np.square: lambda g, a, x: g * 2 * x,
    np.reciprocal: lambda g, a, x: -g * a * a,
    np.sin: lambda g, a, x: g * np.cos(x),
    np.cos: lambda g, a, x: -g * np.sin(x),
    np.tan: lambda g, a, x: g * (1 + a * a),
    np.arcsin: lambda g, a, x: g / np.sqrt(1 - x * x),
    np.arccos: lambda g, a, x: -g / np.sqrt(1 - x * x),
    np.arctan: lambda g, a, x: g / (1 + x * x),
    np.sinh: lambda g, a, x: g * np.cosh(x),
    np.cosh: lambda g, a, x: g * np.sinh(x),
    np.tanh: lambda g, a, x: g * (1 - a * a),
    np.arcsinh: lambda g, a, x: g / np.sqrt(x * x + 1),
    np.arccosh: lambda g, a, x: g / np.sqrt(x * x - 1),
    np.arctanh: lambda g, a, x: g / (1 - x * x),
    np.deg2rad: lambda g, a, x: g * (np.pi / 180),
    np.rad2deg: lambda g, a, x: g * (180 / np.pi),
}

_TWO: dict[Any, tuple[Partial, Partial]] = {
    np.add: (lambda g, a, x, y: g, lambda g, a, x, y: g),
    np.subtract: (lambda g, a, x, y: g, lambda g, a, x, y: -g),
    np.multiply: (lambda g, a, x, y: g * y, lambda g, a, x, y: g * x),
    np.divide: (lambda g, a, x, y: g / y, lambda g, a, x, y: -g * a / y),
    np.power: (_power_by_base, _power_by_exponent),
    np.float_power: (_power_by_base, _power_by_exponent),
    np.maximum: (_larger, _second),
    np.minimum: (_larger, _second),
    np.fmax: (_larger, _second),
    np.fmin: (_larger, _second),
    np.arctan2: (
        lambda g, a, x, y: g * y / (x * x + y * y),
        lambda g, a, x, y: -g * x / (x * x + y * y),
    ),
    np.hypot: (lambda g, a, x, y: g * x / a, lambda g, a, x, y: g * y / a),
    np.logaddexp: (
        lambda g, a, x, y: g * np.exp(x - a),
        lambda g, a, x, y: g * np.exp(y - a),
    ),
    np.logaddexp2: (
        lambda g, a, x, y: g * np.exp2(x - a),
        lambda g, a, x, y: g * np.exp2(y - a),
    ),
    np.remainder: (lambda g, a, x, y: g, lambda g, a, x, y: -g * np.floor(x / y)),
    np.fmod: (lambda g, a, x, y: g, lambda g, a, x, y: -g * np.trunc(x / y)),
}

# Steps: their derivative is 0 wherever there is one. The results are arrays like any other.
_STEPS = [
    np.sign, np.floor, np.ceil, np.rint, np.trunc, np.floor_divide, np.heaviside,
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.isnan, np.isinf, np.isfinite, np.signbit,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
]  # fmt: skip


def _step(ufunc: Any) -> Callable[..., Any]:
    return lambda *inputs: ufunc(*(plain(given) for given in inputs))


def _matmul(a: Any, b: Any) -> Any:
    """The product of matrices, of vectors too, and of stacks of matrices."""
    left, right = np.asarray(plain(a)), np.asarray(plain(b))
    result = np.matmul(left, right)
    rows = left if left.ndim > 1 else left[None, :]
    columns = right if right.ndim > 1 else right[:, None]

    def wide(gradient: Array) -> Array:
        found = np.asarray(gradient)
        if right.ndim == 1:
            found = found[..., None]
        return found[..., None, :] if left.ndim == 1 else found

    def by_left(gradient: Array) -> Array:
        found = np.matmul(wide(gradient), np.swapaxes(columns, -1, -2))
        return reduced(found, rows.shape).reshape(left.shape)

    def by_right(gradient: Array) -> Array:
        found = np.matmul(np.swapaxes(rows, -1, -2), wide(gradient))
        return reduced(found, columns.shape).reshape(right.shape)

    sources = [(a, by_left)] if isinstance(a, Traced) else []
    sources += [(b, by_right)] if isinstance(b, Traced) else []
    return Traced(result, sources)


Traced.ufuncs.update({ufunc: element_wise(ufunc, partial) for ufunc, partial in _ONE.items()})
Traced.ufuncs.update({ufunc: element_wise(ufunc, *partials) for ufunc, partials in _TWO.items()})
Traced.ufuncs.update({ufunc: _step(ufunc) for ufunc in _STEPS})
Traced.ufuncs[np.matmul] = _matmul
