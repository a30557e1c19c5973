"""Activations made of straight pieces and parabolas in the formats of other programs.

The C functions are those of ``cpp/kernels/activation_pieces.h``, in the form of `c_math`.
"""

import math
from typing import Any

from .activation_forms import Expression, Forms, Parameters
from .onnx_graph import Graph


def _clip(g: Graph, z: str, low: float, high: float) -> str:
    if math.isfinite(low):
        return g.node("Clip", z, g.number(low), *([g.number(high)] if high < math.inf else []))
    return g.node("Min", z, g.number(high))


def _above(g: Graph, z: str, threshold: float) -> str:
    return g.node("Greater", z, g.number(threshold))


def _relu(g: Graph, z: str, p: Parameters) -> str:
    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold == 0 and most is None:
        return g.node("Relu", z) if slope == 0 else _leaky_relu(g, z, p)
    above = z if most is None else g.node("Min", z, g.number(most))
    below = g.node("Mul", g.node("Sub", z, g.number(threshold)), g.number(slope))
    return g.node("Where", _above(g, z, threshold), above, below)


def _relu_function(np_: Any, p: Parameters, z: Any) -> Any:
    above = z if p["max_value"] is None else np_.clip(z, None, p["max_value"])
    below = p["negative_slope"] * (z - p["threshold"])
    return np_.where(z > p["threshold"], above, below)


def _relu_module(nn: Any, p: Parameters) -> Any:
    slope, most, threshold = p["negative_slope"], p["max_value"], p["threshold"]
    if threshold != 0 or most is not None:
        return None
    return nn.ReLU() if slope == 0 else nn.LeakyReLU(slope)


def _leaky_relu(g: Graph, z: str, p: Parameters) -> str:
    below = g.node("Mul", z, g.number(p["negative_slope"]))
    return g.node("Where", _above(g, z, 0.0), z, below)


def _hard_sigmoid(g: Graph, z: str) -> str:
    return g.node("Div", _clip(g, g.node("Add", z, g.number(3.0)), 0.0, 6.0), g.number(6.0))


def _shrink(g: Graph, z: str, p: Parameters, soft: bool) -> str:
    threshold = g.number(p["threshold"])
    kept = g.node("Sub", z, g.node("Mul", g.node("Sign", z), threshold)) if soft else z
    return g.node("Where", g.node("Greater", g.node("Abs", z), threshold), kept, g.number(0.0))


def _sparse_plus(g: Graph, z: str) -> str:
    half = g.node("Mul", _clip(g, g.node("Add", z, g.number(1.0)), 0.0, 2.0), g.number(0.5))
    return g.node("Where", _above(g, z, 1.0), z, g.node("Mul", half, half))


def _sparse_sigmoid(np_: Any, z: Any) -> Any:
    return (np_.clip(z, -1, 1) + 1) / 2


FORMS: dict[str, Forms] = {
    "relu": Forms(
        onnx=_relu,
        c=(("max",), "@max(0, z)"),
        c_general=(
            ("relu_general", "max"),
            "@relu_general(z, {negative_slope}, {max_value}, {threshold})",
        ),
        function=_relu_function,
        torch=_relu_module,
        keras=lambda keras, p: keras.layers.ReLU(**p),
    ),
    "leaky_relu": Forms(
        onnx=_leaky_relu,
        c=(("relu_general", "max"), "@relu_general(z, {negative_slope}, INFINITY, 0)"),
        jax=lambda nn, p, z: nn.leaky_relu(z, p["negative_slope"]),
        torch=lambda nn, p: nn.LeakyReLU(p["negative_slope"]),
        keras=lambda keras, p: keras.layers.LeakyReLU(**p),
    ),
    "relu6": Forms(
        onnx=lambda g, z, p: _clip(g, z, 0.0, 6.0),
        c=(("min", "max"), "@min(6, @max(0, z))"),
        jax=lambda nn, p, z: nn.relu6(z),
        torch=lambda nn, p: nn.ReLU6(),
    ),
    "hard_sigmoid": Forms(
        onnx=lambda g, z, p: _hard_sigmoid(g, z),
        c=(("hard_sigmoid",), "@hard_sigmoid(z)"),
        jax=lambda nn, p, z: nn.hard_sigmoid(z),
        torch=lambda nn, p: nn.Hardsigmoid(),
    ),
    "hard_silu": Forms(
        onnx=lambda g, z, p: g.node("Mul", z, _hard_sigmoid(g, z)),
        c=(("max", "hard_sigmoid"), "@max(-3, z) * @hard_sigmoid(z)"),
        jax=lambda nn, p, z: nn.hard_silu(z),
        torch=lambda nn, p: nn.Hardswish(),
    ),
    "hard_tanh": Forms(
        onnx=lambda g, z, p: _clip(g, z, -1.0, 1.0),
        c=(("min", "max"), "@max(-1, @min(1, z))"),
        jax=lambda nn, p, z: nn.hard_tanh(z),
        torch=lambda nn, p: nn.Hardtanh(),
    ),
    "hard_shrink": Forms(
        onnx=lambda g, z, p: _shrink(g, z, p, soft=False),
        c=(("hard_shrink",), "@hard_shrink(z, {threshold})"),
        function=lambda np_, p, z: np_.where(abs(z) > p["threshold"], z, 0.0),
        torch=lambda nn, p: nn.Hardshrink(p["threshold"]),
        keras=lambda keras, p: lambda x: keras.activations.hard_shrink(x, **p),
    ),
    "soft_shrink": Forms(
        onnx=lambda g, z, p: _shrink(g, z, p, soft=True),
        c=(("soft_shrink",), "@soft_shrink(z, {threshold})"),
        function=lambda np_, p, z: np_.where(
            abs(z) > p["threshold"], z - p["threshold"] * np_.sign(z), 0.0
        ),
        torch=lambda nn, p: nn.Softshrink(p["threshold"]),
        keras=lambda keras, p: lambda x: keras.activations.soft_shrink(x, **p),
    ),
    "threshold": Forms(
        onnx=lambda g, z, p: g.node(
            "Where", _above(g, z, p["threshold"]), z, g.number(p["default_value"])
        ),
        c=(("min", "max"), "{threshold} < z ? z : {default_value} + @min(0, @max(0, z))"),
        function=lambda np_, p, z: np_.where(z > p["threshold"], z, p["default_value"]),
        torch=lambda nn, p: nn.Threshold(p["threshold"], p["default_value"]),
        keras=lambda keras, p: lambda x: keras.activations.threshold(x, **p),
        keras_knows_default=False,
    ),
    "sparse_plus": Forms(
        onnx=lambda g, z, p: _sparse_plus(g, z),
        c=(("sparse_plus",), "@sparse_plus(z)"),
        function=lambda np_, p, z: np_.where(z > 1, z, _sparse_sigmoid(np_, z) ** 2),
        jax=lambda nn, p, z: nn.sparse_plus(z),
    ),
    "sparse_sigmoid": Forms(
        onnx=lambda g, z, p: _clip(
            g, g.node("Mul", g.node("Add", z, g.number(1.0)), g.number(0.5)), 0.0, 1.0
        ),
        c=(("min", "max"), "{half} * (@max(-1, @min(1, z)) + 1)"),
        function=lambda np_, p, z: _sparse_sigmoid(np_, z),
        jax=lambda nn, p, z: nn.sparse_sigmoid(z),
    ),
}

#: The functions that the expressions call, each after those that it calls itself.
C_FUNCTIONS: dict[str, Expression] = {
    "relu_general": (
        ("min", "max"),
        """
/* z above the threshold and at most `most`, below it slope (z - threshold); a NaN stays one */
static inline NUM @relu_general(NUM z, NUM slope, NUM most, NUM threshold) {
  if (threshold < z) return @min(most, z);
  return 0 < slope ? slope * (z - threshold) : @min(0, @max(0, z));
}""",
    ),
    "hard_shrink": (
        ("min", "max", "abs"),
        """
static inline NUM @hard_shrink(NUM z, NUM threshold) {
  return threshold < @abs(z) ? z : @min(0, @max(0, z));
}""",
    ),
    "soft_shrink": (
        ("min", "max", "abs"),
        """
static inline NUM @soft_shrink(NUM z, NUM threshold) {
  if (threshold < @abs(z)) return z - threshold * (z < 0 ? (NUM)-1 : (NUM)1);
  return @min(0, @max(0, z));
}""",
    ),
    "sparse_plus": (
        ("max",),
        """
static inline NUM @sparse_plus(NUM z) {
  const NUM root = (NUM)0.5 * (@max(-1, z) + 1);
  return 1 < z ? z : root * root;
}""",
    ),
    "hard_sigmoid": (
        ("min", "max"),
        "static inline NUM @hard_sigmoid(NUM z) { return @min(6, @max(0, z + 3)) / 6; }",
    ),
}
