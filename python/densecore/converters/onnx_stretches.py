"""Nodes of an ONNX graph that together may be one function of one value."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._base.dtypes import Array
from ..layers.lowering import Row
from .onnx_flow import Flow
from .onnx_functions import Affine, Made, identified
from .onnx_graph import Node
from .onnx_operators import OPERATORS

# What is no function of single rows by itself, which need not be computed to know it.
_NO_FUNCTIONS = ("Concat", "Gather", "Slice", "Squeeze", "Transpose", "Unsqueeze")
#: How many nodes after one are looked at.
FOLLOWING = 160
# Rows of finite numbers do not show what follows from these.
_NOT_FINITE = ("IsInf", "IsNaN")
# All functions of so many nodes are tried, and the longest of the longer ones.
_SHORT, _LONG, _TRIED = 14, 80, 6


def functions_from(
    flow: Flow, node: Node, value: str, row: Row, following: Sequence[Node]
) -> Iterator[tuple[Affine | Made, list[Node], str]]:
    """The layers that a node and others after it are, with these nodes and the value that they
    make; those of many nodes first.

    Parameters
    ----------
    value : str
        That the node takes.
    row : tuple of int
        The shape of its rows.
    following : sequence of Node
        The node and those after it.

    Raises
    ------
    ValueError
        A softmax is not one of the features.
    """
    for end, nodes in _stretches(flow, value, following):
        if node not in nodes or (len(nodes) == 1 and node.operator in _NO_FUNCTIONS):
            continue
        normalizes = any("Norm" in each.operator or "Reduce" in each.operator for each in nodes)
        stretch = Stretch(flow, nodes, value, end)
        try:
            found = identified(stretch.outcome, row, stretch.numbers(), normalizes)
        except ValueError as error:
            if len(nodes) == 1 and "axis" in node.attributes and "Softmax" in node.operator:
                raise error
            continue
        if found is not None:
            yield found, nodes, end


def _stretches(flow: Flow, value: str, following: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """Nodes that depend on a value alone, and whose own values nothing else needs, with the value
    that they make; the longest first."""
    reached: dict[str, frozenset[int]] = {value: frozenset()}
    places: dict[int, Node] = {}
    found: list[tuple[str, frozenset[int]]] = []
    for place, node in enumerate(following):
        names = flow.dynamic(node)
        known = node.operator in OPERATORS and node.domain in ("", "ai.onnx")
        known &= node.operator not in _NOT_FINITE
        if not names or not known or not all(name in reached for name in names):
            continue
        places[place] = node
        needed = frozenset([place]).union(*(reached[name] for name in names))
        if len(needed) > _LONG:
            break
        reached[node.outputs[0]] = needed
        found.append((node.outputs[0], needed))
    made: list[tuple[str, list[Node]]] = []
    for end, needed in sorted(found, key=lambda each: -len(each[1])):
        nodes = [places[place] for place in sorted(needed)]
        long = len(nodes) > _SHORT
        if _is_alone(flow, nodes, end) and not (long and len(made) >= _TRIED):
            made.append((end, nodes))
    return made


def _is_alone(flow: Flow, nodes: Sequence[Node], end: str) -> bool:
    """Whether nothing else needs a value of these nodes, but the last."""
    inner = {id(node) for node in nodes}
    for node in nodes:
        for name in node.outputs:
            users = flow.users(name)
            if name != end and (name in flow.ends or any(id(user) not in inner for user in users)):
                return False
    return True


class Stretch:
    """A function of rows that nodes compute."""

    def __init__(self, flow: Flow, nodes: Sequence[Node], start: str, end: str) -> None:
        self.flow, self.nodes, self.start, self.end = flow, nodes, start, end

    def outcome(self, x: Array) -> Array:
        """The function of rows, in double precision."""
        values: dict[str, Array] = {self.start: x}
        for node in self.nodes:
            inputs = [self._input(name, values) if name else None for name in node.inputs]
            made = self.flow.compute(node, inputs)
            if made.size > 4 * x.size + 65536:  # whose double would be computed next
                raise ValueError(f"{node.place}: found {made.size} numbers of {x.size}")
            values[node.outputs[0]] = made
        return values[self.end].astype(np.float64)

    def _input(self, name: str, values: dict[str, Array]) -> Array:
        if name in values:
            return values[name]
        constant = self.flow.constants[name]
        return constant.astype(np.float64) if constant.dtype.kind == "f" else constant

    def numbers(self) -> list[float]:
        """The numbers that it may have as parameters: constants and attributes."""
        found: set[float] = set()
        for node in self.nodes:
            for name in node.inputs:
                values = self.flow.constants.get(name)
                if values is not None and values.dtype.kind in "fiu" and values.size <= 8:
                    found |= {float(each) for each in values.ravel()}
            found |= {float(v) for v in node.attributes.values() if isinstance(v, int | float)}
        return sorted(each for each in found if np.isfinite(each))
