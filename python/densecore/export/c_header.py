"""A network as one C99 header: constants and a function, no allocation, no library but math.h.

The function computes one row with the bits of the portable level (``DENSECORE_ISA=scalar`` on
x86-64): every output is one chain of multiplications and additions in increasing k.
"""

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from .._base.files import StrPath, atomic_writer
from .c_functions import array, definitions, integers, number
from .program import (
    Add,
    Array,
    ColumnNormalization,
    Dense,
    Function,
    Operation,
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
_CONSTANTS = {"selu_scale": 1.0507009873554804934, "selu_alpha": 1.6732632423543772848, "half": 0.5}

_LARGEST = 2**20  # features: a row of more is no work for a stack of a microcontroller


@dataclass(frozen=True)
class Sizes:
    """What a header costs where it runs.

    Attributes
    ----------
    constants : int
        Bytes of weights, which go into read-only memory.
    stack : int
        Bytes of buffers on the stack while a row is computed.
    """

    constants: int
    stack: int

    def __str__(self) -> str:
        return f"{self.constants:,} bytes of constants, {self.stack:,} bytes of stack"


def identifier(name: str) -> str:
    """A model's name as a C identifier in lower case."""
    found = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "model"
    if found[0].isdigit() or keyword.iskeyword(found):
        found = f"model_{found}"
    return found


class _Writer:
    """The parts of a header, as operations append to them."""

    def __init__(self, program: Program, prefix: str, int8: bool) -> None:
        self.program, self.prefix, self.int8 = program, prefix, int8
        self.dtype = program.dtype
        self.type = "float" if self.dtype == "float32" else "double"
        self.functions: list[str] = []
        self.constants: list[str] = []
        self.statements: list[str] = []
        self.bytes = 0
        self._count = 0

    def constant(self, what: str, values: Array) -> str:
        """An array of the header; returns its name, or NULL for none."""
        if not np.isfinite(values).all():
            raise ValueError(f"{what}: found numbers that are not finite, wanted finite ones")
        name = f"{self.prefix}{identifier(what)}_{self._count}"
        self._count += 1
        self.bytes += values.nbytes
        kind, text = (
            ("signed char", integers(values))
            if values.dtype == np.int8
            else (self.type, array(values.ravel(), self.dtype))
        )
        self.constants.append(f"static const {kind} {name}[{values.size}] = {text};")
        return name

    def use(self, *names: str) -> None:
        """Functions that a statement calls."""
        self.functions += names

    def loop(self, width: int, statement: str) -> None:
        """A statement for each feature i."""
        self.statements.append(f"for (i = 0; i < {width}; ++i) {statement}")

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
            call = (
                f"{self.prefix}dense_int8({inputs}, {units}, {kernel}, {factor}, {bias}, {x}, {y});"
            )
        else:
            self.use("dense")
            kernel = self.constant(f"{layer} kernel", operation.kernel)
            call = f"{self.prefix}dense({inputs}, {units}, {kernel}, {bias}, {x}, {y});"
        self.statements.append(call)

    def function(self, operation: Function, x: str, y: str) -> None:
        activation, parameters = operation.activation, dict(operation.activation.parameters)
        name, _ = activation._kernel()  # relu and gelu have several, by their parameters
        if name in _ROWS:
            self.use(name)
            self.statements.append(f"{self.prefix}{name}({operation.width}, {x}, {y});")
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
        if operation.groups == 1:
            self.statements.append(f"{self.prefix}normalize_row({rule}, {x}, {y});")
        else:
            self.statements.append(
                f"for (i = 0; i < {operation.groups}; ++i) "
                f"{self.prefix}normalize_row({rule}, {x} + {size} * i, {y} + {size} * i);"
            )
        names = {
            part: self.constant(f"{operation.layer} {part}", values)
            for part in ("scale", "shift")
            if (values := getattr(operation, part)) is not None
        }
        if names:
            self.loop(operation.width, f"{y}[i] = {_scaled(f'{y}[i]', names)};")

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
            case Add():
                self.loop(operation.width, f"{y}[i] = {x[0]}[i] + {x[1]}[i];")
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


def _buffers(program: Program) -> tuple[list[str], dict[str, int]]:
    """Where each value lies, and the sizes of the buffers: few, by how long a value is needed."""
    last_use = [0] * (len(program.operations) + 1)
    for place, operation in enumerate(program.operations):
        for value in operation.inputs:
            last_use[value] = place
    homes, sizes = ["x"], dict[str, int]()
    for place, operation in enumerate(program.operations):
        if place == len(program.operations) - 1:
            homes.append("y")
            continue
        # A value's buffer may be the one of an input that nothing needs later, except in a product.
        elementwise = not isinstance(operation, Dense)
        taken = {
            homes[value]
            for value in range(place + 1)
            if last_use[value] > place or (last_use[value] == place and not elementwise)
        }
        number_ = 0
        while f"b{number_}" in taken:
            number_ += 1
        home = f"b{number_}"
        sizes[home] = max(sizes.get(home, 0), operation.width)
        homes.append(home)
    return homes, sizes


def _lines(program: Program, prefix: str, comments: list[str], int8: bool) -> Iterator[str | Sizes]:
    writer = _Writer(program, prefix, int8)
    homes, sizes = _buffers(program)
    for place, operation in enumerate(program.operations):
        writer.operation(operation, [homes[value] for value in operation.inputs], homes[place + 1])
    number_size = np.dtype(program.dtype).itemsize
    cost = Sizes(writer.bytes, number_size * sum(sizes.values()))
    yield cost
    guard, kind = f"{prefix.upper()}H", writer.type
    yield f"/* {comments[0]}"
    yield from (f"   {line}" for line in comments[1:])
    yield f"   {cost}."
    yield ""
    yield f"   {kind} x[{prefix.upper()}INPUTS], y[{prefix.upper()}OUTPUTS];"
    yield f"   {prefix}predict(x, y);"
    yield ""
    yield "   Compile without contraction (-std=c99, or -ffp-contract=off) for these very bits. */"
    yield f"#ifndef {guard}"
    yield f"#define {guard}"
    yield ""
    yield "#include <math.h>"
    yield "#include <stdint.h>"
    yield "#include <string.h>"
    yield ""
    yield f"#define {prefix.upper()}INPUTS {program.inputs}"
    yield f"#define {prefix.upper()}OUTPUTS {program.outputs}"
    yield ""
    yield "#if defined(__clang__)"
    yield "#pragma STDC FP_CONTRACT OFF"
    yield "#endif"
    yield ""
    yield from writer.constants
    yield ""
    yield definitions(writer.functions, prefix, program.dtype)
    yield ""
    yield f"/* x: {program.inputs} numbers, y: room for {program.outputs}. */"
    yield f"static inline void {prefix}predict(const {kind} *x, {kind} *y) {{"
    for name, size in sizes.items():
        yield f"  {kind} {name}[{size}];"
    if any("i = 0" in statement for statement in writer.statements):
        yield "  int i;"
    yield from (f"  {statement}" for statement in writer.statements)
    if not program.operations:
        yield f"  memcpy(y, x, {program.inputs} * sizeof *x);"
    yield "}"
    yield ""
    yield f"#endif /* {guard} */"


def to_text(program: Program, comments: list[str], *, int8: bool = False) -> tuple[str, Sizes]:
    """A program as the text of a C header, and what it costs.

    Parameters
    ----------
    comments : list of str
        Lines for the head of the file; no ``*/`` in them.
    int8 : bool
        Kernels as whole numbers of 8 bits with a factor for each unit: a quarter of the constants,
        and a relative error of up to 1/254 of a unit's largest weight in each weight.

    Raises
    ------
    ValueError
        A layer that a C header cannot say, or weights that are not finite; the message names it.
    """
    if max([program.inputs, *(each.width for each in program.operations)]) > _LARGEST:
        raise ValueError(f"export: found a layer of more than {_LARGEST:,} features")
    prefix = identifier(program.name) + "_"
    cost, *lines = _lines(program, prefix, [line.replace("*/", "* /") for line in comments], int8)
    assert isinstance(cost, Sizes)
    return "\n".join(str(line) for line in lines) + "\n", cost


def write(program: Program, path: StrPath, comments: list[str], *, int8: bool = False) -> Sizes:
    """Write a C header, whole or not at all; returns what it costs.

    Raises
    ------
    ValueError
        As `to_text`. Nothing is written then.
    OSError
        The file cannot be written.
    """
    text, cost = to_text(program, comments, int8=int8)
    with atomic_writer(path) as file:
        file.write(text.encode())
    return cost
