"""Keras's ``ops`` for NumPy arrays, which the tracer of losses derives."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .._autodiff.traced import Traced, plain
from .._autodiff.ufuncs import element_wise
from .._base import constants
from .._base.dtypes import Array, floatx
from .._base.lazy import imports
from ..random import CONSTANT_ROWS, of_rows
from .forwarded import FORWARDED

_EPSILON = 1e-7


def _named(name: str, function: Callable[..., Any], text: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = text
    return function


globals().update(
    {name: _named(name, function, function.__doc__ or name) for name, function in FORWARDED.items()}
)


def _logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    found: Array = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return found


def _softplus(x: Array) -> Array:
    found: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return found


def _erf(x: Array) -> Array:
    """By the standard library, element by element: there is none in NumPy."""
    with imports:
        import math

    found = np.frompyfunc(math.erf, 1, 1)(x)
    return np.asarray(found, np.result_type(x, np.float32))


_ELEMENTWISE: dict[str, tuple[str, Any, Any]] = {
    "relu": ("max(x, 0).", lambda x: np.maximum(x, 0), lambda g, a, x: g * (x > 0)),
    "relu6": (
        "min(max(x, 0), 6).",
        lambda x: np.clip(x, 0, 6),
        lambda g, a, x: g * ((x > 0) & (x < 6)),
    ),
    "sigmoid": ("1 / (1 + exp(-x)).", _logistic, lambda g, a, x: g * a * (1 - a)),
    "softplus": ("log(1 + exp(x)).", _softplus, lambda g, a, x: g * _logistic(x)),
    "log_sigmoid": (
        "log(1 / (1 + exp(-x))).",
        lambda x: -_softplus(-x),
        lambda g, a, x: g * _logistic(-x),
    ),
    "erf": ("The error function.", _erf, lambda g, a, x: g * 2 / np.sqrt(np.pi) * np.exp(-x * x)),
    "rsqrt": ("1 / sqrt(x).", lambda x: 1 / np.sqrt(x), lambda g, a, x: g * -0.5 * a / x),
}
for _name, (_text, _function, _partial) in _ELEMENTWISE.items():
    globals()[_name] = _named(
        _name, element_wise(_function, _partial), f"{_text}\n\nElement by element."
    )
_sigmoid: Callable[[Any], Any] = globals()["sigmoid"]
_soft_plus: Callable[[Any], Any] = globals()["softplus"]


def silu(x: Any) -> Any:
    """x / (1 + exp(-x)), element by element."""
    return x * _sigmoid(x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x for x > 0, else alpha (exp(x) - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def selu(x: Any) -> Any:
    """The scaled ELU of self-normalising networks (Klambauer et al., 2017)."""
    return constants.SELU_SCALE * elu(x, constants.SELU_ALPHA)


def gelu(x: Any, approximate: bool = True) -> Any:
    """x times the normal distribution function of x, or its approximation by tanh."""
    if approximate:
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + globals()["erf"](x / np.sqrt(2)))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x for x > 0, else negative_slope · x."""
    return np.where(x > 0, x, negative_slope * x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|), element by element."""
    return x / (1 + np.abs(x))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp(x) along `axis` (all by default), without overflow; `keepdims` as in NumPy."""
    top = np.max(plain(x), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis=axis)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / Σ exp(x) along an axis."""
    grown = np.exp(x - np.max(plain(x), axis=axis, keepdims=True))
    return grown / np.sum(grown, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log of `softmax`, without its underflow."""
    return x - logsumexp(x, axis, keepdims=True)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The length of vectors; `ord`, `axis` and `keepdims` as in ``numpy.linalg.norm``."""
    if hasattr(x, "_activated"):
        return x.operators["norm"](x, ord, axis, keepdims)
    return np.linalg.norm(x, ord=ord, axis=axis, keepdims=keepdims)


def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """x over its length along an axis, of the norm of `order`.

    The length is at least `epsilon` (1e-12 by default), of order 2 at least its square root.
    """
    smallest = 1e-12 if epsilon is None else epsilon
    if hasattr(x, "_activated") and order == 2:
        return x.operators["unit"](x)
    if order == 2:
        return x / np.sqrt(np.maximum(np.sum(x * x, axis=axis, keepdims=True), smallest))
    return x / np.maximum(np.linalg.norm(x, ord=order, axis=axis, keepdims=True), smallest)


def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: str | None = None) -> Any:
    """Class numbers as vectors along `axis` with a 1 at the class; -1 and beyond give zeros.

    Without a `dtype` they have ``backend.floatx()``.
    """
    numbers = np.asarray(plain(x)).astype(np.int64)
    found = (numbers[..., None] == np.arange(num_classes)).astype(dtype or floatx())
    return found if axis in (-1, found.ndim - 1) else np.moveaxis(found, -1, axis)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-y log p - (1 - y) log(1 - p), element by element; p at least 1e-7 from 0 and 1.

    With `from_logits`, `output` is log(p / (1 - p)).
    """
    if from_logits:
        return _soft_plus(output) - target * output
    p = np.clip(output, _EPSILON, 1 - _EPSILON)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-Σ y log p along an axis, of p over its sum; with `from_logits` p is softmax(output)."""
    if from_logits:
        return -np.sum(target * log_softmax(output, axis), axis=axis)
    p = output / np.sum(output, axis=axis, keepdims=True)
    return -np.sum(target * np.log(np.clip(p, _EPSILON, 1 - _EPSILON)), axis=axis)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """`categorical_crossentropy` of class numbers; `from_logits` and `axis` as there."""
    numbers = np.asarray(plain(target))
    if numbers.ndim == np.ndim(plain(output)) and numbers.shape[axis] == 1:
        numbers = np.squeeze(numbers, axis)
    classes = one_hot(numbers, np.shape(plain(output))[axis], axis)
    return categorical_crossentropy(classes, output, from_logits, axis)


def cast(x: Any, dtype: Any) -> Any:
    """The same numbers as another type; a derivative goes on through floating point only."""
    name = "float32" if str(dtype) == "bfloat16" else dtype
    if hasattr(x, "_activated"):  # a symbol has its model's dtype
        return x
    return x.astype(name) if isinstance(x, Traced) else np.asarray(x).astype(name)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """An array of anything, of `dtype` or its own; `sparse` and `ragged` have no effect."""
    if dtype is not None:
        return cast(x, dtype)
    return x if isinstance(x, Traced) or hasattr(x, "_activated") else np.asarray(x)


def convert_to_numpy(x: Any) -> Any:
    """An array of anything."""
    return x if isinstance(x, Traced) else np.asarray(x)


def stop_gradient(x: Any) -> Any:
    """The numbers of x, as if they did not depend on anything."""
    return plain(x)


def shape(x: Any) -> tuple[int, ...]:
    """The shape of an array; of a symbol (None, ...)."""
    return tuple(np.shape(plain(x)))


def size(x: Any) -> int:
    """The number of elements of an array."""
    return int(np.size(plain(x)))


def is_tensor(x: Any) -> bool:
    """Whether x is an array."""
    return isinstance(x, np.ndarray | Traced)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The first function's result if a condition holds, else the second one's."""
    return true_fn() if bool(plain(pred)) else false_fn()


def in_top_k(targets: Any, predictions: Any, k: int) -> Array:
    """Whether fewer than k predictions of a row are larger than that of its class."""
    rows, classes = np.asarray(plain(predictions)), np.asarray(plain(targets)).astype(np.int64)
    own = np.take_along_axis(rows, classes[:, None], axis=-1)
    found: Array = (rows > own).sum(axis=-1) < k
    return found


def moments(x: Any, axes: Any, keepdims: bool = False) -> tuple[Any, Any]:
    """Mean and variance along axes; `keepdims` as in NumPy."""
    axes = tuple(axes) if isinstance(axes, list) else axes
    return np.mean(x, axis=axes, keepdims=keepdims), np.var(x, axis=axes, keepdims=keepdims)


def hard_sigmoid(x: Any) -> Any:
    """min(max(x / 6 + 1/2, 0), 1), element by element."""
    return np.clip(x / 6 + 0.5, 0, 1)


def hard_silu(x: Any) -> Any:
    """x · hard_sigmoid(x), element by element."""
    return x * hard_sigmoid(x)


def hard_tanh(x: Any) -> Any:
    """min(max(x, -1), 1), element by element."""
    return np.clip(x, -1, 1)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0), element by element."""
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0.0) / alpha)


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    zero = np.equal(plain(x2), 0)
    return np.where(zero, 0.0, x1 / np.where(zero, 1.0, x2))


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The parts of an array along an axis, which knows their number: `num` has no effect."""
    count = np.shape(plain(x))[axis]
    return [np.squeeze(np.take(x, [place], axis=axis), axis) for place in range(count)]


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """The k largest numbers along the last axis, the largest first, and their places.

    `sorted` has no effect.
    """
    places = np.argsort(-plain(np.asarray(plain(x))), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, places, axis=-1), places


sigmoid_crossentropy = binary_crossentropy
swish = silu

# For a symbol (a model is being described) these are layers.
_ACTIVATIONS = [
    "relu", "relu6", "sigmoid", "softplus", "log_sigmoid", "silu", "swish", "elu", "selu", "gelu",
    "leaky_relu", "softsign", "softmax", "log_softmax", "hard_sigmoid", "hard_silu", "hard_tanh",
    "celu",
]  # fmt: skip


def _for_symbols(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, *arguments: Any, **named: Any) -> Any:
        if hasattr(x, "_activated") and not arguments and not named:
            return x._activated(name)
        return function(x, *arguments, **named)

    return _named(name, call, function.__doc__ or name)


globals().update({name: _for_symbols(name, globals()[name]) for name in _ACTIVATIONS})


def _of_symbols(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, of which a symbol is made where a symbol is given that it does not know."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        symbol = _symbol_among((*arguments, *named.values()))
        if symbol is None:
            return function(*arguments, **named)
        return symbol._known_or_computed(
            lambda: function(*arguments, **named), function, arguments, named
        )

    return call


def _symbol_among(things: Any) -> Any:
    for thing in things:
        if hasattr(thing, "_known_or_computed"):
            return thing
        if isinstance(thing, list | tuple):
            found = _symbol_among(thing)
            if found is not None:
                return found
    return None


def _of_rows(name: str, value: float | None) -> Callable[..., Any]:
    """A function of a shape that may be that of symbols, with rows of an unknown number."""
    known = globals()[name]

    @functools.wraps(known)
    def call(*given: Any, **named: Any) -> Any:
        first, *others = (*given, *named.values())
        shape, content = (others[0], first) if name == "broadcast_to" and others else (first, None)
        if not of_rows(shape):
            return known(*given, **named)
        found = CONSTANT_ROWS[0](tuple(shape))
        if name == "broadcast_to":  # of a weight the first dimension of 1 is that of the rows
            return found + content
        if name == "full":
            return found + (others[0] if others else named["fill_value"])
        return found + value if value else found

    return call


for _name, _start in (("zeros", 0.0), ("ones", 1.0), ("full", None), ("broadcast_to", None)):
    globals()[_name] = _of_rows(_name, _start)


for _name, _function in list(globals().items()):
    own = getattr(_function, "__module__", None) == __name__ and not _name.startswith("_")
    if own and callable(_function) and _name not in ("shape", "convert_to_tensor", "is_tensor"):
        globals()[_name] = _of_symbols(_function)
