"""The table that `Sequential.summary` prints."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..layers import Input, Layer, Residual
from ..layers.arrays import total
from ..layers.lowering import Row


def table(
    name: str, dtype: str, first: Input | None, layers: Sequence[Layer], length: int = 0
) -> str:
    """One line per layer: name and type, output shape, activation, number of parameters."""
    rows = [("Layer (type)", "Output shape", "Activation", "Parameters")]
    if first is not None:
        shape = ", ".join(map(str, first.dimensions))
        rows.append(("input (Input)", f"(None, {shape})", "", "0"))
    row = None if first is None else first.dimensions
    trained = other = 0
    for layer in layers:
        rows += _lines(layer, row, "")
        if row is not None:
            parameters, states = (total(shapes) for shapes in layer._weight_shapes(row))
            trained += parameters if layer.trainable else 0
            other += states + (0 if layer.trainable else parameters)
        row = layer._output_row(row)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]

    def line(row: tuple[str, str, str, str]) -> str:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:3], widths[:3], strict=True)]
        return "  ".join([*cells, f"{row[3]:>{widths[3]}}"]).rstrip()

    widths[2] += max(length - sum(widths) - 6, 0)
    rule = "-" * (sum(widths) + 6)
    count = trained + other
    size = count * np.dtype(dtype).itemsize
    units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    shown = next((f"{size / u:.1f} {name}" for u, name in units if size >= u), f"{size} bytes")
    known = "not built yet" if first is None else f"{count:,} parameters ({shown})"
    if first is not None and other:
        known += f", {trained:,} of them trainable"
    body = [line(rows[0]), rule, *(line(row) for row in rows[1:]), rule]
    return "\n".join([f'Model "{name}", {dtype}: {known}', rule, *body])


def _lines(layer: Layer, row: Row | None, indent: str) -> Iterator[tuple[str, str, str, str]]:
    outputs = layer._output_row(row)
    count = "?" if row is None else f"{sum(map(total, layer._weight_shapes(row))):,}"
    shape = "?" if outputs is None else ", ".join(map(str, outputs))
    activation = getattr(layer, "activation", None)
    frozen = "" if layer.trainable else ", frozen"
    yield (
        f"{indent}{layer.name} ({type(layer).__name__}{frozen})",
        f"(None, {shape})",
        "" if activation is None else str(activation),
        count,
    )
    if isinstance(layer, Residual):
        for part in layer.layers:
            yield from _lines(part, row, indent + "  ")
            row = part._output_row(row)
