"""Layers of units, factors and functions of single numbers in the formats of other programs."""

import math
from collections.abc import Mapping
from typing import Any

from .. import activations, layers
from .._base.dtypes import Array
from .._base.lazy import imports
from ..layers.lowering import Row
from .activation_of_layer import in_jax, in_keras, in_torch
from .calls import name_of
from .keras_parts import constraint_of, initializer_of, regularizer_of
from .layer_forms import (
    Apply,
    LayerForms,
    LayerTable,
    assign,
    torch_modules,
    vectors_of,
)
from .program import (
    ColumnNormalization,
    Dense,
    Element,
    Embedding,
    Function,
    Merge,
    Periodic,
    Program,
)

# Dense and Activation ---------------------------------------------------------------------------


def _dense(layer: layers.Dense, program: Program) -> None:
    name = name_of(layer)
    bias = None if layer.bias is None else layer.bias.copy()
    kernel = layer.kernel.copy()
    vectors = program.width(program.last) // len(kernel)
    program.add(Dense(name, (program.last,), vectors * layer.units, kernel, bias))
    program.append_function(name, layer.activation, vectors)


def _dense_in_jax(jax: Any, layer: layers.Dense, row: Row) -> Apply:
    function = in_jax(jax, layer, layer.activation)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        z = x @ p["kernel"]
        return function(z + p["bias"] if "bias" in p else z)

    return apply


def _dense_module(torch: Any, layer: layers.Dense, rows: list[Row], dtype: Any) -> list[Any]:
    module = torch.nn.Linear(rows[0][-1], layer.units, bias=layer.use_bias, dtype=dtype)
    assign(torch, module.weight, layer.weight)
    if layer.bias is not None:
        assign(torch, module.bias, layer.bias)
    return [module, *in_torch(torch, layer, layer.activation)]


def _dense_in_keras(keras: Any, layer: layers.Dense) -> Any:
    return keras.layers.Dense(
        layer.units,
        in_keras(keras, layer, layer.activation),
        layer.use_bias,
        initializer_of(keras, layer.kernel_initializer),
        initializer_of(keras, layer.bias_initializer),
        regularizer_of(keras, layer.kernel_regularizer),
        regularizer_of(keras, layer.bias_regularizer),
        regularizer_of(keras, layer.activity_regularizer),
        constraint_of(keras, layer, layer.kernel_constraint),
        constraint_of(keras, layer, layer.bias_constraint),
        name=layer.name,
    )


def _activation(layer: layers.Activation, program: Program) -> None:
    program.append_function(name_of(layer), layer.activation, vectors_of(layer, program))


def _activation_in_jax(jax: Any, layer: layers.Activation, row: Row) -> Apply:
    function = in_jax(jax, layer, layer.activation)
    return lambda p, x: function(x)


def _activation_in_keras(keras: Any, layer: layers.Activation) -> Any:
    return keras.layers.Activation(in_keras(keras, layer, layer.activation), name=layer.name)


# PReLU and Scale --------------------------------------------------------------------------------


def _prelu(layer: layers.PReLU, program: Program) -> None:
    name, start, width = name_of(layer), program.last, program.width(program.last)
    relu = activations.get("relu")
    positive = program.add(Function(name, (start,), width, relu))
    negative = program.add(Merge(name, (start, positive), width, "subtract"))
    slopes = layer.alpha.reshape(-1).copy()
    scaled = program.add(ColumnNormalization(name, (negative,), width, None, slopes))
    program.add(Merge(name, (positive, scaled), width, "add"))


def _prelu_in_jax(jax: Any, layer: layers.PReLU, row: Row) -> Apply:
    return lambda p, x: jax.numpy.where(x > 0, x, x * p["scale"].reshape(row))


def _prelu_module(torch: Any, layer: layers.PReLU, rows: list[Row], dtype: Any) -> list[Any]:
    (row,) = rows
    module = torch.nn.PReLU(math.prod(row), dtype=dtype)
    assign(torch, module.weight, layer.alpha.reshape(-1))
    # PyTorch's slopes are those of the second dimension.
    flat = len(row) > 1
    return [
        *([torch.nn.Flatten()] if flat else []),
        module,
        *([torch.nn.Unflatten(1, row)] if flat else []),
    ]


def _scale(layer: layers.Scale, program: Program) -> None:
    factor = layer.scale.copy()
    program.add(ColumnNormalization(name_of(layer), (program.last,), factor.size, None, factor))


def _scale_module(torch: Any, layer: layers.Scale, rows: list[Row], dtype: Any) -> list[Any]:
    return [torch_modules().Scale(torch.from_numpy(layer.scale.copy()))]


def _scale_in_keras(keras: Any, layer: layers.Scale) -> Any:
    """A product with a matrix that is its diagonal: Keras has no other layer of factors alone."""
    return keras.layers.EinsumDense("ab,b->ab", layer.scale.size, name=layer.name)


# Embeddings -------------------------------------------------------------------------------------


def _periodic(layer: layers.PeriodicEmbedding, program: Program) -> None:
    columns, frequencies = layer.frequencies_.shape
    further = layer.bias.shape[1]
    program.add(
        Periodic(
            name_of(layer), (program.last,), program.width(program.last) + columns * further,
            layer.frequencies_.copy(), layer.phases.copy(),
            layer.kernel.copy().reshape(columns, further, frequencies), layer.bias.copy(),
        )
    )  # fmt: skip


def _periodic_in_jax(jax: Any, layer: layers.PeriodicEmbedding, row: Row) -> Apply:
    def apply(p: Mapping[str, Any], x: Any) -> Any:
        columns, frequencies = p["frequencies"].shape
        own = x[:, :columns, None]
        cosines = jax.numpy.cos(2 * jax.numpy.pi * own * p["frequencies"] + p["phases"])
        kernel = p["kernel"].reshape(columns, -1, frequencies)
        sums = jax.numpy.einsum("ijf,jkf->ijk", cosines, kernel) + p["bias"]
        both = jax.numpy.concatenate([own, sums], axis=2).reshape(len(x), -1)
        return jax.numpy.concatenate([both, x[:, columns:]], axis=1)

    return apply


def _periodic_module(
    torch: Any, layer: layers.PeriodicEmbedding, rows: list[Row], dtype: Any
) -> list[Any]:
    kernel = layer.kernel.reshape(*layer.bias.shape, -1)
    arrays = (layer.frequencies_, layer.phases, kernel, layer.bias)
    return [torch_modules().PeriodicEmbedding(*(torch.from_numpy(each.copy()) for each in arrays))]


def _table(layer: layers.Embedding) -> Array:
    """A copy of the table; raises for one with a mask, which means of its rows look at."""
    if layer.mask_zero:
        raise ValueError(
            f"layer {layer.name}: mask_zero: found True, wanted False: the mask has no form "
            "outside of this library, and of Keras"
        )
    return layer.embeddings.copy()


def _embedding(layer: layers.Embedding, program: Program) -> None:
    width = program.width(program.last) * layer.output_dim
    table = _table(layer)
    program.add(Embedding(name_of(layer), (program.last,), width, table, layer.missing))


def _embedding_in_jax(jax: Any, layer: layers.Embedding, row: Row) -> Apply:
    _table(layer)

    def apply(p: Mapping[str, Any], x: Any) -> Any:
        table = p["embeddings"]
        known = (x >= 0) & (x < len(table)) & (x == jax.numpy.floor(x))
        other = 0 if layer.missing else jax.numpy.nan  # a function of JAX cannot refuse numbers
        place = jax.numpy.where(known, x, 0).astype(int)
        return jax.numpy.where(known[..., None] | layer.missing, table[place], other)

    return apply


def _embedding_module(
    torch: Any, layer: layers.Embedding, rows: list[Row], dtype: Any
) -> list[Any]:
    return [torch_modules().Embedding(torch.from_numpy(_table(layer)), layer.missing)]


def _embedding_in_keras(keras: Any, layer: layers.Embedding) -> Any:
    if layer.missing:
        raise ValueError(
            f"layer {layer.name}: missing: found True, wanted False: Keras's Embedding has no such "
            "option"
        )
    return keras.layers.Embedding(
        layer.input_dim,
        layer.output_dim,
        embeddings_regularizer=regularizer_of(keras, layer.embeddings_regularizer),
        mask_zero=layer.mask_zero,
        name=layer.name,
    )


# Functions of single numbers --------------------------------------------------------------------


def _element(layer: layers.ElementFunction, program: Program) -> None:
    width = program.width(program.last)
    program.add(
        Element(
            name_of(layer), (program.last,), width, layer.function, layer.constant,
            layer.constant_first,
        )
    )  # fmt: skip


def _element_in_jax(jax: Any, layer: layers.ElementFunction, row: Row) -> Apply:
    function = getattr(jax.numpy, layer.function)
    if layer.constant is None:
        return lambda p, x: function(x)
    if layer.constant_first:
        return lambda p, x: function(layer.constant, x).astype(x.dtype)
    return lambda p, x: function(x, layer.constant).astype(x.dtype)


def _element_module(
    torch: Any, layer: layers.ElementFunction, rows: list[Row], dtype: Any
) -> list[Any]:
    with imports:
        from .torch_elements import FUNCTIONS, Element

    if layer.function not in FUNCTIONS:
        raise ValueError(
            f"layer {name_of(layer)}: found the function {layer.function}, wanted one of: "
            + ", ".join(FUNCTIONS)
        )
    return [Element(layer.function, layer.constant, layer.constant_first)]


# NumPy's functions of single elements that keras.ops calls otherwise.
_KERAS_NAMES = {
    "conjugate": "conj", "fabs": "absolute", "float_power": "power", "fmax": "maximum",
    "fmin": "minimum", "fmod": None, "remainder": "mod", "rint": "round", "positive": "identity",
}  # fmt: skip


def _element_in_keras(keras: Any, layer: layers.ElementFunction) -> Any:
    name = _KERAS_NAMES.get(layer.function, layer.function)
    if layer.function == "positive":
        return lambda x: x
    function = None if name is None else getattr(keras.ops, name, None)
    if function is None:
        raise ValueError(
            f"layer {layer.name}: found the function {layer.function}, which keras.ops lacks"
        )
    constant = layer.constant
    if constant is None:
        return function
    given = layer.constant_first
    return lambda x: function(constant, x) if given else function(x, constant)


FORMS: LayerTable = {
    layers.Activation: LayerForms(
        operations=_activation,
        jax=_activation_in_jax,
        torch=lambda torch, layer, rows, dtype: in_torch(torch, layer, layer.activation),
        keras=_activation_in_keras,
    ),
    layers.Dense: LayerForms(
        operations=_dense, jax=_dense_in_jax, torch=_dense_module, keras=_dense_in_keras
    ),
    layers.ElementFunction: LayerForms(
        operations=_element, jax=_element_in_jax, torch=_element_module, keras=_element_in_keras
    ),
    layers.Embedding: LayerForms(
        operations=_embedding,
        jax=_embedding_in_jax,
        torch=_embedding_module,
        keras=_embedding_in_keras,
    ),
    layers.PReLU: LayerForms(
        operations=_prelu,
        jax=_prelu_in_jax,
        torch=_prelu_module,
        keras=lambda keras, layer: keras.layers.PReLU(name=layer.name),
    ),
    layers.PeriodicEmbedding: LayerForms(
        operations=_periodic, jax=_periodic_in_jax, torch=_periodic_module
    ),
    layers.Scale: LayerForms(
        operations=_scale,
        jax=lambda jax, layer, row: lambda p, x: x * p["scale"],
        torch=_scale_module,
        keras=_scale_in_keras,
    ),
}
