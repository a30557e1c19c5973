"""The table that `Model.summary` prints."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers import Input, Layer, Residual
from ..layers.arrays import total
from ..layers.lowering import Row
from ..layers.symbols import Symbol
from .nesting import Nested

if TYPE_CHECKING:  # whose module imports this one
    from .functional import Functional

_TITLES = ("Layer (type)", "Output shape", "Activation", "Parameters", "Connected to")


def table(
    name: str, dtype: str, first: Input | None, layers: Sequence[Layer], length: int = 0
) -> str:
    """One line per layer: name and type, output shape, activation, number of parameters."""
    rows: list[tuple[str, ...]] = []
    if first is not None:
        rows.append(("input (Input)", _shape(first.dimensions), "", "0"))
    row = None if first is None else first.dimensions
    counts = np.zeros(2, int)
    for layer in layers:
        rows += _lines(layer, row, "")
        counts += _counts(layer, row)
        row = layer._output_row(row)
    return _laid_out(name, dtype, rows, None if first is None else counts, length)


def graph_table(model: "Functional", length: int = 0) -> str:
    """The same for a graph, with what each layer is connected to, unless it is a stack."""
    rows: list[tuple[str, ...]] = []
    counts = np.zeros(2, int)
    given = {id(symbol): put for symbol, put in zip(model._symbols, model._given, strict=True)}
    taken: dict[Any, list[list[Symbol]]] = {}
    taken_by: dict[Any, Any] = {}
    for node in model._graph.nodes:
        taken_by.setdefault(node.layer, node)
        taken.setdefault(node.layer, []).append(node.inputs)

    def named(symbol: Symbol) -> str:
        name = str(given[id(symbol)].name if id(symbol) in given else symbol.name)
        several = symbol._node is not None and len(symbol._node.outputs) > 1
        return f"{name}[{symbol._place}]" if several else name

    for member in model._graph.members:
        if isinstance(member, Symbol):
            put = given[id(member)]
            rows.append((f"{put.name} (Input)", _shape(put.row), "", "0", "-"))
            continue
        calls = taken[member]
        whence = ", ".join(dict.fromkeys(named(symbol) for call in calls for symbol in call))
        outputs = [symbol.row for symbol in taken_by[member].outputs]
        lines = list(_lines(member, calls[0][0].row, "", outputs))
        rows.append((*lines[0], whence))
        rows += [(*line, "") for line in lines[1:]]
        counts += _counts(member, calls[0][0].row)
    if model._is_stack:
        rows = [line[:4] for line in rows]
    return _laid_out(model.name, model.dtype, rows, counts, length)


def parts_table(
    name: str,
    dtype: str,
    layers: Sequence[Layer],
    nodes: dict[Layer, Any],
    others: Sequence[Layer],
    length: int = 0,
) -> str:
    """The same for the layers of a custom model: those with a node are in its graph, and of
    others nothing more is known. `others` are counted, too."""
    rows: list[tuple[str, ...]] = []
    counts = np.zeros(2, int)
    for layer in layers:
        node = nodes.get(layer)
        row = None if node is None else node.inputs[0].row
        outputs = None if node is None else [symbol.row for symbol in node.outputs]
        if node is None:
            name_of = layer.name or layer._default_name()
            rows.append((f"{name_of} ({_kind_of(layer)})", "?", "", "0"))
            continue
        rows += _lines(layer, row, "", outputs)
        counts += _counts(layer, row)
    for layer in others:
        counts += _counts(layer, nodes[layer].inputs[0].row)
    return _laid_out(name, dtype, rows, counts if nodes else None, length)


def _kind_of(layer: Layer) -> str:
    return type(layer.model if isinstance(layer, Nested) else layer).__name__


def _laid_out(name: str, dtype: str, rows: list[tuple[str, ...]], counts: Any, length: int) -> str:
    """The table's text; `counts` are the trainable and the other weights, None: not known."""
    rows = [_TITLES[: len(rows[0]) if rows else 4], *rows]
    columns = range(len(rows[0]))
    widths = [max(len(row[column]) for row in rows) for column in columns]
    gaps = 2 * (len(widths) - 1)
    widths[2] += max(length - sum(widths) - gaps, 0)

    def line(row: tuple[str, ...]) -> str:
        cells = [
            f"{row[column]:>{widths[column]}}"
            if column == 3
            else f"{row[column]:<{widths[column]}}"
            for column in columns
        ]
        return "  ".join(cells).rstrip()

    rule = "-" * (sum(widths) + gaps)
    title = f'Model: "{name}", {dtype}' + (", not built yet" if counts is None else "")
    body = [line(rows[0]), rule, *(line(row) for row in rows[1:]), rule]
    if counts is not None:
        trained, others = int(counts[0]), int(counts[1])
        words = {"Total": trained + others, "Trainable": trained, "Non-trainable": others}
        body += [f"{word} params: {_size(count, dtype)}" for word, count in words.items()]
    return "\n".join([title, rule, *body])


def _size(count: int, dtype: str) -> str:
    """A number of weights, and the memory that they take."""
    size = count * np.dtype(dtype).itemsize
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "KB")):
        if size >= unit:
            return f"{count:,} ({size / unit:.2f} {name})"
    return f"{count:,} ({size:.2f} B)"


def _shape(row: Row | None) -> str:
    return f"(None, {'?' if row is None else ', '.join(map(str, row))})"


def _counts(layer: Layer, row: Row | None) -> tuple[int, int]:
    """The weights of a layer that training changes by their gradient, and the others."""
    if row is None or not layer._shows_weights:
        return 0, 0
    if isinstance(layer, Nested):
        inner = [_counts(part, taken) for part, taken in layer.model._rows_of_layers(row)]
        return sum(found[0] for found in inner), sum(found[1] for found in inner)
    parameters, states = (total(shapes) for shapes in layer._weight_shapes(row))
    return (parameters, states) if layer.trainable else (0, parameters + states)


def _lines(
    layer: Layer, row: Row | None, indent: str, outputs: list[Row] | None = None
) -> Iterator[tuple[str, str, str, str]]:
    count = "?" if row is None else f"{sum(_counts(layer, row)):,}"
    rows = [layer._output_row(row)] if outputs is None else outputs
    shape = ", ".join(map(_shape, rows))
    activation = getattr(layer, "activation", None)
    frozen = "" if layer.trainable or not layer._shows_weights else ", frozen"
    kind = _kind_of(layer)
    yield (
        f"{indent}{layer.name} ({kind}{frozen})",
        shape,
        "" if activation is None else str(activation),
        count,
    )
    if isinstance(layer, Residual):
        for part in layer.layers:
            yield from _lines(part, row, indent + "  ")
            row = part._output_row(row)
