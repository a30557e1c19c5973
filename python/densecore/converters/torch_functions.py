"""Functions of torch, torch.nn.functional and tensors, and operators, as functions of symbols."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from ..activations import Activation
from .torch_numbers import Numbers, with_numbers

if TYPE_CHECKING:  # whose module imports this one
    from .torch_graph import GraphReader

#: NumPy's functions of single elements, by PyTorch's names.
FUNCTIONS: Mapping[str, Any] = {
    "abs": np.absolute, "add": np.add, "arctan": np.arctan, "atan": np.arctan, "ceil": np.ceil,
    "cos": np.cos, "cosh": np.cosh, "div": np.divide, "eq": np.equal, "exp": np.exp,
    "expm1": np.expm1, "floor": np.floor, "ge": np.greater_equal, "gt": np.greater,
    "isnan": np.isnan, "le": np.less_equal, "log": np.log, "log1p": np.log1p, "lt": np.less,
    "max": np.maximum, "maximum": np.maximum, "min": np.minimum, "minimum": np.minimum,
    "mul": np.multiply, "multiply": np.multiply, "ne": np.not_equal, "neg": np.negative,
    "pow": np.power, "reciprocal": np.reciprocal, "round": np.rint, "sign": np.sign,
    "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt, "square": np.square, "sub": np.subtract,
    "subtract": np.subtract, "truediv": np.divide,
}  # fmt: skip
#: Activations, by PyTorch's names.
ACTIVATION_NAMES: Mapping[str, str] = {
    "celu": "celu", "elu": "elu", "gelu": "gelu", "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_silu", "leaky_relu": "leaky_relu", "log_softmax": "log_softmax",
    "logsigmoid": "log_sigmoid", "mish": "mish", "relu": "relu", "relu6": "relu6", "selu": "selu",
    "sigmoid": "sigmoid", "silu": "silu", "softmax": "softmax", "softplus": "softplus",
    "softsign": "softsign", "tanh": "tanh", "tanhshrink": "tanh_shrink",
}  # fmt: skip
_ARGUMENTS = {"celu": "alpha", "elu": "alpha", "leaky_relu": "negative_slope"}
_WITHOUT_EFFECT = ("clone", "contiguous", "detach", "double", "float", "to", "type_as")

Options = Mapping[str, Any]


def without_row(x: Any) -> bool:
    """Whether a symbol stands for one number of each row, without an axis of its own."""
    return bool(vars(x).get("_is_number"))


def _as_number(x: Any) -> Any:
    vars(x)["_is_number"] = True
    return x


def _axis(x: Any, given: Any, what: str = "dim") -> int:
    """An axis of a symbol, counted from the front, the rows being 0."""
    rank = len(x.row) + 1
    axis = given + rank if isinstance(given, int) and given < 0 else given
    if not isinstance(axis, int) or not 1 <= axis < rank:
        raise ValueError(f"found {what}={given} of rows of shape {x.row}, wanted one of the rows'")
    return axis


def call(reader: "GraphReader", name: str, taken: list[Any], options: Options) -> Any:
    """A function or a method applied to symbols.

    Raises
    ------
    ValueError
        There is no such layer here.
    """
    x = taken[0]
    if any(isinstance(each, Numbers) for each in taken):
        return with_numbers(reader, name, FUNCTIONS.get(name), taken, options)
    if isinstance(x, Stacked):
        return _of_stacked(name, taken, options)
    if name in ACTIVATION_NAMES:
        return layers.Activation(_activation(name, taken, options))(x)
    if name in _WITHOUT_EFFECT:
        return x
    if name in _OTHERS:
        return _OTHERS[name](taken, options)
    function = FUNCTIONS.get(name)
    if function is not None and not options and len(taken) == function.nin:
        return function(*taken)
    known = sorted({*ACTIVATION_NAMES, *FUNCTIONS, *_OTHERS, *_WITHOUT_EFFECT})
    arguments = f" with {', '.join(options)}" if function is not None and options else ""
    raise ValueError(f"found {name}{arguments}, wanted one of: {', '.join(known)}")


def _activation(name: str, taken: Sequence[Any], options: Options) -> Activation:
    ignored = ("inplace", "dtype", "_stacklevel")
    others = {key: value for key, value in options.items() if key not in ignored}
    if name in ("softmax", "log_softmax"):
        axis = others.get("dim", taken[1] if len(taken) > 1 else None)
        last = len(taken[0].row)
        if axis not in (-1, last):
            raise ValueError(f"found dim={axis}, wanted -1 (the features)")
        return Activation(name)
    if name == "gelu":
        return Activation(name, approximate=others.get("approximate", "none") == "tanh")
    if name in _ARGUMENTS and (len(taken) > 1 or others):
        value = next(iter(others.values())) if others else taken[1]
        return Activation(name, **{_ARGUMENTS[name]: float(value)})
    if others or (len(taken) > 1 and name not in _ARGUMENTS):
        raise ValueError(f"found other arguments of {name}, wanted none")
    if name == "leaky_relu":
        return Activation(name, negative_slope=0.01)
    return Activation(ACTIVATION_NAMES[name])


# Shapes, parts and the rest: functions of what is taken, and of options ---------------------------


def _option(taken: Sequence[Any], options: Options, place: int, key: str, default: Any) -> Any:
    return options.get(key, taken[place] if len(taken) > place else default)


def _concatenated(taken: list[Any], options: Options) -> Any:
    axis = options.get("dim", options.get("axis", taken[1] if len(taken) > 1 else 0))
    return layers.concatenate(taken[0], axis)


def _stacked(taken: list[Any], options: Options) -> Any:
    parts = taken[0]
    axis = _option(taken, options, 1, "dim", 0)
    if axis == 0:
        return Stacked(parts)
    if axis != 1 or any(part.row != parts[0].row for part in parts):
        raise ValueError(f"found stack with dim={axis}, wanted 0 or 1, and rows of one shape")
    return layers.concatenate([layers.Reshape((1, *part.row))(part) for part in parts], 1)


class Stacked(list[Any]):
    """Symbols that are stacked before their rows: the members of an ensemble."""


#: What becomes of them.
_JOINED: Mapping[str, Any] = {
    "amax": layers.maximum, "amin": layers.minimum, "mean": layers.average, "sum": layers.add,
}  # fmt: skip


def _of_stacked(name: str, taken: list[Any], options: Options) -> Any:
    parts, axis = taken[0], _option(taken, options, 1, "dim", None)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if name == "getitem" and isinstance(taken[1], int):
        return parts[taken[1]]
    if name not in _JOINED or axis != 0 or _option(taken, options, 2, "keepdim", False):
        known = ", ".join(_JOINED)
        raise ValueError(f"found {name} of what is stacked along 0, wanted {known} along 0")
    return _JOINED[name](list(parts)) if len(parts) > 1 else parts[0]


def _flattened(taken: list[Any], options: Options) -> Any:
    x, first = taken[0], _option(taken, options, 1, "start_dim", 0)
    if x.row == (1,) and first == 0:
        return _as_number(x)
    if first != 1 or _option(taken, options, 2, "end_dim", -1) not in (-1, len(x.row)):
        raise ValueError(f"found flatten from dimension {first}, wanted all but the rows: 1")
    return layers.Flatten()(x) if len(x.row) > 1 else x


def _viewed(taken: list[Any], options: Options) -> Any:
    shape = taken[1] if isinstance(taken[1], list) else taken[1:]
    row = tuple(int(size) for size in shape[1:])
    if not row:
        return _flattened(taken[:1], {})
    return (layers.Flatten() if row == (-1,) else layers.Reshape(row))(taken[0])


def _squeezed(taken: list[Any], options: Options) -> Any:
    x = taken[0]
    axis = _axis(x, _option(taken, options, 1, "dim", None))
    if x.row[axis - 1] != 1:
        return x
    row = (*x.row[: axis - 1], *x.row[axis:])
    return layers.Reshape(row)(x) if row else _as_number(_same(x))


def _unsqueezed(taken: list[Any], options: Options) -> Any:
    x, given = taken[0], _option(taken, options, 1, "dim", None)
    if without_row(x):
        return _same(x)
    rank = len(x.row) + 2
    axis = given + rank if given < 0 else given
    if not 1 <= axis < rank:
        raise ValueError(f"found dim={given} of unsqueeze, wanted one of the rows'")
    return layers.Reshape((*x.row[: axis - 1], 1, *x.row[axis - 1 :]))(x)


def _same(x: Any) -> Any:
    """The same values as another symbol, with or without an axis."""
    return layers.Identity()(x)


def _permuted(taken: list[Any], options: Options) -> Any:
    x = taken[0]
    given = options.get("dims", taken[1] if isinstance(taken[1], list) else taken[1:])
    dims = [0 if axis == 0 else _axis(x, axis) for axis in given]
    if dims[0] != 0:
        raise ValueError(f"found dims={list(given)}, wanted rows that stay first")
    return layers.Permute(tuple(dims[1:]))(x)


def _transposed(taken: list[Any], options: Options) -> Any:
    x = taken[0]
    one = _axis(x, _option(taken, options, 1, "dim0", None), "dim0")
    other = _axis(x, _option(taken, options, 2, "dim1", None), "dim1")
    dims = list(range(1, len(x.row) + 1))
    dims[one - 1], dims[other - 1] = other, one
    return layers.Permute(tuple(dims))(x)


def _clamped(taken: list[Any], options: Options) -> Any:
    x = taken[0]
    low, high = _option(taken, options, 1, "min", None), _option(taken, options, 2, "max", None)
    x = x if low is None else np.maximum(x, float(low))
    return x if high is None else np.minimum(x, float(high))


def _hard_tanh(taken: list[Any], options: Options) -> Any:
    low = _option(taken, options, 1, "min_val", -1.0)
    return _clamped([taken[0], low, _option(taken, options, 2, "max_val", 1.0)], {})


def _reduced(kind: str) -> Callable[[list[Any], Options], Any]:
    """A mean or a sum: of a row's vectors, or of a vector's elements."""

    def reduce(taken: list[Any], options: Options) -> Any:
        x, given = taken[0], _option(taken, options, 1, "dim", None)
        given = given[0] if isinstance(given, list) and len(given) == 1 else given
        axis, keep = _axis(x, given), bool(_option(taken, options, 2, "keepdim", False))
        if len(x.row) == 2 and axis == 1 and kind == "mean":
            return layers.GlobalAveragePooling1D(keepdims=keep)(x)
        if len(x.row) == 2 and axis == 1 and kind == "max":
            return layers.GlobalMaxPooling1D(keepdims=keep)(x)
        if len(x.row) == 2 and kind != "max":
            function = np.mean if kind == "mean" else np.sum
            return function(x, axis=axis, keepdims=keep)
        if len(x.row) != 1 or kind == "max":
            raise ValueError(
                f"found {kind} along {given} of rows of shape {x.row}, wanted vectors, or one axis "
                "of rows (steps, features)"
            )
        result = np.mean(x, axis=-1) if kind == "mean" else np.sum(x, axis=-1)
        return result if keep else _as_number(result)

    return reduce


def _cosines(taken: list[Any], options: Options) -> Any:
    """The cosine of vectors; for PyTorch's smallest product of lengths, 1e-8, Keras's 1e-12."""
    dim = _option(taken, options, 2, "dim", 1)
    if len(taken[0].row) != 1 or len(taken[1].row) != 1 or _axis(taken[0], dim) != 1:
        raise ValueError(f"found dim={dim} of rows of shape {taken[0].row}, wanted vectors")
    return _as_number(layers.Dot(1, normalize=True)(list(taken[:2])))


def _parts(count: Callable[[Any, list[Any], Options], list[int]]) -> Any:
    """Parts of vectors one after another, of these sizes."""

    def split(taken: list[Any], options: Options) -> list[Any]:
        x = taken[0]
        axis = _option(taken, options, 2, "dim", 0)
        if len(x.row) != 1 or _axis(x, axis) != 1:
            raise ValueError(f"found dim={axis} of rows of shape {x.row}, wanted parts of vectors")
        ends = np.cumsum(count(x, taken, options)).tolist()
        return [x[:, first:last] for first, last in zip([0, *ends[:-1]], ends, strict=True)]

    return split


def _chunks(x: Any, taken: list[Any], options: Options) -> list[int]:
    size = math.ceil(x.row[0] / _option(taken, options, 1, "chunks", 1))
    return _sizes(x, size)


def _split_sizes(x: Any, taken: list[Any], options: Options) -> list[int]:
    given = options.get("split_size_or_sections", options.get("split_size", taken[1]))
    return list(given) if isinstance(given, list) else _sizes(x, int(given))


def _sizes(x: Any, size: int) -> list[int]:
    return [min(size, x.row[0] - first) for first in range(0, x.row[0], size)]


def _gated(taken: list[Any], options: Options) -> Any:
    """The first half of a vector times the sigmoid of the second."""
    x = taken[0]
    if len(x.row) != 1 or _axis(x, _option(taken, options, 1, "dim", -1)) != 1 or x.row[0] % 2:
        raise ValueError(f"found glu of rows of shape {x.row}, wanted vectors of an even size")
    half = x.row[0] // 2
    return x[:, :half] * layers.Activation("sigmoid")(x[:, half:])


def _narrowed(taken: list[Any], options: Options) -> Any:
    x, axis = taken[0], _option(taken, options, 1, "dim", 0)
    first = _option(taken, options, 2, "start", 0)
    size = _option(taken, options, 3, "length", 0)
    if len(x.row) != 1 or _axis(x, axis) != 1:
        raise ValueError(f"found dim={axis} of rows of shape {x.row}, wanted parts of vectors")
    return x[:, first : first + size]


def _item(taken: list[Any], options: Options) -> Any:
    x, index = taken
    if x is None or isinstance(x, list | Mapping):
        return None if x is None else x[index]
    index = tuple(index) if isinstance(index, list) else index
    if not isinstance(index, tuple):
        raise ValueError(f"found the index {index!r} of rows, wanted one of all rows: x[:, ...]")
    last = index[-1]
    rows, others = index[:1] == (slice(None),), index[1:]
    if rows and others.count(None) == 1 and others.count(slice(None)) == len(x.row):
        place = others.index(None)
        return layers.Reshape((*x.row[:place], 1, *x.row[place:]))(x)
    if rows and len(index) == 2 and isinstance(last, list) and len(x.row) == 1:
        return layers.concatenate([x[:, n : n + 1 or None] for n in last])
    if rows and len(index) in (2, len(x.row) + 1) and isinstance(index[1], int) and len(x.row) > 1:
        if any(each != slice(None) for each in index[2:]):
            raise ValueError(f"found the index {index!r} of rows of shape {x.row}")
        size = math.prod(x.row[1:])
        first = index[1] % x.row[0] * size
        flat = layers.Flatten()(x)[:, first : first + size]
        return flat if len(x.row) == 2 else layers.Reshape(x.row[1:])(flat)
    found = x[index]
    return _as_number(found) if isinstance(last, int) else found


def _layer_norm(taken: list[Any], options: Options) -> Any:
    x, shape = taken[0], _option(taken, options, 1, "normalized_shape", None)
    affine = [_option(taken, options, place, key, None) for place, key in
              ((2, "weight"), (3, "bias"))]  # fmt: skip
    if list(shape) != list(x.row) or len(x.row) != 1 or affine != [None, None]:
        raise ValueError("found other arguments of layer_norm, wanted the features, or LayerNorm")
    epsilon = float(_option(taken, options, 4, "eps", 1e-5))
    return layers.LayerNormalization(epsilon=epsilon, center=False, scale=False)(x)


def _normalized(taken: list[Any], options: Options) -> Any:
    x = taken[0]
    power, axis = _option(taken, options, 1, "p", 2.0), _option(taken, options, 2, "dim", 1)
    if power != 2 or len(x.row) != 1 or _axis(x, axis) != 1:
        raise ValueError(f"found normalize with p={power}, dim={axis}, wanted 2, and vectors")
    return layers.UnitNormalization()(x)


def _masked(taken: list[Any], options: Options) -> Any:
    x, mask = taken[0], _option(taken, options, 1, "mask", None)
    return np.where(mask, _option(taken, options, 2, "value", 0.0), x)


def _without_nan(taken: list[Any], options: Options) -> Any:
    names = ("nan", "posinf", "neginf")
    given = {key: _option(taken, options, place, key, None) for place, key in enumerate(names, 1)}
    return np.nan_to_num(taken[0], **{k: v for k, v in given.items() if v is not None})


def _dropped(taken: list[Any], options: Options) -> Any:
    return layers.Dropout(float(_option(taken, options, 1, "p", 0.5)))(taken[0])


def _products(taken: list[Any], options: Options) -> Any:
    a, b = taken[:2]
    if len(a.row) != 2 or len(b.row) != 2:
        raise ValueError(f"found a product of rows {a.row} and {b.row}, wanted matrices")
    return layers.Dot(axes=(2, 1))([a, b])


def _largest(taken: list[Any], options: Options) -> Any:
    """The larger of two; or of a row's vectors, with their places, which are not taken."""
    if len(taken) > 1 and not isinstance(taken[1], int):
        return np.maximum(*taken)
    return [_reduced("max")(taken, options), None]


def _attribute(taken: list[Any], options: Options) -> Any:
    if taken[1] != "shape":
        raise ValueError(f"found the attribute {taken[1]}, wanted shape")
    return [None, *taken[0].row]


def _size(taken: list[Any], options: Options) -> Any:
    """The sizes of a tensor, or one of them; None in place of the number of rows, which `view`
    takes first."""
    sizes = [None, *taken[0].row]
    axis = _option(taken, options, 1, "dim", None)
    return sizes if axis is None else sizes[axis]


_OTHERS: Mapping[str, Callable[[list[Any], Options], Any]] = {
    "amax": _reduced("max"), "bmm": _products, "cat": _concatenated, "chunk": _parts(_chunks),
    "clamp": _clamped, "clip": _clamped, "concat": _concatenated, "concatenate": _concatenated,
    "cosine_similarity": _cosines, "dropout": _dropped, "flatten": _flattened,
    "getattr": _attribute, "getitem": _item, "glu": _gated, "hardtanh": _hard_tanh,
    "layer_norm": _layer_norm, "masked_fill": _masked, "matmul": _products, "max": _largest,
    "mean": _reduced("mean"), "nan_to_num": _without_nan, "narrow": _narrowed,
    "normalize": _normalized, "permute": _permuted, "reshape": _viewed,
    "rsub": lambda taken, _: taken[1] - taken[0], "size": _size,
    "split": _parts(_split_sizes), "squeeze": _squeezed, "stack": _stacked, "sum": _reduced("sum"),
    "transpose": _transposed, "unsqueeze": _unsqueezed, "view": _viewed,
    "where": lambda taken, _: np.where(*taken),
}  # fmt: skip
