"""The nodes that our exporter writes before an embedding: numbers that are no category become
row 0, or a place outside the table."""

import numpy as np

from .onnx_flow import Flow
from .onnx_graph import Node
from .onnx_stretches import Stretch

_CHECKS = (
    "And", "Cast", "Ceil", "Clip", "Equal", "Floor", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Min", "Not", "Or", "Round", "Where",
)  # fmt: skip


def take_check_of_categories(flow: Flow, gather: Node) -> list[Node]:
    """Let the look-up in a table take the numbers that a check of them begins with.

    Returns
    -------
    list of Node
        The check, for which nothing is to be computed then; none where it does something else.
    """
    nodes, source = _check(flow, gather.inputs[1])
    categories = len(flow.constants[gather.inputs[0]])
    if not nodes or source is None:
        return []
    known = np.arange(categories, dtype=np.float64)
    others = np.array([-1.0, categories, 0.5, categories + 7.5, np.nan])
    try:
        found = Stretch(flow, nodes, source, gather.inputs[1]).outcome(
            np.concatenate([known, others])[:, np.newaxis]
        )
    except ValueError:
        return []
    numbers, rest = found.ravel()[:categories], found.ravel()[categories:]
    missing = bool((rest == 0).all())
    outside = bool(((rest < 0) | (rest >= categories)).all())
    if not (numbers == known).all() or not (missing or outside):
        return []
    gather.inputs[1] = source
    gather.attributes["missing"] = missing
    return nodes


def _check(flow: Flow, end: str) -> tuple[list[Node], str | None]:
    """The nodes that check numbers, in their order, and the one value that they begin with."""
    nodes: dict[int, Node] = {}
    sources: set[str] = set()
    pending = [end]
    makers = {name: node for node in flow.nodes for name in node.outputs}
    while pending:
        name = pending.pop()
        node = makers.get(name)
        if node is None or node.operator not in _CHECKS:
            sources.add(name)
        elif id(node) not in nodes:
            nodes[id(node)] = node
            pending += flow.dynamic(node)
    inner = set(nodes)
    for node in nodes.values():
        for name in node.outputs:
            users = [id(user) for user in flow.users(name)]
            if name != end and (name in flow.ends or not inner.issuperset(users)):
                return [], None
    alone = len(flow.users(end)) == 1 and end not in flow.ends
    if len(sources) != 1 or not alone:
        return [], None
    return [node for node in flow.nodes if id(node) in inner], next(iter(sources))
