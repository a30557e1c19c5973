"""The operations of a program as statements in C, which read buffers and write one."""

import math
import re
from collections.abc import Mapping

import numpy as np

from .activation_smooth import C_CONSTANTS
from .activation_table import FORMS
from .c_elements import expression_of
from .c_functions import number
from .c_parts import Parts, quantized
from .program import (
    ColumnNormalization,
    Columns,
    Dense,
    Dot,
    Element,
    Embedding,
    Function,
    Indicators,
    Intervals,
    Lookup,
    Merge,
    Operation,
    Periodic,
    Permutation,
    Pool,
    RowNormalization,
)


class Statements:
    """The statements of a function, as operations append to them.

    Attributes
    ----------
    lines : list of str
    widths : list of int
        Of the values that the operation takes which is appended next.
    """

    def __init__(self, parts: Parts, int8: bool) -> None:
        self.parts, self.prefix, self.dtype, self.int8 = parts, parts.prefix, parts.dtype, int8
        self.constant, self.use = parts.constant, parts.use
        self.lines: list[str] = []
        self.widths: list[int] = []

    def loop(self, width: int, statement: str) -> None:
        """A statement for each feature i."""
        self.lines.append(f"for (i = 0; i < {width}; ++i) {statement}")

    def vectors(self, count: int, call: str, before: int, after: int, x: str, y: str) -> None:
        """A function for each of `count` vectors, of `before` features in x and `after` in y; its
        call up to these two arguments."""
        call = self.prefix + call
        if count == 1:
            self.lines.append(f"{call}, {x}, {y});")
        else:
            self.loop(count, f"{call}, {x} + {before} * i, {y} + {after} * i);")

    def dense(self, operation: Dense, x: str, y: str) -> None:
        inputs, units = operation.kernel.shape
        layer = operation.layer
        bias = "0"
        if operation.bias is not None:
            bias = self.constant(f"{layer} bias", operation.bias)
        if self.int8:
            self.use("dense_int8")
            levels, scale = quantized(operation.kernel)
            kernel = self.constant(f"{layer} kernel", levels)
            factor = self.constant(f"{layer} scale", scale)
            call = f"dense_int8({inputs}, {units}, {kernel}, {factor}, {bias}"
        else:
            self.use("dense")
            kernel = self.constant(f"{layer} kernel", operation.kernel)
            call = f"dense({inputs}, {units}, {kernel}, {bias}"
        self.vectors(operation.vectors, call, inputs, units, x, y)

    def function(self, operation: Function, x: str, y: str) -> None:
        activation, parameters = operation.activation, dict(operation.activation.parameters)
        forms = FORMS.get(activation.name)
        name, _ = activation._kernel()  # relu and gelu have several, by their parameters
        form = None
        if forms is not None:
            form = forms.c if name == activation.name else forms.c_general
        if forms is None or form is None:
            raise ValueError(
                f"layer {operation.layer}: found the activation {name}, wanted one of: "
                + ", ".join(FORMS)
            )
        if forms.whole_row:
            self.use(name)
            size = operation.width // operation.vectors
            self.vectors(operation.vectors, f"{name}({size}", size, size, x, y)
            return
        functions, expression = form
        self.use(*functions)
        values: Mapping[str, float] = {
            key: float("inf") if value is None else float(value)
            for key, value in {**C_CONSTANTS, **parameters}.items()
        }
        expression = re.sub(
            r"\{(\w+)\}", lambda found: number(values[found[1]], self.dtype), expression
        )
        expression = re.sub(r"\bz\b", f"{x}[i]", expression).replace("@", self.prefix)
        self.loop(operation.width, f"{y}[i] = {expression};")

    def columns(self, operation: ColumnNormalization, x: str, y: str) -> None:
        names = {
            part: self.constant(f"{operation.layer} {part}", values)
            for part in ("mean", "factor", "scale", "shift")
            if (values := getattr(operation, part)) is not None
        }
        value = f"{x}[i]" if "mean" not in names else f"({x}[i] - {names['mean']}[i])"
        value += f" * {names['factor']}[i]"
        self.loop(operation.width, f"{y}[i] = {_scaled(value, names)};")

    def rows(self, operation: RowNormalization, x: str, y: str) -> None:
        self.use("normalize_row")
        epsilon = number(operation.epsilon, "float64")
        size = operation.width // operation.groups
        count = 1 if operation.summed else size
        rule = f"{size}, {int(operation.centered)}, {count}, {epsilon}"
        self.vectors(operation.groups, f"normalize_row({rule}", size, size, x, y)
        names = {
            part: self.constant(f"{operation.layer} {part}", values)
            for part in ("scale", "shift")
            if (values := getattr(operation, part)) is not None
        }
        if names:
            self.loop(operation.width, f"{y}[i] = {_scaled(f'{y}[i]', names)};")

    def merge(self, operation: Merge, x: list[str], y: str) -> None:
        if operation.kind == "concatenate":
            start = 0
            for each, width in zip(x, self.widths, strict=True):
                self.loop(width, f"{y}[{start} + i] = {each}[i];")
                start += width
            return
        values = [
            f"{each}[{'i' if width == operation.width else 0}]"
            for each, width in zip(x, self.widths, strict=True)
        ]
        value = values[0]
        if operation.kind in ("maximum", "minimum"):
            function = operation.kind[:3]
            self.use(function)
            for each in values[1:]:
                value = f"{self.prefix}{function}({value}, {each})"
        elif operation.kind == "average":
            value = f"({' + '.join(values)}) / {number(len(x), self.dtype)}"
        else:
            value = {"add": " + ", "subtract": " - ", "multiply": " * "}[operation.kind].join(
                values
            )
        self.loop(operation.width, f"{y}[i] = {value};")

    def dot(self, operation: Dot, x: list[str], y: str) -> None:
        self.use("dot")
        size = operation.size
        # From one vector of a matrix to the next, and from one number of it to the next.
        steps = [
            (1, rows) if across else (size, 1)
            for rows, across in zip(operation.rows, operation.across, strict=True)
        ]
        (a, a_along), (b, b_along) = steps
        _, columns = operation.rows
        first, second = (
            f"{each} + (i {by} {columns}) * {step}" if step and by else each
            for each, by, step in zip(x, "/%", (a, b), strict=True)
        )
        call = f"{self.prefix}dot({size}, {first}, {a_along}, {second}, {b_along})"
        self.loop(operation.width, f"{y}[i] = {call};")

    def embedding(self, operation: Embedding, x: str, y: str) -> None:
        self.use("category")
        categories, units = operation.table.shape
        table = self.constant(f"{operation.layer} embeddings", operation.table)
        place = f"{self.prefix}category({categories}, {x}[i]) * {units}"
        copy = f"memcpy({y} + {units} * i, {table} + {place}, {units} * sizeof *{y});"
        self.loop(operation.width // units, copy)

    def intervals(self, operation: Intervals, x: str, y: str) -> None:
        self.use("intervals")
        boundaries = self.constant(f"{operation.layer} boundaries", operation.boundaries)
        count = operation.boundaries.size
        call = f"{self.prefix}intervals({count}, {boundaries}, {x}[i])"
        self.loop(operation.width, f"{y}[i] = {call};")

    def lookup(self, operation: Lookup, x: str, y: str) -> None:
        if operation.of_texts:
            raise ValueError(
                f"layer {operation.layer}: found texts, wanted numbers: a C header takes numbers"
            )
        self.use("lookup")
        names = [
            self.constant(f"{operation.layer} {what}", np.array(values, self.dtype))
            for what, values in (("keys", operation.keys), ("numbers", operation.numbers))
        ]
        rule = f"{len(operation.keys)}, {', '.join(names)}, {operation.other}"
        self.loop(operation.width, f"{y}[i] = {self.prefix}lookup({rule}, {x}[i]);")

    def indicators(self, operation: Indicators, x: str, y: str) -> None:
        size, group = operation.categories, operation.group
        one = f"{y}[i] + 1" if operation.counted else "1"
        self.loop(operation.width, f"{y}[i] = 0;")
        self.lines.append(
            f"{{ int j; for (j = 0; j < {group}; ++j) for (i = 0; i < {operation.width}; ++i) "
            f"if ({x}[i / {size} * {group} + j] == i % {size}) {y}[i] = {one}; }}"
        )

    def permutation(self, operation: Permutation, x: str, y: str) -> None:
        """Loops over the dimensions of the result; a step along each is one in x."""
        steps = [math.prod(operation.shape[place + 1 :]) for place in range(len(operation.shape))]
        names = [f"i{place}" for place in range(len(steps))]
        loops = [
            f"for ({name} = 0; {name} < {operation.shape[place]}; ++{name})"
            for name, place in zip(names, operation.order, strict=True)
        ]
        place = " + ".join(
            f"{steps[place]} * {name}" for name, place in zip(names, operation.order, strict=True)
        )
        self.lines.append(
            f"{{ int {', '.join(names)}, at = 0; {' '.join(loops)} {y}[at++] = {x}[{place}]; }}"
        )

    def pool(self, operation: Pool, x: str, y: str) -> None:
        width, parts = operation.width, operation.parts
        part = f"{x}[{width} * j + i]"
        if operation.kind == "mean":
            begin, first, next_ = 0, "0", f"{part} * {number(1 / parts, self.dtype)} + {y}[i]"
        else:
            self.use("max")
            begin, first, next_ = 1, f"{x}[i]", f"{self.prefix}max({y}[i], {part})"
        self.loop(width, f"{y}[i] = {first};")
        self.lines.append(
            f"{{ int j; for (j = {begin}; j < {parts}; ++j) "
            f"for (i = 0; i < {width}; ++i) {y}[i] = {next_}; }}"
        )

    def element(self, operation: Element, x: str, y: str) -> None:
        self.loop(operation.width, f"{y}[i] = {expression_of(operation, f'{x}[i]', self.dtype)};")

    def periodic(self, operation: Periodic, x: str, y: str) -> None:
        self.use("periodic")
        columns, frequencies = operation.frequencies.shape
        further = operation.bias.shape[1]
        rest = operation.width - columns * (1 + further)
        arrays = ", ".join(
            self.constant(f"{operation.layer} {part}", getattr(operation, part))
            for part in ("frequencies", "phases", "kernel", "bias")
        )
        self.parts.stack += self.parts.bytes_of(frequencies)
        self.lines.append(
            f"{{ {self.parts.type} cosines[{frequencies}]; {self.prefix}periodic({columns}, "
            f"{frequencies}, {further}, {rest}, {arrays}, cosines, {x}, {y}); }}"
        )

    def operation(self, operation: Operation, x: list[str], y: str) -> None:
        """Append the statements that compute an operation from buffers `x` into the buffer `y`.

        Raises
        ------
        ValueError
            C cannot express it, or its numbers are not finite; the message names the layer.
        """
        match operation:
            case Dense():
                self.dense(operation, x[0], y)
            case Function():
                self.function(operation, x[0], y)
            case ColumnNormalization():
                self.columns(operation, x[0], y)
            case RowNormalization():
                self.rows(operation, x[0], y)
            case Merge():
                self.merge(operation, x, y)
            case Dot():
                self.dot(operation, x, y)
            case Columns(first=first):
                self.loop(operation.width, f"{y}[i] = {x[0]}[{first} + i];")
            case Embedding():
                self.embedding(operation, x[0], y)
            case Intervals():
                self.intervals(operation, x[0], y)
            case Lookup():
                self.lookup(operation, x[0], y)
            case Indicators():
                self.indicators(operation, x[0], y)
            case Permutation():
                self.permutation(operation, x[0], y)
            case Pool():
                self.pool(operation, x[0], y)
            case Element():
                self.element(operation, x[0], y)
            case Periodic():
                self.periodic(operation, x[0], y)
            case _:
                raise ValueError(
                    f"layer {operation.layer}: found {type(operation).__name__}, which a C header "
                    "cannot say"
                )


def _scaled(value: str, names: Mapping[str, str]) -> str:
    if "scale" in names:
        value = f"{value} * {names['scale']}[i]"
    return f"{value} + {names['shift']}[i]" if "shift" in names else value
