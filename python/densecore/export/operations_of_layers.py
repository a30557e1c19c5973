"""Layers as operations on arrays: what a `Program` of a model has for each of its layers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import activations, layers
from ..layers.lowering import Row
from ..layers.preprocessing import Preprocessing
from ..layers.weight import Zeros
from .calls import Calls, calls_of, calls_within, check_built, name_of
from .program import (
    Array,
    ColumnNormalization,
    Columns,
    Dense,
    Dot,
    Element,
    Embedding,
    Function,
    Indicators,
    Intervals,
    Lookup,
    Merge,
    Operation,
    Periodic,
    Permutation,
    Pool,
    Port,
    Program,
    RowNormalization,
)
from .rows_of_layers import row_of

if TYPE_CHECKING:
    from ..models.compiled import Compiled


def _dense(layer: layers.Dense, program: Program) -> None:
    name = name_of(layer)
    bias = None if layer.bias is None else layer.bias.copy()
    kernel = layer.kernel.copy()
    vectors = program.width(program.last) // len(kernel)
    program.add(Dense(name, (program.last,), vectors * layer.units, kernel, bias))
    program.append_function(name, layer.activation, vectors)


def _vectors(layer: layers.Layer, program: Program) -> int:
    """How many vectors a row is to a layer that takes each by itself."""
    return math.prod(program.rows[0][:-1]) if layer._takes_vectors else 1


def _of_each(array: Array | None, vectors: int) -> Array | None:
    """The numbers of a vector for each of those of a row."""
    return None if array is None else np.tile(array, vectors)


def _activation(layer: layers.Activation, program: Program) -> None:
    program.append_function(name_of(layer), layer.activation, _vectors(layer, program))


def _copy(array: Array | None) -> Array | None:
    return None if array is None else array.copy()


def _normalization(layer: layers.Normalization, program: Program) -> None:
    deviation = np.sqrt(layer.variance.astype(np.float64))
    if not (layer.invert or isinstance(layer, layers.Rescaling)):
        deviation = np.maximum(deviation, 1e-7)  # Keras's smallest, as in the core
    factor = (deviation if layer.invert else 1 / deviation).astype(program.dtype)
    mean, shift = (None, layer.mean.copy()) if layer.invert else (layer.mean.copy(), None)
    program.add(
        ColumnNormalization(name_of(layer), (program.last,), factor.size, mean, factor, None, shift)
    )


def _batch_normalization(layer: layers.BatchNormalization, program: Program) -> None:
    variance = layer.moving_variance.astype(np.float64)
    factor = (1 / np.sqrt(variance + layer.epsilon)).astype(program.dtype)
    vectors = program.width(program.last) // factor.size
    gamma, beta = _of_each(layer.gamma, vectors), _of_each(layer.beta, vectors)
    mean, factor = np.tile(layer.moving_mean, vectors), np.tile(factor, vectors)
    program.add(
        ColumnNormalization(name_of(layer), (program.last,), factor.size, mean, factor, gamma, beta)
    )


def _row_normalization(layer: Any, program: Program, scale: Any, shift: Any, **rule: Any) -> None:
    width = program.width(program.last)
    program.add(
        RowNormalization(
            name_of(layer), (program.last,), width, scale=_copy(scale), shift=_copy(shift), **rule
        )
    )


def _layer_normalization(layer: layers.LayerNormalization, program: Program) -> None:
    vectors = _vectors(layer, program)
    gamma, beta = _of_each(layer.gamma, vectors), _of_each(layer.beta, vectors)
    _row_normalization(layer, program, gamma, beta, epsilon=layer.epsilon, groups=vectors)


def _group_normalization(layer: layers.GroupNormalization, program: Program) -> None:
    groups = program.width(program.last) if layer.groups == -1 else layer.groups
    _row_normalization(
        layer, program, layer.gamma, layer.beta, epsilon=layer.epsilon, groups=groups
    )


def _rms_normalization(layer: layers.RMSNormalization, program: Program) -> None:
    vectors = _vectors(layer, program)
    scale = _of_each(layer.scale, vectors)
    _row_normalization(
        layer, program, scale, None, epsilon=layer.epsilon, centered=False, groups=vectors
    )


def _unit_normalization(layer: layers.UnitNormalization, program: Program) -> None:
    # The core's addend, which only makes the length of a row of zeros another number than 0.
    groups = _vectors(layer, program)
    _row_normalization(
        layer, program, None, None, epsilon=1e-70, centered=False, summed=True, groups=groups
    )


def _scale(layer: layers.Scale, program: Program) -> None:
    factor = layer.scale.copy()
    program.add(ColumnNormalization(name_of(layer), (program.last,), factor.size, None, factor))


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


def _residual(layer: layers.Residual, program: Program) -> None:
    start, row = program.last, program.rows[0]
    values, rows = [start], [row]
    for each in layer._layers:
        values = append(each, program, values, rows)
        rows = each._output_rows(rows)
    program.add(Merge(name_of(layer), (values[0], start), program.width(start), "add"))


def _nothing(layer: Any, program: Program) -> None:
    """A layer that changes nothing once the network is trained, or the shape of rows only."""


def _merge(kind: str) -> Callable[[Any, Program], None]:
    """What appends one of the layers that take several values."""

    def append_merge(layer: Any, program: Program) -> None:
        width = math.prod(layer._merged(program.rows))
        program.add(Merge(name_of(layer), tuple(program.taken), width, kind))

    return append_merge


def _dot(layer: layers.Dot, program: Program) -> None:
    rows, places, name = program.rows, layer._places(program.rows), name_of(layer)
    values = list(program.taken)
    if layer.normalize:
        for number, value in enumerate(values):
            width = program.width(value)
            values[number] = program.add(
                RowNormalization(name, (value,), width, 1e-70, centered=False, summed=True)
            )
    counts = [math.prod(row) // row[place] for row, place in zip(rows, places, strict=True)]
    across = [len(row) == 2 and place == 0 for row, place in zip(rows, places, strict=True)]
    program.add(
        Dot(
            name, tuple(values), counts[0] * counts[1], (counts[0], counts[1]),
            rows[0][places[0]], (across[0], across[1]),
        )
    )  # fmt: skip


def _repeat(layer: layers.RepeatVector, program: Program) -> None:
    (value,) = program.taken
    width = layer.n * program.width(value)
    program.add(Merge(name_of(layer), (value,) * layer.n, width, "concatenate"))


def _columns(layer: layers.Columns | layers.Selection, program: Program) -> None:
    width = layer.last - layer.first
    program.add(Columns(name_of(layer), (program.last,), width, layer.first))


def _permute(layer: layers.Permute, program: Program) -> None:
    order = tuple(one - 1 for one in layer.dims)
    value = program.last
    program.add(Permutation(name_of(layer), (value,), program.width(value), program.rows[0], order))


def _pool(kind: str) -> Callable[[Any, Program], None]:
    """What appends the mean or the largest of a row's vectors."""

    def append_pool(layer: layers.Layer, program: Program) -> None:
        steps, features = program.rows[0]
        program.add(Pool(name_of(layer), (program.last,), features, kind, steps))

    return append_pool


def _zeros(layer: Zeros, program: Program) -> None:
    name = name_of(layer)
    first = program.add(Columns(name, (program.last,), 1, 0))
    program.add(Element(name, (first,), 1, "multiply", 0.0))


def _fixed(layer: layers.RowSum | layers.Spread, program: Program) -> None:
    """A product with the matrix that the layer makes of the row's shape."""
    kernel = layer._matrix(program.rows[0]).astype(program.dtype)
    program.add(Dense(name_of(layer), (program.last,), kernel.shape[1], kernel, None))


def _drawn(layer: layers.Noise, program: Program) -> None:
    """Outside training the noise's mean, whatever the input."""
    kernel = np.zeros((program.width(program.last), layer.units), program.dtype)
    bias = np.full(layer.units, 0.5 if layer.uniform else 0, program.dtype)
    program.add(Dense(name_of(layer), (program.last,), layer.units, kernel, bias))


def _embedding(layer: layers.Embedding, program: Program) -> None:
    width = program.width(program.last) * layer.output_dim
    table = layer.embeddings.copy()
    program.add(Embedding(name_of(layer), (program.last,), width, table, layer.missing))


def _prelu(layer: layers.PReLU, program: Program) -> None:
    name, start, width = name_of(layer), program.last, program.width(program.last)
    relu = activations.get("relu")
    positive = program.add(Function(name, (start,), width, relu))
    negative = program.add(Merge(name, (start, positive), width, "subtract"))
    scaled = program.add(ColumnNormalization(name, (negative,), width, None, layer.alpha.copy()))
    program.add(Merge(name, (positive, scaled), width, "add"))


def _element(layer: layers.ElementFunction, program: Program) -> None:
    width = program.width(program.last)
    program.add(
        Element(
            name_of(layer), (program.last,), width, layer.function, layer.constant,
            layer.constant_first,
        )
    )  # fmt: skip


# Preprocessing ----------------------------------------------------------------------------------


def _encoded(layer: Preprocessing, program: Program) -> None:
    """Columns for the numbers of categories, unless they are to stay numbers."""
    mode = getattr(layer, "output_mode", "int")
    if mode != "int":
        categories, value = layer._size(), program.last
        group = 1 if mode == "one_hot" else program.rows[0][-1]
        width = program.width(value) // group * categories
        program.add(Indicators(name_of(layer), (value,), width, categories, group, mode == "count"))


def not_below(values: Array, dtype: str) -> Array:
    """Numbers of double precision in another type, rounded up: each number of that type is then on
    the same side of them."""
    rounded = values.astype(dtype)
    low = rounded.astype(np.float64) < values
    rounded[low] = np.nextafter(rounded[low], rounded.dtype.type(np.inf))
    return rounded


def _discretization(layer: layers.Discretization, program: Program) -> None:
    name, value = name_of(layer), program.last
    boundaries = not_below(np.asarray(layer.bin_boundaries or (), np.float64), program.dtype)
    layer._size()  # raises where nothing has been learnt
    program.add(Intervals(name, (value,), program.width(value), boundaries))
    _encoded(layer, program)


def _lookup(layer: layers.StringLookup | layers.IntegerLookup, program: Program) -> None:
    name, value = name_of(layer), program.last
    for option, found, wanted in (
        ("invert", layer.invert, False), ("num_oov_indices", max(layer.num_oov_indices, 1), 1),
    ):  # fmt: skip
        if found != wanted:
            raise ValueError(f"layer {name}: {option}: found {found}, wanted {wanted}")
    known = layer.get_vocabulary(include_special_tokens=False)
    numbers = [layer._first + place for place in range(len(known))]
    if layer.mask_token is not None:
        known, numbers = [layer.mask_token, *known], [0, *numbers]
    largest = 2.0 ** (np.finfo(program.dtype).nmant + 1)
    for key in known:
        if not isinstance(key, str) and abs(key) > largest:
            raise ValueError(
                f"layer {name}: found the token {key}, wanted at most {largest:.0f}, which "
                f"{program.dtype} holds"
            )
    if not known:
        raise ValueError(f"layer {name}: found no token, wanted at least one")
    unknown = int(layer.mask_token is not None) if layer.num_oov_indices else -1
    width = program.width(value)
    program.add(Lookup(name, (value,), width, tuple(known), tuple(numbers), unknown))
    _encoded(layer, program)


_LOWERINGS: Mapping[type[layers.Layer], Callable[[Any, Program], None]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.Add: _merge("add"),
    layers.AlphaDropout: _nothing,
    layers.Average: _merge("average"),
    layers.BatchNormalization: _batch_normalization,
    layers.CategoryEncoding: _encoded,
    layers.Columns: _columns,
    layers.Concatenate: _merge("concatenate"),
    layers.Dense: _dense,
    layers.Discretization: _discretization,
    layers.Dot: _dot,
    layers.Dropout: _nothing,
    layers.ElementFunction: _element,
    layers.Embedding: _embedding,
    layers.Flatten: _nothing,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.GlobalAveragePooling1D: _pool("mean"),
    layers.GlobalMaxPooling1D: _pool("maximum"),
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _nothing,
    layers.IntegerLookup: _lookup,
    layers.LayerNormalization: _layer_normalization,
    layers.Maximum: _merge("maximum"),
    layers.Minimum: _merge("minimum"),
    layers.Multiply: _merge("multiply"),
    layers.Noise: _drawn,
    layers.Normalization: _normalization,
    layers.PReLU: _prelu,
    layers.PeriodicEmbedding: _periodic,
    layers.Permute: _permute,
    layers.RMSNormalization: _rms_normalization,
    layers.RepeatVector: _repeat,
    layers.Reshape: _nothing,
    layers.Residual: _residual,
    layers.RowSum: _fixed,
    layers.Scale: _scale,
    layers.Selection: _columns,
    layers.Spread: _fixed,
    layers.StringLookup: _lookup,
    layers.Subtract: _merge("subtract"),
    layers.UnitNormalization: _unit_normalization,
    Zeros: _zeros,
}


def append(
    layer: layers.Layer,
    program: Program,
    values: Sequence[int],
    rows: Sequence[Row],
    form: Any = None,
) -> list[int]:
    """Append a layer's operations to a program; returns the numbers of the values that it makes.

    Parameters
    ----------
    values : sequence of int
        That the layer takes.
    rows : sequence of tuple of int
        The shapes of their rows.
    form : Form, optional
        How a layer of one's own is called.

    Raises
    ------
    ValueError
        The layer has no form outside this library; the message names it.
    """
    inner = calls_within(layer, rows, form)
    if inner is not None:
        return _append_calls(inner, program, values)
    program.taken, program.rows = list(values), list(rows)
    row_of(layer, _LOWERINGS)(layer, program)
    return [program.last]


def _append_calls(calls: Calls, program: Program, values: Sequence[int]) -> list[int]:
    """Append calls of layers; the numbers of the values that they make."""
    numbers = dict(zip(calls.inputs, values, strict=True))
    for step in calls.steps:
        taken = [numbers[value] for value in step.inputs]
        rows = [calls.rows[value] for value in step.inputs]
        made = append(step.layer, program, taken, rows, step.form)
        numbers |= dict(zip(step.outputs, made, strict=True))
    return [numbers[value] for value in calls.outputs]


def _is_text(value: int, operations: Sequence[Operation]) -> bool:
    """Whether an input is texts: what a look-up of texts takes."""
    users = [each for each in operations if value in each.inputs]
    of_texts = [isinstance(each, Lookup) and each.of_texts for each in users]
    for user, text in zip(users, of_texts, strict=True):
        if any(of_texts) and not text:
            raise ValueError(f"layer {user.layer}: found texts, wanted numbers")
    return any(of_texts)


def program_of(model: "Compiled") -> Program:
    """The inference of a model as operations on arrays.

    Parameters
    ----------
    model : Sequential or Model
        Built: with parameters.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer has no form outside this library; the message names it.
    """
    check_built("export", model)
    calls = calls_of(model)
    takes = [
        Port(name, calls.rows[value], value)
        for name, value in zip(calls.input_names, calls.inputs, strict=True)
    ]
    program = Program(model.name, model.dtype, takes)
    made = _append_calls(calls, program, calls.inputs)
    program.takes = [
        replace(port, is_text=_is_text(port.value, program.operations)) for port in takes
    ]
    program.gives = [
        Port(name, calls.rows[value], number)
        for name, value, number in zip(calls.output_names, calls.outputs, made, strict=True)
    ]
    return program
