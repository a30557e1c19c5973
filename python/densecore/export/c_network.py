"""A program as the body of a C function: statements, and the constants that they name."""

import math
import re
from collections.abc import Mapping

import numpy as np

from .._base.constants import SELU_ALPHA, SELU_SCALE
from .c_elements import expression_of
from .c_functions import array, integers, number
from .c_names import identifier
from .program import (
    Array,
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
    Program,
    RowNormalization,
)

# Statements of an activation of one element, z. Those of rows are functions of (n, z, a).
_ELEMENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "celu": (("exponential_below",), "@exponential_below(z, 1, {alpha}, {alpha})"),
    "elu": (("exponential_below",), "@exponential_below(z, 1, {alpha}, 1)"),
    "exponential": (("exp",), "@exp(z)"),
    "gelu": (("gelu",), "@gelu(z)"),
    "gelu_tanh": (("gelu_tanh",), "@gelu_tanh(z)"),
    "hard_sigmoid": (("hard_sigmoid",), "@hard_sigmoid(z)"),
    "hard_silu": (("max", "hard_sigmoid"), "@max(-3, z) * @hard_sigmoid(z)"),
    "hard_tanh": (("min", "max"), "@max(-1, @min(1, z))"),
    "leaky_relu": (("relu_general", "max"), "@relu_general(z, {negative_slope}, INFINITY, 0)"),
    "log_sigmoid": (("softplus",), "0 - @softplus(0 - z)"),
    "mish": (("mish",), "@mish(z)"),
    "relu": (("max",), "@max(0, z)"),
    "relu6": (("min", "max"), "@min(6, @max(0, z))"),
    "relu_general": (
        ("relu_general", "max"),
        "@relu_general(z, {negative_slope}, {max_value}, {threshold})",
    ),
    "selu": (
        ("exponential_below",),
        "@exponential_below(z, {selu_scale}, {selu_alpha}, 1)",
    ),
    "sigmoid": (("sigmoid",), "@sigmoid(z)"),
    "silu": (("silu",), "@silu(z)"),
    "softplus": (("softplus",), "@softplus(z)"),
    "softsign": (("softsign",), "@softsign(z)"),
    "tanh": (("tanh",), "@tanh(z)"),
    "hard_shrink": (("hard_shrink",), "@hard_shrink(z, {threshold})"),
    "soft_shrink": (("soft_shrink",), "@soft_shrink(z, {threshold})"),
    "sparse_plus": (("sparse_plus",), "@sparse_plus(z)"),
    "sparse_sigmoid": (("min", "max"), "{half} * (@max(-1, @min(1, z)) + 1)"),
    "squareplus": (("squareplus",), "@squareplus(z, {b})"),
    "tanh_shrink": (("tanh_shrink",), "@tanh_shrink(z)"),
}
_ROWS = ("softmax", "log_softmax")
_CONSTANTS = {"selu_scale": SELU_SCALE, "selu_alpha": SELU_ALPHA, "half": 0.5}


_LARGEST = 2**20  # features: a row of more is no work for a stack of a microcontroller


class Parts:
    """What a header is made of, as functions append to it.

    Attributes
    ----------
    prefix : str
        Of every name in the header.
    dtype : str
        Of the networks' numbers.
    functions : list of str
        Functions of `c_functions` that are called.
    constants : list of str
        Definitions of arrays.
    bytes, stack : int
        Of the constants, and of the buffers of the largest function.
    """

    def __init__(self, prefix: str, dtype: str) -> None:
        self.prefix, self.dtype = prefix, dtype
        self.type = "float" if dtype == "float32" else "double"
        self.functions: list[str] = []
        self.constants: list[str] = []
        self.bytes = 0
        self.stack = 0
        self._count = 0
        self._arrays: dict[object, str] = {}  # names, by what they are and contents

    def constant(self, what: str, values: Array) -> str:
        """An array of the header, of float64 or int8 numbers or the networks' own, of a layer that
        is called several times one; its name.

        Raises
        ------
        ValueError
            Its numbers are not finite.
        """
        if not np.isfinite(values).all():
            raise ValueError(f"{what}: found numbers that are not finite, wanted finite ones")
        key = (what, values.dtype.str, values.shape, values.tobytes())
        if key in self._arrays:
            return self._arrays[key]
        name = self._arrays[key] = f"{self.prefix}{identifier(what)}_{self._count}"
        self._count += 1
        self.bytes += values.nbytes
        if values.dtype == np.int8:
            kind, text = "signed char", integers(values)
        else:
            dtype = values.dtype.name
            kind = "float" if dtype == "float32" else "double"
            text = array(values.ravel(), dtype)
        self.constants.append(f"static const {kind} {name}[{values.size}] = {text};")
        return name

    def bytes_of(self, numbers: int) -> int:
        """The size of so many of the networks' numbers."""
        return numbers * np.dtype(self.dtype).itemsize

    def use(self, *names: str) -> None:
        """Functions that a statement calls."""
        self.functions += names


class _Writer:
    """The statements of a function, as operations append to them."""

    def __init__(self, parts: Parts, int8: bool) -> None:
        self.parts, self.prefix, self.dtype, self.int8 = parts, parts.prefix, parts.dtype, int8
        self.constant, self.use = parts.constant, parts.use
        self.statements: list[str] = []
        self.widths: list[int] = []  # of the values that the operation takes

    def loop(self, width: int, statement: str) -> None:
        """A statement for each feature i."""
        self.statements.append(f"for (i = 0; i < {width}; ++i) {statement}")

    def vectors(self, count: int, call: str, before: int, after: int, x: str, y: str) -> None:
        """A function for each of `count` vectors, of `before` features in x and `after` in y; its
        call up to these two arguments."""
        call = self.prefix + call
        if count == 1:
            self.statements.append(f"{call}, {x}, {y});")
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
        name, _ = activation._kernel()  # relu and gelu have several, by their parameters
        if name in _ROWS:
            self.use(name)
            size = operation.width // operation.vectors
            self.vectors(operation.vectors, f"{name}({size}", size, size, x, y)
            return
        if name not in _ELEMENTS:
            known = ", ".join([*_ELEMENTS, *_ROWS])
            raise ValueError(
                f"layer {operation.layer}: found the activation {name}, wanted one of: {known}"
            )
        functions, expression = _ELEMENTS[name]
        self.use(*functions)
        values: Mapping[str, float] = {
            key: float("inf") if value is None else float(value)
            for key, value in {**_CONSTANTS, **parameters}.items()
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
        self.statements.append(
            f"{{ int j; for (j = 0; j < {group}; ++j) for (i = 0; i < {operation.width}; ++i) "
            f"if ({x}[i / {size} * {group} + j] == i % {size}) {y}[i] = {one}; }}"
        )

    def permutation(self, operation: Permutation, x: str, y: str) -> None:
        """Loops over the dimensions of what is made; a step along each is one in x."""
        steps = [math.prod(operation.shape[place + 1 :]) for place in range(len(operation.shape))]
        names = [f"i{place}" for place in range(len(steps))]
        loops = [
            f"for ({name} = 0; {name} < {operation.shape[place]}; ++{name})"
            for name, place in zip(names, operation.order, strict=True)
        ]
        place = " + ".join(
            f"{steps[place]} * {name}" for name, place in zip(names, operation.order, strict=True)
        )
        self.statements.append(
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
        self.statements.append(
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
        self.statements.append(
            f"{{ {self.parts.type} cosines[{frequencies}]; {self.prefix}periodic({columns}, "
            f"{frequencies}, {further}, {rest}, {arrays}, cosines, {x}, {y}); }}"
        )

    def operation(self, operation: Operation, x: list[str], y: str) -> None:
        """Append what computes an operation's value from buffers `x` into the buffer `y`.

        Raises
        ------
        ValueError
            A C header cannot say it, or its numbers are not finite; the message names the layer.
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


def quantized(kernel: Array) -> tuple[Array, Array]:
    """Whole numbers from -127 to 127 and a factor per unit, nearest to the columns of a kernel."""
    largest = np.abs(kernel).max(axis=0, initial=0).astype(np.float64)
    scale = np.where(largest > 0, largest / 127, 1.0)
    levels = np.rint(kernel / scale).astype(np.int8)
    return levels, scale.astype(kernel.dtype)


def _in_place(operation: Operation, program: Program) -> bool:
    """Whether a value's buffer may be that of an input that nothing needs later: not where elements
    are taken at other places than they are written."""
    if isinstance(operation, Merge):
        same = all(program.width(value) == operation.width for value in operation.inputs)
        return same and operation.kind != "concatenate"
    return isinstance(operation, ColumnNormalization | Element | Function | RowNormalization)


def _buffers(program: Program, arguments: list[str]) -> tuple[list[str], dict[str, int]]:
    """Where each value lies, and the sizes of the buffers: few, by how long a value is needed.

    `arguments` are the names of the arrays of inputs, then of outputs. A value that is an output
    lies where that is wanted; one that is several outputs, in the first of them.
    """
    first = len(program.takes)
    last_use = [0] * program.values
    for place, operation in enumerate(program.operations):
        for value in operation.inputs:
            last_use[value] = place
    homes, sizes = arguments[:first], dict[str, int]()
    given: dict[int, str] = {}
    for port, argument in zip(program.gives, arguments[first:], strict=True):
        given.setdefault(port.value, argument)
    for place, operation in enumerate(program.operations):
        if first + place in given:
            homes.append(given[first + place])
            continue
        in_place = _in_place(operation, program)
        taken = {
            homes[value]
            for value in range(first + place)
            if last_use[value] > place or (last_use[value] == place and not in_place)
        }
        number_ = 0
        while f"b{number_}" in taken:
            number_ += 1
        home = f"b{number_}"
        sizes[home] = max(sizes.get(home, 0), operation.width)
        homes.append(home)
    return homes, sizes


def arguments_of(program: Program) -> list[str]:
    """The names of the arrays of inputs, then of outputs: ``x`` and ``y``, or with the names."""
    found: list[str] = []
    for letter, ports in (("x", program.takes), ("y", program.gives)):
        for port in ports:
            name = letter if len(ports) == 1 else f"{letter}_{identifier(port.name, (), 'value')}"
            found.append(identifier(name, found))
    return found


def function_of(program: Program, name: str, parts: Parts, *, int8: bool) -> list[str]:
    """The lines of ``static inline void NAME(const NUM *x, NUM *y)``, which computes a row; with an
    array for each input and each output.

    Raises
    ------
    ValueError
        A layer that a C header cannot say, or weights that are not finite; the message names it.
    """
    if max([program.inputs, *(each.width for each in program.operations)]) > _LARGEST:
        raise ValueError(f"export: found a layer of more than {_LARGEST:,} features")
    writer = _Writer(parts, int8)
    arguments = arguments_of(program)
    first = len(program.takes)
    homes, sizes = _buffers(program, arguments)
    for place, operation in enumerate(program.operations):
        writer.widths = [program.width(value) for value in operation.inputs]
        home = homes[first + place]
        writer.operation(operation, [homes[value] for value in operation.inputs], home)
    for port, argument in zip(program.gives, arguments[first:], strict=True):
        if homes[port.value] != argument:
            copy = f"memcpy({argument}, {homes[port.value]}, {port.width} * sizeof *{argument});"
            writer.statements.append(copy)
    parts.stack = max(parts.stack, parts.bytes_of(sum(sizes.values())))
    kind = parts.type
    given = [f"const {kind} *{argument}" for argument in arguments[:first]]
    given += [f"{kind} *{argument}" for argument in arguments[first:]]
    lines = [f"static inline void {parts.prefix}{name}({', '.join(given)}) {{"]
    lines += [f"  {kind} {buffer}[{size}];" for buffer, size in sizes.items()]
    if any("i = 0" in statement for statement in writer.statements):
        lines.append("  int i;")
    lines += [f"  {statement}" for statement in writer.statements]
    return [*lines, "}"]
