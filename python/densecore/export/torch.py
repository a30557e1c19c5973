"""A trained network as PyTorch modules, layer by layer, so that it can be trained further there."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import activations, layers
from .._base.lazy import imports
from ..layers.activation_argument import UserActivation
from ..layers.lowering import Row
from .rows_of_layers import row_of, stack_of

if TYPE_CHECKING:
    from torch import nn


def _import() -> Any:
    """PyTorch's ``nn``.

    Raises
    ------
    ImportError
        PyTorch is not installed; the message says how to get it.
    """
    try:
        with imports:
            import torch
    except ImportError:
        raise ImportError("to_torch needs PyTorch: pip install torch") from None
    return torch


def _relu(torch: Any, p: Mapping[str, Any]) -> "nn.Module":
    with imports:
        from .torch_modules import ClippedReLU

    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold == 0 and most is None:
        return torch.nn.ReLU() if slope == 0 else torch.nn.LeakyReLU(slope)
    return ClippedReLU(slope, most, threshold)


def _own(name: str) -> Callable[[Any, Mapping[str, Any]], "nn.Module"]:
    """What makes one of the modules of this package, with the activation's parameters."""

    def make(torch: Any, p: Mapping[str, Any]) -> "nn.Module":
        with imports:
            from . import torch_modules

        made: nn.Module = getattr(torch_modules, name)(**p)
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
    if isinstance(activation, UserActivation):
        raise ValueError(
            f"layer {layer.name}: found an activation that is a Python function of NumPy arrays, "
            "wanted one of: " + ", ".join(_MODULES)
        )
    found = activations.get(activation)
    if found.name == "linear":
        return []
    if found.name not in _MODULES:
        raise ValueError(
            f"layer {layer.name}: found the activation {found.name}, wanted one of: "
            + ", ".join(_MODULES)
        )
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
    module = torch.nn.LayerNorm(*row, eps=layer.epsilon, elementwise_affine=affine, dtype=dtype)
    return [_scaled(torch, layer, module)]


def _normalization(torch: Any, layer: layers.Normalization, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .program import ColumnNormalization, Program, append
        from .torch_modules import FixedNormalization

    program = Program("", layer.mean.dtype.name, math.prod(row))
    append(layer, program)
    (operation,) = program.operations
    assert isinstance(operation, ColumnNormalization)
    zero = np.zeros_like(operation.factor)
    arrays = (operation.mean, operation.factor, operation.shift)
    return [
        FixedNormalization(
            *(
                torch.from_numpy((zero if each is None else each).reshape(row).copy())
                for each in arrays
            )
        )
    ]


def _rms_normalization(
    torch: Any, layer: layers.RMSNormalization, row: Row, dtype: Any
) -> list[Any]:
    module = torch.nn.RMSNorm(*row, eps=layer.epsilon, dtype=dtype)
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
    return [
        *([torch.nn.Flatten()] if len(row) > 1 else []),
        torch.nn.Unflatten(1, layer._output_row(row)),
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


def _residual(torch: Any, layer: layers.Residual, row: Row, dtype: Any) -> list[Any]:
    with imports:
        from .torch_modules import Residual

    return [Residual(_modules(torch, layer.layers, row, dtype))]


# By the layer's class, as in `program`.
_LAYERS: Mapping[type[layers.Layer], Callable[[Any, Any, Row, Any], list[Any]]] = {
    layers.Activation: _activation,
    # PyTorch's modules have no losses of their own: a user's loop adds them, as for weights.
    layers.ActivityRegularization: lambda torch, layer, row, dtype: [torch.nn.Identity()],
    layers.AlphaDropout: lambda torch, layer, row, dtype: [torch.nn.AlphaDropout(layer.rate)],
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.Dropout: lambda torch, layer, row, dtype: [torch.nn.Dropout(layer.rate)],
    layers.Flatten: lambda torch, layer, row, dtype: [torch.nn.Flatten()],
    layers.GaussianDropout: _gaussian_dropout,
    layers.GaussianNoise: _noise,
    layers.GroupNormalization: _group_normalization,
    layers.Identity: lambda torch, layer, row, dtype: [torch.nn.Identity()],
    layers.LayerNormalization: _layer_normalization,
    layers.Normalization: _normalization,
    layers.PeriodicEmbedding: _periodic,
    layers.RMSNormalization: _rms_normalization,
    layers.Reshape: _reshape,
    layers.Residual: _residual,
    layers.Scale: _scale,
    layers.UnitNormalization: _unit_normalization,
}


def _modules(torch: Any, stack: Sequence[layers.Layer], row: Row, dtype: Any) -> list[Any]:
    found: list[Any] = []
    for layer in stack:
        made = row_of(layer, _LAYERS)(torch, layer, row, dtype)
        if not layer.trainable:
            for module in made:
                module.requires_grad_(False)
        found += made
        row = layer._output_row(row) or ()
    return found


def to_torch(model: Any, *, optimizer: bool = False) -> Any:
    """A model as an ``nn.Sequential`` with the same weights, in evaluation mode.

    ``Dense`` becomes ``Linear`` and the module of its activation; layers that PyTorch has no module
    for (``Residual``, ``Normalization``) become modules of this package.

    Parameters
    ----------
    model : Sequential
        Built: with parameters.
    optimizer : bool, default False
        Also make the optimizer that the model is compiled with (SGD, Adam, AdamW, RMSprop,
        Adagrad), with its state: training goes on there where it stands here.

    Returns
    -------
    torch.nn.Sequential
        Its parameters are copies, of the model's dtype.
    torch.optim.Optimizer
        With ``optimizer=True``.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    RuntimeError
        The model has no parameters yet, or no optimizer where one is wanted.
    ValueError
        A layer or an optimizer that PyTorch has no form for; the message names it.
    """
    torch = _import()
    if not model.built:
        raise RuntimeError(
            f"to_torch: the model {model.name!r} has no parameters yet: it does not know its "
            "number of inputs (start with Input, call build, or fit first)"
        )
    row = tuple(int(size) for size in model.input_shape[1:])
    modules = _modules(torch, stack_of(model), row, getattr(torch, model.dtype))
    made: nn.Sequential = torch.nn.Sequential(*modules).eval()
    if optimizer:
        with imports:
            from .torch_optimizers import give

        return made, give(model, made, torch)
    return made
