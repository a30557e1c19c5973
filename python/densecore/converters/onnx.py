"""ONNX files as models, without the onnx package.

A file is read into nodes and constants (`onnx_graph`), the nodes are put into an order
(`onnx_flow`) and become layers (`onnx_layers`), and these a stack or a graph.
"""

import math
import os
from collections import Counter
from collections.abc import Sequence

from .. import layers
from .._base import checks
from .._base.files import StrPath
from ..layers.lowering import Row
from ..layers.symbols import Symbol
from ..models.functional import Functional
from ..models.model import Model
from ..models.sequential import Sequential
from .onnx_flow import Flow
from .onnx_graph import Graph, Node, read
from .onnx_layers import Reader, Step

_KEEPS_WIDTH = ("Add", "Cast", "Div", "Dropout", "Identity", "Mul", "Relu", "Sub", "Tanh")


def from_onnx(path: StrPath, *, name: str | None = None) -> Model:
    """The model of an ONNX file of a dense network: the same layers and weights, not compiled.

    Parameters
    ----------
    path : str or path-like
        Products with constants (``Gemm``, ``MatMul`` and ``Add``), embeddings (``Gather`` of
        constants), batch, layer, group and RMS normalisation, shapes and parts of rows, merges,
        functions of single elements, dropout, and every activation of this library, as one operator
        or as several; with any number of inputs and outputs. Of a classifier of scikit-learn's the
        probabilities are taken, and its labels become ``model.metadata["classes"]``. The onnx
        package is not needed.
    name : str, optional
        The model's; by default the graph's.

    Returns
    -------
    Sequential or Model
        A stack, with residual blocks in it, or a graph of layers with a list of outputs. Of the
        constants' dtype (half precision becomes float32); predictions agree with those of an ONNX
        runtime to rounding.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no ONNX file, or has a node that cannot be a layer here; the message names it. Nothing
        in a file is executed, no other file is opened, and no array is made before as many numbers
        as it claims are known to be in the file.

    Examples
    --------
    >>> import densecore as dc
    >>> model = dc.Sequential([dc.Input(4), dc.Dense(8, "gelu"), dc.Dense(3, "softmax")], seed=0)
    >>> _ = model.export("model.onnx")  # doctest: +SKIP
    >>> dc.from_onnx("model.onnx").layers  # doctest: +SKIP
    """
    graph = read(path)
    try:
        return _model(graph, name)
    except ValueError as error:
        # Its names are the file's, which may hold anything.
        said = checks.one_line(str(error), 1000)
        raise ValueError(f"from_onnx: {os.fspath(path)}: {said}") from None
    except (
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"from_onnx: {os.fspath(path)}: found a graph that cannot be read "
            f"({checks.one_line(repr(error), 200)})"
        ) from None


def _model(graph: Graph, name: str | None) -> Model:
    if not graph.inputs:
        raise ValueError("found no inputs, wanted at least one")
    flow = Flow(graph)
    reader = Reader(flow)
    used = {value for node in flow.nodes for value in node.inputs} | set(flow.ends)
    inputs = [value for value in graph.inputs if value in used]
    for value in inputs:
        reader.rows[value] = _row_of_input(flow, value, graph.inputs[value])
    reader.read()
    for end in flow.ends:
        if end not in reader.rows:
            raise ValueError(f"value {end}: found an output that depends on no input")
    steps = _with_activations(reader.steps, flow.ends)
    stored = {each.dtype.name for each in flow.constants.values() if each.dtype.kind == "f"}
    dtype = "float64" if "float64" in stored and "float32" not in stored else "float32"
    name = name or graph.name or None
    stack = _stack(steps, inputs, flow.ends)
    if stack is not None:
        first = layers.Input(reader.row(inputs[0]))
        parts = [step.layer for step in stack if step.layer is not None] or [layers.Identity()]
        made: Model = Sequential([first, *parts], dtype=dtype, name=name)
    else:
        made = _graph(steps, reader, inputs, flow.ends, dtype, name)
    for step in steps:
        if step.layer is not None and step.arrays:
            try:
                step.layer.set_weights(step.arrays)
            except ValueError as error:
                raise ValueError(f"{step.place}: {error}") from None
    if flow.classes:
        made.metadata["classes"] = flow.classes
    return made


def _row_of_input(flow: Flow, value: str, sizes: tuple[int | None, ...]) -> Row:
    """The shape of a row of an input, as the file says or as the product that takes it has it."""
    row = sizes[1:]
    if len(sizes) == 2 and not row[0]:
        row = (_features(flow, value, 8),)
    if not sizes or any(not size or size < 1 for size in row):
        raise ValueError(f"input {value}: found the shape {sizes}, wanted (rows, features)")
    found = tuple(int(size or 0) for size in row)
    # Test rows are made of this claim: of no more numbers than the file has, or than is little.
    if math.prod(found) > max(2**16, *(each.size for each in flow.constants.values()), 0):
        raise ValueError(f"input {value}: found rows of shape {found}, more than all constants")
    return found


def _features(flow: Flow, value: str, steps: int) -> int | None:
    """The features of a value whose file does not say them: those of the first product with it."""
    for node in flow.users(value) if steps else ():
        if node.operator in ("Gemm", "MatMul"):
            kernel = flow.constant(node, 1)
            return int(kernel.shape[1 if node.attributes.get("transB") else 0])
        found = _features(flow, node.outputs[0], steps - 1) if _keeps(node) else None
        if found is not None:
            return found
    return None


def _keeps(node: Node) -> bool:
    return node.operator in _KEEPS_WIDTH or "Normalization" in node.operator


def _with_activations(steps: Sequence[Step], ends: Sequence[str]) -> list[Step]:
    """The steps, where an activation after a dense layer is a part of it, if nothing else takes
    what that makes."""
    uses = Counter([name for step in steps for name in step.inputs] + list(ends))
    calls = Counter(id(step.layer) for step in steps if step.layer is not None)
    made: list[Step] = []
    by_output: dict[str, Step] = {}
    for step in steps:
        layer = step.layer
        last = by_output.get(step.inputs[0])
        if (
            type(layer) is layers.Activation
            and last is not None
            and last.is_open_dense
            and uses[step.inputs[0]] == 1
            and calls[id(last.layer)] == 1
            and isinstance(last.layer, layers.Dense)
        ):
            dense = last.layer
            last.layer = layers.Dense(dense.units, layer.activation, use_bias=dense.use_bias)
            calls[id(last.layer)] = 1
            last.output = step.output
            by_output[step.output] = last
        else:
            made.append(step)
            by_output[step.output] = step
    return made


def _stack(steps: Sequence[Step], inputs: Sequence[str], ends: Sequence[str]) -> list[Step] | None:
    """The steps one after another, residual blocks made of some; None where that is not all."""
    if len(inputs) != 1 or len(ends) != 1 or any(step.function for step in steps):
        return None
    layers_ = [id(step.layer) for step in steps if step.layer is not None]
    if len(set(layers_)) < len(layers_):
        return None  # one is called twice
    chain, rest = _chain(list(steps), inputs[0], ends[0])
    return None if rest else chain


def _chain(steps: list[Step], start: str, end: str) -> tuple[list[Step], list[Step]]:
    """Steps from one value to another, one after another, and those that are left over."""
    found: list[Step] = []
    rest = list(steps)
    value = start
    while value != end:
        users = [step for step in rest if value in step.inputs]
        if len(users) == 1 and users[0].inputs == [value]:
            found.append(users[0])
            rest.remove(users[0])
            value = users[0].output
            continue
        block = _residual(rest, value, users)
        if block is None:
            return found, rest or [*steps]
        step, taken = block
        found.append(step)
        rest = [each for each in rest if each not in taken]
        value = step.output
    return found, rest


def _residual(
    steps: list[Step], value: str, users: Sequence[Step]
) -> tuple[Step, list[Step]] | None:
    """The block that begins at a value and ends where the value is added, with its steps."""
    for addition in users:
        others = [name for name in addition.inputs if name != value]
        if not isinstance(addition.layer, layers.Add) or len(others) != 1:
            continue
        before = steps[: steps.index(addition)]
        inner, rest = _chain_within(before, value, others[0])
        if inner is None:
            continue
        parts = [step.layer for step in inner if step.layer is not None]
        made = layers.Residual(parts or [layers.Identity()])
        taken = [step for step in before if step not in rest]
        return Step(addition.place, [value], addition.output, made), [*taken, addition]
    return None


def _chain_within(steps: list[Step], start: str, end: str) -> tuple[list[Step] | None, list[Step]]:
    """The chain of steps that lead from one value to another, None without one, and the others."""
    needed: set[str] = {end}
    for step in reversed(steps):
        if step.output in needed:
            needed |= set(step.inputs)
    mine = [step for step in steps if step.output in needed and step.output != start]
    mine = [step for step in mine if _after(step, start, mine)]
    found, rest = _chain(mine, start, end)
    return (None if rest else found), [step for step in steps if step not in mine]


def _after(step: Step, start: str, steps: Sequence[Step]) -> bool:
    """Whether a step depends on a value."""
    reached = {start}
    for each in steps:
        if any(name in reached for name in each.inputs):
            reached.add(each.output)
    return step.output in reached


def _graph(
    steps: Sequence[Step],
    reader: Reader,
    inputs: Sequence[str],
    ends: Sequence[str],
    dtype: str,
    name: str | None,
) -> Model:
    """The functional model of steps."""
    symbols: dict[str, Symbol] = {
        value: layers.Input(reader.row(value), name=value) for value in inputs
    }
    for step in steps:
        taken = [symbols[value] for value in step.inputs]
        try:
            if step.layer is not None:
                found = step.layer(taken[0] if len(taken) == 1 else taken)
                found = found if step.function is None else step.function(found)
            elif step.function is not None:
                found = step.function(*taken)
            else:
                (found,) = taken
        except (ValueError, TypeError) as error:
            raise ValueError(f"{step.place}: {error}") from None
        symbols[step.output] = found
    outputs = [symbols[value] for value in ends]
    outputs = [layers.Identity()(s) if s._node is None else s for s in outputs]
    given = [symbols[value] for value in inputs]
    return Functional(
        given[0] if len(given) == 1 else given,
        outputs[0] if len(outputs) == 1 else outputs,
        name,
        dtype=dtype,
    )
