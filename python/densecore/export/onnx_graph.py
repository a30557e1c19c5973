"""The nodes and constants of an ONNX file, as the bytes of its messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._base.dtypes import Array
from . import protobuf as pb

IR_VERSION = 8
OPSET = 17

#: The domain of ONNX's operators for tables.
TABLES = "ai.onnx.ml"
#: TensorProto.DataType by the name of a dtype.
TYPES = {"float32": 1, "int64": 7, "str": 8, "float64": 11}
# AttributeProto.AttributeType.
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING = 1, 2, 3
_ATTRIBUTE_FLOATS, _ATTRIBUTE_INTS, _ATTRIBUTE_STRINGS = 6, 7, 8


def _attribute(
    name: str, value: float | int | str | Sequence[float] | Sequence[int] | Sequence[str]
) -> bytes:
    if isinstance(value, str):
        return pb.message(
            5, [pb.text(1, name), pb.text(4, value), pb.integer(20, _ATTRIBUTE_STRING)]
        )
    if isinstance(value, float):
        return pb.message(
            5, [pb.text(1, name), pb.real(2, value), pb.integer(20, _ATTRIBUTE_FLOAT)]
        )
    if isinstance(value, int):
        return pb.message(
            5, [pb.text(1, name), pb.integer(3, value), pb.integer(20, _ATTRIBUTE_INT)]
        )
    if value and isinstance(value[0], str):
        texts = [pb.text(9, str(each)) for each in value]
        return pb.message(5, [pb.text(1, name), *texts, pb.integer(20, _ATTRIBUTE_STRINGS)])
    if value and isinstance(value[0], float):
        reals = [pb.real(7, float(each)) for each in value]
        return pb.message(5, [pb.text(1, name), *reals, pb.integer(20, _ATTRIBUTE_FLOATS)])
    numbers = [pb.integer(8, int(each)) for each in value]
    return pb.message(5, [pb.text(1, name), *numbers, pb.integer(20, _ATTRIBUTE_INTS)])


def _tensor(name: str, array: Array) -> bytes:
    """A TensorProto: dimensions, type, name, and the numbers as little-endian bytes."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    sizes = [pb.integer(1, size) for size in array.shape]
    kind = pb.integer(2, TYPES[array.dtype.name])
    return b"".join([*sizes, kind, pb.text(8, name), pb.raw(9, little.tobytes())])


def value_info(name: str, dtype: str, row: Sequence[int]) -> bytes:
    """A ValueInfoProto of a tensor (batch, …) of rows of a shape."""
    batch = pb.message(1, [pb.text(2, "batch")])
    sizes = [pb.message(1, [pb.integer(1, size)]) for size in row]
    shape = pb.message(2, [batch, *sizes])
    tensor = pb.message(1, [pb.integer(1, TYPES[dtype]), shape])
    return b"".join([pb.text(1, name), pb.raw(2, tensor)])


class Graph:
    """Nodes and constants, as operations append to them; values are known by their names."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.nodes: list[bytes] = []
        self.initializers: list[bytes] = []
        self._tensors: dict[Any, str] = {}  # their names, by wanted name and contents
        self._names: set[str] = set()
        self._constants: dict[float, str] = {}

    def of_dtype(self, dtype: str) -> "Graph":
        """The same graph, for operations on another type of numbers."""
        other = Graph(dtype)
        other.nodes, other.initializers, other._names = self.nodes, self.initializers, self._names
        other._tensors = self._tensors
        return other

    def fresh(self, wanted: str) -> str:
        """A name that no other value has."""
        name, number = wanted, 1
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def constant(self, name: str, array: Array) -> str:
        """A tensor of the file, of a layer that is called several times one; returns its name."""
        array = np.asarray(array)
        key = (name, array.dtype.str, array.shape, array.tobytes())
        if key not in self._tensors:
            self._tensors[key] = self.fresh(name)
            self._append_tensor(self._tensors[key], array)
        return self._tensors[key]

    def number(self, value: float) -> str:
        """A scalar of the model's dtype; each once."""
        if value not in self._constants:
            self._constants[value] = self.constant(f"number_{value:g}", np.array(value, self.dtype))
        return self._constants[value]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """A tensor of whole numbers; returns its name."""
        return self.constant(name, np.array(values, np.int64))

    def reshape(self, x: str, row: Sequence[int]) -> str:
        """Rows of another shape, of as many elements; 0 keeps the number of rows, also none."""
        return self.node("Reshape", x, self.integers("shape", [0, *row]))

    def node(
        self,
        operator: str,
        *inputs: str,
        name: str = "",
        output: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node with one output; returns the output's name."""
        output = self.fresh(name or operator.lower()) if output is None else output
        self._append_node(operator, inputs, output, domain, attributes)
        return output

    # Where nodes and tensors go: into the file's messages, or into another writer's container.

    def _append_tensor(self, name: str, array: Array) -> None:
        self.initializers.append(_tensor(name, array))

    def _append_node(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str,
        domain: str,
        attributes: Mapping[str, Any],
    ) -> None:
        parts = [pb.text(1, each) for each in inputs]
        parts += [pb.text(2, output), pb.text(3, self.fresh(f"{output}/{operator}"))]
        parts.append(pb.text(4, operator))
        parts += [_attribute(key, value) for key, value in attributes.items()]
        if domain:
            parts.append(pb.text(7, domain))
        self.nodes.append(b"".join(parts))
