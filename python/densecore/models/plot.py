"""A picture of a network: circles and connections for a small one, blocks for a large one."""

import itertools
import os
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._base.figures import check_picture_path, html_table, require_matplotlib, save_figure
from .._base.lazy import imports
from .nesting import as_seen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .functional import Functional
    from .model import Model

# More circles in a column, or connections in a picture, and it cannot be read any more.
MOST_UNITS = 16
MOST_CONNECTIONS = 1200

_INPUT, _HIDDEN, _OUTPUT, _OTHER = "#8fbf8f", "#8fb0d8", "#e6a070", "#c9c9c9"
_EDGE, _LINE, _TEXT, _QUIET = "#333333", "#9a9a9a", "#222222", "#666666"


class Column(NamedTuple):
    """A layer as it is drawn; `units` None when it does not change their number."""

    name: str
    kind: str
    units: int | None
    activation: str
    parameters: int | None


def columns_of(model: "Model") -> list[Column]:
    """The inputs and the layers of a model, of whatever kinds they are.

    Raises
    ------
    ValueError
        There is nothing to draw.
    """
    if not model._layers:
        raise ValueError("plot: the model has no layers yet, wanted at least one")
    columns = [
        Column("input", "Input", None if model._input_row is None else model._inputs, "", None)
    ]
    for layer in model._layers:
        activation = getattr(layer, "activation", None)
        name = activation if isinstance(activation, str) else getattr(activation, "name", "")
        columns.append(
            Column(
                layer.name or "",
                type(as_seen(layer)).__name__,
                getattr(layer, "units", None),
                name or "",
                layer.count_params() if layer.built else None,
            )
        )
    return columns


def plot_network(model: "Model", path: str | os.PathLike[str] | None = None) -> "Figure":
    """`Model.plot`, which documents it."""
    figure_class = require_matplotlib()
    if path is not None:
        check_picture_path(path)
    columns = columns_of(model)
    if not model._is_stack:
        with imports:
            from .plot_graph import draw

        figure = draw(figure_class, cast("Functional", model))
        if path is not None:
            save_figure(figure, path)
        return figure
    figure = _circles(figure_class, columns) if _is_small(columns) else _blocks(
        figure_class, columns
    )  # fmt: skip
    if path is not None:
        save_figure(figure, path)
    return figure


def _is_small(columns: list[Column]) -> bool:
    widths = [column.units for column in columns if column.units is not None]
    if columns[0].units is None or max(widths) > MOST_UNITS or len(columns) > 12:
        return False
    return sum(a * b for a, b in itertools.pairwise(widths)) <= MOST_CONNECTIONS


def _colour(number: int, columns: list[Column]) -> str:
    if number == 0:
        return _INPUT
    if columns[number].units is None:
        return _OTHER
    return _OUTPUT if number == len(columns) - 1 else _HIDDEN


def _empty_axes(figure: Any, width: float, height: float) -> "Axes":
    axes: Axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes


def _circles(figure_class: Any, columns: list[Column]) -> "Figure":
    with imports:
        from matplotlib.collections import LineCollection
        from matplotlib.patches import Circle, FancyBboxPatch

    radius, above, below, side = 0.17, 0.62, 0.78, 0.85
    widths = [column.units for column in columns if column.units is not None]
    step = 0.5 if max(widths) <= 10 else 0.42
    radius = min(radius, 0.42 * step)
    # Fans of many lines want room to spread.
    gap = 1.7 if max(widths) <= 6 else 2.1
    height = above + below + step * max(max(widths) - 1, 2) + 2 * radius
    middle = below + radius + step * max(max(widths) - 1, 2) / 2
    places = [side + gap * number for number in range(len(columns))]
    width = places[-1] + side
    figure: Figure = figure_class(figsize=(width, height))
    axes = _empty_axes(figure, width, height)

    def rows_of(units: int) -> list[float]:
        return [middle + step * ((units - 1) / 2 - row) for row in range(units)]

    previous: tuple[float, list[float]] | None = None
    for number, (column, x) in enumerate(zip(columns, places, strict=True)):
        if column.units is None:
            # It changes no number of units: a bar that the lines pass through.
            assert previous is not None
            ys = previous[1]
            low, high = ys[-1] - radius, ys[0] + radius
            lines = [[(previous[0], y), (x, y)] for y in ys]
            axes.add_patch(
                FancyBboxPatch(
                    (x - 0.1, low), 0.2, high - low, boxstyle="round,pad=0.02",
                    facecolor=_colour(number, columns), edgecolor=_EDGE, linewidth=0.9, zorder=2,
                )
            )  # fmt: skip
        else:
            ys = rows_of(column.units)
            left, before = previous or (x, [])
            lines = [[(left, a), (x, b)] for a in before for b in ys]
            for y in ys:
                axes.add_patch(
                    Circle((x, y), radius, facecolor=_colour(number, columns), edgecolor=_EDGE,
                           linewidth=0.9, zorder=3)
                )  # fmt: skip
        thickness = 0.8 if len(lines) <= 60 else 0.5 if len(lines) <= 150 else 0.35
        axes.add_collection(LineCollection(lines, colors=_LINE, linewidths=thickness, zorder=1))
        _label(axes, column, number, columns, x, height)
        previous = (x, ys)
    return figure


def _label(
    axes: "Axes", column: Column, number: int, columns: list[Column], x: float, height: float
) -> None:
    last = number == len(columns) - 1
    above = "input" if number == 0 else column.name or column.kind.lower()
    axes.text(
        x, height - 0.26, _shorter(above, 18), ha="center", va="center", fontsize=9, color=_TEXT
    )
    what = "inputs" if number == 0 else "outputs" if last else "units"
    first = column.kind if column.units is None else _counted(column.units, what)
    axes.text(x, 0.52, first, ha="center", va="center", fontsize=9, color=_TEXT)
    if column.activation:
        axes.text(x, 0.26, column.activation, ha="center", va="center", fontsize=9, color=_QUIET,
                  style="italic")  # fmt: skip


def _blocks(figure_class: Any, columns: list[Column]) -> "Figure":
    with imports:
        from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    block_width, block_height, gap, margin = 3.9, 0.62, 0.36, 0.3
    count = len(columns)
    width = block_width + 2 * margin
    height = count * block_height + (count - 1) * gap + 2 * margin
    figure: Figure = figure_class(figsize=(width, height))
    axes = _empty_axes(figure, width, height)
    for number, column in enumerate(columns):
        top = height - margin - number * (block_height + gap)
        x, y = margin, top - block_height
        axes.add_patch(
            FancyBboxPatch(
                (x + 0.06, y + 0.06), block_width - 0.12, block_height - 0.12,
                boxstyle="round,pad=0.06,rounding_size=0.1", facecolor=_colour(number, columns),
                edgecolor=_EDGE, linewidth=0.9,
            )
        )  # fmt: skip
        axes.text(x + 0.16, y + 0.40, _shorter(column.name or column.kind, 24), fontsize=9.5,
                  va="center", color=_TEXT, weight="bold")  # fmt: skip
        what = "inputs" if number == 0 else "outputs" if number + 1 == count else "units"
        units = "" if column.units is None else _counted(column.units, what)
        axes.text(x + block_width - 0.16, y + 0.40, units, fontsize=9.5, va="center", ha="right",
                  color=_TEXT)  # fmt: skip
        parts = [column.kind] if column.name and number > 0 else []
        parts += [column.activation] if column.activation else []
        axes.text(x + 0.16, y + 0.19, ", ".join(parts), fontsize=8, va="center", color=_EDGE)
        if column.parameters:
            text = f"{column.parameters:,} parameters"
            axes.text(x + block_width - 0.16, y + 0.19, text, fontsize=8, va="center", ha="right",
                      color=_EDGE)  # fmt: skip
        if number + 1 < count:
            axes.add_patch(
                FancyArrowPatch((x + block_width / 2, y), (x + block_width / 2, y - gap),
                                arrowstyle="-|>", mutation_scale=9, color=_EDGE, linewidth=0.9,
                                shrinkA=1, shrinkB=1)
            )  # fmt: skip
    return figure


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what[:-1] if count == 1 else what}"


def _shorter(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def html_summary(model: "Model") -> str:
    """A model as a table for notebooks: a row per layer."""
    lines = [["Layer", "Type", "Units", "Activation", "Parameters"]]
    for column in columns_of(model) if model._layers else []:
        units = "" if column.units is None else f"{column.units:,}"
        count = "" if column.parameters is None else f"{column.parameters:,}"
        lines.append([column.name, column.kind, units, column.activation, count])
    total = f"{model.count_params():,} parameters" if model.built else "not built yet"
    return html_table(f"{model.name}, {model.dtype}: {total}", lines)
