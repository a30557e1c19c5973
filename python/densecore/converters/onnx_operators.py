"""ONNX's operators on arrays, as far as functions of dense networks are made of them.

They are computed on a few test rows only, to find out which layer a part of a graph is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._base.constants import SELU_ALPHA, SELU_SCALE
from .._base.dtypes import Array
from .onnx_graph import Node

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(z: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -z)))


def _softmax(z: Array) -> Array:
    raised = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _gelu(z: Array, a: Mapping[str, Any]) -> Array:
    if a.get("approximate") == "tanh":
        inner = math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
        return np.asarray(0.5 * z * (1 + np.tanh(inner)))
    return np.asarray(0.5 * z * (1 + _erf(z * math.sqrt(0.5))))


def _limits(a: Mapping[str, Any], rest: Sequence[Array | None]) -> tuple[Any, Any]:
    given = [*rest, None, None]
    low = a.get("min", given[0])
    high = a.get("max", given[1])
    return -np.inf if low is None else low, np.inf if high is None else high


def _axes(a: Mapping[str, Any], rest: Sequence[Array | None]) -> Any:
    if "axes" in a:
        return tuple(a["axes"])
    return tuple(int(each) for each in rest[0].ravel()) if rest and rest[0] is not None else None


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(a: Mapping[str, Any], x: Array, *rest: Any) -> Array:
        keep = bool(a.get("keepdims", 1))
        return np.asarray(function(x, axis=_axes(a, rest), keepdims=keep))

    return reduce


def _layer_normalization(a: Mapping[str, Any], x: Array, scale: Any, shift: Any = None) -> Array:
    if a.get("axis", -1) not in (-1, x.ndim - 1):
        raise ValueError(f"axis: found {a['axis']}, wanted -1 (the features)")
    centered = x - x.mean(axis=-1, keepdims=True)
    variance = (centered**2).mean(axis=-1, keepdims=True)
    result = centered / np.sqrt(variance + a.get("epsilon", 1e-5)) * scale
    return np.asarray(result if shift is None else result + shift)


def _instance_normalization(a: Mapping[str, Any], x: Array, scale: Any, shift: Any) -> Array:
    axes = tuple(range(2, x.ndim))
    centered = x - x.mean(axis=axes, keepdims=True)
    variance = (centered**2).mean(axis=axes, keepdims=True)
    shape = (1, -1, *[1] * len(axes))
    scaled = centered / np.sqrt(variance + a.get("epsilon", 1e-5))
    return np.asarray(scaled * scale.reshape(shape) + shift.reshape(shape))


def _power_norm(a: Mapping[str, Any], x: Array) -> Array:
    axis = a.get("axis", -1)
    return np.asarray(x / np.linalg.norm(x, a.get("p", 2), axis=axis, keepdims=True))


def _reshape(a: Mapping[str, Any], x: Array, shape: Array) -> Array:
    wanted = [int(each) for each in shape.ravel()]
    if not a.get("allowzero"):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    if wanted[0] != -1 and len(wanted) > 1 and -1 not in wanted:
        wanted[0] = -1  # a fixed number of rows: any other is as good
    return x.reshape(wanted)


def _norm(x: Array, axis: Any, keepdims: bool) -> Array:
    return np.asarray(np.sqrt((x**2).sum(axis=axis, keepdims=keepdims)))


def _elu(z: Array, alpha: float) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _shrink(a: Mapping[str, Any], z: Array) -> Array:
    limit, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    return np.where(z < -limit, z + bias, np.where(z > limit, z - bias, 0))


def _celu(a: Mapping[str, Any], z: Array) -> Array:
    alpha = a.get("alpha", 1.0)
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))


def _cast(a: Mapping[str, Any], x: Array) -> Array:
    return np.trunc(x) if a.get("to") in (6, 7) and x.dtype.kind == "f" else x


def _is_infinite(a: Mapping[str, Any], x: Array) -> Array:
    up, down = (bool(a.get(f"detect_{sign}", 1)) for sign in ("positive", "negative"))
    return np.isinf(x) & (((x > 0) & up) | ((x < 0) & down))


def _squeeze(a: Mapping[str, Any], x: Array, *rest: Any) -> Array:
    return np.squeeze(x, _axes(a, rest))


def _unsqueeze(a: Mapping[str, Any], x: Array, *rest: Any) -> Array:
    return np.expand_dims(x, _axes(a, rest) or ())


def _slice(a: Mapping[str, Any], x: Array, *rest: Any) -> Array:
    names = ("starts", "ends", "axes", "steps")
    given = [np.ravel(a[name]) if name in a else None for name in names]
    for place, each in enumerate(rest):
        given[place] = None if each is None else each.ravel()
    starts, ends, axes, steps = given
    if starts is None or ends is None:
        raise ValueError("found no starts and ends")
    axes = np.arange(len(starts)) if axes is None else axes
    steps = np.ones(len(starts), int) if steps is None else steps
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end), int(step))
    return x[tuple(index)]


#: By an operator's name: its attributes and inputs to its output.
OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": lambda a, x: np.abs(x),
    "Add": lambda a, x, y: x + y,
    "And": lambda a, x, y: np.logical_and(x, y),
    "Cast": _cast,
    "CastLike": lambda a, x, y: x,
    "Celu": _celu,
    "Ceil": lambda a, x: np.ceil(x),
    "Clip": lambda a, x, *rest: np.clip(x, *_limits(a, rest)),
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]),
    "Cos": lambda a, x: np.cos(x),
    "Div": lambda a, x, y: x / y,
    "Dropout": lambda a, x, *rest: x,
    "Elu": lambda a, x: _elu(x, a.get("alpha", 1.0)),
    "Equal": lambda a, x, y: x == y,
    "Erf": lambda a, x: _erf(x),
    "Exp": lambda a, x: np.exp(x),
    "Floor": lambda a, x: np.floor(x),
    "Gather": lambda a, x, places: np.take(x, places.astype(int), a.get("axis", 0)),
    "Gelu": lambda a, x: _gelu(x, a),
    "Greater": lambda a, x, y: x > y,
    "GreaterOrEqual": lambda a, x, y: x >= y,
    "HardSigmoid": lambda a, x: np.clip(a.get("alpha", 0.2) * x + a.get("beta", 0.5), 0, 1),
    "HardSwish": lambda a, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda a, x: x,
    "InstanceNormalization": _instance_normalization,
    "IsInf": _is_infinite,
    "IsNaN": lambda a, x: np.isnan(x),
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": lambda a, x: np.where(x > 0, x, a.get("alpha", 0.01) * x),
    "Less": lambda a, x, y: x < y,
    "LessOrEqual": lambda a, x, y: x <= y,
    "Log": lambda a, x: np.log(x),
    "LogSoftmax": lambda a, x: x - np.logaddexp.reduce(x, axis=-1, keepdims=True),
    "LpNormalization": _power_norm,
    "Max": lambda a, *x: np.maximum.reduce(np.broadcast_arrays(*x)),
    "Min": lambda a, *x: np.minimum.reduce(np.broadcast_arrays(*x)),
    "Mish": lambda a, x: x * np.tanh(np.logaddexp(0, x)),
    "Mul": lambda a, x, y: x * y,
    "Neg": lambda a, x: -x,
    "Not": lambda a, x: np.logical_not(x),
    "Or": lambda a, x, y: np.logical_or(x, y),
    "PRelu": lambda a, x, slope: np.where(x > 0, x, slope * x),
    "Pow": lambda a, x, y: np.power(x, y),
    "Reciprocal": lambda a, x: 1 / x,
    "ReduceL2": _reduce(_norm),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceSum": _reduce(np.sum),
    "ReduceSumSquare": _reduce(lambda x, axis, keepdims: (x**2).sum(axis=axis, keepdims=keepdims)),
    "Relu": lambda a, x: np.maximum(x, 0),
    "Reshape": _reshape,
    "Round": lambda a, x: np.rint(x),
    "Selu": lambda a, x: a.get("gamma", SELU_SCALE)
    * _elu(x, a.get("alpha", SELU_ALPHA)),
    "Shape": lambda a, x: np.array(x.shape[a.get("start", 0) : a.get("end", x.ndim)]),
    "Shrink": _shrink,
    "Sigmoid": lambda a, x: _sigmoid(x),
    "Sign": lambda a, x: np.sign(x),
    "Sin": lambda a, x: np.sin(x),
    "Slice": _slice,
    "Softmax": lambda a, x: _softmax(x),
    "Softplus": lambda a, x: np.logaddexp(0, x),
    "Softsign": lambda a, x: x / (1 + np.abs(x)),
    "Sqrt": lambda a, x: np.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda a, x, y: x - y,
    "Sum": lambda a, *x: sum(x),
    "Tanh": lambda a, x: np.tanh(x),
    "ThresholdedRelu": lambda a, x: np.where(x > a.get("alpha", 1.0), x, 0),
    "Transpose": lambda a, x: x.transpose(a.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": lambda a, condition, x, y: np.where(condition, x, y),
}  # fmt: skip


def _refuse_large(shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise ValueError for inputs that would make far more numbers than they are."""
    try:
        size = math.prod(np.broadcast_shapes(*shapes))
    except ValueError:
        return  # of a reshape, for instance: the operator says what does not fit
    if size > 256 * sum(math.prod(shape) for shape in shapes) + 65536:
        raise ValueError(f"found inputs of shapes {shapes}, which would make {size:,} numbers")


def compute(node: Node, inputs: Sequence[Array | None], opset: int) -> Array:
    """A node's first output, in double precision.

    Raises
    ------
    KeyError
        The operator is not one of `OPERATORS`.
    ValueError, TypeError, IndexError
        The inputs do not fit, or an axis is not the features'.
    """
    if node.domain not in ("", "ai.onnx"):
        raise KeyError(node.operator)
    attributes = node.attributes
    if node.operator in ("Softmax", "LogSoftmax"):
        axis = attributes.get("axis", 1 if opset < 13 else -1)
        ndim = getattr(inputs[0], "ndim", 2)
        if axis not in (-1, ndim - 1) or (opset < 13 and ndim != 2):
            raise ValueError(f"axis: found {axis}, wanted the features")
    _refuse_large([each.shape for each in inputs if each is not None])
    with np.errstate(all="ignore"):
        return np.asarray(OPERATORS[node.operator](attributes, *inputs))
