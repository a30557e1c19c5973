"""Layers as PyTorch's modules, one after another; by the layer's class, as in `program`."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from .._base.lazy import imports
from ..layers.lowering import Row
from ..layers.weight import Zeros
from .calls import name_of
from .program import ColumnNormalization, Indicators, Intervals, Lookup, Operation, Port, Program
from .rows_of_layers import activation_of

if TYPE_CHECKING:
    from torch import nn


def _relu(torch: Any, p: Mapping[str, Any]) -> "nn.Module":
    with imports:
        from .torch_elements import ClippedReLU

    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold == 0 and most is None:
        return torch.nn.ReLU() if slope == 0 else torch.nn.LeakyReLU(slope)
    return ClippedReLU(slope, most, threshold)


def _own(name: str) -> Callable[[Any, Mapping[str, Any]], "nn.Module"]:
    """What makes one of the modules of this package, with the activation's parameters."""

    def make(torch: Any, p: Mapping[str, Any]) -> "nn.Module":
        with imports:
            from . import torch_elements

        made: nn.Module = getattr(torch_elements, name)(**p)
        return made

    return make


_MODULES: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "celu": lambda torch, p: torch.nn.CELU(p["alpha"]),
    "elu": lambda torch, p: torch.nn.ELU(p["alpha"]),
    "exponential": _own("Exponential"),
    "gelu": lambda torch, p: torch.nn.GELU("tanh" if p["approximate"] else "none"),
    "hard_sigmoid": lambda torch, p: torch.nn.Hardsigmoid(),
    "hard_silu": lambda torch, p: torch.nn.Hardswish(),
    "hard_tanh": lambda torch, p: torch.nn.Hardtanh(),
    "leaky_relu": lambda torch, p: torch.nn.LeakyReLU(p["negative_slope"]),
    "log_sigmoid": lambda torch, p: torch.nn.LogSigmoid(),
    "log_softmax": lambda torch, p: torch.nn.LogSoftmax(dim=-1),
    "mish": lambda torch, p: torch.nn.Mish(),
    "relu": _relu,
    "relu6": lambda torch, p: torch.nn.ReLU6(),
    "selu": lambda torch, p: torch.nn.SELU(),
    "sigmoid": lambda torch, p: torch.nn.Sigmoid(),
    "silu": lambda torch, p: torch.nn.SiLU(),
    "softmax": lambda torch, p: torch.nn.Softmax(dim=-1),
    # PyTorch's threshold of 20 would make it linear from there on: 2e-9 in float32, but not exact.
    "softplus": lambda torch, p: torch.nn.Softplus(threshold=100.0),
    "softsign": lambda torch, p: torch.nn.Softsign(),
    "hard_shrink": lambda torch, p: torch.nn.Hardshrink(p["threshold"]),
    "soft_shrink": lambda torch, p: torch.nn.Softshrink(p["threshold"]),
    "sparse_plus": _own("SparsePlus"),
    "sparse_sigmoid": _own("SparseSigmoid"),
    "squareplus": _own("Squareplus"),
    "tanh": lambda torch, p: torch.nn.Tanh(),
    "tanh_shrink": lambda torch, p: torch.nn.Tanhshrink(),
}


def _function(torch: Any, layer: layers.Layer, activation: Any) -> list[Any]:
    """The module of an activation; none for linear.

    Raises
    ------
    ValueError
        PyTorch has none, or it is a pair of Python functions of NumPy arrays.
    """
    found = activation_of(layer, activation, _MODULES)
    if found is None:
        return []
    return [_MODULES[found.name](torch, found.parameters)]


def _assign(torch: Any, target: Any, array: Any) -> None:
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _dense(torch: Any, layer: layers.Dense, row: Row, dtype: Any) -> list[Any]:
    module = torch.nn.Linear(row[-1], layer.units, bias=layer.use_bias, dtype=dtype)
    _assign(torch, module.weight, layer.weight)
    if layer.bias is not None:
        _assign(torch, module.bias, layer.bias)
    return [module, *_function(torch, layer, layer.activation)]


def _activation(torch: Any, layer: layers.Activation, row: Row, dtype: Any) -> list[Any]:
    return _function(torch, layer, layer.activation)


def _scaled(torch: Any, layer: Any, module: Any) -> Any:
    """A module with gamma and beta; where the layer has one of them only, the other stays 1 or 0
    and is not trained."""
    if module.weight is not None:
        for target, array in ((module.weight, layer.gamma), (module.bias, layer.beta)):
            if array is None:
                target.requires_grad_(False)
            else:
                _assign(torch, target, array)
    return module


def _batch_normalization(
    torch: Any, layer: layers.BatchNormalization, row: Row, dtype: Any
) -> list[Any]:
    affine = layer.gamma is not None or layer.beta is not None
    if len(row) > 1:
        raise ValueError(
            f"layer {name_of(layer)}: found batch normalisation of rows of shape {row}, wanted "
            "vectors: PyTorch has the features first"
        )
    module = torch.nn.BatchNorm1d(
        *row, eps=layer.epsilon, momentum=1 - layer.momentum, affine=affine, dtype=dtype
    )
    _assign(torch, module.running_mean, layer.moving_mean)
    _assign(torch, module.running_var, layer.moving_variance)
    return [_scaled(torch, layer, module)]


def _layer_normalization(
    torch: Any, layer: layers.LayerNormalization, row: Row, dtype: Any
) -> list[Any]:
    affine = layer.gamma is not None or layer.beta is not None
    module = torch.nn.LayerNorm(row[-1], eps=layer.epsilon, elementwise_affine=affine, dtype=dtype)
    return [_scaled(torch, layer, module)]


def _operations(layer: layers.Layer, row: Row, dtype: Any) -> list[Operation]:
    """What a layer is to exporters of files."""
    with imports:
        from .operations_of_layers import append

    program = Program("", str(dtype).removeprefix("torch."), [Port("x", row, 0)])
    append(layer, program, [0], [row])
    return program.operations


def _normalization(torch: Any, layer: layers.Normalization, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import FixedNormalization

    (operation,) = _operations(layer, row, dtype)
    assert isinstance(operation, ColumnNormalization)
    zero = np.zeros_like(operation.factor)
    arrays = [
        (zero if each is None else each).reshape(row).copy()
        for each in (operation.mean, operation.factor, operation.shift)
    ]
    return [FixedNormalization(*map(torch.from_numpy, arrays))]


def _preprocessing(torch: Any, layer: layers.Layer, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from . import torch_modules as own

    made: list[Any] = []
    for operation in _operations(layer, row, dtype):
        match operation:
            case Intervals():
                made.append(own.Intervals(torch.from_numpy(operation.boundaries)))
            case Lookup(of_texts=True):
                raise ValueError(f"layer {name_of(layer)}: found texts, wanted numbers")
            case Lookup():
                keys, numbers = (
                    torch.tensor(each, dtype=dtype) for each in (operation.keys, operation.numbers)
                )
                made.append(own.Lookup(keys, numbers, float(operation.other)))
            case Indicators(categories=categories, group=group, counted=counted):
                (shape,) = layer._output_rows([row])
                like = torch.zeros(0, dtype=dtype)
                made.append(own.Indicators(categories, group, counted, shape, like))
    return made


def _rms_normalization(
    torch: Any, layer: layers.RMSNormalization, row: Row, dtype: Any
) -> list[Any]:
    module = torch.nn.RMSNorm(row[-1], eps=layer.epsilon, dtype=dtype)
    _assign(torch, module.weight, layer.scale)
    return [module]


def _group_normalization(
    torch: Any, layer: layers.GroupNormalization, row: Row, dtype: Any
) -> list[Any]:
    (width,) = row
    groups = width if layer.groups == -1 else layer.groups
    affine = layer.gamma is not None or layer.beta is not None
    module = torch.nn.GroupNorm(groups, width, eps=layer.epsilon, affine=affine, dtype=dtype)
    return [_scaled(torch, layer, module)]


def _unit_normalization(torch: Any, layer: Any, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import UnitNormalization

    return [UnitNormalization()]


def _noise(torch: Any, layer: layers.GaussianNoise, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import GaussianNoise

    return [GaussianNoise(layer.stddev)]


def _gaussian_dropout(torch: Any, layer: layers.GaussianDropout, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import GaussianDropout

    return [GaussianDropout(layer.rate)]


def _reshape(torch: Any, layer: layers.Reshape, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import RowSum, Spread

    shape = layer._output_row(row)
    if row == ():  # a number, of which PyTorch's modules make no vector, nor one of a vector
        return [Spread(shape or ())]
    if shape == ():
        return [RowSum(tuple(range(1, 1 + len(row))), False, False)]
    return [
        *([torch.nn.Flatten()] if len(row) > 1 else []),
        torch.nn.Unflatten(1, layer.target_shape),
    ]


def _scale(torch: Any, layer: layers.Scale, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Scale

    return [Scale(torch.from_numpy(layer.scale.copy()))]


def _periodic(torch: Any, layer: layers.PeriodicEmbedding, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import PeriodicEmbedding

    kernel = layer.kernel.reshape(*layer.bias.shape, -1)
    arrays = (layer.frequencies_, layer.phases, kernel, layer.bias)
    return [PeriodicEmbedding(*(torch.from_numpy(array.copy()) for array in arrays))]


def _prelu(torch: Any, layer: layers.PReLU, row: Row, dtype: Any) -> list[Any]:
    module = torch.nn.PReLU(math.prod(row), dtype=dtype)
    _assign(torch, module.weight, layer.alpha)
    # PyTorch's slopes are those of the second dimension.
    flat = len(row) > 1
    return [
        *([torch.nn.Flatten()] if flat else []),
        module,
        *([torch.nn.Unflatten(1, row)] if flat else []),
    ]


def _embedding(torch: Any, layer: layers.Embedding, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Embedding

    return [Embedding(torch.from_numpy(layer.embeddings.copy()), layer.missing)]


def _repeat_vector(torch: Any, layer: layers.RepeatVector, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import RepeatVector

    return [RepeatVector(layer.n)]


def _columns(
    torch: Any, layer: layers.Columns | layers.Selection, row: Row, dtype: Any
) -> list[Any]:
    with imports:
        from .torch_modules import Columns

    return [Columns(layer.first, layer.last)]


def _permute(torch: Any, layer: layers.Permute, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Permute

    return [Permute(layer.dims)]


def _pool(kind: str) -> Callable[[Any, Any, Row, Any], list[Any]]:
    """What makes the module of the mean, or of the largest, of a row's vectors."""

    def make(torch: Any, layer: Any, row: Row, dtype: Any) -> list[Any]:
        with imports:
            from .torch_modules import Pool

        return [Pool(kind, layer.keepdims)]

    return make


def _row_sum(torch: Any, layer: layers.RowSum, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import RowSum

    axes = tuple(1 + place for place in layer._places(row))
    return [RowSum(axes, layer.mean, layer.keepdims)]


def _spread(torch: Any, layer: layers.Spread, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Spread

    return [Spread(layer.target_shape)]


def _zeros(torch: Any, layer: Zeros, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Zeros as Module

    return [Module()]


def _element(torch: Any, layer: layers.ElementFunction, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_elements import FUNCTIONS, Element

    if layer.function not in FUNCTIONS:
        raise ValueError(
            f"layer {name_of(layer)}: found the function {layer.function}, wanted one of: "
            + ", ".join(FUNCTIONS)
        )
    return [Element(layer.function, layer.constant, layer.constant_first)]


def _merge(torch: Any, layer: Any, rows: list[Row], dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Merge

    layer._merged(rows)  # which looks at the shapes
    return [Merge(type(layer)._kind, getattr(layer, "axis", -1))]


def _dot(torch: Any, layer: layers.Dot, rows: list[Row], dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Dot

    one, two = layer._places(rows)
    return [Dot(one + 1, two + 1, layer.normalize)]


# By the layer's class, as in `program`.
LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any, Row, Any], list[Any]]] = {
    layers.Activation: _activation,
    # PyTorch's modules have no losses of their own: a user's loop adds them, as for weights.
    layers.ActivityRegularization: lambda torch, layer, row, dtype: [torch.nn.Identity()],
    layers.AlphaDropout: lambda torch, layer, row, dtype: [torch.nn.AlphaDropout(layer.rate)],
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.CategoryEncoding: _preprocessing,
    layers.Columns: _columns,
    layers.Discretization: _preprocessing,
    layers.Dropout: lambda torch, layer, row, dtype: [torch.nn.Dropout(layer.rate)],
    layers.ElementFunction: _element,
    layers.Embedding: _embedding,
    layers.Flatten: lambda torch, layer, row, dtype: [torch.nn.Flatten()],
    layers.GaussianDropout: _gaussian_dropout,
    layers.GaussianNoise: _noise,
    layers.GlobalAveragePooling1D: _pool("mean"),
    layers.GlobalMaxPooling1D: _pool("maximum"),
    layers.GroupNormalization: _group_normalization,
    layers.Identity: lambda torch, layer, row, dtype: [torch.nn.Identity()],
    layers.IntegerLookup: _preprocessing,
    layers.LayerNormalization: _layer_normalization,
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.PeriodicEmbedding: _periodic,
    layers.Permute: _permute,
    layers.RMSNormalization: _rms_normalization,
    layers.RepeatVector: _repeat_vector,
    layers.Reshape: _reshape,
    layers.RowSum: _row_sum,
    layers.Scale: _scale,
    layers.StringLookup: _preprocessing,
    layers.Selection: _columns,
    layers.UnitNormalization: _unit_normalization,
    layers.Spread: _spread,
    Zeros: _zeros,
}


# Those that take several values, and the shapes of the rows of all of them.
MERGES: Mapping[type[layers.Layer], Callable[[Any, Any, list[Row], Any], list[Any]]] = {
    layers.Add: _merge,
    layers.Average: _merge,
    layers.Concatenate: _merge,
    layers.Dot: _dot,
    layers.Maximum: _merge,
    layers.Minimum: _merge,
    layers.Multiply: _merge,
    layers.Subtract: _merge,
}
