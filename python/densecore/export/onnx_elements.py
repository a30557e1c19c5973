"""NumPy's functions of single elements in ONNX's operators."""

import math
from collections.abc import Callable

from .onnx_graph import Graph
from .program import Element


def _of_double(operator: str, written_out: Callable[[Graph, str], str]) -> Callable[..., str]:
    """An operator of single precision, and what computes the same in double precision, for which
    ONNX Runtime lacks it."""

    def emit(g: Graph, x: str) -> str:
        return g.node(operator, x) if g.dtype == "float32" else written_out(g, x)

    return emit


def _node(operator: str) -> Callable[[Graph, str], str]:
    return lambda g, x: g.node(operator, x)


def _scaled(operator: str, factor: float) -> Callable[[Graph, str], str]:
    return lambda g, x: g.node("Mul", g.node(operator, x), g.number(factor))


def _times(factor: float) -> Callable[[Graph, str], str]:
    return lambda g, x: g.node("Mul", x, g.number(factor))


def _plus(g: Graph, x: str, number: float) -> str:
    return g.node("Add", x, g.number(number))


def _exp2(g: Graph, x: str) -> str:
    return g.node("Pow", g.number(2.0), x)


def _tangent(g: Graph, x: str) -> str:
    return g.node("Div", g.node("Sin", x), g.node("Cos", x))


def _hyperbolic(sign: float) -> Callable[[Graph, str], str]:
    """(exp(x) + sign exp(-x)) / 2."""

    def emit(g: Graph, x: str) -> str:
        up, down = g.node("Exp", x), g.node("Exp", g.node("Neg", x))
        both = g.node("Add" if sign > 0 else "Sub", up, down)
        return g.node("Mul", both, g.number(0.5))

    return emit


def _inverse_sinh(g: Graph, x: str) -> str:
    size = g.node("Abs", x)
    root = g.node("Sqrt", _plus(g, g.node("Mul", x, x), 1.0))
    return g.node("Mul", g.node("Sign", x), g.node("Log", g.node("Add", size, root)))


def _inverse_cosh(g: Graph, x: str) -> str:
    root = g.node("Sqrt", _plus(g, g.node("Mul", x, x), -1.0))
    return g.node("Log", g.node("Add", x, root))


def _inverse_tanh(g: Graph, x: str) -> str:
    ratio = g.node("Div", _plus(g, x, 1.0), g.node("Sub", g.number(1.0), x))
    return g.node("Mul", g.node("Log", ratio), g.number(0.5))


def _cube_root(g: Graph, x: str) -> str:
    return g.node("Mul", g.node("Sign", x), g.node("Pow", g.node("Abs", x), g.number(1 / 3)))


def _truncated(g: Graph, x: str) -> str:
    return g.node("Mul", g.node("Sign", x), g.node("Floor", g.node("Abs", x)))


def _square(g: Graph, x: str) -> str:
    return g.node("Mul", x, x)


_ONE: dict[str, Callable[[Graph, str], str]] = {
    "absolute": _node("Abs"),
    "arccosh": _of_double("Acosh", _inverse_cosh),
    "arcsinh": _of_double("Asinh", _inverse_sinh),
    "arctanh": _of_double("Atanh", _inverse_tanh),
    "cbrt": _cube_root,
    "ceil": _node("Ceil"),
    "conjugate": _node("Identity"),
    "cos": _node("Cos"),
    "cosh": _of_double("Cosh", _hyperbolic(1.0)),
    "deg2rad": _times(math.pi / 180),
    "exp": _node("Exp"),
    "exp2": _exp2,
    "expm1": lambda g, x: _plus(g, g.node("Exp", x), -1.0),
    "fabs": _node("Abs"),
    "floor": _node("Floor"),
    "log": _node("Log"),
    "log10": _scaled("Log", 1 / math.log(10)),
    "log1p": lambda g, x: g.node("Log", _plus(g, x, 1.0)),
    "log2": _scaled("Log", 1 / math.log(2)),
    "negative": _node("Neg"),
    "positive": _node("Identity"),
    "rad2deg": _times(180 / math.pi),
    "reciprocal": lambda g, x: g.node("Div", g.number(1.0), x),
    "rint": _node("Round"),
    "sign": _node("Sign"),
    "sin": _node("Sin"),
    "sinh": _of_double("Sinh", _hyperbolic(-1.0)),
    "sqrt": _node("Sqrt"),
    "square": _square,
    "tan": _of_double("Tan", _tangent),
    "tanh": _node("Tanh"),
    "trunc": _truncated,
}
# ONNX Runtime has these in single precision only, and they are no sums of exponentials.
_SINGLE = {"arccos": "Acos", "arcsin": "Asin", "arctan": "Atan"}


def _hypotenuse(g: Graph, x: str, y: str) -> str:
    return g.node("Sqrt", g.node("Add", _square(g, x), _square(g, y)))


def _log_of_sum(g: Graph, x: str, y: str) -> str:
    """max(x, y) + log(1 + exp(-|x - y|)), which does not overflow."""
    apart = g.node("Neg", g.node("Abs", g.node("Sub", x, y)))
    tail = g.node("Log", _plus(g, g.node("Exp", apart), 1.0))
    return g.node("Add", g.node("Max", x, y), tail)


def _floor_divide(g: Graph, x: str, y: str) -> str:
    return g.node("Floor", g.node("Div", x, y))


def _remainder(g: Graph, x: str, y: str) -> str:
    return g.node("Sub", x, g.node("Mul", y, _floor_divide(g, x, y)))


def _fmod(g: Graph, x: str, y: str) -> str:
    return g.node("Mod", x, y, fmod=1)


def _binary(operator: str) -> Callable[[Graph, str, str], str]:
    return lambda g, x, y: g.node(operator, x, y)


def _comparison(operator: str, negated: bool = False) -> Callable[[Graph, str, str], str]:
    """1 where it holds, else 0."""

    def emit(g: Graph, x: str, y: str) -> str:
        yes, no = g.number(1.0), g.number(0.0)
        found = g.node(operator, x, y)
        return g.node("Where", found, *((no, yes) if negated else (yes, no)))

    return emit


_TWO: dict[str, Callable[[Graph, str, str], str]] = {
    "add": _binary("Add"),
    "divide": _binary("Div"),
    "equal": _comparison("Equal"),
    "float_power": _binary("Pow"),
    "floor_divide": _floor_divide,
    "fmax": _binary("Max"),
    "fmin": _binary("Min"),
    "fmod": _fmod,
    "greater": _comparison("Greater"),
    "greater_equal": _comparison("GreaterOrEqual"),
    "hypot": _hypotenuse,
    "less": _comparison("Less"),
    "less_equal": _comparison("LessOrEqual"),
    "logaddexp": _log_of_sum,
    "maximum": _binary("Max"),
    "minimum": _binary("Min"),
    "multiply": _binary("Mul"),
    "not_equal": _comparison("Equal", negated=True),
    "power": _binary("Pow"),
    "remainder": _remainder,
    "subtract": _binary("Sub"),
}


def element(g: Graph, operation: Element, x: str) -> str:
    """The nodes of a function; returns the name of its value.

    Raises
    ------
    ValueError
        ONNX, or its runtime, cannot say it; the message names the layer.
    """
    name = operation.function
    if operation.constant is not None and name in _TWO:
        constant = g.number(operation.constant)
        return _TWO[name](g, *((constant, x) if operation.constant_first else (x, constant)))
    if operation.constant is None and name in _ONE:
        return _ONE[name](g, x)
    if operation.constant is None and name in _SINGLE and g.dtype == "float32":
        return g.node(_SINGLE[name], x)
    known = ", ".join(sorted([*_ONE, *_TWO, *(_SINGLE if g.dtype == "float32" else ())]))
    raise ValueError(
        f"layer {operation.layer}: found the function {name} in {g.dtype}, wanted one of: {known}"
    )
