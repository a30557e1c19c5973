"""A model of a table as one C99 header: a structure of columns in, a class or numbers out.

The preparation is computed in double precision, as in this library.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base import core
from ..export import program_of
from ..export.c_functions import number
from ..export.c_header import Parts, Sizes, function_of, identifier, text_of
from .category_keys import CategoryKeys
from .features import LINE_ENDS, CategoricalFeature, Feature, NumericFeature
from .moments import MomentFeature
from .scaling import BEND
from .scores import SMALLEST_PROBABILITY
from .targets import ClassTarget, NumericTarget

if TYPE_CHECKING:
    from .model import TableModel

# `@` stands for the prefix of the header's names, NUM for the type of the networks' numbers.
_VALUES = {"BEND": BEND, "LEAST": LINE_ENDS[0], "MOST": LINE_ENDS[1]}
_SCALED = """
/* (value - center) / scale, within 1e15 of 0 and perhaps bent towards 3 */
static inline double @column_scaled(double value, double center, double scale, int bend) {
  double z = (value - center) / scale;
  if (value != value) return 0;
  if (z > 1e15) z = 1e15;
  if (z < -1e15) z = -1e15;
  return bend ? z / sqrt(1 + z / BEND * (z / BEND)) : z;
}"""
_BINS = """
/* of each bin between two edges: 0 below it, 1 above it, in between the share of the way */
static inline void @column_bins(double value, int count, const double *edges, NUM *x) {
  int i;
  for (i = 0; i < count; ++i) {
    const double share = (value - edges[i]) / (edges[i + 1] - edges[i]);
    x[i] = (NUM)(share < 0 ? 0 : share > 1 ? 1 : share);
  }
}"""
_LINE = """
/* 0 at the first edge, 1 at the last, and a straight line from LEAST to MOST */
static inline double @column_line(double value, double first, double last) {
  const double share = (value - first) / (last - first);
  return share < LEAST ? LEAST : share > MOST ? MOST : share;
}"""
_FIND = """
/* The characters of a text that tell it apart: 2.0 is 2, but 02 and 1e3 are texts. */
static inline size_t @key_length(const char *text) {
  const char *at = text + (*text == '-'), *end;
  if (*at < '0' || *at > '9' || (*at == '0' && at[1] != '.')) return strlen(text);
  while (*at >= '0' && *at <= '9') ++at;
  end = at;
  if (at[0] != '.' || at[1] != '0') return strlen(text);
  for (++at; *at == '0'; ++at) continue;
  return *at ? strlen(text) : (size_t)(end - text);
}

static inline int @small(int c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

/* The place of a text among `count`; with small letters from A to Z if `small`; -2: it is none. */
static inline int @look_up(const char *text, size_t length, int small, int count,
                           const char *const *texts, const int *places) {
  int i;
  for (i = 0; i < count; ++i) {
    size_t k;
    if (strlen(texts[i]) != length) continue;
    for (k = 0; k < length; ++k) {
      const int c = small ? @small(text[k]) : text[k];
      if (c != texts[i][k]) break;
    }
    if (k == length) return places[i];
  }
  return -2;
}"""
_TURN = """
/* sine and cosine of the place in a period; 0 when the moment is unknown */
static inline void @column_turn(double seconds, double period, double shift, NUM *x) {
  const double turns = (seconds + shift) / period;
  const double angle = (turns - floor(turns)) * 6.283185307179586;
  x[0] = (NUM)(seconds != seconds ? 0 : sin(angle));
  x[1] = (NUM)(seconds != seconds ? 0 : cos(angle));
}"""


class _Row:
    """The structure of columns, and the statements that make the networks' inputs of it."""

    def __init__(self, parts: Parts, bend: bool) -> None:
        self.parts, self.bend = parts, bend
        self.fields: list[tuple[str, str, str]] = []  # type, name, comment
        self.statements: list[str] = []
        self.helpers: list[str] = []
        self.at = 0  # the input that comes next
        self.places: Sequence[int] = ()  # of the feature's inputs

    def field(self, kind: str, name: str, comment: str) -> str:
        """Declare a column; the C expression of its value."""
        taken = [each for _, each, _ in self.fields]
        made = identifier(name, taken, "column")
        shown = json.dumps(name, ensure_ascii=False).replace("*/", "* /")
        self.fields.append((kind, made, f"{shown}: {comment}"))
        return f"row->{made}"

    def use(self, helper: str) -> None:
        if helper not in self.helpers:
            self.helpers.append(helper)

    def set(self, value: str) -> None:
        """The next input."""
        self.statements.append(f"x[{self.at}] = {value};")
        self.at += 1

    def scaled(self, value: str, center: float, scale: float) -> None:
        self.use(_SCALED)
        numbers = f"{number(center, 'float64')}, {number(scale, 'float64')}, {int(self.bend)}"
        self.set(f"({self.parts.type})@column_scaled({value}, {numbers})")


def _numeric(feature: NumericFeature, row: _Row) -> None:
    value = row.field("double", feature.name, "a number, NAN when missing")
    row.scaled(value, feature.center, feature.scale)
    if feature.edges:
        row.use(_BINS)
        edges = row.parts.constant(f"{feature.name} edges", np.array(feature.edges))
        count = len(feature.edges) - 1
        known = f"{value} != {value} ? {number(feature.center, 'float64')} : {value}"
        row.statements.append(f"@column_bins({known}, {count}, {edges}, x + {row.places[1]});")
        row.use(_LINE)
        first, last = (number(feature.edges[i], "float64") for i in (0, -1))
        row.at = row.places[-1]
        row.set(f"({row.parts.type})@column_line({known}, {first}, {last})")
    if feature.indicator:
        row.at = row.places[1 + feature.bins]
        row.set(f"{value} != {value}")


def _category(feature: CategoricalFeature, row: _Row) -> None:
    value = row.field("const char *", feature.name, "a text, NULL or empty when missing")
    row.use(_FIND)
    keys = CategoryKeys(feature)
    name = f"{row.parts.prefix}texts_{identifier(feature.name, (), 'column')}_{row.at}"
    row.statements += [
        f'text = {value} ? {value} : "";',
        "length = @key_length(text);",
    ]
    _look_up(row, name, keys)
    if feature.single:
        row.set("at < 0 ? 0 : 2 * at - 1")
    else:
        row.statements += [
            f"for (i = 0; i < {feature.width}; ++i) x[{row.at} + i] = i == at;",
        ]
        row.at += feature.width
    if feature.means:
        _means(feature, row)


def _look_up(row: _Row, name: str, keys: CategoryKeys) -> None:
    """Find a text's place, `at`."""
    # `key_length` takes the point of a whole number off, and the missing text is tested for.
    exact = {text: i for text, i in keys.exact.items() if text and not text.endswith(".0")}
    for suffix, places in (("", exact), ("_small", keys.folded)):
        if places:
            texts = ", ".join(_text(text) for text in places)
            row.parts.constants += [
                f"static const char *const {name}{suffix}[{len(places)}] = {{{texts}}};",
                f"static const int {name}{suffix}_at[{len(places)}] = "
                f"{{{', '.join(map(str, places.values()))}}};",
            ]
            row.parts.bytes += sum(len(text.encode()) + 1 for text in places) + 12 * len(places)
    row.statements.append(
        f"at = length ? @look_up(text, length, 0, {len(exact)}, {name}, {name}_at) : "
        f"{keys.exact['']};"
    )
    if keys.folded:
        row.statements.append(
            f"if (at == -2) at = @look_up(text, length, 1, {len(keys.folded)}, {name}_small, "
            f"{name}_small_at);"
        )
    row.statements.append(f"if (at == -2) at = {keys.other};")


def _means(feature: CategoricalFeature, row: _Row) -> None:
    """The last inputs of a column of many texts, whose text and length are known by now."""
    keys = CategoryKeys(feature.texts_of_means)
    values = feature.mean_values
    width = values.shape[1]
    first = row.at - width
    name = f"{row.parts.prefix}means_{identifier(feature.name, (), 'column')}_{first}"
    _look_up(row, name, keys)
    numbers = row.parts.constant(f"{feature.name} means", values.ravel())
    row.statements.append(
        f"for (i = 0; i < {width}; ++i) "
        f"x[{first} + i] = ({row.parts.type}){numbers}[at * {width} + i];"
    )


def _moment(feature: MomentFeature, row: _Row) -> None:
    value = row.field("double", feature.name, "seconds since 1970-01-01, NAN when missing")
    for part in feature.parts:
        if part == "time":
            row.scaled(value, feature.center, feature.scale)
            continue
        row.use(_TURN)
        period, shift = (number(each, "float64") for each in feature._PERIODS[part])
        row.statements.append(f"@column_turn({value}, {period}, {shift}, x + {row.at});")
        row.at += 2
    if feature.indicator:
        row.set(f"{value} != {value}")


_FEATURES: Mapping[type[Feature], Callable[[Any, _Row], None]] = {
    CategoricalFeature: _category,
    MomentFeature: _moment,
    NumericFeature: _numeric,
}


def _text(text: str) -> str:
    """A C literal; bytes that are not ASCII in octal, which cannot run into a digit after it."""
    made = []
    for byte in text.encode():
        c = chr(byte)
        plain = 32 <= byte < 127 and c not in '"\\?'  # ? begins a trigraph
        made.append(c if plain else f"\\{byte:03o}")
    return '"' + "".join(made) + '"'


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(number(float(value), "float64") for value in values)


def _answer(model: "TableModel", order: Sequence[int]) -> list[str]:
    """Statements from the members' mean outputs `mean` to the answer `y`."""
    target, outputs = model.target, model.target.outputs
    each = f"for (i = 0; i < {outputs}; ++i)"
    if isinstance(target, ClassTarget):
        small, power = number(SMALLEST_PROBABILITY, "float64"), number(model.power, "float64")
        places = f"static const int order[] = {{{', '.join(map(str, order))}}};"
        return [
            places,
            "int best = 0;",
            "double largest, total = 0;",
            f"{each} mean[i] = log(mean[i] < {small} ? {small} : mean[i] > 1 ? 1 : mean[i])"
            f" * {power};",
            "largest = mean[0];",
            f"{each} if (mean[i] > largest) largest = mean[i];",
            f"{each} total += mean[i] = exp(mean[i] - largest);",
            f"{each} y[i] = mean[order[i]] / total;",
            f"{each} if (y[i] > y[best]) best = i;",
            "return best;",
        ]
    assert isinstance(target, NumericTarget)
    lines = [
        f"static const double scale[] = {{{_numbers(target.scales)}}};",
        f"static const double shift[] = {{{_numbers(target.means)}}};",
    ]
    value = "mean[i] * scale[i] + shift[i]"
    if target.log:
        value = f"expm1({value}) * {number(target.factor, 'float64')}"
    if target.low:
        lines += [
            f"static const double low[] = {{{_numbers(target.low)}}};",
            f"static const double high[] = {{{_numbers(target.high)}}};",
        ]
    lines.append(f"{each} y[i] = {value};")
    if target.low:
        lines.append(f"{each} y[i] = y[i] < low[i] ? low[i] : y[i] > high[i] ? high[i] : y[i];")
    return lines


def to_text(
    model: "TableModel", name: str = "table", *, int8: bool = False,
    classes: Sequence[Any] | None = None, order: Sequence[int] | None = None,
) -> tuple[str, Sizes]:  # fmt: skip
    """A model of a table as the text of a C header, and what it costs.

    Parameters
    ----------
    name : str, default "table"
        What the header's names begin with.
    int8 : bool, default False
        As of `densecore.export.export`.
    classes : sequence, optional
        Labels in the order of the probabilities; by default the target's texts.
    order : sequence of int, optional
        The network's output of each of them.

    Raises
    ------
    ValueError
        A column or a layer that a C header cannot say; the message names it.
    """
    prefix = identifier(name) + "_"
    upper = prefix.upper()
    parts = Parts(prefix, model.dtype)
    preparation, target = model.preparation, model.target
    row = _Row(parts, preparation.bend)
    for feature, places in zip(preparation.features, preparation.places(), strict=True):
        row.places = places.tolist()
        row.at = row.places[0]
        if type(feature) not in _FEATURES:
            raise ValueError(
                f"column '{feature.name}': found {type(feature).__name__}, wanted one of: "
                + ", ".join(kind.__name__ for kind in _FEATURES)
            )
        _FEATURES[type(feature)](feature, row)
    row.at = preparation.inputs
    count = len(model.ensemble)
    members: list[str] = []
    for i in range(count):
        program = program_of(model.ensemble.member(i))
        members += function_of(program, f"member_{i}", parts, int8=int8)
    outputs, kind = target.outputs, parts.type
    parts.stack += parts.bytes_of(row.at + outputs) + 8 * outputs

    body = ["typedef struct {"]
    body += [f"  {each} {field}; /* {comment} */".replace("* ", "*", 1)
             if each.endswith("*") else f"  {each} {field}; /* {comment} */"
             for each, field, comment in row.fields]  # fmt: skip
    body += [f"}} {prefix}row;", ""]
    if isinstance(target, ClassTarget):
        labels = target.classes if classes is None else [str(each) for each in classes]
        names = ", ".join(_text(label) for label in labels)
        body.append(f"static const char *const {prefix}classes[] = {{{names}}};")
        order = list(range(outputs)) if order is None else order
        result, what = "int", "probabilities; returns the place of the likeliest class"
    else:
        result, what = "void", "numbers: " + ", ".join(target.names).replace("*/", "* /")
    for helper in row.helpers:
        text = helper.strip("\n").replace("NUM", kind)
        for word, value in _VALUES.items():
            text = text.replace(word, number(value, "float64"))
        body += text.replace("@", prefix).split("\n")
    body += members
    body.append(f"/* y: room for {outputs} {what}. */")
    body.append(f"static inline {result} {prefix}predict(const {prefix}row *row, double *y) {{")
    statements = [f"{kind} x[{row.at}], out[{outputs}];", f"double mean[{outputs}] = {{0}};"]
    answer = _answer(model, order or [])
    declared = [line for line in answer if line.startswith(("static", "int", "double"))]
    statements += [*declared, "int i;"]
    if any(line.startswith("text =") for line in row.statements):
        statements += ["const char *text;", "size_t length;", "int at;"]
    statements += row.statements
    weights = model.ensemble.weights
    for i in range(count):
        share = "" if weights is None else f"{number(weights[i], 'float64')} * "
        statements += [
            f"@member_{i}(x, out);",
            f"for (i = 0; i < {outputs}; ++i) mean[i] += {share}out[i];",
        ]
    if weights is None:
        statements.append(f"for (i = 0; i < {outputs}; ++i) mean[i] /= {count};")
    statements += [line for line in answer if line not in declared]
    body += [f"  {line}".replace("@", prefix) for line in statements]
    body.append("}")
    first = row.fields[0][1] if row.fields else "column"
    usage = [f"{prefix}row row = {{.{first} = …}};", f"double y[{upper}OUTPUTS];"]
    usage.append(
        f"puts({prefix}classes[{prefix}predict(&row, y)]);"
        if result == "int"
        else f"{prefix}predict(&row, y);"
    )
    head = [f"Written by densecore {core.__version__}.", repr(model.ensemble.member(0))]
    return text_of(parts, head, usage, [f"#define {upper}OUTPUTS {outputs}"], body)
