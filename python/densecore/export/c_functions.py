"""The functions of a C header: the portable level's mathematics, in C99.

Each is the function of the same name in ``cpp/kernels/math.h``, ``normal.h``, ``activation_*.h``,
operation by operation, so that it gives the bits of the level "scalar". In the texts ``NUM`` stands
for float or double, ``@`` for the prefix of the model's names, and ``{name}`` for a constant, whose
value depends on the type.
"""

import re
from collections.abc import Iterable

import numpy as np

from .._base.dtypes import Array
from .activation_table import C_FUNCTIONS
from .c_layers import LAYERS
from .c_math import MATH
from .core_constants import NUMBERS, TABLES

_FUNCTIONS = MATH | C_FUNCTIONS | LAYERS


def number(value: float, dtype: str) -> str:
    """A C literal that reads back as the same number; ``INFINITY`` for infinities."""
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    # Rounded to the type first: nine digits of a double may round to another float than itself.
    text = repr(value) if dtype == "float64" else f"{float(np.float32(value)):.9g}"
    if not re.search(r"[.e]", text):
        text += ".0"
    return text + ("f" if dtype == "float32" else "")


def array(values: Iterable[float], dtype: str) -> str:
    """A C initializer, in lines of at most 96 characters."""
    return _initializer(number(float(value), dtype) for value in values)


def integers(values: Array) -> str:
    """The same for whole numbers."""
    return _initializer(map(str, values.ravel().tolist()))


def _initializer(texts: Iterable[str]) -> str:
    lines, line = [], ""
    for text in texts:
        if len(line) + len(text) + 2 > 96:
            lines.append(line.rstrip())
            line = ""
        line += text + ", "
    return "{" + "\n  ".join([*lines, line.rstrip(", ")]) + "}"


def definitions(wanted: Iterable[str], prefix: str, dtype: str) -> str:
    """The C text of functions and of all that they call, each once and before its callers."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for callee in _FUNCTIONS[name][0]:
                visit(callee)
            order.append(name)

    for name in wanted:
        visit(name)
    return "\n".join(_definition(name, prefix, dtype) for name in order)


def _definition(name: str, prefix: str, dtype: str) -> str:
    if name == "log64":  # in double precision, whatever the model's numbers are
        texts = (_FUNCTIONS[each][1].strip("\n") for each in ("polynomial", "log"))
        text = _text("\n".join(texts), "@", "float64")
        return re.sub(r"@(polynomial|log)\b", lambda found: f"{prefix}{found[1]}64", text)
    return _text(_FUNCTIONS[name][1].strip("\n"), prefix, dtype)


def _text(template: str, prefix: str, dtype: str) -> str:
    single = dtype == "float32"
    words = {
        "NUM": "float" if single else "double",
        "BITS": "uint32_t" if single else "uint64_t",
        "SIGNED": "int32_t" if single else "int64_t",
        "MANTISSA": "23" if single else "52",
        "BIAS": "127" if single else "1023",
        "SLOTS": "16" if single else "8",
        "COPYSIGN": "copysignf" if single else "copysign",
        "TRUNC": "truncf" if single else "trunc",
        "SQRT": "sqrtf" if single else "sqrt",
    }
    text = re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[1]], template)
    tables, numbers = TABLES[dtype], NUMBERS[dtype]
    text = re.sub(r"#(\w+)", lambda found: str(len(tables[found[1]])), text)
    text = re.sub(
        r"\{(\w+)\}",
        lambda found: (
            array(tables[found[1]], dtype)
            if found[1] in tables
            else number(numbers[found[1]], dtype)
        ),
        text,
    )
    if single:  # literals that are written as doubles
        text = re.sub(r"\(float\)(-?[\d.]+(?:e\d+)?)\b(?!f)", lambda m: _single(m[1]), text)
    return text.replace("@", prefix)


def _single(literal: str) -> str:
    return literal + (".0f" if re.fullmatch(r"-?\d+", literal) else "f")
