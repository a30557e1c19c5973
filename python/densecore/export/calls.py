"""A model as calls of its layers: stacks and graphs in one form, for every exporter."""

from dataclasses import dataclass
from typing import Any

from ..layers import Layer
from ..layers.lowering import Row


@dataclass(frozen=True)
class Call:
    """A layer with the values that it takes and makes, by their numbers."""

    layer: Layer
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Calls:
    """What a model does with its inputs: values 0, 1, … are the inputs, then come those of layers.

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
    def is_stack(self) -> bool:
        """Whether each layer takes what the one before it makes, each is called once, and the last
        one's value is the output."""
        before = 0
        for step in self.steps:
            if step.inputs != (before,) or len(step.outputs) != 1:
                return False
            (before,) = step.outputs
        once = len({id(step.layer) for step in self.steps}) == len(self.steps)
        one = not isinstance(self.input_structure, dict | list)
        return once and one and self.outputs == [before] and self.output_structure == 0


def calls_of(model: Any) -> Calls:
    """The calls of a built model's layers."""
    if getattr(model, "_graph", None) is None:
        rows = [tuple(model._input_row)]
        steps = []
        for layer in model._layers:
            row = layer._output_row(rows[-1])
            steps.append(Call(layer, (len(rows) - 1,), (len(rows),)))
            rows.append(tuple(row))
        return Calls([0], [len(rows) - 1], ["x"], ["y"], 0, 0, steps, rows)
    symbols = list(model._symbols)
    numbers = {id(symbol): number for number, symbol in enumerate(symbols)}
    steps = []
    for node in model._graph.nodes:
        taken = tuple(numbers[id(symbol)] for symbol in node.inputs)
        for symbol in node.outputs:
            numbers[id(symbol)] = len(symbols)
            symbols.append(symbol)
        steps.append(Call(node.layer, taken, tuple(numbers[id(each)] for each in node.outputs)))
    outputs = [numbers[id(symbol)] for symbol in model._output_symbols]
    single = len(model._symbols) == 1, len(outputs) == 1
    return Calls(
        list(range(len(model._symbols))),
        outputs,
        ["x"] if single[0] else model.input_names,
        ["y"] if single[1] else model.output_names,
        model._input_structure,
        model._output_structure,
        steps,
        [symbol.row for symbol in symbols],
    )


def check_built(what: str, model: Any) -> None:
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
