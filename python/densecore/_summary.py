"""The table that `Sequential.summary` prints."""

from collections.abc import Sequence

import numpy as np

from .layers import Dense, Input


def table(name: str, dtype: str, first: Input | None, layers: Sequence[Dense]) -> str:
    """One line per layer: name and type, output shape, activation, number of parameters."""
    rows = [("Layer (type)", "Output shape", "Activation", "Parameters")]
    inputs = None if first is None else first.size
    if inputs is not None:
        rows.append(("input (Input)", f"(None, {inputs})", "", "0"))
    total = 0
    for layer in layers:
        count = "?"
        if inputs is not None:
            size = (inputs + layer.use_bias) * layer.units
            total += size
            count = f"{size:,}"
            inputs = layer.units
        rows.append(
            (f"{layer.name} (Dense)", f"(None, {layer.units})", str(layer.activation), count)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]

    def line(row: tuple[str, str, str, str]) -> str:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:3], widths[:3], strict=True)]
        return "  ".join([*cells, f"{row[3]:>{widths[3]}}"]).rstrip()

    rule = "-" * (sum(widths) + 6)
    size = total * np.dtype(dtype).itemsize
    units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    shown = next((f"{size / u:.1f} {name}" for u, name in units if size >= u), f"{size} bytes")
    known = "not built yet" if inputs is None else f"{total:,} parameters ({shown})"
    body = [line(rows[0]), rule, *(line(row) for row in rows[1:]), rule]
    return "\n".join([f'Model "{name}", {dtype}: {known}', rule, *body])
