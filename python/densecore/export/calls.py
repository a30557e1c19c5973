"""A model as calls of its layers: stacks and graphs in one form, for every exporter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from .._data.structures import leaves
from ..layers import Input, Lambda, Layer
from ..layers.graph import trace
from ..layers.lowering import Row
from ..layers.symbols import Node, Symbol

if TYPE_CHECKING:
    from ..models.compiled import Compiled
    from ..models.functional import Functional


@dataclass(frozen=True)
class Call:
    """A layer with the values that it takes and makes, by their numbers; `form`: how a custom layer
    was called, see `Node`."""

    layer: Layer
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    form: Any = None


@dataclass(frozen=True)
class Calls:
    """A model as calls of layers: values 0, 1, … are the inputs, then come those of layers.

    Attributes
    ----------
    inputs, outputs : list of int
    input_names, output_names : list of str
    input_structure, output_structure
        With a leaf for each; a leaf alone for one.
    steps : list of Call
        Each after those whose values it takes.
    rows : list of tuple of int
        The shape of a row of each value.
    """

    inputs: list[int]
    outputs: list[int]
    input_names: list[str]
    output_names: list[str]
    input_structure: Any
    output_structure: Any
    steps: list[Call]
    rows: list[Row]

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once, in the order of their calls."""
        return list(dict.fromkeys(step.layer for step in self.steps))

    @property
    def is_stack(self) -> bool:
        """Whether each layer takes the output of the layer before it, is called once, and the last
        layer's output is the model's."""
        before = 0
        for step in self.steps:
            if step.inputs != (before,) or len(step.outputs) != 1:
                return False
            (before,) = step.outputs
        once = len({id(step.layer) for step in self.steps}) == len(self.steps)
        one = not isinstance(self.input_structure, dict | list)
        return once and one and self.outputs == [before] and self.output_structure == 0


def calls_of(model: "Compiled") -> Calls:
    """The calls of a built model's layers."""
    if getattr(model, "_graph", None) is None:
        assert model._input_row is not None
        rows = [tuple(model._input_row)]
        steps = []
        for layer in model._layers:
            row = layer._output_row(rows[-1])
            assert row is not None
            steps.append(Call(layer, (len(rows) - 1,), (len(rows),)))
            rows.append(tuple(row))
        return Calls([0], [len(rows) - 1], ["x"], ["y"], 0, 0, steps, rows)
    model = cast("Functional", model)
    inputs, outputs = model._symbols, model._output_symbols
    return _of_graph(
        inputs,
        model._graph.nodes,
        outputs,
        ["x"] if len(inputs) == 1 else model.input_names,
        ["y"] if len(outputs) == 1 else model.output_names,
        model._input_structure,
        model._output_structure,
    )


def calls_within(layer: Layer, rows: Sequence[Row], form: Any = None) -> Calls | None:
    """The calls of layers that a layer consists of: a model within the model, or a custom
    layer; None for other layers.

    Parameters
    ----------
    rows : sequence of tuple of int
        The shapes of rows of what the layer takes.
    form : Form, optional
        How it is called, see `Node`.

    Raises
    ------
    ValueError
        It is a function of single elements that runs in Python; the message names the layer.
    """
    if layer._inner_model is not None:
        return calls_of(layer._inner_model)
    if isinstance(layer, Lambda):
        return _of_function(layer, rows)
    if not layer._is_own:
        return None
    body = layer._body(tuple(rows), form)  # type: ignore[attr-defined]
    if body is None:
        raise ValueError(
            f"layer {layer.name}: found a function of single elements that is not written in "
            "functions of symbols, which runs in Python only, wanted layers and NumPy's functions"
        )
    given, made = len(body.inputs), len(body.outputs)
    return _of_graph(
        body.inputs,
        body.nodes,
        body.outputs,
        [f"x{number}" for number in range(given)],
        [f"y{number}" for number in range(made)],
        0 if given == 1 else [0] * given,
        0 if made == 1 else [0] * made,
    )


def _of_function(layer: Lambda, rows: Sequence[Row]) -> Calls | None:
    """The calls that a Lambda's function is, if it is written in functions of symbols."""
    symbols = [Input(row) for row in rows]
    try:
        made = leaves(layer.compute(symbols[0]))
        nodes = trace(symbols, made).nodes
    except (TypeError, ValueError):
        return None
    return _of_graph(symbols, nodes, made, ["x0"], ["y0"], 0, 0) if len(made) == 1 else None


def _of_graph(
    inputs: Sequence[Symbol],
    nodes: Sequence[Node],
    outputs: Sequence[Symbol],
    input_names: list[str],
    output_names: list[str],
    input_structure: Any,
    output_structure: Any,
) -> Calls:
    """The calls of nodes between symbols."""
    symbols = list(inputs)
    numbers = {id(symbol): number for number, symbol in enumerate(symbols)}
    steps = []
    needed = set(map(id, trace(inputs, outputs).nodes))
    for node in nodes:
        if id(node) not in needed:  # of a term of the loss
            continue
        taken = tuple(numbers[id(symbol)] for symbol in node.inputs)
        for symbol in node.outputs:
            numbers[id(symbol)] = len(symbols)
            symbols.append(symbol)
        made = tuple(numbers[id(each)] for each in node.outputs)
        steps.append(Call(node.layer, taken, made, node.form))
    return Calls(
        list(range(len(inputs))),
        [numbers[id(symbol)] for symbol in outputs],
        input_names,
        output_names,
        input_structure,
        output_structure,
        steps,
        [symbol.row for symbol in symbols],
    )


def name_of(layer: Layer) -> str:
    """A layer's name, or its class's: parts of custom layers may have none."""
    return str(layer.name or type(layer).__name__)


def check_built(what: str, model: "Compiled") -> None:
    """Raise where a model has no parameters yet.

    Raises
    ------
    TypeError
        It is no model.
    RuntimeError
        It has none.
    """
    if not hasattr(model, "built"):
        raise TypeError(f"{what}: found {type(model).__name__}, wanted a model")
    if not model.built:
        raise RuntimeError(
            f"{what}: the model {model.name!r} has no parameters yet: it does not know its number "
            "of inputs (start with Input, call build, or fit first)"
        )


def written_out(calls: Calls) -> Calls:
    """The same calls, with what a custom layer does in the place of its calls where these
    differ by more than their inputs: one module, or one function, cannot be all of them."""
    forms: dict[Layer, set[Any]] = {}
    for step in calls.steps:
        rows = tuple(calls.rows[value] for value in step.inputs)
        forms.setdefault(step.layer, set()).add((rows, step.form and step.form.key))
    several = {layer for layer, found in forms.items() if layer._is_own and len(found) > 1}
    if not several:
        return calls
    steps: list[Call] = []
    rows_of = list(calls.rows)

    def append(step: Call, numbers: dict[int, int]) -> None:
        taken = tuple(numbers[value] for value in step.inputs)
        if step.layer not in several:
            kept = tuple(numbers[value] for value in step.outputs)
            steps.append(Call(step.layer, taken, kept, step.form))
            return
        inner = calls_within(step.layer, [rows_of[value] for value in taken], step.form)
        assert inner is not None
        own = dict(zip(inner.inputs, taken, strict=True))
        for each in inner.steps:
            for value in each.outputs:
                own[value] = len(rows_of)
                rows_of.append(inner.rows[value])
            append(each, own)
        for value, made in zip(step.outputs, inner.outputs, strict=True):
            numbers[value] = own[made]

    numbers = {value: value for value in range(len(calls.rows))}
    for step in calls.steps:
        append(step, numbers)
    return replace(
        calls, outputs=[numbers[value] for value in calls.outputs], steps=steps, rows=rows_of
    )
