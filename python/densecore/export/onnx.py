"""ONNX files (https://onnx.ai), written without the onnx package.

Operators are those of opset 17, which every runtime since 2022 has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .._base.files import StrPath, atomic_writer
from . import protobuf as pb
from .activation_table import FORMS
from .onnx_elements import element
from .onnx_graph import IR_VERSION, OPSET, TYPES, Graph, value_info
from .onnx_graph import TABLES as DOMAIN_OF_TABLES
from .program import (
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
    if operation.summed:
        # Only a row of zeros is to have another length than 0. ONNX Runtime leaves out a sum with a
        # number that is 0 in single precision; a maximum stays.
        least = max(operation.epsilon, float(np.finfo(g.dtype).tiny))
        deviation = g.node("Sqrt", g.node("Max", total, g.number(least)))
    else:
        deviation = g.node("Sqrt", g.node("Add", total, g.number(operation.epsilon)))
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


def _dot(g: Graph, operation: Dot, inputs: list[str]) -> str:
    """a · bᵀ; each is stored row by row, or column by column."""
    matrices = []
    for place, (x, rows, across) in enumerate(
        zip(inputs, operation.rows, operation.across, strict=True)
    ):
        matrix = g.reshape(x, (operation.size, rows) if across else (rows, operation.size))
        turned = across == (place == 0)
        matrices.append(g.node("Transpose", matrix, perm=[0, 2, 1]) if turned else matrix)
    return g.reshape(g.node("MatMul", *matrices, name=operation.layer), (operation.width,))


def _embedding(g: Graph, operation: Embedding, x: str) -> str:
    """Rows of the table; what is no category is row 0, or a place that there is not."""
    categories, _ = operation.table.shape
    table = g.constant(f"{operation.layer}.embeddings", operation.table)
    number = g.node("Floor", x)
    known = g.node("And", g.node("Equal", number, x), g.node("GreaterOrEqual", x, g.number(0.0)))
    known = g.node("And", known, g.node("Less", x, g.number(float(categories))))
    other = 0.0 if operation.missing else float(categories)
    number = g.node("Where", known, number, g.number(other))
    rows = g.node("Gather", table, g.node("Cast", number, to=TYPES["int64"]))
    return g.reshape(rows, (operation.width,))


def _intervals(g: Graph, operation: Intervals, x: str) -> str:
    column = g.reshape(x, (operation.width, 1))
    below = g.node(
        "Less", column, g.constant(f"{operation.layer}.boundaries", operation.boundaries)
    )
    counted = g.node("Cast", g.node("Not", below), to=TYPES[g.dtype])
    return g.node("ReduceSum", counted, g.integers("last_axis", [-1]), keepdims=0)


def _lookup(g: Graph, operation: Lookup, x: str) -> str:
    """ONNX's operator for tables, of the pairs of types that its runtime has."""
    if operation.of_texts:
        found = g.node(
            "LabelEncoder", x, domain=DOMAIN_OF_TABLES, keys_strings=list(operation.keys),
            values_int64s=list(operation.numbers), default_int64=operation.other,
        )  # fmt: skip
    else:
        whole = g.node("Cast", x, to=TYPES["int64"])  # towards 0
        found = g.node(
            "LabelEncoder", whole, domain=DOMAIN_OF_TABLES, keys_int64s=list(operation.keys),
            values_floats=[float(each) for each in operation.numbers],
            default_float=float(operation.other),
        )  # fmt: skip
    return g.node("Cast", found, to=TYPES[g.dtype], name=operation.layer)


def _indicators(g: Graph, operation: Indicators, x: str) -> str:
    """Comparisons with all categories, added up over each group."""
    categories, group = operation.categories, operation.group
    column = g.reshape(x, (operation.width // categories, group, 1))
    numbers = g.constant(f"{operation.layer}.categories", np.arange(categories, dtype=g.dtype))
    same = g.node("Cast", g.node("Equal", column, numbers), to=TYPES[g.dtype])
    if operation.counted:
        each = g.node("ReduceSum", same, g.integers("groups", [2]), keepdims=0)
    else:
        each = g.node("ReduceMax", same, axes=[2], keepdims=0)
    return g.reshape(each, (operation.width,))


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
            if found.name not in FORMS:
                raise ValueError(
                    f"layer {layer}: found the activation {found.name}, wanted one of: "
                    + ", ".join(FORMS)
                )
            vectors, x = operation.vectors, inputs[0]
            if vectors > 1:
                x = g.reshape(x, (vectors, operation.width // vectors))
            try:
                value = FORMS[found.name].onnx(g, x, found.parameters)
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
        case Merge(kind="add"):
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
        case Dot():
            return _dot(g, operation, inputs)
        case Embedding():
            return _embedding(g, operation, inputs[0])
        case Columns(first=first):
            ends = (("start", first), ("end", first + operation.width), ("axis", 1))
            numbers = [g.integers(what, [number]) for what, number in ends]
            return g.node("Slice", inputs[0], *numbers, name=layer)
        case Intervals():
            return _intervals(g, operation, inputs[0])
        case Lookup():
            return _lookup(g, operation, inputs[0])
        case Indicators():
            return _indicators(g, operation, inputs[0])
        case Permutation(shape=shape, order=order):
            order = (0, *(place + 1 for place in order))
            moved = g.node("Transpose", g.reshape(inputs[0], shape), perm=order, name=layer)
            return g.reshape(moved, (operation.width,))
        case Pool(kind=kind, parts=parts):
            steps = g.reshape(inputs[0], (parts, operation.width))
            operator = "ReduceMean" if kind == "mean" else "ReduceMax"
            return g.node(operator, steps, axes=[1], keepdims=0, name=layer)
        case Element():
            return element(g, operation, inputs[0])
    raise ValueError(f"layer {layer}: found {type(operation).__name__}, which ONNX cannot say")


def append(g: Graph, program: Program, x: str, *, prefix: str = "") -> str:
    """The nodes of a program of one input and one output on the value `x` (batch, inputs); returns
    the name of its output.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it.
    """
    (last,) = append_all(g, program, [x], prefix=prefix)
    return last


def append_all(g: Graph, program: Program, x: Sequence[str], *, prefix: str = "") -> list[str]:
    """The same for several inputs and outputs."""
    names = list(x)
    for operation in program.operations:
        named = replace(operation, layer=prefix + operation.layer) if prefix else operation
        names.append(_emit(g, named, [names[value] for value in operation.inputs]))
    return [names[port.value] for port in program.gives]


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
    """A program as the bytes of an ONNX file: inputs and outputs (batch, …) with rows of the
    model's shapes, by their names; ``x`` and ``y`` where there is one.

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
    inputs = [g.fresh(port.name) for port in program.takes]
    outputs = [g.fresh(port.name) for port in program.gives]
    flat = [
        name if len(port.row) == 1 else g.reshape(name, (port.width,))
        for name, port in zip(inputs, program.takes, strict=True)
    ]
    for name, port, value in zip(outputs, program.gives, append_all(g, program, flat), strict=True):
        shaped = value if len(port.row) == 1 else g.reshape(value, port.row)
        g.node("Identity", shaped, output=name)

    def described(names: list[str], ports: list[Port]) -> list[bytes]:
        return [
            value_info(name, "str" if port.is_text else program.dtype, port.row)
            for name, port in zip(names, ports, strict=True)
        ]

    return file_of(
        g,
        described(inputs, program.takes),
        described(outputs, program.gives),
        program.name,
        metadata,
        {DOMAIN_OF_TABLES: 2} if any(isinstance(o, Lookup) for o in program.operations) else None,
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
