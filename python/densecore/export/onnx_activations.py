"""Activations in ONNX's operators.

What ONNX Runtime has in single precision only (Elu, Softplus, Erf …) is written out in exponentials
for models of float64.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from .._base.constants import SELU_ALPHA, SELU_SCALE
from .core_constants import NUMBERS, TABLES
from .onnx_graph import Graph

# Each takes the graph, the name of z and the activation's parameters, and returns the name of f(z).
# Nodes inherit their names from the operator; the last one of a program is renamed to the output.


def _clip(g: Graph, z: str, low: float, high: float) -> str:
    if math.isfinite(low):
        return g.node("Clip", z, g.number(low), *([g.number(high)] if high < math.inf else []))
    return g.node("Min", z, g.number(high))


def _exponential_below(g: Graph, z: str, slope: str, factor: float, scale: float = 1.0) -> str:
    """z · scale above 0 and slope (exp(z / factor) - 1) below: elu, selu and celu.

    The exponential sees no positive number, so that it does not overflow where it is not chosen.
    """
    low = g.node("Min", z, g.number(0.0))
    scaled = low if factor == 1 else g.node("Div", low, g.number(factor))
    below = g.node("Mul", g.node("Sub", g.node("Exp", scaled), g.number(1.0)), slope)
    above = z if scale == 1 else g.node("Mul", z, g.number(scale))
    return g.node("Where", g.node("Greater", z, g.number(0.0)), above, below)


def _softplus(g: Graph, z: str) -> str:
    if g.dtype == "float32":
        return g.node("Softplus", z)
    # max(z, 0) + log(1 + exp(-|z|)), which does not overflow.
    small = g.node("Exp", g.node("Neg", g.node("Abs", z)))
    tail = g.node("Log", g.node("Add", small, g.number(1.0)))
    return g.node("Add", g.node("Max", z, g.number(0.0)), tail)


def _relu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold == 0 and most is None:
        return g.node("Relu", z) if slope == 0 else _leaky_relu(g, z, p)
    above = z if most is None else g.node("Min", z, g.number(most))
    below = g.node("Mul", g.node("Sub", z, g.number(threshold)), g.number(slope))
    return g.node("Where", g.node("Greater", z, g.number(threshold)), above, below)


def _leaky_relu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    below = g.node("Mul", z, g.number(p["negative_slope"]))
    return g.node("Where", g.node("Greater", z, g.number(0.0)), z, below)


def _selu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    return _exponential_below(g, z, g.number(SELU_ALPHA * SELU_SCALE), 1.0, SELU_SCALE)


def _gelu(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    half = g.node("Mul", z, g.number(0.5))
    if p["approximate"]:
        cube = g.node("Mul", g.node("Mul", z, z), z)
        inner = g.node("Add", z, g.node("Mul", cube, g.number(0.044715)))
        share = g.node("Tanh", g.node("Mul", inner, g.number(math.sqrt(2 / math.pi))))
    elif g.dtype == "float64":
        return _gelu_in_double(g, z)
    else:
        share = g.node("Erf", g.node("Mul", z, g.number(math.sqrt(0.5))))
    return g.node("Mul", half, g.node("Add", share, g.number(1.0)))


def _gelu_in_double(g: Graph, z: str) -> str:
    """max(z, 0) + x Phi(x) for x = -|z|, as the core computes it: ONNX Runtime has Erf in single
    precision only."""
    table, numbers = TABLES["float64"]["normal_tail"], NUMBERS["float64"]
    centre, shift = g.number(numbers["normal_centre"]), g.number(numbers["normal_shift"])
    x = g.node("Max", g.node("Neg", g.node("Abs", z)), g.number(-numbers["normal_limit"]))
    t = g.node("Div", g.node("Add", x, centre), g.node("Sub", x, centre))
    tail = g.number(table[-1])
    for coefficient in reversed(table[:-1]):
        tail = g.node("Add", g.node("Mul", tail, t), g.number(coefficient))
    density = g.node("Exp", g.node("Mul", g.node("Mul", x, x), g.number(-0.5)))
    share = g.node("Div", g.node("Mul", tail, density), g.node("Sub", shift, x))
    return g.node("Add", g.node("Max", z, g.number(0.0)), g.node("Mul", x, share))


def _hard_sigmoid(g: Graph, z: str) -> str:
    return g.node("Div", _clip(g, g.node("Add", z, g.number(3.0)), 0.0, 6.0), g.number(6.0))


def _shrink(g: Graph, z: str, p: Mapping[str, Any], soft: bool) -> str:
    threshold = g.number(p["threshold"])
    kept = g.node("Sub", z, g.node("Mul", g.node("Sign", z), threshold)) if soft else z
    return g.node("Where", g.node("Greater", g.node("Abs", z), threshold), kept, g.number(0.0))


def _sparse_plus(g: Graph, z: str) -> str:
    half = g.node("Mul", _clip(g, g.node("Add", z, g.number(1.0)), 0.0, 2.0), g.number(0.5))
    return g.node("Where", g.node("Greater", z, g.number(1.0)), z, g.node("Mul", half, half))


def _squareplus(g: Graph, z: str, p: Mapping[str, Any]) -> str:
    root = g.node("Sqrt", g.node("Add", g.node("Mul", z, z), g.number(p["b"])))
    return g.node("Mul", g.node("Add", z, root), g.number(0.5))


FUNCTIONS: dict[str, Callable[[Graph, str, Mapping[str, Any]], str]] = {
    "celu": lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), p["alpha"]),
    "elu": lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), 1.0),
    "exponential": lambda g, z, p: g.node("Exp", z),
    "gelu": _gelu,
    "hard_sigmoid": lambda g, z, p: _hard_sigmoid(g, z),
    "hard_silu": lambda g, z, p: g.node("Mul", z, _hard_sigmoid(g, z)),
    "hard_tanh": lambda g, z, p: _clip(g, z, -1.0, 1.0),
    "leaky_relu": _leaky_relu,
    "log_sigmoid": lambda g, z, p: g.node("Neg", _softplus(g, g.node("Neg", z))),
    "log_softmax": lambda g, z, p: g.node("LogSoftmax", z, axis=-1),
    "mish": lambda g, z, p: g.node("Mul", z, g.node("Tanh", _softplus(g, z))),
    "relu": _relu,
    "relu6": lambda g, z, p: _clip(g, z, 0.0, 6.0),
    "selu": _selu,
    "sigmoid": lambda g, z, p: g.node("Sigmoid", z),
    "silu": lambda g, z, p: g.node("Mul", z, g.node("Sigmoid", z)),
    "softmax": lambda g, z, p: g.node("Softmax", z, axis=-1),
    "softplus": lambda g, z, p: _softplus(g, z),
    "softsign": lambda g, z, p: g.node("Div", z, g.node("Add", g.node("Abs", z), g.number(1.0))),
    "hard_shrink": lambda g, z, p: _shrink(g, z, p, soft=False),
    "soft_shrink": lambda g, z, p: _shrink(g, z, p, soft=True),
    "sparse_plus": lambda g, z, p: _sparse_plus(g, z),
    "sparse_sigmoid": lambda g, z, p: _clip(
        g, g.node("Mul", g.node("Add", z, g.number(1.0)), g.number(0.5)), 0.0, 1.0
    ),
    "squareplus": _squareplus,
    "tanh": lambda g, z, p: g.node("Tanh", z),
    "tanh_shrink": lambda g, z, p: g.node("Sub", z, g.node("Tanh", z)),
}
