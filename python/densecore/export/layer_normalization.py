"""Layers that normalise rows or columns in the formats of other programs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from ..layers.lowering import Row
from .calls import name_of
from .keras_parts import regularizer_of
from .layer_forms import (
    Apply,
    LayerForms,
    LayerTable,
    assign,
    named,
    operations_alone,
    torch_modules,
    vectors_of,
)
from .program import ColumnNormalization, Program, RowNormalization

_Scaled = layers.BatchNormalization | layers.GroupNormalization | layers.LayerNormalization

# As operations ----------------------------------------------------------------------------------


def _of_each_vector(array: Array | None, width: int) -> Array | None:
    """The numbers of a vector again for each vector of a row of that width."""
    return None if array is None else np.tile(array, width // array.size)


def _fixed(layer: layers.Normalization, program: Program) -> None:
    deviation = np.sqrt(layer.variance.astype(np.float64))
    if not (layer.invert or isinstance(layer, layers.Rescaling)):
        deviation = np.maximum(deviation, 1e-7)  # Keras's smallest, as in the core
    factor = (deviation if layer.invert else 1 / deviation).astype(program.dtype)
    mean, shift = (None, layer.mean.copy()) if layer.invert else (layer.mean.copy(), None)
    program.add(
        ColumnNormalization(name_of(layer), (program.last,), factor.size, mean, factor, None, shift)
    )


def _batch(layer: layers.BatchNormalization, program: Program) -> None:
    variance = layer.moving_variance.astype(np.float64)
    scales: Array = (1 / np.sqrt(variance + layer.epsilon)).astype(program.dtype)
    width = program.width(program.last)
    vectors = width // scales.size
    factor, mean = np.tile(scales, vectors), np.tile(layer.moving_mean, vectors)
    gamma, beta = (_of_each_vector(array, width) for array in (layer.gamma, layer.beta))
    program.add(
        ColumnNormalization(name_of(layer), (program.last,), width, mean, factor, gamma, beta)
    )


def _of_rows(
    layer: layers.Layer,
    program: Program,
    scale: Array | None,
    shift: Array | None,
    epsilon: float,
    **rule: Any,
) -> None:
    """`scale` and `shift` have a number for each feature of one of the row's vectors."""
    width = program.width(program.last)
    scale, shift = _of_each_vector(scale, width), _of_each_vector(shift, width)
    program.add(
        RowNormalization(
            name_of(layer), (program.last,), width, epsilon, scale=scale, shift=shift, **rule
        )
    )


def _layer(layer: layers.LayerNormalization, program: Program) -> None:
    groups = vectors_of(layer, program)
    _of_rows(layer, program, layer.gamma, layer.beta, layer.epsilon, groups=groups)


def _group(layer: layers.GroupNormalization, program: Program) -> None:
    groups = program.width(program.last) if layer.groups == -1 else layer.groups
    _of_rows(layer, program, layer.gamma, layer.beta, layer.epsilon, groups=groups)


def _rms(layer: layers.RMSNormalization, program: Program) -> None:
    groups = vectors_of(layer, program)
    _of_rows(layer, program, layer.scale, None, layer.epsilon, centered=False, groups=groups)


def _unit(layer: layers.UnitNormalization, program: Program) -> None:
    # The core's addend, which only makes the length of a row of zeros another number than 0.
    groups = vectors_of(layer, program)
    _of_rows(layer, program, None, None, 1e-70, centered=False, summed=True, groups=groups)


# In JAX -----------------------------------------------------------------------------------------


def _scaled_in_jax(p: Mapping[str, Any], x: Any) -> Any:
    x = x * p["gamma"] if "gamma" in p else x
    return x + p["beta"] if "beta" in p else x


def _fixed_in_jax(jax: Any, layer: layers.Normalization, row: Row) -> Apply:
    least = 0.0 if layer.invert else layer._epsilon

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        deviation = jax.numpy.maximum(jax.numpy.sqrt(p["variance"]), least).reshape(row)
        mean = p["mean"].reshape(row)
        return x * deviation + mean if layer.invert else (x - mean) / deviation

    return apply


def _batch_in_jax(jax: Any, layer: layers.BatchNormalization, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        deviation = jax.numpy.sqrt(p["moving_variance"] + layer.epsilon)
        return _scaled_in_jax(p, (x - p["moving_mean"]) / deviation)

    return apply


def _rows_in_jax(
    jax: Any, x: Any, epsilon: float, *, groups: int = 1, centered: bool = True
) -> Any:
    parts = x.reshape(len(x), groups, -1)
    if centered:
        parts = parts - parts.mean(axis=-1, keepdims=True)
    square = (parts * parts).mean(axis=-1, keepdims=True)
    return (parts / jax.numpy.sqrt(square + epsilon)).reshape(x.shape)


def _group_in_jax(jax: Any, layer: layers.GroupNormalization, row: Row) -> Apply:
    groups = row[0] if layer.groups == -1 else layer.groups
    return lambda p, x: _scaled_in_jax(p, _rows_in_jax(jax, x, layer.epsilon, groups=groups))


def _layer_in_jax(jax: Any, layer: layers.LayerNormalization, row: Row) -> Apply:
    vectors = math.prod(row[:-1])
    return lambda p, x: _scaled_in_jax(p, _rows_in_jax(jax, x, layer.epsilon, groups=vectors))


def _rms_in_jax(jax: Any, layer: layers.RMSNormalization, row: Row) -> Apply:
    vectors = math.prod(row[:-1])

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        return _rows_in_jax(jax, x, layer.epsilon, groups=vectors, centered=False) * p["scale"]

    return apply


def unit_in_jax(jax: Any, layer: layers.Layer, row: Row) -> Apply:
    """x divided by its length along the last axis; 0 stays 0."""

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        square = (x * x).sum(axis=-1, keepdims=True)
        known = square > 0  # the root of 0 has no derivative
        return jax.numpy.where(known, x / jax.numpy.sqrt(jax.numpy.where(known, square, 1)), 0)

    return apply


# In PyTorch -------------------------------------------------------------------------------------


def _scaled_module(torch: Any, layer: _Scaled, module: Any) -> Any:
    """A module with gamma and beta; where the layer has one of them only, the other stays 1 or 0
    and is not trained."""
    if module.weight is not None:
        for target, array in ((module.weight, layer.gamma), (module.bias, layer.beta)):
            if array is None:
                target.requires_grad_(False)
            else:
                assign(torch, target, array)
    return module


def _has_scale(layer: _Scaled) -> bool:
    return layer.gamma is not None or layer.beta is not None


def _fixed_module(
    torch: Any, layer: layers.Normalization, rows: list[Row], dtype: Any
) -> list[Any]:
    (row,) = rows
    (operation,) = operations_alone(_fixed, layer, row, str(dtype).removeprefix("torch."))
    assert isinstance(operation, ColumnNormalization)
    zero = np.zeros_like(operation.factor)
    arrays = [
        (zero if each is None else each).reshape(row).copy()
        for each in (operation.mean, operation.factor, operation.shift)
    ]
    return [torch_modules().FixedNormalization(*map(torch.from_numpy, arrays))]


def _batch_module(
    torch: Any, layer: layers.BatchNormalization, rows: list[Row], dtype: Any
) -> list[Any]:
    if len(rows[0]) > 1:
        raise ValueError(
            f"layer {name_of(layer)}: found batch normalisation of rows of shape {rows[0]}, wanted "
            "vectors: PyTorch has the features first"
        )
    module = torch.nn.BatchNorm1d(
        *rows[0], eps=layer.epsilon, momentum=1 - layer.momentum, affine=_has_scale(layer),
        dtype=dtype,
    )  # fmt: skip
    assign(torch, module.running_mean, layer.moving_mean)
    assign(torch, module.running_var, layer.moving_variance)
    return [_scaled_module(torch, layer, module)]


def _layer_module(
    torch: Any, layer: layers.LayerNormalization, rows: list[Row], dtype: Any
) -> list[Any]:
    module = torch.nn.LayerNorm(
        rows[0][-1], eps=layer.epsilon, elementwise_affine=_has_scale(layer), dtype=dtype
    )
    return [_scaled_module(torch, layer, module)]


def _rms_module(
    torch: Any, layer: layers.RMSNormalization, rows: list[Row], dtype: Any
) -> list[Any]:
    module = torch.nn.RMSNorm(rows[0][-1], eps=layer.epsilon, dtype=dtype)
    assign(torch, module.weight, layer.scale)
    return [module]


def _group_module(
    torch: Any, layer: layers.GroupNormalization, rows: list[Row], dtype: Any
) -> list[Any]:
    ((width,),) = rows
    groups = width if layer.groups == -1 else layer.groups
    module = torch.nn.GroupNorm(
        groups, width, eps=layer.epsilon, affine=_has_scale(layer), dtype=dtype
    )
    return [_scaled_module(torch, layer, module)]


# In Keras ---------------------------------------------------------------------------------------


def _scale_and_center(keras: Any, layer: _Scaled) -> dict[str, Any]:
    return {
        "epsilon": layer.epsilon,
        "center": layer.center,
        "scale": layer.scale,
        "beta_regularizer": regularizer_of(keras, layer.beta_regularizer),
        "gamma_regularizer": regularizer_of(keras, layer.gamma_regularizer),
        "name": layer.name,
    }


def _fixed_in_keras(keras: Any, layer: layers.Normalization) -> Any:
    row = layer._row or ()
    # Keras's Normalization keeps float32, and a number for each feature, not for each element.
    if layer.mean.dtype == np.float64 or len(row) > 1:
        deviation, mean = np.asarray(np.sqrt(layer.variance)), np.asarray(layer.mean)
        scale, offset = deviation, mean
        if not layer.invert:
            scale = 1 / np.maximum(deviation, 1e-7)
            offset = -mean * scale
        return keras.layers.Rescaling(scale.reshape(row), offset.reshape(row), name=layer.name)
    return keras.layers.Normalization(
        mean=layer.mean.tolist(),
        variance=layer.variance.tolist(),
        invert=layer.invert,
        name=layer.name,
    )


def _rescaling_in_keras(keras: Any, layer: layers.Rescaling) -> Any:
    scale, offset = np.asarray(layer.scale), np.asarray(layer.offset)
    return keras.layers.Rescaling(scale, offset, name=layer.name)


FORMS: LayerTable = {
    layers.BatchNormalization: LayerForms(
        operations=_batch,
        jax=_batch_in_jax,
        torch=_batch_module,
        keras=lambda keras, layer: keras.layers.BatchNormalization(
            momentum=layer.momentum, **_scale_and_center(keras, layer)
        ),
    ),
    layers.GroupNormalization: LayerForms(
        operations=_group,
        jax=_group_in_jax,
        torch=_group_module,
        keras=lambda keras, layer: keras.layers.GroupNormalization(
            layer.groups, **_scale_and_center(keras, layer)
        ),
    ),
    layers.LayerNormalization: LayerForms(
        operations=_layer,
        jax=_layer_in_jax,
        torch=_layer_module,
        keras=lambda keras, layer: keras.layers.LayerNormalization(
            **_scale_and_center(keras, layer)
        ),
    ),
    layers.Normalization: LayerForms(
        operations=_fixed, jax=_fixed_in_jax, torch=_fixed_module, keras=_fixed_in_keras
    ),
    layers.RMSNormalization: LayerForms(
        operations=_rms,
        jax=_rms_in_jax,
        torch=_rms_module,
        keras=named("RMSNormalization", "epsilon"),
    ),
    # The other formats have it as the Normalization that it is derived from.
    layers.Rescaling: LayerForms(keras=_rescaling_in_keras),
    layers.UnitNormalization: LayerForms(
        operations=_unit,
        jax=unit_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch_modules().UnitNormalization()],
        keras=named("UnitNormalization"),
    ),
}
