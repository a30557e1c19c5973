"""Layers of preprocessing on the inputs of a model: they see arrays before the core does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._base import checks
from .._base.dtypes import Array
from ..layers.graph import Graph
from ..layers.preprocessing import Preprocessing
from ..layers.symbols import Node, Symbol


class Preparation:
    """The part of a graph that is computed before the core: its layers of preprocessing.

    Parameters
    ----------
    graph : Graph
    inputs, outputs : list of Symbol
        The model's.

    Attributes
    ----------
    nodes : list of Node
        The calls of layers of preprocessing, in their order.
    symbols : list of Symbol
        What the core takes: inputs of the model, and the outputs of these layers.

    Raises
    ------
    TypeError
        A layer of preprocessing takes the output of another kind of layer.
    """

    def __init__(self, graph: Graph, inputs: Sequence[Symbol], outputs: Sequence[Symbol]) -> None:
        self.inputs = list(inputs)
        self.nodes: list[Node] = []
        known = {id(symbol): symbol for symbol in inputs}
        wanted: set[int] = {id(symbol) for symbol in outputs}
        for node in graph.nodes:
            if not isinstance(node.layer, Preprocessing):
                wanted |= {id(symbol) for symbol in node.inputs}
                continue
            if any(id(symbol) not in known for symbol in node.inputs):
                raise TypeError(
                    f"layer {node.layer.name or type(node.layer).__name__}: found it on what a "
                    "layer computes, wanted it on an input of the model"
                )
            self.nodes.append(node)
            known |= {id(symbol): symbol for symbol in node.outputs}
        self.symbols = [symbol for key, symbol in known.items() if key in wanted]
        if not self.nodes:
            self.symbols = self.inputs

    def compute(self, names: Sequence[str], parts: Sequence[Any]) -> list[Array]:
        """The arrays that the core takes.

        Parameters
        ----------
        names, parts
            The inputs' names, and their arrays: numbers or text.

        Raises
        ------
        ValueError
            An array of another shape than its input, or what a layer does not take.
        """
        values: dict[int, Array] = {}
        rows: int | None = None
        for name, part, symbol in zip(names, parts, self.inputs, strict=True):
            try:
                array = np.asarray(part)
            except ValueError:
                raise ValueError(
                    f"input {name}: found rows of different lengths, wanted an array {symbol.shape}"
                ) from None
            if array.ndim == 0 or array.size != len(array) * int(np.prod(symbol.row)):
                found = f"shape {array.shape}" if array.ndim else checks.shown(part)
                raise ValueError(f"input {name}: found {found}, wanted an array {symbol.shape}")
            rows = len(array) if rows is None else rows
            if len(array) != rows:
                raise ValueError(
                    f"input {name}: found {len(array)} rows, wanted {rows}, as of {names[0]}"
                )
            values[id(symbol)] = array.reshape(rows, *symbol.row)
        for node in self.nodes:
            layer = node.layer
            assert isinstance(layer, Preprocessing)
            try:
                computed = layer.compute(values[id(node.inputs[0])])
            except ValueError as error:
                raise checks.prefixed(f"layer {layer.name}", error) from None
            (output,) = node.outputs
            width = int(np.prod(output.row))
            if computed.size != len(computed) * width:
                raise ValueError(
                    f"layer {layer.name}: found {computed.size // max(len(computed), 1)} columns, "
                    f"wanted {width}, as when the model was made: it was adapted again"
                )
            values[id(output)] = computed.reshape(len(computed), *output.row)
        return [values[id(symbol)] for symbol in self.symbols]
