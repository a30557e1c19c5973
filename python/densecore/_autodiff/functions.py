"""The derivatives of NumPy's functions of whole arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .traced import Traced, plain, reduced


def rule(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function stand in for some of NumPy's where an argument is traced."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        Traced.functions.update(dict.fromkeys(functions, function))
        return function

    return register


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(int(one) % ndim for one in given)


def _spread(gradient: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """The gradient of a reduction, for every element that was reduced."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return np.broadcast_to(np.reshape(gradient, kept), shape)


@rule(np.sum)
def _sum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False
) -> Any:
    axes = _axes(axis, a.ndim)
    result = a.value.sum(axis=axes, keepdims=bool(keepdims))
    return Traced(result, [(a, lambda g: _spread(g, a.shape, axes))])


def _count(a: Any, axis: Any) -> int:
    return int(np.prod([a.shape[one] for one in _axes(axis, a.ndim)]))


@rule(np.mean)
def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False
) -> Any:
    return _sum(a, axis, keepdims=keepdims) / _count(a, axis)


@rule(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return _mean(a, axis)
    if np.ndim(plain(weights)) != np.ndim(plain(a)):
        shape = [1] * np.ndim(plain(a))
        shape[axis] = -1
        weights = np.reshape(weights, shape)
    return np.sum(a * weights, axis) / np.sum(weights * np.ones_like(plain(a)), axis)


@rule(np.var)
def _var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    away = a - _mean(a, axis, keepdims=True)
    return _sum(away * away, axis, keepdims=keepdims) / (_count(a, axis) - ddof)


@rule(np.std)
def _std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    return np.sqrt(_var(a, axis, ddof=ddof, keepdims=keepdims))


@rule(np.prod)
def _prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False
) -> Any:
    axes = _axes(axis, a.ndim)
    result = a.value.prod(axis=axes, keepdims=True)

    def back(gradient: Array) -> Array:
        spread = _spread(gradient, a.shape, axes)
        zeros = (a.value == 0).sum(axis=axes, keepdims=True)
        others = np.where(a.value == 0, 1.0, a.value)
        rest = others.prod(axis=axes, keepdims=True) / others
        alone = (zeros == 0) | ((zeros == 1) & (a.value == 0))
        return np.where(alone, spread * rest, 0.0)

    shape = a.value.prod(axis=axes, keepdims=bool(keepdims)).shape
    return Traced(result.reshape(shape), [(a, back)])


def _extreme(function: Callable[..., Array]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        axes = _axes(axis, a.ndim)
        found = function(a.value, axis=axes, keepdims=True)
        equal = a.value == found
        share = equal / equal.sum(axis=axes, keepdims=True)
        result = function(a.value, axis=axes, keepdims=bool(keepdims))
        return Traced(result, [(a, lambda g: share * _spread(g, a.shape, axes))])

    return call


rule(np.max, np.amax)(_extreme(np.max))
rule(np.min, np.amin)(_extreme(np.min))


@rule(np.where)
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    which = np.asarray(plain(condition)).astype(bool)
    if x is None:
        return np.where(which)
    values = [np.asarray(plain(given)) for given in (x, y)]
    sources = []
    for given, value, chosen in zip((x, y), values, (which, ~which), strict=True):
        if isinstance(given, Traced):
            sources.append((given, _chosen(chosen, value.shape)))
    result = np.where(which, *values)
    return Traced(result, sources) if sources else result


def _chosen(where: Array, shape: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda gradient: reduced(np.where(where, gradient, 0.0), shape)


@rule(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, **bounds: Any) -> Any:
    low, high = bounds.get("min", a_min), bounds.get("max", a_max)
    low = -np.inf if low is None else low
    high = np.inf if high is None else high
    if any(isinstance(bound, Traced) for bound in (low, high)):
        return np.minimum(np.maximum(a, low), high)
    inside = (a.value >= low) & (a.value <= high)
    return Traced(np.clip(a.value, low, high), [(a, _chosen(inside, a.shape))])


def _moved(function: Callable[..., Array], inverse: Callable[..., Array]) -> Callable[..., Any]:
    """A function that puts the same numbers elsewhere, and the one that puts them back."""

    def call(a: Any, *given: Any, **named: Any) -> Any:
        given = plain(given)
        named.pop("out", None)
        result = function(a.value, *given, **named)
        return Traced(result, [(a, lambda g: inverse(g, a.value, *given, **named))])

    return call


def _reshaped(g: Array, a: Array, *given: Any, **named: Any) -> Array:
    return np.reshape(g, a.shape)


def _untransposed(g: Array, a: Array, axes: Any = None) -> Array:
    return np.transpose(g) if axes is None else np.transpose(g, np.argsort(axes))


def _scattered(g: Array, a: Array, index: Array) -> Array:
    """Gradients at the places that the numbers were taken from; `index` is of a flat array."""
    flat = np.zeros(a.size)
    np.add.at(flat, index.reshape(-1), np.reshape(g, -1))
    return flat.reshape(a.shape)


_RESHAPED: list[Any] = [
    np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d,
]  # fmt: skip
for _function in _RESHAPED:
    rule(_function)(_moved(_function, _reshaped))
rule(np.transpose)(_moved(np.transpose, _untransposed))
rule(np.swapaxes)(_moved(np.swapaxes, lambda g, a, one, two: np.swapaxes(g, one, two)))
rule(np.moveaxis)(
    _moved(np.moveaxis, lambda g, a, source, destination: np.moveaxis(g, destination, source))
)
rule(np.flip)(_moved(np.flip, lambda g, a, axis=None: np.flip(g, axis)))
rule(np.broadcast_to)(_moved(np.broadcast_to, lambda g, a, shape, subok=False: reduced(g, a.shape)))


def _by_index(function: Callable[..., Array]) -> Callable[..., Any]:
    """A function that takes numbers out of an array: where from, it is asked itself."""

    def call(a: Any, *given: Any, **named: Any) -> Any:
        given = plain(given)
        named = {key: plain(value) for key, value in named.items()}
        index = function(np.arange(a.size).reshape(a.shape), *given, **named)
        return Traced(a.value.reshape(-1)[index], [(a, lambda g: _scattered(g, a.value, index))])

    return call


_TAKEN: list[Any] = [
    np.take, np.take_along_axis, np.roll, np.tile, np.repeat, np.diagonal,
]  # fmt: skip
for _function in _TAKEN:
    rule(_function)(_by_index(_function))


@rule(np.sort)
def _sort(a: Any, axis: int = -1, **options: Any) -> Any:
    return np.take_along_axis(a, np.argsort(a.value, axis=axis, kind="stable"), axis=axis)


@rule(np.median)
def _median(a: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
            keepdims: bool = False) -> Any:  # fmt: skip
    values = np.sort(np.ravel(a) if axis is None else a, axis=-1 if axis is None else axis)
    axis = -1 if axis is None else axis
    count = values.shape[axis]
    middle = np.take(values, [(count - 1) // 2, count // 2], axis=axis)
    return np.mean(middle, axis=axis, keepdims=keepdims)


@rule(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    back = lambda g: np.flip(np.cumsum(np.flip(g, axis), axis), axis)  # noqa: E731
    return Traced(np.cumsum(a.value, axis), [(a, back)])


@rule(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        last = a.shape[axis]
        after, before = np.arange(1, last), np.arange(last - 1)
        a = np.take(a, after, axis=axis) - np.take(a, before, axis=axis)
    return a


@rule(np.concatenate)
def _concatenate(arrays: Any, axis: int = 0, out: None = None, **options: Any) -> Any:
    values = [np.asarray(plain(array)) for array in arrays]
    ends = np.cumsum([value.shape[axis] for value in values])
    sources = []
    for number, array in enumerate(arrays):
        if isinstance(array, Traced):
            begin = int(ends[number] - values[number].shape[axis])
            sources.append((array, _part(begin, int(ends[number]), axis)))
    return Traced(np.concatenate(values, axis), sources)


def _part(begin: int, end: int, axis: int) -> Callable[[Array], Array]:
    return lambda gradient: np.take(gradient, np.arange(begin, end), axis=axis)


@rule(np.stack)
def _stack(arrays: Any, axis: int = 0, out: None = None, **options: Any) -> Any:
    return _concatenate([np.expand_dims(array, axis) for array in arrays], axis)


@rule(np.hstack)
def _hstack(arrays: Any) -> Any:
    return _concatenate(arrays, axis=0 if np.ndim(plain(arrays[0])) == 1 else 1)


@rule(np.vstack)
def _vstack(arrays: Any) -> Any:
    return _concatenate([np.atleast_2d(array) for array in arrays], axis=0)


@rule(np.column_stack)
def _column_stack(arrays: Any) -> Any:
    return _concatenate(
        [array if array.ndim > 1 else np.reshape(array, (-1, 1)) for array in arrays], axis=1
    )


@rule(np.split, np.array_split)
def _split(a: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    parts = np.array_split(np.arange(a.shape[axis]), indices_or_sections)
    return [np.take(a, part, axis=axis) for part in parts]


@rule(np.dot)
def _dot(a: Any, b: Any, out: None = None) -> Any:
    if np.ndim(plain(a)) == 0 or np.ndim(plain(b)) == 0:
        return a * b
    if np.ndim(plain(b)) > 2:
        return np.tensordot(a, b, axes=(-1, np.ndim(plain(b)) - 2))
    return np.matmul(a, b)


@rule(np.inner)
def _inner(a: Any, b: Any) -> Any:
    return np.sum(a * b) if np.ndim(plain(a)) == 1 else np.matmul(a, np.transpose(b))


@rule(np.outer)
def _outer(a: Any, b: Any, out: None = None) -> Any:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@rule(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    left, right = np.ndim(plain(a)), np.ndim(plain(b))
    if isinstance(axes, int):
        ours, theirs = tuple(range(left - axes, left)), tuple(range(axes))
    else:
        ours, theirs = _axes(axes[0], left), _axes(axes[1], right)
    keep = [axis for axis in range(left) if axis not in ours]
    stay = [axis for axis in range(right) if axis not in theirs]
    shape_a, shape_b = np.shape(plain(a)), np.shape(plain(b))
    size = int(np.prod([shape_a[axis] for axis in ours], dtype=int))
    rows = np.reshape(np.transpose(a, [*keep, *ours]), (-1, size))
    columns = np.reshape(np.transpose(b, [*theirs, *stay]), (size, -1))
    shape = [*(shape_a[axis] for axis in keep), *(shape_b[axis] for axis in stay)]
    return np.reshape(np.matmul(rows, columns), shape)


@rule(np.einsum)
def _einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
    text = subscripts.replace(" ", "")
    inputs, _, output = text.partition("->")
    if "->" not in text:
        letters = text.replace(",", "")
        output = "".join(sorted(one for one in set(letters) if letters.count(one) == 1))
    terms = inputs.split(",")
    if "." in text or any(len(set(term)) < len(term) for term in terms):
        raise TypeError(
            f"found numpy.einsum({subscripts!r}), whose derivative densecore does not know; wanted "
            "letters that occur once in each operand"
        )
    values = [np.asarray(plain(operand)) for operand in operands]
    sizes = {
        letter: size
        for term, value in zip(terms, values, strict=True)
        for letter, size in zip(term, value.shape, strict=True)
    }
    sources = []
    for number, operand in enumerate(operands):
        if isinstance(operand, Traced):
            sources.append((operand, _einsum_back(terms, output, values, number, sizes)))
    return Traced(np.einsum(f"{inputs}->{output}", *values), sources)


def _einsum_back(
    terms: list[str], output: str, values: list[Array], number: int, sizes: dict[str, int]
) -> Callable[[Array], Array]:
    others = [place for place in range(len(terms)) if place != number]
    there = set(output).union(*(terms[place] for place in others))
    reached = "".join(letter for letter in terms[number] if letter in there)
    shape = [sizes[letter] if letter in there else 1 for letter in terms[number]]
    whole = [sizes[letter] for letter in terms[number]]
    names = ",".join([output, *(terms[place] for place in others)])

    def back(gradient: Array) -> Array:
        found = np.einsum(f"{names}->{reached}", gradient, *(values[place] for place in others))
        return np.broadcast_to(found.reshape(shape), whole)

    return back


@rule(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord in (None, 2, "euclidean", "fro"):
        return np.sqrt(_sum(x * x, axis, keepdims=keepdims))
    if ord == 1:
        return _sum(np.abs(x), axis, keepdims=keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    return np.power(_sum(np.power(np.abs(x), ord), axis, keepdims=keepdims), 1 / ord)


@rule(np.trace)
def _trace(a: Any, *given: Any, **named: Any) -> Any:
    return np.sum(np.diagonal(a), axis=-1)


@rule(np.nan_to_num)
def _nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, **limits: Any) -> Any:
    finite = np.isfinite(x.value)
    return Traced(np.nan_to_num(x.value, nan=nan, **limits), [(x, _chosen(finite, x.shape))])


# Functions whose results have no derivative: they see the numbers.
_PLAIN: list[Any] = [
    np.argmax, np.argmin, np.argsort, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
    np.shape, np.ndim, np.size, np.any, np.all, np.count_nonzero, np.nonzero, np.argwhere,
    np.array_equal, np.allclose, np.isclose, np.round, np.around, np.unique, np.searchsorted,
    np.digitize, np.bincount, np.result_type, np.iscomplexobj, np.isscalar,
]  # fmt: skip


def _without_derivative(function: Any) -> Callable[..., Any]:
    return lambda *given, **named: function(
        *plain(given), **{key: plain(value) for key, value in named.items()}
    )


for _function in _PLAIN:
    rule(_function)(_without_derivative(_function))
