"""The nodes and constants of an ONNX file, read without the onnx package.

Nothing is executed, no other file is opened, and no array is made before as many numbers as it
claims are known to be in the file.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._base.dtypes import Array
from .._base.files import StrPath, check_readable
from ..export import protobuf as pb

# TensorProto.DataType: NumPy's name, and the field that holds numbers that are not raw bytes.
_TYPES: dict[int, tuple[str, int]] = {
    1: ("<f4", 4), 2: ("u1", 5), 3: ("i1", 5), 6: ("<i4", 5), 7: ("<i8", 7), 9: ("?", 5),
    10: ("<f2", 5), 11: ("<f8", 10),
}  # fmt: skip
_RAW, _EXTERNAL = 9, 13

Fields = dict[int, list[Any]]


@dataclass
class Node:
    """An operation.

    Attributes
    ----------
    place : str
        Its name and operator, for messages.
    """

    operator: str
    name: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The node's name in messages."""
        return f"node {self.name or ', '.join(self.outputs)} ({self.operator})"


@dataclass
class Graph:
    """The graph of a file.

    Attributes
    ----------
    inputs : dict of str to tuple
        Their sizes, None where a size is no number.
    opset : int
        The version of ONNX's own operators.
    """

    name: str
    nodes: list[Node]
    constants: dict[str, Array]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: list[str]
    opset: int
    metadata: dict[str, str]


def _message(data: memoryview | int) -> Fields:
    if not isinstance(data, memoryview):
        raise ValueError("found a number in place of a message")
    found: Fields = defaultdict(list)
    for number, value in pb.fields(data):
        found[number].append(value)
    return found


def _text(values: list[Any], default: str = "") -> str:
    return bytes(values[-1]).decode() if values else default


def _integer(values: list[Any], default: int = 0) -> int:
    return pb.signed(int(values[-1])) if values else default


def _tensor(data: memoryview | int) -> tuple[str, Array]:
    """The name and the numbers of a TensorProto."""
    parts = _message(data)
    name = _text(parts[8])
    if parts[_EXTERNAL]:
        raise ValueError(f"constant {name}: found numbers in another file, wanted them in this one")
    kind = _integer(parts[2])
    if kind == 8:  # texts
        return name, np.array([bytes(each).decode() for each in parts[6]], object)
    if kind not in _TYPES:
        raise ValueError(f"constant {name}: found numbers of type {kind}, wanted float or double")
    dtype, where = _TYPES[kind]
    shape = pb.packed(parts[1])
    wanted = math.prod(shape)
    if parts[_RAW]:
        content = parts[_RAW][-1]
        if min(shape, default=1) < 0 or len(content) != wanted * np.dtype(dtype).itemsize:
            raise ValueError(f"constant {name}: found {len(content)} bytes for the shape {shape}")
        values = np.frombuffer(content, dtype)
    else:
        if dtype in ("<f4", "<f8"):
            # Packed or not, they lie in the file as NumPy reads them.
            values = np.frombuffer(b"".join(parts[where]), dtype)
        elif dtype == "<f2":
            bits = np.array(pb.packed(parts[where]), np.int64)
            values = (bits & 0xFFFF).astype("<u2").view("<f2")
        else:
            values = np.array(pb.packed(parts[where]), np.int64).astype(dtype)
        if min(shape, default=1) < 0 or values.size != wanted:
            raise ValueError(f"constant {name}: found {values.size} numbers for the shape {shape}")
    native = values.dtype.newbyteorder("=")
    return name, values.reshape(shape).astype(np.float32 if native == "f2" else native)


def _attribute(data: memoryview | int) -> tuple[str, Any]:
    parts = _message(data)
    name, kind = _text(parts[1]), _integer(parts[20])
    if kind == 1:
        return name, float(np.frombuffer(parts[2][-1], "<f4")[0])
    if kind == 2:
        return name, _integer(parts[3])
    if kind == 3:
        return name, _text(parts[4])
    if kind == 4:
        return name, _tensor(parts[5][-1])[1]
    if kind == 6:
        return name, np.frombuffer(b"".join(parts[7]), "<f4").astype(float).tolist()
    if kind == 7:
        return name, pb.packed(parts[8])
    if kind == 8:
        return name, [bytes(each).decode() for each in parts[9]]
    return name, None  # a graph, for instance


def _node(data: memoryview | int) -> Node:
    parts = _message(data)
    inputs, outputs = ([bytes(each).decode() for each in parts[k]] for k in (1, 2))
    attributes = {key: value for key, value in map(_attribute, parts[5]) if value is not None}
    operator, name, domain = (_text(parts[k]) for k in (4, 3, 7))
    return Node(operator, name, domain, inputs, outputs, attributes)


def _value(data: memoryview | int) -> tuple[str, tuple[int | None, ...]]:
    """The name and the sizes of a ValueInfoProto."""
    parts = _message(data)
    sizes: list[int | None] = []
    for kind in parts[2][-1:]:
        for tensor in _message(kind)[1]:
            for shape in _message(tensor)[2]:
                for dimension in _message(shape)[1]:
                    size = _message(dimension)[1]
                    sizes.append(_integer(size) if size else None)
    return _text(parts[1]), tuple(sizes)


def read(path: StrPath) -> Graph:
    """Read an ONNX file.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no ONNX file, or one whose constants are elsewhere.
    """
    shown = check_readable(path)
    with open(shown, "rb") as file:
        content = file.read()
    try:
        return _graph(memoryview(content))
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ValueError(f"{shown}: found no ONNX file that can be read ({error})") from None


def _graph(data: memoryview) -> Graph:
    model = _message(data)
    if not model[7]:
        raise ValueError("there is no graph in it")
    if model[25]:
        raise ValueError("it defines functions of its own")
    opsets = {_text(each[1]): _integer(each[2]) for each in map(_message, model[8])}
    properties = (_message(each) for each in model[14])
    parts = _message(model[7][-1])
    if parts[15]:
        raise ValueError("it has sparse constants")
    constants = dict(_tensor(each) for each in parts[5])
    inputs = dict(_value(each) for each in parts[11])
    return Graph(
        _text(parts[2]),
        [_node(each) for each in parts[1]],
        constants,
        {name: sizes for name, sizes in inputs.items() if name not in constants},
        [_value(each)[0] for each in parts[12]],
        opsets.get("", opsets.get("ai.onnx", 1)),
        {_text(each[1]): _text(each[2]) for each in properties},
    )
