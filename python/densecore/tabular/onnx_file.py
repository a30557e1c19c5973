"""A model of a table as an ONNX file: columns go in by name, classes or numbers come out.

Numbers are float tensors, categories are strings, moments are double tensors of seconds since 1970;
all are (batch, 1). The preparation is computed in double precision, as in this library.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from ..export import onnx, program_of
from ..export.onnx_graph import TABLES, TYPES, Graph, value_info
from .category_keys import CategoryKeys
from .features import LINE_ENDS, CategoricalFeature, Feature, NumericFeature
from .moments import MomentFeature
from .scaling import BEND
from .scores import SMALLEST_PROBABILITY
from .targets import ClassTarget

if TYPE_CHECKING:
    from .model import TableModel


class _Columns:
    """The graph, and the inputs that the columns have in it."""

    def __init__(self, names: Sequence[str], bend: bool) -> None:
        self.graph = Graph("float64")  # of the preparation
        self.bend = bend
        self.inputs: list[bytes] = []
        self.names = {name: self.graph.fresh(name) for name in names}

    def input(self, name: str, dtype: str) -> str:
        """Declare a column; the name of its value."""
        self.inputs.append(value_info(self.names[name], dtype, (1,)))
        return self.names[name]

    def scaled(self, values: str, unknown: str, center: float, scale: float) -> str:
        """(values - center) / scale, within ±1e15 and perhaps bent; 0 where it is unknown."""
        g = self.graph
        z = g.node("Div", g.node("Sub", values, g.number(center)), g.number(scale))
        z = g.node("Where", unknown, g.number(0.0), z)
        z = g.node("Max", g.node("Min", z, g.number(1e15)), g.number(-1e15))
        if self.bend:
            part = g.node("Div", z, g.number(BEND))
            square = g.node("Add", g.node("Mul", part, part), g.number(1.0))
            z = g.node("Div", z, g.node("Sqrt", square))
        return z


def _numeric(feature: NumericFeature, columns: _Columns) -> list[str]:
    g = columns.graph
    values = g.node("Cast", columns.input(feature.name, "float32"), to=TYPES["float64"])
    unknown = g.node("IsNaN", values)
    found = [columns.scaled(values, unknown, feature.center, feature.scale)]
    line = None
    if feature.edges:
        pairs = list(itertools.pairwise(feature.edges))
        low = g.constant(f"{feature.name}.low", np.array([[a for a, _ in pairs]]))
        size = g.constant(f"{feature.name}.size", np.array([[b - a for a, b in pairs]]))
        known = g.node("Where", unknown, g.number(feature.center), values)
        share = g.node("Div", g.node("Sub", known, low), size)
        found.append(g.node("Max", g.node("Min", share, g.number(1.0)), g.number(0.0)))
        first, last = feature.edges[0], feature.edges[-1]
        share = g.node("Div", g.node("Sub", known, g.number(first)), g.number(last - first))
        low, high = (g.number(end) for end in LINE_ENDS)
        line = g.node("Max", g.node("Min", share, high), low)
    if feature.indicator:
        found.append(g.node("Cast", unknown, to=TYPES["float64"]))
    return found if line is None else [*found, line]


def _category(feature: CategoricalFeature, columns: _Columns) -> list[str]:
    g = columns.graph
    texts = g.node("Reshape", columns.input(feature.name, "str"), g.integers("all", [-1]))
    place = _place(CategoryKeys(feature), texts, g)
    column = g.node("Reshape", place, g.integers("column", [-1, 1]))
    if feature.single:
        sign = g.node("Cast", column, to=TYPES["float64"])
        sign = g.node("Sub", g.node("Mul", sign, g.number(2.0)), g.number(1.0))
        return [g.node("Where", g.node("Less", column, g.integers("zero", [0])),
                       g.number(0.0), sign)]  # fmt: skip
    means = feature.mean_values
    width = feature.width - means.shape[1]
    places = g.constant(f"{feature.name}.places", np.arange(width)[np.newaxis])
    found = [g.node("Cast", g.node("Equal", column, places), to=TYPES["float64"])]
    if feature.means:
        values = g.constant(f"{feature.name}.means", means)
        of_means = _place(CategoryKeys(feature.texts_of_means), texts, g)
        found.append(g.node("Gather", values, of_means))
    return found


def _place(keys: CategoryKeys, texts: str, g: Graph) -> str:
    """The place of each text (rows,)."""
    unknown = -2
    place = g.node(
        "LabelEncoder", texts, domain=TABLES, keys_strings=list(keys.exact),
        values_int64s=list(keys.exact.values()),
        default_int64=unknown if keys.folded else keys.other,
    )  # fmt: skip
    if not keys.folded:
        return place
    # The locale of C is there on every machine; it knows the letters from A to Z.
    lower = g.node("StringNormalizer", texts, case_change_action="LOWER", locale="C")
    again = g.node(
        "LabelEncoder", lower, domain=TABLES, keys_strings=list(keys.folded),
        values_int64s=list(keys.folded.values()), default_int64=keys.other,
    )  # fmt: skip
    missed = g.node("Equal", place, g.integers("unknown", [unknown]))
    return g.node("Where", missed, again, place)


def _moment(feature: MomentFeature, columns: _Columns) -> list[str]:
    g = columns.graph
    values = columns.input(feature.name, "float64")
    unknown = g.node("IsNaN", values)
    found = []
    for part in feature.parts:
        if part == "time":
            found.append(columns.scaled(values, unknown, feature.center, feature.scale))
            continue
        period, shift = feature._PERIODS[part]
        turns = g.node("Div", g.node("Add", values, g.number(shift)), g.number(period))
        angle = g.node(
            "Mul", g.node("Sub", turns, g.node("Floor", turns)), g.number(2 * float(np.pi))
        )
        for function in ("Sin", "Cos"):
            found.append(g.node("Where", unknown, g.number(0.0), g.node(function, angle)))
    if feature.indicator:
        found.append(g.node("Cast", unknown, to=TYPES["float64"]))
    return found


_FEATURES: Mapping[type[Feature], Callable[[Any, _Columns], list[str]]] = {
    CategoricalFeature: _category,
    MomentFeature: _moment,
    NumericFeature: _numeric,
}


def _networks(model: "TableModel", g: Graph, inputs: str) -> str:
    """The members' mean outputs in double precision."""
    x = inputs
    if model.dtype != "float64":
        x = g.node("Cast", inputs, to=TYPES[model.dtype])
    outputs = []
    parts = {model.preparation.inputs: x}  # only a linear model sees all inputs
    for number in range(len(model.ensemble)):
        program = program_of(model.ensemble.member(number))
        if program.inputs not in parts:
            parts[program.inputs] = g.node(
                "Slice", x, g.integers("begin", [0]), g.integers("end", [program.inputs]),
                g.integers("axis", [1]),
            )  # fmt: skip
        inner = g.of_dtype(model.dtype)
        last = onnx.append(inner, program, parts[program.inputs], prefix=f"member_{number}.")
        outputs.append(g.node("Cast", last, to=TYPES["float64"]))
    weights = model.ensemble.weights
    if weights is not None:
        outputs = [g.node("Mul", output, g.number(weight))
                   for output, weight in zip(outputs, weights, strict=True)]  # fmt: skip
    total = outputs[0] if len(outputs) == 1 else g.node("Sum", *outputs)
    return total if weights is not None else g.node("Div", total, g.number(float(len(outputs))))


def _label(g: Graph, place: str, classes: Sequence[Any]) -> tuple[str, str]:
    """The class of each place, and its type."""
    if all(isinstance(each, int | np.integer) for each in classes):  # bool too
        labels = g.constant("classes", np.array([int(each) for each in classes], np.int64))
        return g.node("Gather", labels, place), "int64"
    names = [str(each) for each in classes]
    chosen = g.node(
        "LabelEncoder", place, domain=TABLES, keys_int64s=list(range(len(names))),
        values_strings=names, default_string="",
    )  # fmt: skip
    return chosen, "str"


def _answers(
    model: "TableModel", g: Graph, outputs: str, classes: Sequence[Any], order: Sequence[int]
) -> list[bytes]:
    """Outputs of the file: classes and probabilities, or numbers."""
    target = model.target
    dtype = "float64" if model.dtype == "float64" else "float32"
    if isinstance(target, ClassTarget):
        small = g.number(SMALLEST_PROBABILITY)
        clipped = g.node("Min", g.node("Max", outputs, small), g.number(1.0))
        powers = g.node("Mul", g.node("Log", clipped), g.number(float(model.power)))
        probabilities = g.node("Softmax", powers, axis=1)
        if list(order) != list(range(len(order))):
            probabilities = g.node("Gather", probabilities, g.integers("order", order), axis=1)
        label, kind = _label(g, g.node("ArgMax", probabilities, axis=1, keepdims=0), classes)
        made = [(label, "label", kind, ()), (probabilities, "probabilities", dtype, (len(order),))]
    else:
        inner = g.node(
            "Add", g.node("Mul", outputs, g.constant("scales", np.array([target.scales]))),
            g.constant("means", np.array([target.means])),
        )  # fmt: skip
        if target.log:
            grown = g.node("Sub", g.node("Exp", inner), g.number(1.0))
            inner = g.node("Mul", grown, g.number(float(target.factor)))
        if target.low:
            inner = g.node("Max", inner, g.constant("low", np.array([target.low])))
            inner = g.node("Min", inner, g.constant("high", np.array([target.high])))
        made = [(inner, "prediction", dtype, (target.outputs,))]
    infos = []
    for value, wanted, kind, row in made:
        name = g.fresh(wanted)
        if kind.startswith("float"):
            g.node("Cast", value, output=name, to=TYPES[kind])
        else:
            g.node("Identity", value, output=name)
        infos.append(value_info(name, kind, row))
    return infos


def to_bytes(
    model: "TableModel", classes: Sequence[Any] | None = None, order: Sequence[int] | None = None
) -> bytes:
    """A model of a table as the bytes of an ONNX file.

    Parameters
    ----------
    classes : sequence, optional
        Labels in the order of the probabilities; by default the target's texts.
    order : sequence of int, optional
        The network's output of each of them.

    Raises
    ------
    ValueError
        A column or a layer that ONNX cannot say; the message names it.
    """
    preparation = model.preparation
    columns = _Columns([feature.name for feature in preparation.features], preparation.bend)
    g = columns.graph
    numbers: list[str] = []
    parts: list[str] = []
    bins: list[str] = []
    lines: list[str] = []
    for feature in preparation.features:
        if type(feature) not in _FEATURES:
            raise ValueError(
                f"column '{feature.name}': found {type(feature).__name__}, wanted one of: "
                + ", ".join(kind.__name__ for kind in _FEATURES)
            )
        made = _FEATURES[type(feature)](feature, columns)
        if preparation.by_kind and isinstance(feature, NumericFeature):
            numbers.append(made.pop(0))
            if feature.edges:
                bins.append(made.pop(0))
                lines.append(made.pop())
        parts += made
    inputs = g.node("Concat", *numbers, *parts, *bins, *lines, axis=1)
    target = model.target
    if isinstance(target, ClassTarget):
        classes = target.classes if classes is None else classes
        order = range(len(target.classes)) if order is None else order
    infos = _answers(model, g, _networks(model, g, inputs), classes or [], order or [])
    metadata = {
        "densecore_version": core.__version__,
        "layers": repr(model.ensemble.member(0)),
        "columns": json.dumps([feature.to_dict() for feature in preparation.features]),
        "target": json.dumps(target.to_dict()),
        "card": json.dumps(model.card, allow_nan=False, default=str),
    }
    return onnx.file_of(g, columns.inputs, infos, "table", metadata, {TABLES: 2})
