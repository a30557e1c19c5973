"""ONNX's operators that take rows apart, choose from them, or give them another shape."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import layers
from ..layers.lowering import Row
from .onnx_graph import Node

if TYPE_CHECKING:  # whose module imports this one
    from .onnx_layers import Reader


@dataclass
class Part:
    """A value that a layer, or a function of a symbol, makes of another one.

    Attributes
    ----------
    row : tuple of int
        The shape of a row; () of one number.
    table : str, optional
        The constant that is an embedding's table.
    missing : bool
        Whether what is no category takes its row 0.
    """

    value: str
    output: str
    row: Row
    layer: layers.Layer | None = None
    function: Callable[[Any], Any] | None = None
    table: str | None = None
    missing: bool = False


def row_of_reshape(node: Node, shape: list[int], row: Row) -> Row:
    """The shape of a row after a reshape to (rows, …).

    Raises
    ------
    ValueError
        It does not keep rows apart, or has another number of elements.
    """
    size = math.prod(row)
    wanted = list(shape[1:])
    if not node.attributes.get("allowzero"):
        wanted = [
            row[place] if each == 0 and place < len(row) else each
            for place, each in enumerate(wanted)
        ]
    if wanted.count(-1) == 1:
        rest = -math.prod(wanted)
        wanted = [size // max(rest, 1) if each == -1 else each for each in wanted]
    if min(wanted, default=1) < 1 or math.prod(wanted) != size:
        raise ValueError(
            f"{node.place}: found the shape {shape} for rows of {size} numbers, wanted (rows, …)"
        )
    return tuple(wanted)


def _reshaped(reader: "Reader", node: Node, row: Row) -> list[Part]:
    """Rows in another shape; the same node if they have it already."""
    value, output = node.inputs[0], node.outputs[0]
    before, after = reader.row(value), row or (1,)
    layer: layers.Layer | None = None
    if after != before:
        layer = layers.Flatten() if len(after) == 1 else layers.Reshape(after)
    return [Part(value, output, row, layer)]


def _reshape(reader: "Reader", node: Node) -> list[Part]:
    shape = [int(each) for each in reader.flow.constant(node, 1).ravel()]
    return _reshaped(reader, node, row_of_reshape(node, shape, reader.rows[node.inputs[0]]))


def _flatten(reader: "Reader", node: Node) -> list[Part]:
    axis = node.attributes.get("axis", 1)
    if axis != 1:
        raise ValueError(f"{node.place}: found axis={axis}, wanted 1")
    return _reshaped(reader, node, (math.prod(reader.rows[node.inputs[0]]),))


def _axes(reader: "Reader", node: Node, rank: int) -> list[int] | None:
    """The axes of a node, counted from the front; None where it names none."""
    given: Any = node.attributes.get("axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1]:
        given = reader.flow.constant(node, 1).ravel().tolist()
    if given is None:
        return None
    axes = [int(axis) + rank if axis < 0 else int(axis) for axis in given]
    if any(not 1 <= axis < rank for axis in axes):
        raise ValueError(f"{node.place}: found the axes {given}, wanted those of rows")
    return axes


def _squeeze(reader: "Reader", node: Node) -> list[Part]:
    row = reader.rows[node.inputs[0]]
    axes = _axes(reader, node, len(row) + 1)
    if axes is None:
        axes = [place + 1 for place, size in enumerate(row) if size == 1]
    if any(row[axis - 1] != 1 for axis in axes):
        raise ValueError(f"{node.place}: found rows of shape {row}, wanted 1 in place of {axes}")
    return _reshaped(reader, node, tuple(s for i, s in enumerate(row) if i + 1 not in axes))


def _unsqueeze(reader: "Reader", node: Node) -> list[Part]:
    row = reader.rows[node.inputs[0]]
    given: Any = node.attributes.get("axes")
    count = len(given) if given is not None else reader.flow.constant(node, 1).size
    rank = len(row) + 1 + count
    sizes, rest = [], iter(row)
    axes = _axes(reader, node, rank) or []
    for axis in range(1, rank):
        sizes.append(1 if axis in axes else next(rest))
    return _reshaped(reader, node, tuple(sizes))


def _transpose(reader: "Reader", node: Node) -> list[Part]:
    row = reader.rows[node.inputs[0]]
    order = node.attributes.get("perm", list(range(len(row), -1, -1)))
    if order[:1] != [0] or sorted(order) != list(range(len(row) + 1)):
        raise ValueError(f"{node.place}: found perm={order}, wanted rows that stay first")
    after = tuple(row[axis - 1] for axis in order[1:])
    if order == sorted(order):
        return [Part(node.inputs[0], node.outputs[0], row)]
    reader.fixed(node, row, after)
    return [Part(node.inputs[0], node.outputs[0], after, layers.Permute(tuple(order[1:])))]


def _columns(reader: "Reader", node: Node, output: str, first: int, last: int, row: Row) -> Part:
    """Elements of vectors, or of rows that are made vectors; `row` is the shape of the result."""
    value = node.inputs[0]
    before = reader.row(value)
    if first == 0 and last == math.prod(before):
        layer = None if row == before else layers.Reshape(row)
        return Part(value, output, row, layer)
    if not 0 <= first < last <= math.prod(before):
        raise ValueError(f"{node.place}: found {first} to {last} of {math.prod(before)} columns")
    reader.fixed(node, before, (last - first,))

    def function(x: Any) -> Any:
        flat = layers.Flatten()(x) if len(x.row) > 1 else x
        part = flat[:, first:last]
        return part if len(row) < 2 else layers.Reshape(row)(part)

    return Part(value, output, row, function=function)


def _slice(reader: "Reader", node: Node) -> list[Part]:
    row = reader.row(node.inputs[0])
    a = node.attributes
    if "starts" in a:
        starts, ends = a["starts"], a["ends"]
        axes = a.get("axes", list(range(len(starts))))
        steps = [1] * len(starts)
    else:
        starts, ends = (reader.flow.constant(node, place).ravel().tolist() for place in (1, 2))
        given = [
            reader.flow.constant(node, place).ravel().tolist()
            if len(node.inputs) > place and node.inputs[place]
            else None
            for place in (3, 4)
        ]
        axes = list(range(len(starts))) if given[0] is None else given[0]
        steps = [1] * len(starts) if given[1] is None else given[1]
    first, last = 0, row[0]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = int(axis) + len(row) + 1 if axis < 0 else int(axis)
        size = row[place - 1] if 1 <= place <= len(row) else 2**62
        begin, stop, _ = slice(int(start), int(end)).indices(size)
        if step == 1 and begin == 0 and stop >= min(size, 2**31 - 1):
            continue  # all of them
        if step != 1 or place != 1 or not 1 <= place <= len(row) or begin >= stop:
            raise ValueError(
                f"{node.place}: found {start} to {end} by {step} of axis {axis}, wanted columns "
                "one after another of axis 1"
            )
        first, last = begin, stop
    each = math.prod(row[1:])
    after = (last - first, *row[1:])
    return [_columns(reader, node, node.outputs[0], first * each, last * each, after)]


def _split(reader: "Reader", node: Node) -> list[Part]:
    row = reader.row(node.inputs[0])
    axis = node.attributes.get("axis", 0)
    if (axis + len(row) + 1 if axis < 0 else axis) != 1:
        raise ValueError(f"{node.place}: found axis={axis}, wanted 1")
    sizes: Any = node.attributes.get("split")
    if sizes is None and len(node.inputs) > 1 and node.inputs[1]:
        sizes = reader.flow.constant(node, 1).ravel().tolist()
    if sizes is None:
        count = len(node.outputs)
        size = -(-row[0] // count)
        sizes = [size] * (count - 1) + [row[0] - size * (count - 1)]
    if sum(sizes) != row[0] or min(sizes) < 1 or len(sizes) < len(node.outputs):
        raise ValueError(f"{node.place}: found the sizes {sizes} of {row[0]} columns")
    each, parts, first = math.prod(row[1:]), [], 0
    for output, size in zip(node.outputs, sizes, strict=False):
        last = first + int(size)
        after = (int(size), *row[1:])
        if output:
            parts.append(_columns(reader, node, output, first * each, last * each, after))
        first = last
    return parts


def _gather(reader: "Reader", node: Node) -> list[Part]:
    data, places = node.inputs[:2]
    axis, output = node.attributes.get("axis", 0), node.outputs[0]
    if data in reader.flow.constants:  # an embedding
        table = reader.flow.constants[data]
        if table.ndim != 2 or axis != 0 or table.dtype.kind != "f":
            raise ValueError(
                f"{node.place}: found a table of shape {table.shape} along axis {axis}, wanted "
                "(categories, units) along 0"
            )
        row = (*reader.rows[places], int(table.shape[1]))
        flat = (lambda x: layers.Flatten()(x)) if len(row) == 1 else None
        missing = bool(node.attributes.get("missing"))
        return [Part(places, output, row, table=data, function=flat, missing=missing)]
    row = reader.row(data)
    index = reader.flow.constant(node, 1)
    axis = axis + len(row) + 1 if axis < 0 else axis
    numbers = [int(n) + row[0] if n < 0 else int(n) for n in index.ravel()]
    if axis != 1 or index.ndim > 1 or not numbers or not 0 <= min(numbers) <= max(numbers) < row[0]:
        raise ValueError(f"{node.place}: found {index.tolist()} of axis {axis} of rows {row}")
    each = math.prod(row[1:])
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        after = row[1:] if index.ndim == 0 else (len(numbers), *row[1:])
        first = numbers[0] * each
        return [_columns(reader, node, output, first, first + len(numbers) * each, after)]
    if len(row) > 1 or len(numbers) > 64:
        raise ValueError(f"{node.place}: found {len(numbers)} places of rows {row}, wanted columns")

    def function(x: Any) -> Any:
        return layers.concatenate([x[:, number : number + 1] for number in numbers])

    return [Part(data, output, (len(numbers),), function=function)]


def _length(x: Any) -> Any:
    return np.sqrt(np.sum(np.square(x), axis=-1, keepdims=True))


def _reduce(kind: str) -> Callable[["Reader", Node], list[Part]]:
    """A mean, a sum, the largest or the length: of a row's vectors, or of a vector's elements."""

    def reduce(reader: "Reader", node: Node) -> list[Part]:
        value, output = node.inputs[0], node.outputs[0]
        row = reader.row(value)
        axes = _axes(reader, node, len(row) + 1)
        keep = bool(node.attributes.get("keepdims", 1))
        if len(row) == 2 and axes == [1] and kind in ("mean", "max"):
            after = (1, row[1]) if keep else (row[1],)
            pool = layers.GlobalAveragePooling1D if kind == "mean" else layers.GlobalMaxPooling1D
            reader.fixed(node, row, after)
            return [Part(value, output, after, pool(keepdims=keep))]
        function: Any = np.mean if kind == "mean" else np.sum
        if len(row) == 2 and axes in ([1], [2]) and kind in ("mean", "sum"):
            axis = axes[0]
            left = (1 if axis == 1 else row[0], 1 if axis == 2 else row[1])
            after = left if keep else (row[2 - axis],)
            reader.fixed(node, row, after)
            return [Part(value, output, after, function=lambda x: function(x, axis, keepdims=keep))]
        if len(row) == 1 and axes == [1] and kind != "max":
            one: Row = (1,) if keep else ()
            if kind == "length":
                return [Part(value, output, one, function=_length)]
            return [Part(value, output, one, function=lambda x: function(x, -1, keepdims=True))]
        raise ValueError(
            f"{node.place}: found the axes {axes} of rows of shape {row}, wanted axis 1 of "
            "vectors, or one axis of rows (steps, features)"
        )

    return reduce


#: By an operator's name.
PARTS: Mapping[str, Callable[["Reader", Node], list[Part]]] = {
    "Flatten": _flatten,
    "Gather": _gather,
    "ReduceL2": _reduce("length"),
    "ReduceMax": _reduce("max"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
