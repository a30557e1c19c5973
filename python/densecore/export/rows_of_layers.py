"""Which row of an exporter's table says what a layer is: the same question for every format."""

from collections.abc import Mapping
from typing import Any, TypeVar

from .. import layers

Row = TypeVar("Row")

#: The methods that say what a layer computes.
_OWN = {"_lower", "_plan"}


def row_of(layer: layers.Layer, table: Mapping[type[layers.Layer], Row]) -> Row:
    """The entry for a layer's class, or for the nearest base that computes the same.

    A class that has a method of `_OWN` itself computes something of its own: the entry of its base
    would be another function, without a word. So a new kind of layer is refused until a table
    knows it.

    Raises
    ------
    ValueError
        There is none; the message names the layer.
    """
    for kind in type(layer).__mro__:
        if kind in table:
            return table[kind]
        if _OWN & vars(kind).keys():
            break
    raise ValueError(
        f"layer {layer.name}: found {type(layer).__name__}, wanted one of: "
        + ", ".join(sorted(kind.__name__ for kind in table))
    )


def stack_of(model: Any) -> list[layers.Layer]:
    """The layers of a model that is a stack, in their order; of a graph without branches too.

    Raises
    ------
    ValueError
        The model has branches, several inputs or several outputs.
    """
    graph = getattr(model, "_graph", None)
    if graph is None:
        return list(model.layers)
    symbols, outputs = model._symbols, model._output_symbols
    found: list[layers.Layer] = []
    before = symbols[0]
    for node in graph.nodes:
        if len(node.inputs) != 1 or node.inputs[0] is not before or len(node.outputs) != 1:
            raise ValueError(
                f"layer {node.layer.name}: found a graph with branches, wanted a stack of layers, "
                "each with one input and one output"
            )
        found.append(node.layer)
        before = node.outputs[0]
    if len(symbols) != 1 or len(outputs) != 1 or outputs[0] is not before:
        raise ValueError(
            f"{model.name}: found {len(symbols)} inputs and {len(outputs)} outputs, wanted one each"
        )
    return found
