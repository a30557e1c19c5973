"""A trained network as a list of array operations: what every exporter starts from.

An operation takes values by their numbers and makes the next value: value 0 is the input, value
``i + 1`` the output of operation ``i``. All arrays are (rows, features); parameters are copies, so
that a program does not change when its model is trained further.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import activations, layers
from .._base import checks
from ..layers.activation_argument import UserActivation
from .rows_of_layers import row_of

Array = NDArray[Any]


@dataclass(frozen=True)
class Operation:
    """One step of a program.

    Attributes
    ----------
    layer : str
        Name of the layer that it belongs to, for messages and names in files.
    inputs : tuple of int
        The values that it takes.
    width : int
        Features of the value that it makes.
    """

    layer: str
    inputs: tuple[int, ...]
    width: int


@dataclass(frozen=True)
class Dense(Operation):
    """x · kernel + bias, the note's Eq. 1; kernel (inputs, units), bias (units,) or None.

    A value of several times `inputs` features is as many vectors, one after another, each of which
    is multiplied: rows of several dimensions.
    """

    kernel: Array = field(repr=False)
    bias: Array | None = field(repr=False, default=None)

    @property
    def vectors(self) -> int:
        """How many vectors a value is."""
        _, units = self.kernel.shape
        return self.width // int(units)


@dataclass(frozen=True)
class Function(Operation):
    """An activation of ``densecore.activations``, element by element or row by row.

    Attributes
    ----------
    vectors : int
        Equal parts of the value, each of which is a row to the activation.
    """

    activation: activations.Activation
    vectors: int = 1


@dataclass(frozen=True)
class ColumnNormalization(Operation):
    """((x - mean) · factor) · scale + shift for each feature; all (features,), or None: without.

    In this order, as in the core: products of x with mean · factor would cancel.
    """

    mean: Array | None = field(repr=False)
    factor: Array = field(repr=False)
    scale: Array | None = field(repr=False, default=None)
    shift: Array | None = field(repr=False, default=None)


@dataclass(frozen=True)
class RowNormalization(Operation):
    """(x - mean) / sqrt(mean square + epsilon) of each group of a row's features, then · scale +
    shift where given.

    Attributes
    ----------
    centered : bool
        Whether the mean is subtracted; else the squares are those of x itself.
    groups : int
        Equal parts of the row.
    summed : bool
        The sum of the squares in place of their mean.
    """

    epsilon: float
    centered: bool = True
    groups: int = 1
    summed: bool = False
    scale: Array | None = field(repr=False, default=None)
    shift: Array | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Periodic(Operation):
    """Each of the first columns x becomes x and, for each k, the sum over f of kernel[k, f]
    cos(2π frequencies[f] x + phases[f]) + bias[k]; the other columns follow.

    frequencies and phases (columns, f), kernel (columns, k, f), bias (columns, k).
    """

    frequencies: Array = field(repr=False)
    phases: Array = field(repr=False)
    kernel: Array = field(repr=False)
    bias: Array = field(repr=False)


@dataclass(frozen=True)
class Merge(Operation):
    """Several values as one: ``subtract``, ``multiply``, ``average``, ``maximum``, ``minimum``
    element by element, or ``concatenate``."""

    kind: str


@dataclass(frozen=True)
class Add(Operation):
    """The sum of values."""


@dataclass
class Program:
    """The inference of one network.

    Attributes
    ----------
    name, dtype : str
    inputs : int
        Features of a row: its elements, in the order of memory, where it has several dimensions.
    operations : list of Operation
    input_row, output_row : tuple of int
        The shapes of the model's rows; by default vectors.
    """

    name: str
    dtype: str
    inputs: int
    operations: list[Operation] = field(default_factory=list)
    input_row: tuple[int, ...] = ()
    output_row: tuple[int, ...] = ()
    _last: int = 0

    @property
    def outputs(self) -> int:
        """Features of the last value."""
        return self.width(len(self.operations))

    def width(self, value: int) -> int:
        """Features of a value, by its number."""
        return self.inputs if value == 0 else self.operations[value - 1].width

    @property
    def last(self) -> int:
        """The number of the value that the next layer takes: that which was made last, unless
        `go_to` chose another."""
        return self._last

    def go_to(self, value: int) -> None:
        """Let the next layer take a value that was made earlier."""
        self._last = value

    def add(self, operation: Operation) -> None:
        """Append an operation."""
        self.operations.append(operation)
        self._last = len(self.operations)

    def append_function(self, layer: str, activation: Any, vectors: int = 1) -> None:
        """Append an activation of the last value, which is so many vectors, unless it is linear.

        Raises
        ------
        ValueError
            It is a pair of Python functions, which no other program can run.
        """
        if isinstance(activation, UserActivation):
            raise ValueError(
                f"layer {layer}: found an activation that is a Python function, wanted one of: "
                + ", ".join(activations.names())
            )
        found = activations.get(activation)
        if found.name != "linear":
            self.add(Function(layer, (self.last,), self.width(self.last), found, vectors))


def _dense(layer: layers.Dense, program: Program) -> None:
    name = str(layer.name)
    bias = None if layer.bias is None else layer.bias.copy()
    kernel = layer.kernel.copy()
    vectors = program.width(program.last) // len(kernel)
    program.add(Dense(name, (program.last,), vectors * layer.units, kernel, bias))
    program.append_function(name, layer.activation, vectors)


def _vectors(layer: layers.Layer) -> int:
    """How many vectors a row is to a layer that takes each by itself."""
    row = layer._taken_row or ()
    return math.prod(row[:-1]) if layer._takes_vectors else 1


def _activation(layer: layers.Activation, program: Program) -> None:
    program.append_function(str(layer.name), layer.activation, _vectors(layer))


def _copy(array: Array | None) -> Array | None:
    return None if array is None else array.copy()


def _normalization(layer: layers.Normalization, program: Program) -> None:
    deviation = np.sqrt(layer.variance.astype(np.float64))
    if not (layer.invert or isinstance(layer, layers.Rescaling)):
        deviation = np.maximum(deviation, 1e-7)  # Keras's smallest, as in the core
    factor = (deviation if layer.invert else 1 / deviation).astype(program.dtype)
    mean, shift = (None, layer.mean.copy()) if layer.invert else (layer.mean.copy(), None)
    program.add(
        ColumnNormalization(
            str(layer.name), (program.last,), factor.size, mean, factor, None, shift
        )
    )


def _batch_normalization(layer: layers.BatchNormalization, program: Program) -> None:
    variance = layer.moving_variance.astype(np.float64)
    factor = (1 / np.sqrt(variance + layer.epsilon)).astype(program.dtype)
    program.add(
        ColumnNormalization(
            str(layer.name), (program.last,), factor.size, layer.moving_mean.copy(), factor,
            _copy(layer.gamma), _copy(layer.beta),
        )
    )  # fmt: skip


def _row_normalization(layer: Any, program: Program, scale: Any, shift: Any, **rule: Any) -> None:
    width = program.width(program.last)
    program.add(
        RowNormalization(
            str(layer.name), (program.last,), width, scale=_copy(scale), shift=_copy(shift), **rule
        )
    )


def _layer_normalization(layer: layers.LayerNormalization, program: Program) -> None:
    _row_normalization(layer, program, layer.gamma, layer.beta, epsilon=layer.epsilon)


def _group_normalization(layer: layers.GroupNormalization, program: Program) -> None:
    groups = program.width(program.last) if layer.groups == -1 else layer.groups
    _row_normalization(
        layer, program, layer.gamma, layer.beta, epsilon=layer.epsilon, groups=groups
    )


def _rms_normalization(layer: layers.RMSNormalization, program: Program) -> None:
    _row_normalization(layer, program, layer.scale, None, epsilon=layer.epsilon, centered=False)


def _unit_normalization(layer: layers.UnitNormalization, program: Program) -> None:
    # The core's addend, which only makes the length of a row of zeros another number than 0.
    groups = _vectors(layer)
    _row_normalization(
        layer, program, None, None, epsilon=1e-70, centered=False, summed=True, groups=groups
    )


def _scale(layer: layers.Scale, program: Program) -> None:
    factor = layer.scale.copy()
    program.add(ColumnNormalization(str(layer.name), (program.last,), factor.size, None, factor))


def _periodic(layer: layers.PeriodicEmbedding, program: Program) -> None:
    columns, frequencies = layer.frequencies_.shape
    further = layer.bias.shape[1]
    program.add(
        Periodic(
            str(layer.name), (program.last,), program.width(program.last) + columns * further,
            layer.frequencies_.copy(), layer.phases.copy(),
            layer.kernel.copy().reshape(columns, further, frequencies), layer.bias.copy(),
        )
    )  # fmt: skip


def _residual(layer: layers.Residual, program: Program) -> None:
    start = program.last
    for each in layer.layers:
        append(each, program)
    program.add(Add(str(layer.name), (program.last, start), program.width(start)))


def _nothing(layer: Any, program: Program) -> None:
    """A layer that changes nothing once the network is trained."""


_LOWERINGS: Mapping[type[layers.Layer], Callable[[Any, Program], None]] = {
    layers.Activation: _activation,
    layers.ActivityRegularization: _nothing,
    layers.AlphaDropout: _nothing,
    layers.BatchNormalization: _batch_normalization,
    layers.Dense: _dense,
    layers.Dropout: _nothing,
    layers.Flatten: _nothing,
    layers.GaussianDropout: _nothing,
    layers.GaussianNoise: _nothing,
    layers.GroupNormalization: _group_normalization,
    layers.Identity: _nothing,
    layers.LayerNormalization: _layer_normalization,
    layers.Normalization: _normalization,
    layers.PeriodicEmbedding: _periodic,
    layers.RMSNormalization: _rms_normalization,
    layers.Reshape: _nothing,
    layers.Residual: _residual,
    layers.Scale: _scale,
    layers.UnitNormalization: _unit_normalization,
}


def append(layer: layers.Layer, program: Program) -> None:
    """Append a layer's operations to a program.

    Raises
    ------
    ValueError
        The layer has no form outside this library; the message names it.
    """
    row_of(layer, _LOWERINGS)(layer, program)


def program_of(model: Any) -> Program:
    """The inference of a model as operations on arrays.

    Parameters
    ----------
    model : Sequential
        Built: with parameters.

    Raises
    ------
    RuntimeError
        The model has no parameters yet.
    ValueError
        A layer has no form outside this library; the message names it.
    """
    if not hasattr(model, "built"):
        raise TypeError(f"export: found {checks.shown(model)}, wanted a model")
    if not model.built:
        raise RuntimeError(
            f"export: the model {model.name!r} has no parameters yet: it does not know its number "
            "of inputs (start with Input, call build, or fit first)"
        )
    for what in ("_symbols", "_output_symbols"):
        symbols = getattr(model, what, None)
        if symbols is not None and len(symbols) != 1:
            kind = "inputs" if what == "_symbols" else "outputs"
            raise ValueError(
                f"export: found a model of {len(symbols)} {kind}, wanted one (Concatenate makes "
                "one of several)"
            )
    rows = [tuple(int(size) for size in each[1:]) for each in (model.input_shape,
                                                              model.output_shape)]  # fmt: skip
    program = Program(model.name, model.dtype, math.prod(rows[0]), [], rows[0], rows[1])
    if getattr(model, "_graph", None) is None:
        for layer in model.layers:
            append(layer, program)
    else:
        _append_graph(model, program)
    return program


# What layers of several inputs do, by the names of their classes.
_MERGES = {
    "Add": "add", "Average": "average", "Concatenate": "concatenate", "Maximum": "maximum",
    "Minimum": "minimum", "Multiply": "multiply", "Subtract": "subtract",
}  # fmt: skip


def _append_graph(model: Any, program: Program) -> None:
    """Append a graph of layers, each call of a layer after those that it needs."""
    values = {id(model._symbols[0]): 0}
    for node in model._graph.nodes:
        taken = [values[id(symbol)] for symbol in node.inputs]
        if len(taken) == 1 and type(node.layer).__name__ not in _MERGES:
            program.go_to(taken[0])
            append(node.layer, program)
        else:
            _append_merge(node, taken, program)
        values[id(node.outputs[0])] = program.last
    program.go_to(values[id(model._output_symbols[0])])


def _append_merge(node: Any, taken: list[int], program: Program) -> None:
    layer = node.layer
    kind = _MERGES.get(type(layer).__name__)
    if kind is None or type(layer) is not getattr(layers, type(layer).__name__, None):
        raise ValueError(
            f"layer {layer.name}: found {type(layer).__name__} of {len(taken)} inputs, wanted one "
            "of: " + ", ".join(_MERGES)
        )
    rows = [symbol.row for symbol in node.inputs]
    same = len(set(rows)) == 1 if kind != "concatenate" else all(len(row) == 1 for row in rows)
    if not same:
        raise ValueError(
            f"layer {layer.name}: found rows of the shapes {rows}, wanted vectors, or rows of one "
            "shape where they are not concatenated"
        )
    width = math.prod(node.outputs[0].row)
    if kind == "add":
        program.add(Add(str(layer.name), tuple(taken), width))
    else:
        program.add(Merge(str(layer.name), tuple(taken), width, kind))
