"""NumPy's functions of single elements as expressions of C99 and ``math.h``."""

import re

from .c_functions import number
from .program import Element

# Functions of x; those of math.h end in f for floats.
_ONE = {
    "absolute": "fabs(x)",
    "arccos": "acos(x)",
    "arccosh": "acosh(x)",
    "arcsin": "asin(x)",
    "arcsinh": "asinh(x)",
    "arctan": "atan(x)",
    "arctanh": "atanh(x)",
    "cbrt": "cbrt(x)",
    "ceil": "ceil(x)",
    "conjugate": "x",
    "cos": "cos(x)",
    "cosh": "cosh(x)",
    "deg2rad": "x * {0.017453292519943295}",
    "exp": "exp(x)",
    "exp2": "exp2(x)",
    "expm1": "expm1(x)",
    "fabs": "fabs(x)",
    "floor": "floor(x)",
    "log": "log(x)",
    "log10": "log10(x)",
    "log1p": "log1p(x)",
    "log2": "log2(x)",
    "negative": "-x",
    "positive": "x",
    "rad2deg": "x * {57.29577951308232}",
    "reciprocal": "1 / x",
    "rint": "rint(x)",
    "sign": "(x > 0) - (x < 0)",
    "sin": "sin(x)",
    "sinh": "sinh(x)",
    "sqrt": "sqrt(x)",
    "square": "x * x",
    "tan": "tan(x)",
    "tanh": "tanh(x)",
    "trunc": "trunc(x)",
}
# Functions of x and y. A NaN goes through `maximum`, as in NumPy, and not through `fmax`.
_TWO = {
    "add": "x + y",
    "arctan2": "atan2(x, y)",
    "divide": "x / y",
    "equal": "x == y",
    "float_power": "pow(x, y)",
    "floor_divide": "floor(x / y)",
    "fmax": "fmax(x, y)",
    "fmin": "fmin(x, y)",
    "fmod": "fmod(x, y)",
    "greater": "x > y",
    "greater_equal": "x >= y",
    "hypot": "hypot(x, y)",
    "less": "x < y",
    "less_equal": "x <= y",
    "logaddexp": "fmax(x, y) + log1p(exp(-fabs(x - y)))",
    "maximum": "x > y || x != x ? x : y",
    "minimum": "x < y || x != x ? x : y",
    "multiply": "x * y",
    "not_equal": "x != y",
    "power": "pow(x, y)",
    "remainder": "x - y * floor(x / y)",
    "subtract": "x - y",
}


def expression_of(operation: Element, x: str, dtype: str) -> str:
    """A function of the expression `x`.

    Raises
    ------
    ValueError
        There is none in C; the message names the layer.
    """
    table = _ONE if operation.constant is None else _TWO
    if operation.function not in table:
        raise ValueError(
            f"layer {operation.layer}: found the function {operation.function}, wanted one of: "
            + ", ".join(sorted([*_ONE, *_TWO]))
        )
    text = table[operation.function]
    if dtype == "float32":
        text = re.sub(r"\b([a-z]\w+)\(", r"\1f(", text)
    text = re.sub(r"\{([\d.]+)\}", lambda found: number(float(found[1]), dtype), text)
    names = {"x": x}
    if operation.constant is not None:
        names["y"] = number(operation.constant, dtype)
        if operation.constant < 0:
            names["y"] = f"({names['y']})"
        if operation.constant_first:
            names = {"x": names["y"], "y": x}
    return re.sub(r"\b[xy]\b", lambda found: names[found[0]], text)
