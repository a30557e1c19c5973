"""Layers that rearrange, choose or add up a row's numbers in the formats of other programs."""

from collections.abc import Callable
from typing import Any

from .. import layers
from ..layers.lowering import Row
from ..layers.weight import Zeros
from .calls import name_of
from .layer_forms import (
    Apply,
    LayerForms,
    LayerTable,
    named,
    no_operations,
    same_in_jax,
    same_in_torch,
    torch_modules,
)
from .program import Columns, Dense, Element, Merge, Permutation, Pool, Program


def _reshape_in_jax(jax: Any, layer: layers.Layer, row: Row) -> Apply:
    shape = layer._output_row(row)
    assert shape is not None
    return lambda p, x: x.reshape(len(x), *shape)


def _reshape_module(torch: Any, layer: layers.Reshape, rows: list[Row], dtype: Any) -> list[Any]:
    (row,) = rows
    shape = layer._output_row(row)
    if row == ():  # a number, of which PyTorch's modules make no vector, nor one of a vector
        return [torch_modules().Spread(shape or ())]
    if shape == ():
        return [torch_modules().RowSum(tuple(range(1, 1 + len(row))), False, False)]
    return [
        *([torch.nn.Flatten()] if len(row) > 1 else []),
        torch.nn.Unflatten(1, layer.target_shape),
    ]


def _columns(layer: layers.Columns | layers.Selection, program: Program) -> None:
    width = layer.last - layer.first
    program.add(Columns(name_of(layer), (program.last,), width, layer.first))


_COLUMNS = LayerForms(
    operations=_columns,
    jax=lambda jax, layer, row: lambda p, x: x[:, layer.first : layer.last],
    torch=lambda torch, layer, rows, dtype: [torch_modules().Columns(layer.first, layer.last)],
    keras=lambda keras, layer: lambda x: x[:, layer.first : layer.last],
)


def _permute(layer: layers.Permute, program: Program) -> None:
    order = tuple(one - 1 for one in layer.dims)
    value = program.last
    program.add(Permutation(name_of(layer), (value,), program.width(value), program.rows[0], order))


def _pool(kind: str, in_jax: str, in_keras: str) -> LayerForms:
    """The forms of the mean, or the largest, of a row's vectors."""

    def append(layer: layers.Layer, program: Program) -> None:
        steps, features = program.rows[0]
        program.add(Pool(name_of(layer), (program.last,), features, kind, steps))

    return LayerForms(
        operations=append,
        jax=lambda jax, layer, row: (
            lambda p, x: getattr(x, in_jax)(axis=1, keepdims=layer.keepdims)
        ),
        torch=lambda torch, layer, rows, dtype: [torch_modules().Pool(kind, layer.keepdims)],
        keras=named(in_keras, "keepdims"),
    )


def _repeat(layer: layers.RepeatVector, program: Program) -> None:
    (value,) = program.taken
    width = layer.n * program.width(value)
    program.add(Merge(name_of(layer), (value,) * layer.n, width, "concatenate"))


def _product(layer: layers.RowSum | layers.Spread, program: Program) -> None:
    """A product with the matrix that the layer makes of the row's shape."""
    kernel = layer._matrix(program.rows[0]).astype(program.dtype)
    program.add(Dense(name_of(layer), (program.last,), kernel.shape[1], kernel, None))


def _axes(layer: layers.RowSum, row: Row) -> tuple[int, ...]:
    return tuple(1 + place for place in layer._places(row))


def _row_sum_in_jax(jax: Any, layer: layers.RowSum, row: Row) -> Apply:
    function: Callable[..., Any] = jax.numpy.mean if layer.mean else jax.numpy.sum
    axes = _axes(layer, row)
    return lambda p, x: function(x, axis=axes, keepdims=layer.keepdims)


def _row_sum_module(torch: Any, layer: layers.RowSum, rows: list[Row], dtype: Any) -> list[Any]:
    return [torch_modules().RowSum(_axes(layer, rows[0]), layer.mean, layer.keepdims)]


def _spread_in_jax(jax: Any, layer: layers.Spread, row: Row) -> Apply:
    shape, ones = layer.target_shape, (1,) * (len(layer.target_shape) - len(row))
    return lambda p, x: jax.numpy.broadcast_to(x.reshape(len(x), *ones, *row), (len(x), *shape))


def _zeros(layer: Zeros, program: Program) -> None:
    name = name_of(layer)
    first = program.add(Columns(name, (program.last,), 1, 0))
    program.add(Element(name, (first,), 1, "multiply", 0.0))


def _zeros_in_keras(keras: Any, layer: Zeros) -> Any:
    def zeros(x: Any) -> Any:
        flat = keras.layers.Flatten()(x) if len(x.shape) > 2 else x
        return 0.0 * flat[:, :1]

    return zeros


FORMS: LayerTable = {
    layers.Columns: _COLUMNS,
    layers.Flatten: LayerForms(
        operations=no_operations,
        jax=_reshape_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch.nn.Flatten()],
        keras=named("Flatten"),
    ),
    layers.GlobalAveragePooling1D: _pool("mean", "mean", "GlobalAveragePooling1D"),
    layers.GlobalMaxPooling1D: _pool("maximum", "max", "GlobalMaxPooling1D"),
    layers.Identity: LayerForms(
        operations=no_operations, jax=same_in_jax, torch=same_in_torch, keras=named("Identity")
    ),
    layers.Permute: LayerForms(
        operations=_permute,
        jax=lambda jax, layer, row: lambda p, x: x.transpose(0, *layer.dims),
        torch=lambda torch, layer, rows, dtype: [torch_modules().Permute(layer.dims)],
        keras=named("Permute", "dims"),
    ),
    layers.RepeatVector: LayerForms(
        operations=_repeat,
        jax=lambda jax, layer, row: lambda p, x: jax.numpy.repeat(x[:, None, :], layer.n, axis=1),
        torch=lambda torch, layer, rows, dtype: [torch_modules().RepeatVector(layer.n)],
        keras=named("RepeatVector", "n"),
    ),
    layers.Reshape: LayerForms(
        operations=no_operations,
        jax=_reshape_in_jax,
        torch=_reshape_module,
        keras=named("Reshape", "target_shape"),
    ),
    layers.RowSum: LayerForms(operations=_product, jax=_row_sum_in_jax, torch=_row_sum_module),
    layers.Selection: _COLUMNS,
    layers.Spread: LayerForms(
        operations=_product,
        jax=_spread_in_jax,
        torch=lambda torch, layer, rows, dtype: [torch_modules().Spread(layer.target_shape)],
    ),
    Zeros: LayerForms(
        operations=_zeros,
        jax=lambda jax, layer, row: lambda p, x: jax.numpy.zeros((len(x), 1), x.dtype),
        torch=lambda torch, layer, rows, dtype: [torch_modules().Zeros()],
        keras=_zeros_in_keras,
    ),
}
