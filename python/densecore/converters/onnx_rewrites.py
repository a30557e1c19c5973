"""Nodes that are said otherwise before they are read, as layers know no dimension before the rows
and no shapes that follow from the number of rows."""

from collections.abc import Mapping

from .onnx_graph import Graph, Node

#: What joins the members of an ensemble, as an operator of several values.
_JOINED = {"ReduceMax": "Max", "ReduceMean": "Mean", "ReduceMin": "Min", "ReduceSum": "Sum"}
_WITH_TWO = ("Add", "Div", "Mul", "Sub")


def rewrite(graph: Graph) -> None:
    """Members that are stacked before their rows and averaged become one mean, and what is expanded
    to the shape of the rows that it was computed from is taken as it was."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    for node in graph.nodes:
        if node.operator in _JOINED and not node.attributes.get("keepdims", 1):
            members = _members(graph, makers, node)
            if members:
                node.operator = _JOINED[node.operator] if len(members) > 1 else "Identity"
                node.inputs[:], node.attributes = members, {}
        elif node.operator in _WITH_TWO and len(node.inputs) == 2:
            for place in (0, 1):
                expanded = makers.get(node.inputs[place])
                if expanded is not None and expanded.operator == "Expand":
                    found = expanded.inputs[0]
                    if _reduces(makers, found, node.inputs[1 - place]):
                        node.inputs[place] = found


def _members(graph: Graph, makers: Mapping[str, Node], node: Node) -> list[str]:
    """The values that a node joins along a dimension before their rows; none for other nodes."""
    stack = makers.get(node.inputs[0])
    if _axes(graph, makers, node) != [0] or stack is None or stack.operator != "Concat":
        return []
    parts = [makers.get(name) for name in stack.inputs]
    found = [
        part.inputs[0]
        for part in parts
        if part is not None and part.operator == "Unsqueeze" and _axes(graph, makers, part) == [0]
    ]
    return found if stack.attributes.get("axis") == 0 and len(found) == len(parts) else []


def _axes(graph: Graph, makers: Mapping[str, Node], node: Node) -> list[int] | None:
    given = node.attributes.get("axes")
    if given is None and len(node.inputs) > 1:
        given = graph.constants.get(node.inputs[1])
        maker = makers.get(node.inputs[1])
        if given is None and maker is not None and maker.operator == "Constant":
            given = maker.attributes.get("value")
    return None if given is None else [int(axis) for axis in list(given)]


def _reduces(makers: Mapping[str, Node], name: str, rows: str) -> bool:
    """Whether a value is made of these rows by a reduction of their last axis that keeps it."""
    for _ in range(4):
        node = makers.get(name)
        if node is None or not node.inputs:
            return False
        if node.operator.startswith("Reduce"):
            return node.inputs[0] == rows and bool(node.attributes.get("keepdims", 1))
        name = node.inputs[0]
    return False
