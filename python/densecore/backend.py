"""Keras's ``backend``: the default dtype, and the older names of functions of arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ops
from ._autodiff.traced import plain
from ._base import unsupported
from ._base.dtypes import floatx as floatx
from ._base.dtypes import set_floatx as set_floatx
from .config import backend as backend
from .config import epsilon as epsilon
from .config import image_data_format as image_data_format
from .config import set_epsilon as set_epsilon
from .config import set_image_data_format as set_image_data_format
from .config import standardize_dtype as standardize_dtype
from .layers.symbols import is_keras_tensor as is_keras_tensor
from .utils import clear_session as clear_session

# Older name → that in densecore.ops; those that have the same name are in `_SAME`.
_OTHER = {
    "arange": "arange",
    "constant": "convert_to_tensor",
    "eval": "convert_to_numpy",
    "get_value": "convert_to_numpy",
    "int_shape": "shape",
    "pow": "power",
    "sigmoid": "sigmoid",
    "variable": "convert_to_tensor",
}
_SAME = [
    "abs", "all", "any", "argmax", "argmin", "binary_crossentropy", "cast",
    "categorical_crossentropy", "clip", "concatenate", "cos", "cumsum", "dot", "elu", "equal",
    "exp", "expand_dims", "greater", "greater_equal", "less", "less_equal", "log", "logsumexp",
    "max", "maximum", "mean", "min", "minimum", "ndim", "not_equal", "one_hot", "ones",
    "ones_like", "prod", "relu", "repeat", "reshape", "round", "shape", "sign", "sin",
    "softmax", "softplus", "softsign", "sparse_categorical_crossentropy", "sqrt", "square",
    "squeeze", "stack", "std", "stop_gradient", "sum", "tanh", "tile", "transpose", "var",
    "zeros", "zeros_like",
]  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(ops, name) for name in _SAME},
    **{name: getattr(ops, target) for name, target in _OTHER.items()},
}
globals().update(_FUNCTIONS)


def flatten(x: Any) -> Any:
    """All elements in one dimension."""
    return np.reshape(x, -1)


def batch_flatten(x: Any) -> Any:
    """The elements of each row in one dimension."""
    return np.reshape(x, (len(x), -1))


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """The scalar products of rows (rows, 1), of vectors only: `axes` has no effect."""
    return np.sum(x * y, axis=-1, keepdims=True)


def l2_normalize(x: Any, axis: int | None = None) -> Any:
    """x over its length along an axis; of None over that of all elements."""
    length = np.maximum(np.sum(x * x, axis=axis, keepdims=True), 1e-12)
    return x / np.sqrt(length)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """The one where a condition holds, and the other elsewhere; functions are called."""
    chosen = [one() if callable(one) else one for one in (then_expression, else_expression)]
    return np.where(plain(condition), *chosen)


is_tensor = ops.is_tensor


def is_float_dtype(dtype: Any) -> bool:
    """Whether numbers of that dtype have fractions."""
    return np.dtype(standardize_dtype(dtype)).kind == "f"


def is_int_dtype(dtype: Any) -> bool:
    """Whether numbers of that dtype are whole."""
    return np.dtype(standardize_dtype(dtype)).kind in "iu"


def result_type(*dtypes: Any) -> str:
    """The dtype of a result of arrays of some dtypes: with fractions, the default one or wider."""
    names = [standardize_dtype(one) for one in dtypes] or [floatx()]
    found = np.result_type(*names)
    floats = [np.dtype(name) for name in names if np.dtype(name).kind == "f"]
    return str(np.result_type(*floats) if floats else found)


def set_value(x: Any, value: Any) -> None:
    """``x.assign(value)``: of an optimizer's learning rate, or an array."""
    if hasattr(x, "assign"):
        x.assign(value)
    else:
        x[...] = value


_OWN = [
    "backend", "batch_dot", "batch_flatten", "clear_session", "epsilon", "flatten", "floatx",
    "image_data_format", "is_float_dtype", "is_int_dtype", "is_keras_tensor", "is_tensor",
    "l2_normalize", "result_type", "set_epsilon", "set_floatx", "set_image_data_format",
    "set_value", "standardize_dtype", "switch",
]  # fmt: skip
__all__ = [*_OWN, *_FUNCTIONS]


def __getattr__(name: str) -> object:
    raise unsupported.error(__name__, name, __all__)
