"""Fitted estimators as ONNX graphs: files of their own, and nodes of skl2onnx's pipelines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from .._base.files import StrPath, atomic_writer
from ..export import onnx, program_of
from ..export.onnx_graph import IR_VERSION, OPSET, TABLES, TYPES, Graph, value_info
from ._class_target import ClassTarget
from ._value_target import ValueTarget

if TYPE_CHECKING:
    from ._fitted import FittedMLP


def _outputs(estimator: "FittedMLP", g: Graph, x: str) -> list[str]:
    """The outputs (batch, units) of each member's network."""
    found = []
    for number, member in enumerate(estimator._members()):
        program = program_of(member.model_)
        inner = g.of_dtype(program.dtype)
        found.append(onnx.append(inner, program, x, prefix=f"member_{number}."))
    return found


def _mean(g: Graph, values: Sequence[str]) -> str:
    if len(values) == 1:
        return values[0]
    return g.node("Div", g.node("Sum", *values), g.number(float(len(values))))


def classes(target: ClassTarget, g: Graph, outputs: str) -> tuple[str, str, str]:
    """Labels, their type, and probabilities of a network's outputs."""
    if target.labels is not None:
        over = g.node("Greater", outputs, g.number(0.5))
        return g.node("Cast", over, to=TYPES["int64"]), "int64", outputs
    if target.kind == "multiclass":
        probabilities, chosen = outputs, g.node("ArgMax", outputs, axis=1, keepdims=0)
    elif len(target.classes) == 1:
        zero = g.node("Mul", outputs, g.number(0.0))
        probabilities = g.node("Add", zero, g.number(1.0))
        chosen = g.node("ArgMax", probabilities, axis=1, keepdims=0)
    else:
        rest = g.node("Sub", g.number(1.0), outputs)
        probabilities = g.node("Concat", rest, outputs, axis=1)
        over = g.node("Greater", outputs, g.number(0.5))
        chosen = g.node("Reshape", g.node("Cast", over, to=TYPES["int64"]),
                        g.integers("all", [-1]))  # fmt: skip
    if target.classes.dtype.kind in "iub":
        labels = g.constant("classes", target.classes.astype(np.int64))
        return g.node("Gather", labels, chosen), "int64", probabilities
    names = [str(each) for each in target.classes]
    label = g.node(
        "LabelEncoder", chosen, domain=TABLES, keys_int64s=list(range(len(names))),
        values_strings=names, default_string="",
    )  # fmt: skip
    return label, "str", probabilities


def values(target: ValueTarget, g: Graph, outputs: str) -> str:
    """Predictions (batch, outputs · quantiles) of a network's outputs, in the targets' units."""
    count = target.objective.outputs
    if target.learns_deviations:
        outputs = g.node("Slice", outputs, g.integers("start", [0]), g.integers("end", [count]),
                         g.integers("axis", [1]))  # fmt: skip
    if target.scaling is None:
        return outputs
    each = max(len(target.levels), 1)
    mean, scale = (np.repeat(array, each).astype(g.dtype) for array in target.scaling)
    return g.node("Add", g.node("Mul", outputs, g.constant("scale", scale)),
                  g.constant("mean", mean))  # fmt: skip


def answers(estimator: "FittedMLP", g: Graph, x: str) -> dict[str, tuple[str, str]]:
    """The graph's answers for the rows `x`: names of the outputs, their values and types.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it.
    """
    target: Any = estimator._target
    found = _outputs(estimator, g, x)
    if isinstance(target, ClassTarget):
        label, kind, probabilities = classes(target, g, _mean(g, found))
        return {"label": (label, kind), "probabilities": (probabilities, g.dtype)}
    predictions = _mean(g, [values(target, g, each) for each in found])
    return {"prediction": (predictions, g.dtype)}


def dtype_of(estimator: "FittedMLP") -> str:
    """The type of the networks' numbers."""
    return str(estimator._members()[0].model_.dtype)


def to_bytes(estimator: "FittedMLP") -> bytes:
    """A fitted estimator as the bytes of an ONNX file.

    Raises
    ------
    ValueError
        A layer that ONNX cannot say; the message names it.
    """
    dtype, target = dtype_of(estimator), estimator._target
    g = Graph(dtype)
    x = g.fresh("x")
    infos = []
    for name, (value, kind) in answers(estimator, g, x).items():
        g.node("Identity", value, output=g.fresh(name))
        row: tuple[int, ...] = (_columns(estimator),)
        if name == "label" and getattr(target, "labels", None) is None:
            row = ()
        infos.append(value_info(name, kind, row))
    metadata = {
        "densecore_version": core.__version__,
        "layers": repr(estimator._members()[0].model_),
        "estimator": type(estimator).__name__,
    }
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        metadata["features"] = "\n".join(map(str, names))
    inputs = [value_info("x", dtype, (estimator.n_features_in_,))]
    return onnx.file_of(g, inputs, infos, type(estimator).__name__, metadata, {TABLES: 2})


def _columns(estimator: "FittedMLP") -> int:
    target: Any = estimator._target
    if isinstance(target, ClassTarget):
        return len(target.classes)
    return int(target.objective.outputs) * max(len(target.levels), 1)


def export(estimator: "FittedMLP", path: StrPath) -> str:
    """Write a fitted estimator as an ONNX file: input ``x``, outputs ``label`` and
    ``probabilities``, or ``prediction``.

    Raises
    ------
    ValueError
        The name ends otherwise, or a layer that ONNX cannot say. Nothing is written then.
    OSError
        The file cannot be written.
    """
    shown = str(path)
    if not shown.lower().endswith(".onnx"):
        raise ValueError(
            f"export: found {shown!r}, wanted a name that ends in .onnx (model_.export writes the "
            "network as a C header)"
        )
    content = to_bytes(estimator)
    with atomic_writer(path) as file:
        file.write(content)
    return f"{shown}: ONNX opset {OPSET}, IR version {IR_VERSION}"
