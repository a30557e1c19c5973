"""ONNX files as models, without the onnx package.

A graph falls into pieces at the values that everything after them needs alone. A product with
constants is a dense layer; a piece that adds its own input at its end is a residual block. Any
other stretch of pieces is a function of rows: it is computed on test rows and compared with the
layers and activations that there are, however the writer has spelled them.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import layers
from .._base.dtypes import Array
from .._base.files import StrPath
from ..activations import Activation, names
from ..models.sequential import Sequential
from .onnx_graph import Graph, Node, read
from .onnx_operators import OPERATORS, compute

_LONGEST = 14  # pieces that are taken for one function
_WITHOUT_EFFECT = ("Identity", "Cast")
_PRODUCTS = ("Gemm", "MatMul")

# A layer (none: nothing has to be computed) and its arrays.
Found = tuple[layers.Layer | None, list[Array]]


@dataclass
class _Piece:
    """Nodes between two values; nothing else of the graph is needed between them."""

    nodes: list[Node]
    start: str
    end: str

    @property
    def place(self) -> str:
        return self.nodes[-1].place


class _Model:
    """The layers of a graph, and the arrays that they get once the model is built."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.constants = dict(graph.constants)
        self.layers: list[layers.Layer] = []
        self.arrays: dict[layers.Layer, list[Array]] = {}
        self.row: tuple[int, ...] = ()

    # The graph ------------------------------------------------------------------------------------

    def constant(self, node: Node, name: str) -> Array:
        """A constant input of a node."""
        if name not in self.constants:
            raise ValueError(f"{node.place}: found the input {name}, wanted a constant")
        return self.constants[name]

    def dynamic(self, node: Node) -> list[str]:
        """The inputs of a node that are not constants."""
        return [name for name in node.inputs if name and name not in self.constants]

    def fold_constants(self) -> list[Node]:
        """Compute what depends on constants only; the other nodes, in their order."""
        rest = []
        for node in self.graph.nodes:
            if node.operator == "Constant":
                values = list(node.attributes.values())
                if len(values) != 1 or isinstance(values[0], str):
                    raise ValueError(f"{node.place}: found no numbers, wanted a constant of them")
                self.constants[node.outputs[0]] = np.asarray(values[0])
            elif self.dynamic(node) or not node.inputs:
                rest.append(node)
            else:
                self.constants[node.outputs[0]] = self._folded(node)
        return rest

    def _folded(self, node: Node) -> Array:
        inputs = [self.constants[name] if name else None for name in node.inputs]
        first = inputs[0]
        assert first is not None
        if node.operator == "Transpose":
            return first.transpose(node.attributes.get("perm"))
        if node.operator in ("Unsqueeze", "Squeeze"):
            axes = node.attributes.get("axes", None if len(inputs) < 2 else inputs[1])
            where = tuple(int(axis) for axis in np.ravel(axes)) if axes is not None else None
            if node.operator == "Unsqueeze" and where is not None:
                return np.expand_dims(first, where)
            return np.squeeze(first, where)
        if node.operator == "Concat":
            return np.concatenate([np.asarray(each) for each in inputs], node.attributes["axis"])
        result = self.compute(node, inputs)
        return result.astype(first.dtype) if first.dtype.kind in "fiu" else result

    def compute(self, node: Node, inputs: Sequence[Array | None]) -> Array:
        """A node's output.

        Raises
        ------
        ValueError
            It is unknown here, or does not fit; the message names it.
        """
        if node.operator not in OPERATORS:
            known = ", ".join(sorted({*OPERATORS, *_PRODUCTS, "BatchNormalization", "Flatten"}))
            raise ValueError(f"{node.place}: found {node.operator}, wanted one of: {known}")
        try:
            return compute(node, inputs, self.graph.opset)
        except KeyError:
            raise ValueError(f"{node.place}: found an operator of {node.domain}") from None
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"{node.place}: {error}") from None

    def pieces(self, nodes: Sequence[Node], start: str, end: str) -> list[_Piece]:
        """The pieces of what leads from one value to another."""
        by_output = {name: node for node in nodes for name in node.outputs}
        needed, wanted = set(), [end]
        while wanted:
            name = wanted.pop()
            if name == start or name in self.constants:
                continue
            if name not in by_output:
                raise ValueError(f"value {name}: found no node that computes it")
            node = by_output[name]
            if id(node) not in needed:
                needed.add(id(node))
                wanted += [each for each in node.inputs if each]
        order = [node for node in nodes if id(node) in needed]
        last_use = {end: len(order)}
        for place, node in enumerate(order):
            for name in self.dynamic(node):
                last_use[name] = max(last_use.get(name, -1), place)
        found, current, alive, first = [], list[Node](), {start}, start
        for place, node in enumerate(order):
            current.append(node)
            alive |= {name for name in node.outputs if last_use.get(name, -1) > place}
            alive = {name for name in alive if last_use.get(name, -1) > place}
            if len(alive) == 1:
                (value,) = alive
                found.append(_Piece(current, first, value))
                current, first = [], value
        return found

    # Layers ---------------------------------------------------------------------------------------

    def add(self, layer: layers.Layer, *arrays: Array) -> None:
        """Append a layer, with the arrays that it gets."""
        self.layers.append(layer)
        self.arrays[layer] = list(arrays)

    def read(self, pieces: Sequence[_Piece]) -> None:
        """Append the layers of pieces.

        Raises
        ------
        ValueError
            A piece is no layer here; the message names its node.
        """
        at = 0
        while at < len(pieces):
            stop = at
            while stop < len(pieces) and stop - at < _LONGEST and self.is_function(pieces[stop]):
                stop += 1
            run = pieces[at:stop]
            # Groups of features are another shape for a while: a reshape may begin a function.
            count = self.function(run, 3) if run and self.reshapes(run[0]) else 0
            if not count:
                count = 1 if self.one_layer(pieces[at]) else self.function(run or [pieces[at]])
            at += count

    def is_function(self, piece: _Piece) -> bool:
        return all(node.operator in OPERATORS for node in piece.nodes)

    def reshapes(self, piece: _Piece) -> bool:
        return len(piece.nodes) == 1 and piece.nodes[0].operator in ("Reshape", "Flatten")

    def one_layer(self, piece: _Piece) -> bool:
        """Append the layer of a piece that is one by itself."""
        node = piece.nodes[-1]
        if len(piece.nodes) > 1:
            inner = any(each.operator in _PRODUCTS for each in piece.nodes)
            return inner and self.residual(piece)
        if node.operator in _PRODUCTS:
            self.dense(node)
        elif node.operator == "BatchNormalization":
            self.batch_normalization(node)
        elif node.operator in ("Flatten", "Reshape", "Squeeze"):
            self.reshape(node)
        elif node.operator == "Dropout":
            self.add(layers.Dropout(self.rate(node)))
        elif node.operator not in _WITHOUT_EFFECT:
            return False
        return True

    def rate(self, node: Node) -> float:
        given = self.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        rate = float(node.attributes.get("ratio", 0.5) if given is None else given.ravel()[0])
        return rate if 0 <= rate < 1 else 0.0

    def dense(self, node: Node) -> None:
        kernel = np.asarray(self.constant(node, node.inputs[1]))
        a = node.attributes
        if a.get("transA"):
            raise ValueError(f"{node.place}: found transA={a['transA']}, wanted 0")
        if a.get("transB"):
            kernel = kernel.T
        if kernel.ndim != 2 or kernel.dtype.kind != "f":
            raise ValueError(
                f"{node.place}: found constants of shape {kernel.shape}, wanted numbers "
                "(inputs, units)"
            )
        kernel = kernel * kernel.dtype.type(a.get("alpha", 1.0))
        arrays = [kernel]
        if len(node.inputs) > 2 and node.inputs[2]:
            bias = self.constant(node, node.inputs[2]) * kernel.dtype.type(a.get("beta", 1.0))
            arrays.append(self.vector(node, bias, kernel.shape[1]))
        if self.row != (kernel.shape[0],):
            raise ValueError(
                f"{node.place}: found rows of shape {self.row}, wanted ({kernel.shape[0]},) as the "
                "constants have"
            )
        self.add(layers.Dense(kernel.shape[1], use_bias=len(arrays) > 1), *arrays)
        self.row = (kernel.shape[1],)

    def vector(self, node: Node, values: Array, size: int) -> Array:
        if values.size not in (1, size):
            raise ValueError(f"{node.place}: found {values.size} numbers for {size} features")
        return np.array(np.broadcast_to(values.ravel(), (size,)))

    def batch_normalization(self, node: Node) -> None:
        arrays = [np.asarray(self.constant(node, name)).ravel() for name in node.inputs[1:5]]
        momentum, epsilon = (
            node.attributes.get(key, default) for key, default in (("momentum", 0.9),
                                                                   ("epsilon", 1e-5))
        )  # fmt: skip
        self.add(layers.BatchNormalization(momentum=momentum, epsilon=epsilon), *arrays)

    def reshape(self, node: Node) -> None:
        if node.operator == "Reshape":
            shape = self.constant(node, node.inputs[1]).ravel().tolist()
            row = tuple(int(size) for size in shape[1:])
            size = int(np.prod(self.row))
            if row.count(-1) == 1:
                rest = -int(np.prod(row))
                row = tuple(size // max(rest, 1) if each == -1 else each for each in row)
            if 0 in row or not row or int(np.prod(row)) != size:
                raise ValueError(
                    f"{node.place}: found the shape {shape} for rows of {size} numbers, wanted "
                    "(rows, …)"
                )
        else:
            if node.operator == "Flatten" and node.attributes.get("axis", 1) != 1:
                raise ValueError(f"{node.place}: found axis={node.attributes['axis']}, wanted 1")
            row = (int(np.prod(self.row)),)
        if row != self.row:
            self.add(layers.Flatten() if len(row) == 1 else layers.Reshape(row))
            self.row = row

    def residual(self, piece: _Piece) -> bool:
        """Append the residual block that a piece is, if it adds its own input at its end."""
        node = piece.nodes[-1]
        others = [name for name in self.dynamic(node) if name != piece.start]
        if node.operator not in ("Add", "Sum") or len(others) != 1 or len(piece.nodes) < 2:
            return False
        block = _Model(self.graph)
        block.constants, block.row = self.constants, self.row
        block.read(self.pieces(piece.nodes[:-1], piece.start, others[0]))
        self.arrays |= block.arrays
        self.add(layers.Residual(self.with_activations(block.layers) or [layers.Identity()]))
        return True

    def with_activations(self, found: Sequence[layers.Layer]) -> list[layers.Layer]:
        """The layers, where an activation after a dense layer is a part of it."""
        made: list[layers.Layer] = []
        for layer in found:
            last = made[-1] if made else None
            alone = type(layer) is layers.Activation and isinstance(last, layers.Dense)
            if alone and isinstance(last, layers.Dense) and _is_open(last):
                function = layer.activation  # type: ignore[attr-defined]
                made[-1] = layers.Dense(last.units, function, use_bias=last.use_bias)
                self.arrays[made[-1]] = self.arrays.pop(last)
            else:
                made.append(layer)
        return made

    # Functions ------------------------------------------------------------------------------------

    def function(self, pieces: Sequence[_Piece], least: int = 1) -> int:
        """Append the layer that as many pieces as possible are; how many they were, or 0 for fewer
        than `least`."""
        for count in range(len(pieces), least - 1, -1):
            nodes = [node for piece in pieces[:count] for node in piece.nodes]
            try:
                found = self.identified(nodes, pieces[0].start, pieces[count - 1].end)
            except ValueError:
                if count == 1:
                    raise
                continue
            if found is not None and (found[0] is not None or least == 1):
                layer, arrays = found
                if layer is not None:
                    self.add(layer, *arrays)
                return count
        if least > 1:
            return 0
        if self.residual(pieces[0]):
            return 1
        raise ValueError(
            f"{pieces[0].place}: found a function that is no layer or activation of this library"
        )

    def outcome(self, nodes: Sequence[Node], start: str, end: str, x: Array) -> Array:
        values: dict[str, Array] = {start: x}
        for node in nodes:
            inputs = [
                None if not name else values[name] if name in values
                else self.constants[name].astype(np.float64)
                if self.constants[name].dtype.kind == "f" else self.constants[name]
                for name in node.inputs
            ]  # fmt: skip
            values[node.outputs[0]] = self.compute(node, inputs)
        return values[end].astype(np.float64)

    def identified(self, nodes: Sequence[Node], start: str, end: str) -> Found | None:
        """The layer that nodes compute, and its arrays; None if there is none."""
        numbers = _numbers(self, nodes)
        x = _test_rows(self.row, numbers)
        wanted = self.outcome(nodes, start, end, x)
        if wanted.shape != x.shape:
            raise ValueError(
                f"{nodes[-1].place}: found rows of shape {wanted.shape[1:]} of such of "
                f"{x.shape[1:]}, wanted as many numbers"
            )
        candidates = itertools.chain(
            self.affine(x, wanted), _activations(x, wanted, numbers),
            self.normalizations(x, wanted, numbers, nodes),
        )  # fmt: skip
        return next(candidates, None)

    def affine(self, x: Array, wanted: Array) -> Iterator[Found]:
        """A factor and an addend for each feature: a part of the layer before it, if that is
        dense."""
        ones, zeros = x[0], x[1]  # as `_test_rows` makes them
        shift = wanted[1]
        scale = (wanted[0] - shift) / (ones - zeros)
        if not (np.isfinite(scale).all() and _same(x * scale + shift, wanted)):
            return
        if (scale == 1).all() and (shift == 0).all():
            yield None, []
            return
        last = self.layers[-1] if self.layers else None
        flat = x[0].size == x.shape[-1]
        if isinstance(last, layers.Dense) and flat and _is_open(last):
            kernel, *bias = self.arrays.pop(last)
            before = bias[0] if bias else np.zeros(last.units, kernel.dtype)
            dense = layers.Dense(last.units)
            arrays = [kernel * scale if (scale != 1).any() else kernel, before * scale + shift]
            self.layers[-1] = dense
            self.arrays[dense] = [each.astype(kernel.dtype) for each in arrays]
            yield None, []
        elif (scale > 0).all():
            yield layers.Rescaling(scale.ravel(), shift.ravel()), []
        elif flat:
            yield layers.Dense(scale.size), [np.diag(scale), shift]

    def normalizations(
        self, x: Array, wanted: Array, numbers: Sequence[float], nodes: Sequence[Node]
    ) -> Iterator[Found]:
        """What divides each row by its own deviation, then scales and shifts each feature."""
        if x.ndim != 2 or not any("Norm" in n.operator or "Reduce" in n.operator for n in nodes):
            return
        width = x.shape[1]
        groups = {int(n) for n in numbers if n == int(n) and 1 < n < width and width % n == 0}
        for epsilon in sorted({n for n in numbers if 0 <= n <= 1e-2} | {0.0, 1e-5}):
            kinds: list[tuple[Any, Array]] = [
                (layers.LayerNormalization, _normal(x, epsilon, 1, True)),
                (layers.RMSNormalization, _normal(x, epsilon, 1, False)),
                *(((layers.GroupNormalization, g), _normal(x, epsilon, g, True)) for g in groups),
                (layers.UnitNormalization, _normal(x * np.sqrt(width), 0.0, 1, False) / width**0.5),
            ]
            for kind, normal in kinds:
                found = _scale_and_shift(normal, wanted)
                if found is None:
                    continue
                scale, shift = found
                if kind is layers.UnitNormalization:
                    if _same(normal, wanted):
                        yield kind(), []
                elif kind is layers.RMSNormalization:
                    if np.abs(shift).max() <= 1e-7:
                        yield kind(epsilon=epsilon), [scale]
                elif kind is layers.LayerNormalization:
                    yield kind(epsilon=epsilon), [scale, shift]
                else:
                    yield kind[0](kind[1], epsilon=epsilon), [scale, shift]


def _is_open(layer: layers.Dense) -> bool:
    return str(layer.activation) == "linear"


def _same(a: Array, b: Array) -> bool:
    """Whether two results are the same up to single-precision constants."""
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= 2e-6 * np.maximum(np.abs(a), np.abs(b)) + 1e-7
    return bool((near | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def _normal(x: Array, epsilon: float, groups: int, centered: bool) -> Array:
    parts = x.reshape(len(x), groups, -1)
    if centered:
        parts = parts - parts.mean(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        parts = parts / np.sqrt((parts**2).mean(axis=-1, keepdims=True) + epsilon)
    return np.asarray(parts.reshape(x.shape))


def _scale_and_shift(normal: Array, wanted: Array) -> tuple[Array, Array] | None:
    """The factor and the addend for each feature that make one of the other."""
    rows = np.isfinite(normal).all(axis=1) & np.isfinite(wanted).all(axis=1)
    a, b = normal[rows], wanted[rows]
    if len(a) < 3:
        return None
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    spread = ((a - mean_a) ** 2).sum(axis=0)
    if not spread.all():
        return None
    scale = ((a - mean_a) * (b - mean_b)).sum(axis=0) / spread
    shift = mean_b - scale * mean_a
    return (scale, shift) if _same(a * scale + shift, b) else None


def _numbers(model: _Model, nodes: Sequence[Node]) -> list[float]:
    """The numbers that a function may have as parameters: constants and attributes of its nodes."""
    found = set()
    for node in nodes:
        for name in node.inputs:
            values = model.constants.get(name)
            if values is not None and values.dtype.kind in "fiu" and values.size <= 8:
                found |= {float(each) for each in np.asarray(values).ravel()}
        found |= {float(v) for v in node.attributes.values() if isinstance(v, int | float)}
    return sorted(each for each in found if np.isfinite(each))


def _test_rows(row: tuple[int, ...], numbers: Sequence[float]) -> Array:
    """Rows of ones and of zeros, and rows of numbers of all sizes, near the given ones too."""
    near = [n + d for n in numbers if abs(n) < 1e6 for d in (-0.1, -1e-3, 0.0, 1e-3, 0.1)]
    near = near + [-n for n in near]
    far = [8.0, 20.0, 50.0, 100.0, 1e3, 1e4]
    values = np.array([*np.linspace(-7, 7, 57), *near, *far, *(-n for n in far)])
    size = int(np.prod(row))
    # Each feature meets each value, in another order than its neighbours do.
    rolled = np.stack([np.roll(values, 7 * i + i // 8) for i in range(size)], axis=1)
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(16, size)) * rng.choice([0.3, 1, 3], (16, 1))
    rows = np.concatenate([np.ones((1, size)), np.zeros((1, size)), rolled, mixed])
    return rows.reshape(-1, *row)


def _activations(x: Array, wanted: Array, numbers: Sequence[float]) -> Iterator[Found]:
    """Activations that compute the same, with their own parameters or some of the numbers."""
    choices = sorted({abs(n) for n in numbers} | {1 / n for n in map(abs, numbers) if n})
    for name in names():  # those that need no more than a name first
        if _same(Activation(name)(x), wanted):
            yield layers.Activation(name), []
    for name in names():
        for option in _options(name, choices):
            try:
                activation = Activation(name, **option)
            except (ValueError, TypeError):
                continue
            if _same(activation(x), wanted):
                yield layers.Activation(activation), []


def _options(name: str, choices: Sequence[float]) -> list[dict[str, Any]]:
    """The parameters that an activation may have, of some numbers."""
    if name == "gelu":
        return [{"approximate": True}]
    if name == "relu":
        most = [n for n in choices if n > 0]
        found: list[dict[str, Any]] = [{"max_value": n} for n in most]
        found += [{"threshold": n} for n in choices]
        for slope, largest, threshold in itertools.product(choices, [None, *most], [0.0, *choices]):
            found.append({"negative_slope": slope, "max_value": largest, "threshold": threshold})
        return found[:400]
    return [{key: n} for key in Activation(name).parameters for n in choices]


def from_onnx(path: StrPath, *, name: str | None = None) -> Sequential:
    """The model of an ONNX file of a dense network: the same layers and weights, not compiled.

    Parameters
    ----------
    path : str or path-like
        Products with constants (``Gemm``, ``MatMul`` and ``Add``), batch, layer, group and RMS
        normalisation, residual blocks, shapes, dropout, and every activation of this library, as
        one operator or as several. One input, one output; the onnx package is not needed.
    name : str, optional
        The model's; by default the graph's.

    Returns
    -------
    Sequential
        Of the constants' dtype (half precision becomes float32); predictions agree with those of
        an ONNX runtime to rounding.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no ONNX file, has several inputs or outputs, or a node that cannot be a layer here;
        the message names it. Nothing in a file is executed, and no array is made before as many
        numbers as it claims are known to be in the file.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "gelu"), dc.Dense(3, "softmax")], seed=0)
    >>> _ = model.export("model.onnx")  # doctest: +SKIP
    >>> dc.from_onnx("model.onnx").layers  # doctest: +SKIP
    """
    graph = read(path)
    try:
        return _sequential(graph, name)
    except ValueError as error:
        raise ValueError(f"from_onnx: {error}") from None
    except (
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ValueError(f"from_onnx: found a graph that cannot be read ({error!r})") from None


def _sequential(graph: Graph, name: str | None) -> Sequential:
    if len(graph.inputs) != 1:
        raise ValueError(f"found the inputs {', '.join(graph.inputs) or 'none'}, wanted one")
    if len(graph.outputs) != 1:
        raise ValueError(f"found the outputs {', '.join(graph.outputs) or 'none'}, wanted one")
    ((start, sizes),) = graph.inputs.items()
    model = _Model(graph)
    nodes = model.fold_constants()
    pieces = model.pieces(nodes, start, graph.outputs[0])
    row = sizes[1:]
    if len(sizes) < 2 or None in row or min(each or 0 for each in row) < 1:
        products = [node for node in nodes if node.operator in _PRODUCTS]
        if len(sizes) > 2 or not products:
            raise ValueError(f"input {start}: found the shape {sizes}, wanted (rows, features)")
        first = products[0]
        kernel = model.constant(first, first.inputs[1])
        row = (kernel.shape[1 if first.attributes.get("transB") else 0],)
    model.row = given = tuple(int(size or 0) for size in row)
    # Test rows are made of this claim: of no more numbers than the file has, or than is little.
    if math.prod(given) > max(2**16, *(each.size for each in model.constants.values()), 0):
        raise ValueError(f"input {start}: found rows of shape {given}, more than all constants")
    model.read(pieces)
    stored = {each.dtype.name for each in model.constants.values() if each.dtype.kind == "f"}
    dtype = "float64" if "float64" in stored and "float32" not in stored else "float32"
    stack = model.with_activations(model.layers) or [layers.Identity()]
    made = Sequential([layers.Input(given), *stack], dtype=dtype, name=name or graph.name or None)
    for layer, arrays in model.arrays.items():
        if arrays:
            layer.set_weights(arrays)
    return made
