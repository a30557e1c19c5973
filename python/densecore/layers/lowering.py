"""What a model's layers are in the core."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # whose module imports this one
    from .base import Layer

Row = tuple[int, ...]  # the shape of a row


def elements(row: Row) -> int:
    """The number of elements of a row."""
    return math.prod(row)


class Source(NamedTuple):
    """Where rows come from: columns of what a layer of the core puts out; -1 is the network's x."""

    layer: int
    first: int
    row: Row

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.row)


class Plan:
    """The core's layers, one dictionary each, as a model's layers add to it in their order.

    The core's rows are vectors: those of several dimensions lie in it as NumPy's `reshape` would
    make vectors of them. `row` is the shape that a layer sees.

    A layer of the core takes the whole output of the one before, unless its dictionary has
    ``sources``: (layer, first column, columns) of each of its inputs. A stack needs none.

    Parameters
    ----------
    row : tuple of int
        The shape of a row of x.

    Attributes
    ----------
    places : dict
        Layer → the numbers of the core's layers that have its weights: several of one that is
        called several times.
    ends : dict
        Layer → the source of what it puts out, where it was called last.
    """

    def __init__(self, row: Row) -> None:
        self.specs: list[dict[str, Any]] = []
        self.row = row
        self.functions: dict[int, Any] = {}  # of the layers of kind "function"
        self.places: dict[Layer, list[int]] = {}
        self.ends: dict[Layer, Source] = {}
        self._widths = [math.prod(row)]  # of x, then of each layer's output
        self._at = (-1, 0)  # the layer and the column where the next layer's input begins
        self._open = False  # whether the last one's function is still to be chosen

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.row)

    @property
    def here(self) -> Source:
        """What the next layer takes."""
        return Source(*self._at, self.row)

    def go_to(self, source: Source) -> None:
        """Let the next layer take rows from there."""
        if source[:2] != self._at or source.layer != len(self.specs) - 1:
            self._open = False
        self._at, self.row = source[:2], source.row

    def add(
        self, spec: dict[str, Any], units: int | None = None, layer: "Layer | None" = None
    ) -> int:
        """Append a layer of the core, with other rows than its input's if `units`; its number.

        `layer` is the layer whose weights it has.
        """
        whole = self._widths[self._at[0] + 1] == self.width
        if self._at != (len(self.specs) - 1, 0) or not whole:
            spec["sources"] = [(*self._at, self.width)]
        if layer is not None:
            places = self.places.setdefault(layer, [])
            if places:
                spec["shares"] = places[0]
            elif multipliers := layer._core_multipliers():
                spec["multipliers"] = multipliers
            places.append(len(self.specs))
        return self._append(spec, self.row if units is None else (units,))

    def merge(self, spec: dict[str, Any], sources: list[Source], row: Row) -> None:
        """Append a layer of the core that takes several inputs, and puts out rows of that shape."""
        spec["sources"] = [(source.layer, source.first, source.width) for source in sources]
        self._append(spec, row)

    def heads(self, sources: list[Source]) -> None:
        """Append the core's layer of several outputs; an activation that ends one of them, and that
        nothing else sees, becomes a part of it: a loss can be computed together with it."""
        activations: list[tuple[str, list[float]]] = []
        for source in sources:
            spec = self.specs[source.layer] if source.layer >= 0 else {}
            name = "linear"
            parameters: list[float] = []
            alone = [other.layer for other in sources].count(source.layer) == 1
            if alone and spec.get("kind") == "dense" and not self._is_used(source.layer):
                name, spec["activation"] = spec["activation"], "linear"
                parameters = spec.pop("activation_parameters", [])
            activations.append((name, parameters))
        width = sum(source.width for source in sources)
        self.merge({"kind": "heads", "activations": activations}, sources, (width,))

    def _is_used(self, number: int) -> bool:
        """Whether a layer of the core takes the output of that one."""
        for later, spec in enumerate(self.specs[number + 1 :], number + 1):
            sources = spec.get("sources", [(later - 1, 0, 0)])
            if any(source[0] == number for source in sources):
                return True
        return False

    def _append(self, spec: dict[str, Any], row: Row) -> int:
        self.specs.append(spec)
        self.row = row
        self._widths.append(self.width)
        self._open = spec.get("activation") == "linear"
        number = len(self.specs) - 1
        self._at = (number, 0)
        return number

    def activate(self, name: str, parameters: list[float]) -> None:
        """Apply a function, which a dense layer before it computes itself: a loss can be fused with
        the end of a layer."""
        if self._open:
            self.specs[-1].update(activation=name, activation_parameters=parameters)
        else:
            self.add({"kind": "activation", "activation": name,
                      "activation_parameters": parameters})  # fmt: skip
        self._open = False

    def close(self, row: Row | None = None) -> None:
        """End the last layer: an activation that follows is one of its own. With `row`, its rows
        have that shape from here on."""
        self._open = False
        self.row = self.row if row is None else row

    def branch(self) -> int:
        """The number of the last layer, whose output will be used twice; -1 for the input."""
        self.close()
        return len(self.specs) - 1

    def call(self, layer: "Layer", sources: list[Source]) -> list[Source]:
        """Append what a layer is, with these inputs; returns its outputs."""
        outputs = layer._lower(self, sources)
        self.ends[layer] = outputs[-1]
        return outputs
