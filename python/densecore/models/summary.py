"""The table that `Sequential.summary` prints."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..layers import Input, Layer, Residual


def table(name: str, dtype: str, first: Input | None, layers: Sequence[Layer]) -> str:
    """One line per layer: name and type, output shape, activation, number of parameters."""
    rows = [("Layer (type)", "Output shape", "Activation", "Parameters")]
    if first is not None:
        shape = ", ".join(map(str, first.dimensions))
        rows.append(("input (Input)", f"(None, {shape})", "", "0"))
    width = None if first is None else first.size
    trained = other = 0
    for layer in layers:
        rows += _lines(layer, width, "")
        outputs, of_layer, states = layer._sizes(width or 0)
        if width is not None and layer.trainable:
            trained, other = trained + of_layer, other + states
        else:
            other += of_layer + states
        width = None if width is None and outputs == 0 else (outputs if width else width)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]

    def line(row: tuple[str, str, str, str]) -> str:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:3], widths[:3], strict=True)]
        return "  ".join([*cells, f"{row[3]:>{widths[3]}}"]).rstrip()

    rule = "-" * (sum(widths) + 6)
    total = trained + other
    size = total * np.dtype(dtype).itemsize
    units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    shown = next((f"{size / u:.1f} {name}" for u, name in units if size >= u), f"{size} bytes")
    known = "not built yet" if first is None else f"{total:,} parameters ({shown})"
    if first is not None and other:
        known += f", {trained:,} of them trainable"
    body = [line(rows[0]), rule, *(line(row) for row in rows[1:]), rule]
    return "\n".join([f'Model "{name}", {dtype}: {known}', rule, *body])


def _lines(layer: Layer, width: int | None, indent: str) -> Iterator[tuple[str, str, str, str]]:
    outputs, trained, other = layer._sizes(width or 0)
    count = "?" if width is None else f"{trained + other:,}"
    shape = f"(None, {outputs})" if outputs else "(None, ?)"
    activation = getattr(layer, "activation", None)
    frozen = "" if layer.trainable else ", frozen"
    yield (
        f"{indent}{layer.name} ({type(layer).__name__}{frozen})",
        shape,
        "" if activation is None else _named(activation),
        count,
    )
    if isinstance(layer, Residual):
        for part in layer.layers:
            yield from _lines(part, width, indent + "  ")
            width = part._sizes(width or 0)[0] or None


def _named(activation: object) -> str:
    return str(activation)
