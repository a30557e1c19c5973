"""ONNX files (https://onnx.ai), written without the onnx package.

Operators are those of opset 17, which every runtime since 2022 has. What ONNX Runtime has in single
precision only (Elu, Softplus, Erf …) is written out in exponentials for models of float64.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .._base.files import StrPath, atomic_writer
from . import c_functions
from . import protobuf as pb
from .program import (
    Add,
    Array,
    ColumnNormalization,
    Dense,
    Function,
    Merge,
    Operation,
    Periodic,
    Program,
    RowNormalization,
)

IR_VERSION = 8
OPSET = 17

#: The domain of ONNX's operators for tables.
TABLES = "ai.onnx.ml"
#: TensorProto.DataType by the name of a dtype.
TYPES = {"float32": 1, "int64": 7, "str": 8, "float64": 11}
# AttributeProto.AttributeType.
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING = 1, 2, 3
_ATTRIBUTE_INTS, _ATTRIBUTE_STRINGS = 7, 8


def _attribute(name: str, value: float | int | str | Sequence[int] | Sequence[str]) -> bytes:
    if isinstance(value, str):
        return pb.message(
            5, [pb.text(1, name), pb.text(4, value), pb.integer(20, _ATTRIBUTE_STRING)]
        )
    if isinstance(value, float):
        return pb.message(
            5, [pb.text(1, name), pb.real(2, value), pb.integer(20, _ATTRIBUTE_FLOAT)]
        )
    if isinstance(value, int):
        return pb.message(
            5, [pb.text(1, name), pb.integer(3, value), pb.integer(20, _ATTRIBUTE_INT)]
        )
    if value and isinstance(value[0], str):
        texts = [pb.text(9, str(each)) for each in value]
        return pb.message(5, [pb.text(1, name), *texts, pb.integer(20, _ATTRIBUTE_STRINGS)])
    numbers = [pb.integer(8, int(each)) for each in value]
    return pb.message(5, [pb.text(1, name), *numbers, pb.integer(20, _ATTRIBUTE_INTS)])


def _tensor(name: str, array: Array) -> bytes:
    """A TensorProto: dimensions, type, name, and the numbers as little-endian bytes."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    sizes = [pb.integer(1, size) for size in array.shape]
    kind = pb.integer(2, TYPES[array.dtype.name])
    return b"".join([*sizes, kind, pb.text(8, name), pb.raw(9, little.tobytes())])


def value_info(name: str, dtype: str, row: Sequence[int]) -> bytes:
    """A ValueInfoProto of a tensor (batch, …) of rows of a shape."""
    batch = pb.message(1, [pb.text(2, "batch")])
    sizes = [pb.message(1, [pb.integer(1, size)]) for size in row]
    shape = pb.message(2, [batch, *sizes])
    tensor = pb.message(1, [pb.integer(1, TYPES[dtype]), shape])
    return b"".join([pb.text(1, name), pb.raw(2, tensor)])


class Graph:
    """Nodes and constants, as operations append to them; values are known by their names."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.nodes: list[bytes] = []
        self.initializers: list[bytes] = []
        self._names: set[str] = set()
        self._constants: dict[float, str] = {}

    def of_dtype(self, dtype: str) -> "Graph":
        """The same graph, for operations on another type of numbers."""
        other = Graph(dtype)
        other.nodes, other.initializers, other._names = self.nodes, self.initializers, self._names
        return other

    def fresh(self, wanted: str) -> str:
        """A name that no other value has."""
        name, number = wanted, 1
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def constant(self, name: str, array: Array) -> str:
        """A tensor of the file; returns its name."""
        fresh = self.fresh(name)
        self.initializers.append(_tensor(fresh, np.asarray(array)))
        return fresh

    def number(self, value: float) -> str:
        """A scalar of the model's dtype; each once."""
        if value not in self._constants:
            self._constants[value] = self.constant(f"number_{value:g}", np.array(value, self.dtype))
        return self._constants[value]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """A tensor of whole numbers; returns its name."""
        return self.constant(name, np.array(values, np.int64))

    def reshape(self, x: str, row: Sequence[int]) -> str:
        """Rows of another shape, of as many elements; 0 keeps the number of rows, also none."""
        return self.node("Reshape", x, self.integers("shape", [0, *row]))

    def node(
        self,
        operator: str,
        *inputs: str,
        name: str = "",
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node with one output; returns the output's name."""
        output = self.fresh(name or operator.lower()) if output is None else output
        parts = [pb.text(1, each) for each in inputs]
        parts += [pb.text(2, output), pb.text(3, self.fresh(f"{output}/{operator}"))]
        parts.append(pb.text(4, operator))
        parts += [_attribute(key, value) for key, value in attributes.items()]
        if domain:
            parts.append(pb.text(7, domain))
        self.nodes.append(b"".join(parts))
        return output


# Activations ------------------------------------------------------------------------------------
# Each takes the graph, the name of z and the activation's parameters, and returns the name of f(z).
# Nodes inherit their names from the operator; the last one of a program is renamed to the output.


def _clip(g: Graph, z: str, low: float, high: float) -> str:
    if math.isfinite(low):
        return g.node("Clip", z, g.number(low), *([g.number(high)] if high < math.inf else []))
    return g.node("Min", z, g.number(high))


def _exponential_below(g: Graph, z: str, slope: str, factor: float, scale: float = 1.0) -> str:
    """z · scale above 0 and slope (exp(z / factor) - 1) below: elu, selu and celu.

    The exponential sees no positive number, so that it does not overflow where it is not chosen.
    """
    low = g.node("Min", z, g.number(0.0))
    scaled = low if factor == 1 else g.node("Div", low, g.number(factor))
    below = g.node("Mul", g.node("Sub", g.node("Exp", scaled), g.number(1.0)), slope)
    above = z if scale == 1 else g.node("Mul", z, g.number(scale))
    return g.node("Where", g.node("Greater", z, g.number(0.0)), above, below)


def _softplus(g: Graph, z: str) -> str:
    if g.dtype == "float32":
        return g.node("Softplus", z)
    # max(z, 0) + log(1 + exp(-|z|)), which does not overflow.
    small = g.node("Exp", g.node("Neg", g.node("Abs", z)))
    tail = g.node("Log", g.node("Add", small, g.number(1.0)))
    return g.node("Add", g.node("Max", z, g.number(0.0)), tail)


def _relu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold == 0 and most is None:
        return g.node("Relu", z) if slope == 0 else _leaky_relu(g, z, p)
    above = z if most is None else g.node("Min", z, g.number(most))
    below = g.node("Mul", g.node("Sub", z, g.number(threshold)), g.number(slope))
    return g.node("Where", g.node("Greater", z, g.number(threshold)), above, below)


def _leaky_relu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    below = g.node("Mul", z, g.number(p["negative_slope"]))
    return g.node("Where", g.node("Greater", z, g.number(0.0)), z, below)


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _selu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    return _exponential_below(g, z, g.number(_SELU_ALPHA * _SELU_SCALE), 1.0, _SELU_SCALE)


def _gelu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    half = g.node("Mul", z, g.number(0.5))
    if p["approximate"]:
        cube = g.node("Mul", g.node("Mul", z, z), z)
        inner = g.node("Add", z, g.node("Mul", cube, g.number(0.044715)))
        share = g.node("Tanh", g.node("Mul", inner, g.number(math.sqrt(2 / math.pi))))
    elif g.dtype == "float64":
        return _gelu_in_double(g, z)
    else:
        share = g.node("Erf", g.node("Mul", z, g.number(math.sqrt(0.5))))
    return g.node("Mul", half, g.node("Add", share, g.number(1.0)))


def _gelu_in_double(g: Graph, z: str) -> str:
    """max(z, 0) + x Phi(x) for x = -|z|, as the core computes it: ONNX Runtime has Erf in single
    precision only."""
    table = c_functions.TABLES["float64"]["normal_tail"]
    x = g.node("Max", g.node("Neg", g.node("Abs", z)), g.number(-40.0))
    t = g.node("Div", g.node("Add", x, g.number(4.0)), g.node("Sub", x, g.number(4.0)))
    tail = g.number(table[-1])
    for coefficient in reversed(table[:-1]):
        tail = g.node("Add", g.node("Mul", tail, t), g.number(coefficient))
    density = g.node("Exp", g.node("Mul", g.node("Mul", x, x), g.number(-0.5)))
    share = g.node("Div", g.node("Mul", tail, density), g.node("Sub", g.number(1.25), x))
    return g.node("Add", g.node("Max", z, g.number(0.0)), g.node("Mul", x, share))


def _hard_sigmoid(g: Graph, z: str) -> str:
    return g.node("Div", _clip(g, g.node("Add", z, g.number(3.0)), 0.0, 6.0), g.number(6.0))


def _shrink(g: Graph, z: str, p: Mapping[str, Any], soft: bool) -> str:
    threshold = g.number(p["threshold"])
    kept = g.node("Sub", z, g.node("Mul", g.node("Sign", z), threshold)) if soft else z
    return g.node("Where", g.node("Greater", g.node("Abs", z), threshold), kept, g.number(0.0))


def _sparse_plus(g: Graph, z: str) -> str:
    half = g.node("Mul", _clip(g, g.node("Add", z, g.number(1.0)), 0.0, 2.0), g.number(0.5))
    return g.node("Where", g.node("Greater", z, g.number(1.0)), z, g.node("Mul", half, half))


def _squareplus(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    root = g.node("Sqrt", g.node("Add", g.node("Mul", z, z), g.number(p["b"])))
    return g.node("Mul", g.node("Add", z, root), g.number(0.5))


_FUNCTIONS: dict[str, Callable[[Graph, str, Mapping[str, Any]], str]] = {
    "celu": lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), p["alpha"]),
    "elu": lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), 1.0),
    "exponential": lambda g, z, p: g.node("Exp", z),
    "gelu": _gelu,
    "hard_sigmoid": lambda g, z, p: _hard_sigmoid(g, z),
    "hard_silu": lambda g, z, p: g.node("Mul", z, _hard_sigmoid(g, z)),
    "hard_tanh": lambda g, z, p: _clip(g, z, -1.0, 1.0),
    "leaky_relu": _leaky_relu,
    "log_sigmoid": lambda g, z, p: g.node("Neg", _softplus(g, g.node("Neg", z))),
    "log_softmax": lambda g, z, p: g.node("LogSoftmax", z, axis=-1),
    "mish": lambda g, z, p: g.node("Mul", z, g.node("Tanh", _softplus(g, z))),
    "relu": _relu,
    "relu6": lambda g, z, p: _clip(g, z, 0.0, 6.0),
    "selu": _selu,
    "sigmoid": lambda g, z, p: g.node("Sigmoid", z),
    "silu": lambda g, z, p: g.node("Mul", z, g.node("Sigmoid", z)),
    "softmax": lambda g, z, p: g.node("Softmax", z, axis=-1),
    "softplus": lambda g, z, p: _softplus(g, z),
    "softsign": lambda g, z, p: g.node("Div", z, g.node("Add", g.node("Abs", z), g.number(1.0))),
    "hard_shrink": lambda g, z, p: _shrink(g, z, p, soft=False),
    "soft_shrink": lambda g, z, p: _shrink(g, z, p, soft=True),
    "sparse_plus": lambda g, z, p: _sparse_plus(g, z),
    "sparse_sigmoid": lambda g, z, p: _clip(
        g, g.node("Mul", g.node("Add", z, g.number(1.0)), g.number(0.5)), 0.0, 1.0
    ),
    "squareplus": _squareplus,
    "tanh": lambda g, z, p: g.node("Tanh", z),
    "tanh_shrink": lambda g, z, p: g.node("Sub", z, g.node("Tanh", z)),
}


# Operations -------------------------------------------------------------------------------------


def _dense(g: Graph, operation: Dense, x: str) -> str:
    """x · kernel + bias; Gemm takes matrices only, so that of several vectors is in two nodes."""
    layer, vectors = operation.layer, operation.vectors
    if vectors > 1:
        x = g.reshape(x, (vectors, len(operation.kernel)))
    kernel = g.constant(f"{layer}.kernel", operation.kernel)
    if operation.bias is None:
        value = g.node("MatMul", x, kernel, name=layer)
    else:
        bias = g.constant(f"{layer}.bias", operation.bias)
        if vectors == 1:
            return g.node("Gemm", x, kernel, bias, name=layer)
        value = g.node("Add", g.node("MatMul", x, kernel), bias, name=layer)
    return g.reshape(value, (operation.width,)) if vectors > 1 else value


def _normalized_rows(g: Graph, operation: RowNormalization, x: str) -> str:
    """x / sqrt(mean square + epsilon) of each group, without its mean if it is centered."""
    if operation.groups > 1:
        x = g.reshape(x, (operation.groups, operation.width // operation.groups))
    if operation.centered:
        x = g.node("Sub", x, g.node("ReduceMean", x, axes=[-1]))
    squares = g.node("Mul", x, x)
    if operation.summed:
        total = g.node("ReduceSum", squares, g.integers("last_axis", [-1]))
    else:
        total = g.node("ReduceMean", squares, axes=[-1])
    # An epsilon that is 0 in the dtype would divide a row of zeros by 0.
    epsilon = max(operation.epsilon, float(np.finfo(g.dtype).tiny) if operation.summed else 0.0)
    deviation = g.node("Sqrt", g.node("Add", total, g.number(epsilon)))
    value = g.node("Div", x, deviation, name=operation.layer)
    return g.reshape(value, (operation.width,)) if operation.groups > 1 else value


def _periodic(g: Graph, operation: Periodic, x: str) -> str:
    """Columns with their sums of cosines; angles are taken within half a turn first."""
    layer, columns = operation.layer, len(operation.frequencies)
    further = operation.bias.shape[1]
    rest = operation.width - columns * (1 + further)
    own = x
    if rest:
        own = g.node("Slice", x, g.integers("start", [0]), g.integers("end", [columns]),
                     g.integers("axis", [1]))  # fmt: skip
    column = g.reshape(own, (columns, 1))
    turns = g.node("Mul", column, g.constant(f"{layer}.frequencies", operation.frequencies))
    phases = (operation.phases.astype(np.float64) / (2 * np.pi)).astype(g.dtype)
    turns = g.node("Add", turns, g.constant(f"{layer}.phases", phases))
    whole = g.node("Floor", g.node("Add", turns, g.number(0.5)))
    angle = g.node("Mul", g.node("Sub", turns, whole), g.number(2 * math.pi))
    cosines = g.reshape(g.node("Cos", angle), (columns, 1, operation.frequencies.shape[1]))
    products = g.node("Mul", cosines, g.constant(f"{layer}.kernel", operation.kernel))
    sums = g.node("ReduceSum", products, g.integers("last_axis", [-1]), keepdims=0)
    sums = g.node("Add", sums, g.constant(f"{layer}.bias", operation.bias))
    both = g.reshape(g.node("Concat", column, sums, axis=2), (columns * (1 + further),))
    if not rest:
        return both
    others = g.node("Slice", x, g.integers("start", [columns]),
                    g.integers("end", [columns + rest]), g.integers("axis", [1]))  # fmt: skip
    return g.node("Concat", both, others, axis=1, name=layer)


_MERGES = {"subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min"}


def _emit(g: Graph, operation: Operation, inputs: list[str]) -> str:
    """The nodes of an operation; returns the name of its value.

    Raises
    ------
    ValueError
        ONNX, or its runtime, cannot say it; the message names the layer.
    """
    layer = operation.layer
    match operation:
        case Dense():
            return _dense(g, operation, inputs[0])
        case Function():
            found = operation.activation
            if found.name not in _FUNCTIONS:
                raise ValueError(
                    f"layer {layer}: found the activation {found.name}, wanted one of: "
                    + ", ".join(_FUNCTIONS)
                )
            vectors, x = operation.vectors, inputs[0]
            if vectors > 1:
                x = g.reshape(x, (vectors, operation.width // vectors))
            try:
                value = _FUNCTIONS[found.name](g, x, found.parameters)
            except ValueError as error:
                raise ValueError(f"layer {layer}: {error}") from None
            return g.reshape(value, (operation.width,)) if vectors > 1 else value
        case ColumnNormalization():
            value = inputs[0]
            for operator, part in (
                ("Sub", "mean"), ("Mul", "factor"), ("Mul", "scale"), ("Add", "shift")
            ):  # fmt: skip
                array = getattr(operation, part)
                if array is not None:
                    value = g.node(
                        operator, value, g.constant(f"{layer}.{part}", array), name=layer
                    )
            return value
        case RowNormalization():
            value = _normalized_rows(g, operation, inputs[0])
            for operator, array in (("Mul", operation.scale), ("Add", operation.shift)):
                if array is not None:
                    value = g.node(operator, value, g.constant(f"{layer}.{operator}", array))
            return value
        case Add():
            return g.node("Add" if len(inputs) == 2 else "Sum", *inputs, name=layer)
        case Merge(kind="concatenate"):
            return g.node("Concat", *inputs, name=layer, axis=1)
        case Merge(kind="average"):
            total = g.node("Sum", *inputs)
            return g.node("Div", total, g.number(float(len(inputs))), name=layer)
        case Merge(kind=kind) if kind in _MERGES:
            value = inputs[0]
            for other in inputs[1:]:
                value = g.node(_MERGES[kind], value, other, name=layer)
            return value
        case Periodic():
            return _periodic(g, operation, inputs[0])
    raise ValueError(f"layer {layer}: found {type(operation).__name__}, which ONNX cannot say")


def append(g: Graph, program: Program, x: str, *, prefix: str = "") -> str:
    """A program's nodes on the value `x` (batch, inputs); returns the name of its last value.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it.
    """
    names = [x]
    for operation in program.operations:
        named = replace(operation, layer=prefix + operation.layer) if prefix else operation
        names.append(_emit(g, named, [names[value] for value in operation.inputs]))
    return names[-1]


def file_of(
    g: Graph, inputs: Sequence[bytes], outputs: Sequence[bytes], name: str,
    metadata: Mapping[str, str], domains: Mapping[str, int] | None = None,
) -> bytes:  # fmt: skip
    """A graph as the bytes of an ONNX file.

    Parameters
    ----------
    inputs, outputs : sequence of bytes
        Of `value_info`.
    metadata : mapping of str to str
        The file's ``metadata_props``.
    domains : mapping of str to int, optional
        Operator sets besides ONNX's own, with their versions.
    """
    graph = [pb.raw(1, node) for node in g.nodes]
    graph += [pb.text(2, name or "densecore")]
    graph += [pb.raw(5, tensor) for tensor in g.initializers]
    graph += [pb.raw(11, each) for each in inputs] + [pb.raw(12, each) for each in outputs]
    opsets = [
        pb.message(8, [pb.text(1, domain), pb.integer(2, version)])
        for domain, version in {"": OPSET, **(domains or {})}.items()
    ]
    producer = [pb.text(2, "densecore"), pb.text(3, metadata.get("densecore_version", ""))]
    properties = [
        pb.message(14, [pb.text(1, key), pb.text(2, value)]) for key, value in metadata.items()
    ]
    return b"".join(
        [pb.integer(1, IR_VERSION), *producer, pb.message(7, graph), *opsets, *properties]
    )


def to_bytes(program: Program, metadata: Mapping[str, str]) -> bytes:
    """A program as the bytes of an ONNX file: input ``x``, output ``y``, both (batch, …) with rows
    of the model's shapes.

    Parameters
    ----------
    metadata : mapping of str to str
        The file's ``metadata_props``.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it.
    """
    g = Graph(program.dtype)
    x = g.fresh("x")
    g.fresh("y")
    flat = x if len(program.input_row) < 2 else g.reshape(x, (program.inputs,))
    last = append(g, program, flat)
    if len(program.output_row) > 1:
        last = g.reshape(last, program.output_row)
    g.node("Identity", last, output="y")
    return file_of(
        g,
        [value_info("x", program.dtype, program.input_row or (program.inputs,))],
        [value_info("y", program.dtype, program.output_row or (program.outputs,))],
        program.name,
        metadata,
    )


def write(program: Program, path: StrPath, metadata: Mapping[str, str]) -> None:
    """Write an ONNX file, whole or not at all.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it. Nothing is written then.
    OSError
        The file cannot be written.
    """
    content = to_bytes(program, metadata)
    with atomic_writer(path) as file:
        file.write(content)
