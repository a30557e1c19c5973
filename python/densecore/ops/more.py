"""Keras's ``ops`` for NumPy arrays, continued: linear algebra, loops, parts of arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import activations
from .._autodiff.traced import Traced, plain
from .._base.dtypes import Array, floatx
from . import numeric as _numeric
from .numeric import _of_symbols, one_hot

# Made there from a table: a type checker does not see their names.
erf, sigmoid = vars(_numeric)["erf"], vars(_numeric)["sigmoid"]


def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None,
    epsilon: float = 1e-3,
) -> Any:  # fmt: skip
    """scale (x - mean) / sqrt(variance + epsilon) + offset; the others are along an axis of x."""
    row = [1] * np.ndim(plain(x))
    row[axis] = -1
    mean, variance = np.reshape(mean, row), np.reshape(variance, row)
    found = (x - mean) / np.sqrt(variance + epsilon)
    found = found if scale is None else found * np.reshape(scale, row)
    return found if offset is None else found + np.reshape(offset, row)


def logdet(x: Any) -> Any:
    """The log of the determinant of matrices with a positive one."""
    return np.linalg.slogdet(x)[1]


def erfc(x: Any) -> Any:
    """1 - erf(x), element by element."""
    return 1 - erf(x)


def glu(x: Any, axis: int = -1) -> Any:
    """The first half along an axis times the sigmoid of the second."""
    first, second = np.split(x, 2, axis=axis)
    return first * sigmoid(second)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """x where it is above a number, another number elsewhere."""
    return np.where(plain(x) > threshold, x, default_value)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """As ``densecore.activations.sparsemax``."""
    return activations.sparsemax(x, axis)


def sparse_plus(x: Any) -> Any:
    """0 below -1, (x + 1)² / 4 up to 1, x above; element by element."""
    return np.where(plain(x) <= -1, 0.0, np.where(plain(x) >= 1, x, (x + 1) ** 2 / 4))


def sparse_sigmoid(x: Any) -> Any:
    """0 below -1, (x + 1) / 2 up to 1, 1 above; element by element."""
    return np.clip((x + 1) / 2, 0.0, 1.0)


def dot_product_attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None,
    scale: float | None = None, is_causal: bool = False, flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:  # fmt: skip
    """softmax(scale Q Kᵀ + bias) V of each head, for arrays (rows, steps, heads, features).

    Where a mask is false, or with `is_causal` a key is a later one, scores do not count.
    """
    width = np.shape(plain(query))[-1]
    scores = np.einsum("btnh,bsnh->bnts", query, key) * (width**-0.5 if scale is None else scale)
    scores = scores if bias is None else scores + bias
    if attn_logits_soft_cap is not None:
        scores = attn_logits_soft_cap * np.tanh(scores / attn_logits_soft_cap)
    if mask is not None:
        scores = np.where(plain(mask), scores, -1e30)
    if is_causal:
        scores = np.where(np.tri(*np.shape(plain(scores))[2:]) > 0, scores, -1e30)
    shares = np.exp(scores - np.max(plain(scores), axis=-1, keepdims=True))
    shares = shares / np.sum(shares, axis=-1, keepdims=True)
    return np.einsum("bnts,bsnh->btnh", shares, value)


def squareplus(x: Any, b: float = 4.0) -> Any:
    """(x + sqrt(x² + b)) / 2, element by element."""
    return (x + np.sqrt(x * x + b)) / 2


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x where |x| is above `threshold`, 0 elsewhere."""
    return np.where(np.abs(plain(x)) > threshold, x, 0.0)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by `threshold`, and no further."""
    return np.maximum(x - threshold, 0.0) + np.minimum(x + threshold, 0.0)


def tanh_shrink(x: Any) -> Any:
    """x - tanh(x), element by element."""
    return x - np.tanh(x)


def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: int = -1, epsilon: float | None = None
) -> Any:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, along an axis."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    variance = np.mean(centred * centred, axis=axis, keepdims=True)
    found = centred / np.sqrt(variance + (1e-7 if epsilon is None else epsilon))
    found = found if gamma is None else found * gamma
    return found if beta is None else found + beta


def rms_normalization(x: Any, scale: Any = 1, axis: int = -1, epsilon: float | None = None) -> Any:
    """scale · x / sqrt(mean(x²) + epsilon), along an axis; `epsilon` is 1e-7 by default."""
    squares = np.mean(x * x, axis=axis, keepdims=True)
    return x / np.sqrt(squares + (1e-7 if epsilon is None else epsilon)) * scale


def multi_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Array:
    """Class numbers along the last axis as one vector with a 1 at each of them.

    Without a `dtype` it has ``backend.floatx()``.
    """
    found: Array = np.max(one_hot(x, num_classes), axis=-2)
    return found.astype(dtype or floatx())


def get_item(x: Any, key: Any) -> Any:
    """x[key]."""
    return x[key]


def slice(x: Any, start_indices: Sequence[int], shape: Sequence[int]) -> Any:
    """The part of an array of that shape that begins there."""
    ends = zip(start_indices, shape, strict=True)
    return x[tuple(np.s_[first : first + size] for first, size in ends)]


def slice_update(x: Any, start_indices: Sequence[int], updates: Any) -> Array:
    """A copy in which other numbers stand from there on."""
    found = np.array(plain(x))
    ends = zip(start_indices, np.shape(updates), strict=True)
    found[tuple(np.s_[first : first + size] for first, size in ends)] = plain(updates)
    return found


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Array:
    """Zeros, with values added at (rows of) indices."""
    found = np.zeros(tuple(shape), np.asarray(plain(values)).dtype)
    np.add.at(found, tuple(np.moveaxis(np.asarray(indices), -1, 0)), plain(values))
    return found


def scatter_update(inputs: Any, indices: Any, updates: Any) -> Array:
    """A copy with other numbers at (rows of) indices."""
    found = np.array(plain(inputs))
    found[tuple(np.moveaxis(np.asarray(indices), -1, 0))] = plain(updates)
    return found


def _segments(name: str, start: float, collect: Any) -> Callable[..., Array]:
    def segment(
        data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
    ) -> Array:
        rows, places = np.asarray(plain(data)), np.asarray(segment_ids)
        count = int(places.max()) + 1 if num_segments is None else num_segments
        found = np.full((count, *rows.shape[1:]), start, rows.dtype)
        collect.at(found, places, rows)
        return found

    segment.__name__ = segment.__qualname__ = name
    segment.__doc__ = (
        f"numpy.{collect.__name__} of the rows of each segment, of `num_segments` or as many as "
        "the largest number says. `sorted` has no effect."
    )
    return segment


segment_sum = _segments("segment_sum", 0, np.add)
segment_max = _segments("segment_max", -np.inf, np.maximum)
segment_min = _segments("segment_min", np.inf, np.minimum)
segment_prod = _segments("segment_prod", 1, np.multiply)


def saturate_cast(x: Any, dtype: Any) -> Array:
    """The numbers as another type, cut to its range."""
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return np.asarray(plain(x)).astype(kind)
    range_of = np.iinfo(kind)
    return np.asarray(np.clip(np.asarray(plain(x)), range_of.min, range_of.max).astype(kind))


def dtype(x: Any) -> str:
    """The name of an array's type."""
    return str(np.asarray(plain(x)).dtype)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """The results of a function for each part along the first axis, side by side."""
    return np.stack([f(x) for x in xs])


vectorized_map = map
bitwise_invert = vars(_numeric)["bitwise_not"]
bitwise_left_shift = vars(_numeric)["left_shift"]
bitwise_right_shift = vars(_numeric)["right_shift"]
hard_swish = _numeric.hard_silu


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of one of several functions, by its number."""
    place = min(max(int(np.asarray(plain(index))), 0), len(branches) - 1)
    return branches[place](*operands)


def fori_loop(lower: int, upper: int, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """body(i, value) for each i, each with the value that the one before returned."""
    value = init_val
    for step in range(int(lower), int(upper)):
        value = body_fun(step, value)
    return value


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """body(*values) as long as cond(*values) holds, at most `maximum_iterations` times."""
    several, count = isinstance(loop_vars, list | tuple), 0
    values = tuple(loop_vars) if several else (loop_vars,)
    while bool(plain(cond(*values))) and (maximum_iterations is None or count < maximum_iterations):
        found = body(*values)
        values = tuple(found) if isinstance(found, list | tuple) else (found,)
        count += 1
    return values if several else values[0]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """f(carry, x) -> (carry, y) for each part of `xs` along the first axis: the last carry, all y.

    Without `xs` it is called `length` times with None; with `reverse` from the last part to the
    first. `unroll` has no effect.
    """
    parts = [None] * int(length or 0) if xs is None else list(xs)
    carry, found = init, []
    for part in reversed(parts) if reverse else parts:
        carry, y = f(carry, part)
        found.append(y)
    found = found[::-1] if reverse else found
    return carry, None if not found or found[0] is None else np.stack(found)


def _with_rules_for_symbols() -> None:
    for name, function in list(globals().items()):
        of_module = getattr(function, "__module__", "").startswith(__package__ or "?")
        if of_module and callable(function) and not name.startswith("_"):
            globals()[name] = _of_symbols(function)


_with_rules_for_symbols()
del Callable, Sequence, Traced
