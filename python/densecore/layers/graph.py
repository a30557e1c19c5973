"""The layers between given inputs and outputs, in an order in which they can be computed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from .base import Layer
from .lowering import Plan, Source
from .symbols import Node, Symbol


class Graph(NamedTuple):
    """The nodes between the inputs and the outputs of a model.

    Attributes
    ----------
    nodes : list of Node
        Each after those that its inputs come from. Where a layer that remembers what it was called
        with (moving averages) is called several times, in the order in which Keras calls layers.
    members : list of Layer or Symbol
        The layers, and the inputs among them, in Keras's order: by their distance from the outputs,
        the furthest first; of equal ones that which a search from the outputs meets first.
    """

    nodes: list[Node]
    members: list[Any]

    @property
    def layers(self) -> list[Layer]:
        """The layers alone."""
        return [member for member in self.members if not isinstance(member, Symbol)]


def trace(
    inputs: Sequence[Symbol],
    outputs: Sequence[Symbol],
    as_called: bool = False,
) -> Graph:
    """Walk back from the outputs to the inputs.

    Parameters
    ----------
    as_called : bool, default False
        Whether the calls are made in the order of the program that describes them, as those of a
        `call` are; else in that of a functional model.

    Raises
    ------
    ValueError
        An output needs an input that is not among the inputs.
    """
    given = {id(symbol) for symbol in inputs}
    nodes: list[Node] = []  # each after those before it
    met: dict[int, int] = {}  # when a search from the outputs meets a layer or an input
    done: set[int] = set()
    for output in outputs:
        # A stack of symbols, with whether what is before them has been visited: graphs are deep.
        pending = [(output, False)]
        while pending:
            symbol, left = pending.pop()
            node = symbol._node
            if left:
                assert node is not None
                if id(node) not in done:
                    done.add(id(node))
                    nodes.append(node)
                continue
            if id(symbol) in given:
                met.setdefault(id(symbol), len(met))
                continue
            if node is None:
                raise ValueError(
                    f"output {_named(output)}: it needs the input {_named(symbol)}, which is not "
                    f"among the inputs, {', '.join(map(_named, inputs))}"
                )
            if id(node) in done:
                continue
            met.setdefault(id(node.layer), len(met))
            pending.append((symbol, True))
            pending += [(before, False) for before in reversed(node.inputs)]
    depths = _depths(nodes)
    members = _by_depth(inputs, nodes, met)
    if _order_matters(nodes):
        if as_called:
            nodes.sort(key=lambda node: node.number)
        else:
            places = {number: place for place, number in enumerate(depths)}
            nodes.sort(key=lambda node: (-depths[id(node)], places[id(node)]))
    return Graph(nodes, members)


def _order_matters(nodes: list[Node]) -> bool:
    """Whether a layer with moving averages is called several times."""
    counts = Counter(part for node in nodes for part in node.layer._walk() if part.state_names)
    return any(count > 1 for count in counts.values())


def _depths(nodes: list[Node]) -> dict[int, int]:
    """The largest distance of each node from an output, in the order in which Keras meets them:
    equal ones in the order of their calls. A layer's earlier calls are at least as far away as
    its later ones."""
    depths: dict[int, int] = {}
    of_layers: dict[int, int] = {}
    for node in reversed(nodes):
        depth = max(depths.get(id(node), 0), of_layers.get(id(node.layer), 0))
        depths[id(node)] = of_layers[id(node.layer)] = depth
        for symbol in node.inputs:
            if symbol._node is not None:
                before = id(symbol._node)
                depths[before] = max(depth + 1, depths.get(before, 0))
    return depths


def _by_depth(inputs: Sequence[Symbol], nodes: list[Node], met: dict[int, int]) -> list[Any]:
    """Layers and inputs by their largest distance from an output."""
    given = {id(symbol): symbol for symbol in inputs}
    of_nodes: dict[int, int] = {}
    members: dict[int, Any] = {}
    depths: dict[int, int] = {}
    for node in reversed(nodes):
        layer = node.layer
        depth = max(of_nodes.get(id(node), 0), depths.get(id(layer), 0))
        members[id(layer)], depths[id(layer)] = layer, depth
        for symbol in node.inputs:
            if id(symbol) in given:
                members[id(symbol)] = symbol
                depths[id(symbol)] = max(depth + 1, depths.get(id(symbol), 0))
            elif symbol._node is not None:
                before = id(symbol._node)
                of_nodes[before] = max(depth + 1, of_nodes.get(before, 0))
    for symbol in inputs:
        members.setdefault(id(symbol), symbol)
        depths.setdefault(id(symbol), 0)
    # An input that no output needs was not met.
    return sorted(
        members.values(), key=lambda thing: (-depths[id(thing)], met.get(id(thing), len(met)))
    )


def _named(symbol: Symbol) -> str:
    shape = ", ".join(map(str, symbol.row))
    return f"{symbol.name or 'input'} ({shape})"


def lower(
    plan: Plan,
    nodes: Sequence[Node],
    inputs: Sequence[Symbol],
    outputs: Sequence[Symbol],
    sources: Sequence[Source],
) -> list[Source]:
    """Append the layers of a graph to a plan; returns where the outputs are.

    Parameters
    ----------
    sources
        Where the inputs are.
    """
    values = dict(zip(map(id, inputs), sources, strict=True))
    uses = Counter(id(symbol) for node in nodes for symbol in node.inputs)
    uses.update(id(symbol) for symbol in outputs)
    for node in nodes:
        taken = [values[id(symbol)] for symbol in node.inputs]
        for symbol, source in zip(
            node.outputs, plan.call(node.layer, taken, node.form), strict=True
        ):
            values[id(symbol)] = source
            if uses[id(symbol)] > 1:
                plan.close()  # an activation may not change what others see
    return [values[id(symbol)] for symbol in outputs]
