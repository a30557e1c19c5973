"""A model's layers as layers of the core."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # whose module imports this one
    from .base import Layer

Row = tuple[int, ...]  # the shape of a row


def elements(row: Row) -> int:
    """The number of elements of a row."""
    return math.prod(row)


class Source(NamedTuple):
    """Where rows come from: columns of the output of a core layer; layer -1 is the network's x."""

    layer: int
    first: int
    row: Row
    #: The sources of the row's pieces, one after another, where no core layer has the whole row;
    #: `layer` has no meaning then.
    pieces: "tuple[Source, ...]" = ()

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
        Layer → the source of the output of its last call.
    masks : dict
        Source of rows (steps, ...) → what says which steps count, see `masks.Mask`.
    """

    def __init__(self, row: Row) -> None:
        self.specs: list[dict[str, Any]] = []
        self.row = row
        self.functions: dict[int, Any] = {}  # of the layers of kind "function"
        self.places: dict[Layer, list[int]] = {}
        self.ends: dict[Layer, Source] = {}
        self.masks: dict[Source, Any] = {}
        self._widths = [math.prod(row)]  # of x, then of each layer's output
        self._at = (-1, 0)  # the layer and the column where the next layer's input begins
        self._joined: dict[Source, Source] = {}
        self._added: list[Source] = []  # that no output depends on, such as terms of the loss
        self._open = False  # whether the last layer may still take an activation

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.row)

    @property
    def here(self) -> Source:
        """The source that the next layer takes."""
        return Source(*self._at, self.row)

    def whole(self, source: Source) -> Source:
        """The source as the output of one layer: pieces are put side by side, once."""
        if not source.pieces:
            return source
        if source not in self._joined:
            self.merge({"kind": "concatenate"}, list(source.pieces), source.row)
            self._joined[source] = self.here
        return self._joined[source]

    def go_to(self, source: Source) -> None:
        """Let the next layer take rows from there."""
        source = self.whole(source)
        if source[:2] != self._at or source.layer != len(self.specs) - 1:
            self._open = False
        self._at, self.row = (source.layer, source.first), source.row

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
            elif multipliers := layer._core_multipliers(self.row):
                spec["multipliers"] = multipliers
            places.append(len(self.specs))
        return self._append(spec, self.row if units is None else (units,))

    def columns(self, source: Source, first: int, count: int) -> Source:
        """Columns of a layer's output, as a source of vectors."""
        self.go_to(source)
        self.close()
        self.add({"kind": "columns", "first": first, "count": count}, count)
        self.close()
        return self.here

    def merge(self, spec: dict[str, Any], sources: list[Source], row: Row) -> None:
        """Append a core layer of several inputs, whose outputs are rows of that shape."""
        sources = [self.whole(source) for source in sources]
        spec["sources"] = [(source.layer, source.first, source.width) for source in sources]
        self._append(spec, row)

    def add_loss(self, source: Source, factor: float, whole: bool) -> None:
        """Add the factor times the sum of a source's elements to the loss, divided by the number of
        rows; with `whole` undivided."""
        self.go_to(source)
        self.close()
        self.add({"kind": "activity_regularization", "linear": float(factor), "whole": int(whole)})
        self._added.append(self.here)

    def _unused(self, outputs: list[Source]) -> list[Source]:
        """The columns of x and the layers that no layer takes, nor an output, such as the other
        outputs of a model within the model: the core wants a use of each."""
        width = self._widths[0]
        used = [False] * width
        taken = [(source.layer, source.first, source.width) for source in outputs + self._added]
        for number, spec in enumerate(self.specs):
            taken += spec.get("sources", [(number - 1, 0, width)])
        for layer, first, count in taken:
            if layer == -1:
                used[first : first + count] = [True] * count
        layers = {layer for layer, _, _ in taken}
        found = [
            Source(number, 0, (units,))
            for number, units in enumerate(self._widths[1:])
            if number not in layers
        ]
        first = 0
        while first < width:
            last = first
            while last < width and not used[last]:
                last += 1
            if last > first:
                found.append(Source(-1, first, (last - first,)))
            first = last + 1
        return found

    def _without_activation(self, output: Source) -> tuple[str, list[float]]:
        """Take the activation that ends an output away, if nothing else sees it: the loss can be
        computed together with it where it comes last."""
        spec = self.specs[output.layer] if output.layer >= 0 else {}
        if "activation" not in spec or self._is_used(output.layer):
            return "linear", []
        name, spec["activation"] = spec["activation"], "linear"
        return name, spec.pop("activation_parameters", [])

    def _with_added(self, output: Source) -> Source:
        """The same output, of a layer that also takes `_added`: these are then computed, too."""
        if self._added:
            self.merge({"kind": "first"}, [output, *self._added], output.row)
            self._added = []
            return self.here
        return output

    def end(self, output: Source) -> None:
        """Make a source the output of the last core layer, and that a layer with an activation: a
        loss of logits is computed together with one."""
        output = self.whole(output)
        self._added += self._unused([output])
        if self._added:
            activation = self._without_activation(output)
            self._with_added(output)
            self.close()
            self.activate(*activation)
            return
        self.go_to(output)
        if self._at != (len(self.specs) - 1, 0) or "activation" not in (self.specs or [{}])[-1]:
            self.close()
            self.add({"kind": "activation", "activation": "linear"})

    def heads(self, sources: list[Source]) -> None:
        """Append the core's layer of several outputs; an activation that ends one of them, and that
        nothing else sees, becomes a part of it: a loss can be computed together with it."""
        sources = [self.whole(source) for source in sources]
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
        self._added += self._unused(sources)
        sources[0] = self._with_added(sources[0])
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

    def penalise(self, factors: list[float]) -> None:
        """Add l1 · Σ|a| + l2 · Σa² of the present outputs to the loss, divided by the rows."""
        if any(factors):
            l1, l2 = factors
            self.add({"kind": "activity_regularization", "l1": l1, "l2": l2})

    def close(self, row: Row | None = None) -> None:
        """End the last layer: an activation that follows is a layer by itself. With `row`, its rows
        have that shape from here on."""
        self._open = False
        self.row = self.row if row is None else row

    def call(self, layer: "Layer", sources: list[Source], form: Any = None) -> list[Source]:
        """Append the core layers of a layer, with these inputs; returns its outputs. `form`: see
        `Node`."""
        outputs = layer._lower_call(self, sources, form)
        for source in sources:
            if source in self.masks and layer._keeps_mask is None:
                raise ValueError(
                    f"layer {layer.name or type(layer).__name__}: found an input with steps that a "
                    "mask leaves out, wanted GlobalAveragePooling1D before it, or no mask"
                )
            kept = layer._keeps_mask and outputs[0].row[:1] == source.row[:1]
            if source in self.masks and kept:
                self.masks.setdefault(outputs[0], self.masks[source])
        self.ends[layer] = outputs[-1]
        if sources:
            layer._taken_row = sources[0].row
        return outputs
