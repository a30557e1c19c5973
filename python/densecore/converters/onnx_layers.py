"""The nodes of an ONNX graph as layers that take each other's values.

A product with constants is a dense layer. Other nodes of one value are taken together, as many as
nothing else needs values of, and compared with the layers and activations that there are. What is
left are merges, shapes, parts of rows, and functions of single elements, node by node.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from ..layers.lowering import Row
from .onnx_categories import take_check_of_categories
from .onnx_elements import NAMES, PAIRS, choice, function_of_elements
from .onnx_flow import Flow
from .onnx_functions import Affine, Made
from .onnx_graph import Node
from .onnx_operators import OPERATORS
from .onnx_parts import PARTS, Part
from .onnx_stretches import FOLLOWING, functions_from

_PRODUCTS = ("Gemm", "MatMul")
#: What stands for the number of rows among sizes, where no size can be.
_BATCH = -(2**31)

_MERGES = {
    "Add": layers.Add, "Max": layers.Maximum, "Mean": layers.Average, "Min": layers.Minimum,
    "Sum": layers.Add,
}  # fmt: skip


def _of_vectors(rows: Sequence[Row]) -> Row | None:
    """The shape that two rows of vectors have together, one of which has a number for each vector
    or a vector for all of them; None for others."""
    if [len(row) for row in rows] != [2, 2] or rows[0] == rows[1]:
        return None
    pairs = list(zip(*rows, strict=True))
    return (
        tuple(map(max, pairs)) if all(1 in pair or pair[0] == pair[1] for pair in pairs) else None
    )


@dataclass
class Step:
    """A layer, or a function of symbols, with the values that it takes and makes.

    Attributes
    ----------
    arrays : list of ndarray
        That the layer gets once the model is built.
    """

    place: str
    inputs: list[str]
    output: str
    layer: layers.Layer | None = None
    arrays: list[Array] = field(default_factory=list)
    function: Callable[..., Any] | None = None

    @property
    def is_open_dense(self) -> bool:
        """Whether it is a dense layer without an activation."""
        return isinstance(self.layer, layers.Dense) and str(self.layer.activation) == "linear"


class Reader:
    """Layers of a graph, as its nodes are met.

    Attributes
    ----------
    steps : list of Step
        Each after those whose values it takes.
    rows : dict of str to tuple of int
        The shape of a row of each value; () of one number. To layers that is (1,).
    """

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.steps: list[Step] = []
        self.rows: dict[str, Row] = {}
        self._makers: dict[str, Step] = {}
        self._shared: dict[tuple[Any, ...], layers.Layer] = {}
        self._done: set[int] = set()
        self._numbers = sum(each.size for each in flow.constants.values())

    def read(self) -> None:
        """Make steps of all nodes; the rows of inputs are known.

        Raises
        ------
        ValueError
            A node is no layer here; the message names it.
        """
        nodes = self.flow.nodes
        for node in nodes:
            if node.operator == "Gather" and node.inputs[0] in self.flow.constants:
                self._done |= {id(each) for each in take_check_of_categories(self.flow, node)}
        for at, node in enumerate(nodes):
            if id(node) in self._done:
                continue
            self._done.add(id(node))
            try:
                self._read(node, nodes[at : at + FOLLOWING])
            except ValueError as error:
                text = str(error)
                known = text.startswith(("node ", "value "))
                raise ValueError(text if known else f"{node.place}: {text}") from None

    def row(self, name: str) -> Row:
        """The shape of a value's rows, for layers."""
        return self.rows[name] or (1,)

    def add(self, node: Node, inputs: Sequence[str], row: Row, **what: Any) -> Step:
        """Append a step that makes a node's value."""
        return self.add_value(node.place, inputs, node.outputs[0], row, **what)

    def add_value(
        self, place: str, inputs: Sequence[str], output: str, row: Row, **what: Any
    ) -> Step:
        """Append a step that makes a value."""
        size = math.prod(row)
        # No more is computed than little, or than the file has numbers for.
        if size > max(2**16, 4 * self._numbers):
            raise ValueError(f"{place}: found rows of shape {row}, more than all constants")
        step = Step(place, list(inputs), output, **what)
        self.steps.append(step)
        self._makers[output] = step
        self.rows[output] = row
        return step

    def fixed(self, node: Node, before: Row, after: Row) -> None:
        """Refuse a product with a fixed matrix that would be far larger than the file."""
        size = math.prod(before) * math.prod(after)
        if size > max(2**22, 16 * self._numbers):
            raise ValueError(
                f"{node.place}: found rows of shape {before}, too many numbers for another order"
            )

    # Nodes ----------------------------------------------------------------------------------------

    def _read(self, node: Node, following: Sequence[Node]) -> None:
        if node.operator == "Shape" and node.inputs[0] in self.rows:
            sizes = (_BATCH, *self.rows[node.inputs[0]])
            a = node.attributes
            part = np.array(sizes[a.get("start", 0) : a.get("end", len(sizes))], np.int64)
            self.flow.constants[node.outputs[0]] = part
            return
        if self.flow.fold(node):
            return
        values = self.flow.dynamic(node)
        for name in values:
            if name not in self.rows:
                raise ValueError(f"{node.place}: found the value {name}, which no layer makes")
        if node.operator in _PRODUCTS:
            self._product(node)
        elif node.operator == "Scaler" and node.domain == "ai.onnx.ml":
            self._scaler(node)
        elif node.domain not in ("", "ai.onnx"):
            raise ValueError(f"{node.place}: found an operator of {node.domain}")
        elif node.operator == "BatchNormalization":
            self._batch_normalization(node)
        elif node.operator == "Dropout":
            rate = self._rate(node)
            self.add(node, values, self.rows[values[0]], layer=layers.Dropout(rate))
        elif len(values) == 1 and self._function(node, values[0], following):
            return
        elif node.operator in PARTS:
            self._part(node)
        elif not (self._merge(node) or self._element(node)):
            self._refuse(node)

    def _refuse(self, node: Node) -> None:
        known = sorted(
            {*NAMES, *OPERATORS, *PARTS, *_PRODUCTS, *_MERGES, "BatchNormalization", "Dropout"}
        )
        if node.operator in known:
            raise ValueError(
                f"{node.place}: found a function that is no layer or activation of this library"
            )
        raise ValueError(f"{node.place}: found {node.operator}, wanted one of: {', '.join(known)}")

    def _rate(self, node: Node) -> float:
        given = self.flow.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        rate = float(node.attributes.get("ratio", 0.5) if given is None else given.ravel()[0])
        return rate if 0 <= rate < 1 else 0.0

    def _product(self, node: Node) -> None:
        values = self.flow.dynamic(node)
        a = node.attributes
        if node.operator == "MatMul" and len(values) == 2:
            rows = [self.rows[name] for name in values]
            if all(len(row) == 2 for row in rows):
                self.add(node, values, (rows[0][0], rows[1][1]), layer=layers.Dot(axes=(2, 1)))
                return
        kernel = np.asarray(self.flow.constant(node, 1))
        if a.get("transA"):
            raise ValueError(f"{node.place}: found transA={a['transA']}, wanted 0")
        if a.get("transB"):
            kernel = kernel.T
        if kernel.ndim != 2 or kernel.dtype.kind != "f":
            raise ValueError(
                f"{node.place}: found constants of shape {kernel.shape}, wanted numbers "
                "(inputs, units)"
            )
        row, (size, units) = self.rows[values[0]], kernel.shape
        if row[-1:] != (size,) or (node.operator == "Gemm" and len(row) > 1):
            raise ValueError(
                f"{node.place}: found rows of shape {row}, wanted ({size},) as the constants have"
            )
        kernel = kernel * kernel.dtype.type(a.get("alpha", 1.0))
        arrays, names, end = [kernel], node.inputs[1:3], node
        if len(node.inputs) > 2 and node.inputs[2]:
            factor = kernel.dtype.type(a.get("beta", 1.0))
            arrays.append(self._vector(node, self.flow.constant(node, 2) * factor, units))
        elif (addition := self._addition(node, units)) is not None:
            end, name = addition
            names = [node.inputs[1], name]
            arrays.append(self._vector(end, self.flow.constants[name], units))
            self._done.add(id(end))
        key = (node.operator, *names, a.get("transB", 0), a.get("alpha", 1), a.get("beta", 1))
        known = self._shared.get(key)
        layer = known or layers.Dense(int(units), use_bias=len(arrays) > 1)
        self._shared[key] = layer
        self.add(end, values, (*row[:-1], int(units)), layer=layer, arrays=[] if known else arrays)

    def _addition(self, node: Node, units: int) -> tuple[Node, str] | None:
        """The node that adds a bias to a product, if that is all that takes it."""
        users = self.flow.users(node.outputs[0])
        if len(users) != 1 or users[0].operator != "Add" or node.outputs[0] in self.flow.ends:
            return None
        names = [name for name in users[0].inputs if name in self.flow.constants]
        if len(names) != 1 or self.flow.constants[names[0]].size != units:
            return None
        return users[0], names[0]

    def _vector(self, node: Node, values: Array, size: int) -> Array:
        if values.size not in (1, size):
            raise ValueError(f"{node.place}: found {values.size} numbers for {size} features")
        return np.array(np.broadcast_to(values.ravel(), (size,)))

    def _batch_normalization(self, node: Node) -> None:
        value = node.inputs[0]
        row = self.row(value)
        arrays = [np.asarray(self.flow.constant(node, place)).ravel() for place in range(1, 5)]
        if len(row) != 1 or any(each.size != row[0] for each in arrays):
            raise ValueError(f"{node.place}: found rows of shape {row}, wanted ({arrays[0].size},)")
        momentum = node.attributes.get("momentum", 0.9)
        epsilon = node.attributes.get("epsilon", 1e-5)
        layer = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
        self.add(node, [value], row, layer=layer, arrays=arrays)

    def _scaler(self, node: Node) -> None:
        """(x - offset) · scale, which skl2onnx writes of scikit-learn's scalers."""
        value = node.inputs[0]
        row = self.row(value)
        offset, scale = (
            np.broadcast_to(np.asarray(node.attributes.get(key, default), np.float64), row)
            for key, default in (("offset", 0.0), ("scale", 1.0))
        )
        made = Affine(scale, -offset * scale).layer()
        if made is None:
            raise ValueError(f"{node.place}: found rows of shape {row}, wanted vectors")
        self.add(node, [value], row, layer=made[0], arrays=made[1])

    # Functions ------------------------------------------------------------------------------------

    def _function(self, node: Node, value: str, following: Sequence[Node]) -> bool:
        """Append the layer that this node and as many as possible after it are."""
        size = math.prod(self.row(value))
        if node.operator not in OPERATORS or size > max(2**14, self._numbers):
            return False
        for found, nodes, end in functions_from(self.flow, node, value, self.row(value), following):
            if self._take(found, nodes, value, end):
                self._done |= {id(each) for each in nodes}
                return True
        return False

    def _take(self, found: Affine | Made, nodes: Sequence[Node], value: str, end: str) -> bool:
        """Append the layer that a function was recognised as; returns whether there is one."""
        place, row = nodes[-1].place, self.rows[value]
        if not isinstance(found, Affine):
            self.add_value(place, [value], end, row, layer=found[0], arrays=found[1])
            return True
        if found.is_identity:
            self.add_value(place, [value], end, row)
            return True
        if self._fold(found, nodes, value, end):
            return True
        made = found.layer()
        if made is None:
            return False
        self.add_value(place, [value], end, row, layer=made[0], arrays=made[1])
        return True

    def _fold(self, affine: Affine, nodes: Sequence[Node], value: str, end: str) -> bool:
        """Let the dense layer before compute a factor and an addend, too, if nothing else takes
        what it makes."""
        step = self._makers.get(value)
        inner = {id(node) for node in nodes}
        if step is None or not step.is_open_dense or not step.arrays or affine.scale.ndim != 1:
            return False
        alone = all(id(user) in inner for user in self.flow.users(value))
        calls = sum(each.layer is step.layer for each in self.steps)
        if not alone or value in self.flow.ends or calls > 1:
            return False
        self._shared = {k: layer for k, layer in self._shared.items() if layer is not step.layer}
        kernel, *bias = step.arrays
        before = bias[0] if bias else np.zeros(kernel.shape[1], kernel.dtype)
        plain = (affine.scale == 1).all()
        arrays = [kernel if plain else kernel * affine.scale, before * affine.scale + affine.shift]
        step.layer = layers.Dense(kernel.shape[1])
        step.arrays = [each.astype(kernel.dtype) for each in arrays]
        step.output = end
        self._makers[end], self.rows[end] = step, self.rows[value]
        return True

    # Several values, parts of values, and single elements -----------------------------------------

    def _part(self, node: Node) -> None:
        for part in PARTS[node.operator](self, node):
            self._append_part(node, part)

    def _append_part(self, node: Node, part: Part) -> None:
        layer = part.layer
        if part.table is not None:
            key = ("table", part.table, part.missing)
            known = self._shared.get(key)
            categories, units = self.flow.constants[part.table].shape
            layer = known or layers.Embedding(categories, units, missing=part.missing)
            self._shared[key] = layer
            arrays = [] if known else [self.flow.constants[part.table]]
            self.add_value(
                node.place, [part.value], part.output, part.row, layer=layer, arrays=arrays,
                function=part.function,
            )  # fmt: skip
            return
        self.add_value(
            node.place, [part.value], part.output, part.row, layer=layer, function=part.function
        )

    def _merge(self, node: Node) -> bool:
        """Append a layer of several values."""
        values = [name for name in node.inputs if name]
        if not values or any(name in self.flow.constants for name in values):
            return False
        rows = [self.row(name) for name in values]
        if node.operator == "Concat" and len(values) == 1:
            self.add(node, values, self.rows[values[0]])
            return True
        if node.operator == "Concat":
            axis = node.attributes.get("axis", 1)
            axis = axis + len(rows[0]) + 1 if axis < 0 else axis
            if not 1 <= axis <= len(rows[0]):
                raise ValueError(f"{node.place}: found axis={axis}, wanted the features")
            layer: layers.Layer = layers.Concatenate(axis)
            try:
                (row,) = layer._output_rows(rows)
            except ValueError as error:
                raise ValueError(f"{node.place}: {error}") from None
            self.add(node, values, row, layer=layer)
            return True
        if len(values) < 2 or (node.operator not in _MERGES and node.operator not in PAIRS):
            return False
        row = max(rows, key=math.prod)
        both = _of_vectors(rows) if node.operator in PAIRS else None
        if both is not None:
            self.fixed(node, row, both)
            self.add(node, values, both, function=PAIRS[node.operator])
            return True
        if any(each not in (row, (1,)) for each in rows):
            shown = " and ".join(map(str, rows))
            raise ValueError(f"{node.place}: found rows of shapes {shown}, wanted equal ones")
        if len(values) == 2 and node.operator in PAIRS and node.operator not in _MERGES:
            self.add(node, values, row, function=PAIRS[node.operator])
        elif node.operator in _MERGES:
            self.add(node, values, row, layer=_MERGES[node.operator]())
        else:
            return False
        return True

    def _element(self, node: Node) -> bool:
        """Append a function of each element, or of each and a number."""
        values = self.flow.dynamic(node)
        function = function_of_elements(node, self.flow) if len(values) == 1 else None
        if function is None:
            function = choice(node, self.flow)
        row = max((self.rows[name] for name in values), key=math.prod)
        if function is None or any(self.row(name) not in (row or (1,), (1,)) for name in values):
            return False
        self.add(node, values, row, function=function)
        return True
