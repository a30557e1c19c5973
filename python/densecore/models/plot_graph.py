"""A picture of a model that is no stack: a block for each layer, an arrow for each connection."""

from typing import TYPE_CHECKING, Any

from .._base.lazy import imports
from ..layers.symbols import Symbol
from .nesting import Nested

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .functional import Functional

_WIDTH, _HEIGHT, _GAP, _RISE, _MARGIN = 2.7, 0.62, 0.35, 0.42, 0.3
_INPUT, _INNER, _OUTPUT, _OTHER = "#8fbf8f", "#8fb0d8", "#e6a070", "#c9c9c9"
_EDGE, _TEXT = "#333333", "#222222"


def draw(figure_class: Any, model: "Functional") -> "Figure":
    """The figure: inputs above, each layer below all that it takes."""
    edges = _edges(model)
    places = _places(model, edges)
    columns = max(place[1] for place in places.values()) - min(p[1] for p in places.values()) + 1
    depth = max(place[0] for place in places.values()) + 1
    width = columns * (_WIDTH + _GAP) - _GAP + 2 * _MARGIN
    height = depth * (_HEIGHT + _RISE) - _RISE + 2 * _MARGIN
    figure: Figure = figure_class(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_aspect("equal")
    axes.axis("off")
    left = min(place[1] for place in places.values())

    def middle(member: Any) -> tuple[float, float]:
        level, column = places[member]
        x = _MARGIN + _WIDTH / 2 + (column - left) * (_WIDTH + _GAP)
        return x, height - _MARGIN - _HEIGHT / 2 - level * (_HEIGHT + _RISE)

    outputs = {symbol._node.layer for symbol in model._output_symbols if symbol._node is not None}
    for before, after in edges:
        _arrow(axes, middle(before), middle(after), places[after][0] - places[before][0])
    for member in model._graph.members:
        _block(axes, model, member, middle(member), member in outputs)
    return figure


def _edges(model: "Functional") -> list[tuple[Any, Any]]:
    """The connections: pairs of inputs or layers."""
    given = {id(symbol): symbol for symbol in model._symbols}
    found: dict[tuple[Any, Any], None] = {}
    for node in model._graph.nodes:
        for symbol in node.inputs:
            before: Any = given.get(id(symbol))
            if before is None:
                assert symbol._node is not None
                before = symbol._node.layer
            if before is not node.layer:
                found[before, node.layer] = None
    return list(found)


def _places(model: "Functional", edges: list[tuple[Any, Any]]) -> dict[Any, tuple[int, float]]:
    """Level, from above, and column of each member: layers stand under the middle of their inputs
    as far as there is room."""
    levels = dict.fromkeys(model._graph.members, 0)
    for _ in levels:  # as often as a path can be long
        for before, after in edges:
            levels[after] = max(levels[after], levels[before] + 1)
    places: dict[Any, tuple[int, float]] = {}
    for level in range(max(levels.values()) + 1):
        row = [member for member in levels if levels[member] == level]

        def wish(member: Any) -> float:
            columns = [places[a][1] for a, b in edges if b is member and a in places]
            return sum(columns) / len(columns) if columns else 0.0

        row.sort(key=wish)
        wishes = [wish(member) for member in row]
        middle = sum(wishes) / len(wishes)
        for number, member in enumerate(row):
            places[member] = (level, middle + number - (len(row) - 1) / 2)
    return places


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], levels: int) -> None:
    with imports:
        from matplotlib.patches import FancyArrowPatch

    bend = 0.0 if levels == 1 else 0.35 if start[0] >= end[0] else -0.35
    axes.add_patch(
        FancyArrowPatch(
            (start[0], start[1] - _HEIGHT / 2), (end[0], end[1] + _HEIGHT / 2),
            arrowstyle="-|>", mutation_scale=9, color=_EDGE, linewidth=0.9, shrinkA=1, shrinkB=1,
            connectionstyle=f"arc3,rad={bend}", zorder=1,
        )
    )  # fmt: skip


def _block(
    axes: Any, model: "Functional", member: Any, at: tuple[float, float], is_output: bool
) -> None:
    with imports:
        from matplotlib.patches import FancyBboxPatch

    if isinstance(member, Symbol):
        put = dict(zip(map(id, model._symbols), model._given, strict=True))[id(member)]
        name, kind, colour, shape = str(put.name), "Input", _INPUT, put.row
    else:
        kind = type(member.model if isinstance(member, Nested) else member).__name__
        name, shape = str(member.name), member._nodes[0].outputs[0].row
        colour = _OUTPUT if is_output else _INNER if member.count_params() else _OTHER
    x, y = at[0] - _WIDTH / 2, at[1] - _HEIGHT / 2
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.06, y + 0.06), _WIDTH - 0.12, _HEIGHT - 0.12, facecolor=colour, edgecolor=_EDGE,
            boxstyle="round,pad=0.06,rounding_size=0.1", linewidth=0.9, zorder=2,
        )
    )  # fmt: skip
    texts = [(0.40, _shorter(name, 20), 9.0, "bold")]
    activation = getattr(member, "activation", None)
    said = activation if isinstance(activation, str) else getattr(activation, "name", "")
    about = kind if said in ("", "linear") else f"{kind}, {said}"
    texts.append((0.17, _shorter(f"{about}   {', '.join(map(str, shape))}", 30), 8.0, "normal"))
    for above, text, size, weight in texts:
        axes.text(x + 0.16, y + above, text, fontsize=size, va="center", color=_TEXT,
                  weight=weight, zorder=3)  # fmt: skip


def _shorter(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
