"""The nodes of an ONNX graph in an order in which they can be computed, and who takes which value.

Nodes without effect are left out, what depends on constants alone is computed, and of outputs that
are decisions (a classifier's label beside its probabilities) nothing is left.
"""

from collections.abc import Sequence

import numpy as np

from .._base.dtypes import Array
from .onnx_graph import Graph, Node
from .onnx_operators import OPERATORS, compute
from .onnx_rewrites import rewrite

#: What makes a label of probabilities, in skl2onnx's files.
_DECISIONS = ("ArgMax", "ArgMin", "ArrayFeatureExtractor", "Binarizer", "LabelEncoder", "TopK")
# Numbers of TensorProto.DataType.
_FLOATS, _INTEGERS = (1, 10, 11, 16), (6, 7)


class Flow:
    """A graph's nodes, constants and ends.

    Attributes
    ----------
    nodes : list of Node
        Those that the ends need, each after those whose values it takes; but not those that depend
        on constants alone.
    constants : dict of str to ndarray
    ends : list of str
        The values that are outputs.
    classes : list
        The labels of a classifier, or none.

    Raises
    ------
    ValueError
        A value that no node computes, nodes that need each other, or no output; named.
    """

    def __init__(self, graph: Graph) -> None:
        rewrite(graph)
        self.graph = graph
        self.constants: dict[str, Array] = dict(graph.constants)
        self.classes: list[object] = []
        self._makers: dict[str, Node] = {}
        for node in graph.nodes:
            for name in node.outputs:
                if name:
                    self._makers.setdefault(name, node)
        self._indexed = {  # what chooses rows of a table
            node.inputs[1]
            for node in graph.nodes
            if node.operator == "Gather" and len(node.inputs) > 1
        }
        self._same: dict[str, str] = {}
        self.ends = self._numeric(graph.outputs)
        self.nodes = self._ordered(self.ends)
        self.ends = [self.origin(name) for name in self.ends]
        self._users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                self._users.setdefault(name, []).append(node)

    def origin(self, name: str) -> str:
        """The value that one is the same as."""
        while name in self._same:
            name = self._same[name]
        return name

    def users(self, name: str) -> list[Node]:
        """The nodes that take a value, each once."""
        return self._users.get(name, [])

    def dynamic(self, node: Node) -> list[str]:
        """The inputs of a node that are not constants, each once."""
        return list(dict.fromkeys(n for n in node.inputs if n and n not in self.constants))

    def constant(self, node: Node, place: int) -> Array:
        """A constant input of a node.

        Raises
        ------
        ValueError
            A node computes it, or it is missing.
        """
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name not in self.constants:
            raise ValueError(f"{node.place}: found the input {name or 'none'}, wanted a constant")
        return self.constants[name]

    def compute(self, node: Node, inputs: Sequence[Array | None]) -> Array:
        """A node's output.

        Raises
        ------
        ValueError
            Its operator is unknown here, or does not fit; the message names it.
        """
        if node.operator not in OPERATORS:
            raise ValueError(
                f"{node.place}: found {node.operator}, wanted one of: " + ", ".join(OPERATORS)
            )
        try:
            return compute(node, inputs, self.graph.opset)
        except KeyError:
            raise ValueError(f"{node.place}: found an operator of {node.domain}") from None
        except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError(f"{node.place}: {error}") from None

    def fold(self, node: Node) -> bool:
        """Compute a node that takes constants alone; whether it is one."""
        if node.operator == "Constant":
            values = list(node.attributes.values())
            if len(values) != 1 or isinstance(values[0], str):
                raise ValueError(f"{node.place}: found no numbers, wanted a constant of them")
            self.constants[node.outputs[0]] = np.asarray(values[0])
            return True
        if self.dynamic(node) or not any(node.inputs):
            return False
        inputs = [self.constants[name] if name else None for name in node.inputs]
        first = next(each for each in inputs if each is not None)
        result = self.compute(node, inputs)
        numeric = first.dtype.kind in "fiu" and result.dtype.kind in "fiu"
        keeps = numeric and node.operator not in ("Cast", "Shape")
        self.constants[node.outputs[0]] = result.astype(first.dtype) if keeps else result
        return True

    def _numeric(self, outputs: Sequence[str]) -> list[str]:
        """The outputs that are numbers of the network, not decisions about them."""
        found = []
        for name in outputs:
            node = self._makers.get(name)
            if node is not None and node.operator == "ZipMap":
                attributes = node.attributes
                self.classes = list(
                    attributes.get("classlabels_int64s")
                    or attributes.get("classlabels_strings")
                    or []
                )
                found.append(node.inputs[0])
            elif not self._is_decision(name):
                found.append(name)
        if not found:
            raise ValueError(
                f"found the outputs {', '.join(outputs) or 'none'}, wanted numbers that layers "
                "compute"
            )
        return found

    def _is_decision(self, name: str) -> bool:
        """Whether a value is computed from a decision, within a few nodes."""
        for _ in range(8):
            node = self._makers.get(name)
            if node is None or not node.inputs:
                return False
            if node.operator == "ArrayFeatureExtractor" and node.inputs[0] in self.constants:
                self.classes = self.constants[node.inputs[0]].ravel().tolist()
            if node.operator in _DECISIONS:
                return True
            name = node.inputs[0]
        return False

    def _passes_on(self, node: Node) -> bool:
        """Whether a node's value is its input's."""
        if node.operator == "Cast":
            kind = node.attributes.get("to", 1)
            return kind in _FLOATS or (kind in _INTEGERS and node.outputs[0] in self._indexed)
        return node.operator in ("Identity", "CastLike")

    def _ordered(self, ends: Sequence[str]) -> list[Node]:
        order: list[Node] = []
        done: dict[int, bool] = {}  # False: its inputs are being looked at
        pending = list(reversed(ends))
        given = set(self.graph.inputs)
        while pending:
            name = pending[-1]
            node = self._makers.get(name)
            if not name or name in given or name in self.constants or node is None:
                if node is None and name and name not in given and name not in self.constants:
                    raise ValueError(f"value {name}: found no node that computes it")
                pending.pop()
                continue
            if done.get(id(node)):
                pending.pop()
                continue
            if id(node) in done:  # all that it takes is there
                done[id(node)] = True
                pending.pop()
                self._take(node, order)
                continue
            done[id(node)] = False
            for each in reversed(node.inputs):
                before = self._makers.get(each)
                if before is not None and done.get(id(before)) is False:
                    raise ValueError(f"{node.place}: found nodes that need each other's values")
                pending.append(each)
        return order

    def _take(self, node: Node, order: list[Node]) -> None:
        node.inputs[:] = [self.origin(name) for name in node.inputs]
        if self.fold(node):
            return
        if node.inputs and node.outputs and self._passes_on(node):
            self._same[node.outputs[0]] = node.inputs[0]
            return
        order.append(node)
