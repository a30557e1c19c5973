"""Activations that multiply z by a gate, gelu, silu and mish, in the formats of other programs.

The C functions are those of ``cpp/kernels/activation_gated.h``, in the form of `c_math`.
"""

import math

from .activation_forms import Expression, Forms, Parameters
from .activation_smooth import softplus
from .core_constants import NUMBERS, TABLES
from .onnx_graph import Graph


def _gelu(g: Graph, z: str, p: Parameters) -> str:
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


FORMS: dict[str, Forms] = {
    "gelu": Forms(
        onnx=_gelu,
        c=(("gelu",), "@gelu(z)"),
        c_general=(("gelu_tanh",), "@gelu_tanh(z)"),
        jax=lambda nn, p, z: nn.gelu(z, approximate=p["approximate"]),
        torch=lambda nn, p: nn.GELU("tanh" if p["approximate"] else "none"),
        keras=lambda keras, p: lambda x: keras.activations.gelu(x, **p),
    ),
    "silu": Forms(
        onnx=lambda g, z, p: g.node("Mul", z, g.node("Sigmoid", z)),
        c=(("silu",), "@silu(z)"),
        jax=lambda nn, p, z: nn.silu(z),
        torch=lambda nn, p: nn.SiLU(),
    ),
    "mish": Forms(
        onnx=lambda g, z, p: g.node("Mul", z, g.node("Tanh", softplus(g, z))),
        c=(("mish",), "@mish(z)"),
        jax=lambda nn, p, z: nn.mish(z),
        torch=lambda nn, p: nn.Mish(),
    ),
}

C_FUNCTIONS: dict[str, Expression] = {
    "gelu": (
        ("max", "polynomial", "product_error", "split_exp"),
        """
static inline NUM @gelu(NUM z) {
  static const NUM normal_tail[] = {normal_tail};
  const NUM x = @max(-{normal_limit}, COPYSIGN(z, (NUM)-1)), square = x * x;
  NUM normal, rest, value;
  const NUM expm1 = @split_exp((NUM)-0.5 * square, (NUM)-0.5 * @product_error(x, x, square),
                               &normal, &rest);
  const NUM t = (x + {normal_centre}) / (x - {normal_centre});
  const NUM tail = @polynomial(normal_tail, #normal_tail, t) / ({normal_shift} - x);
  value = x * tail;
  value = value * expm1 + value;
  return @max(0, z) + (value * normal) * rest;
}""",
    ),
    "gelu_tanh": (
        ("max", "product_error", "split_exp"),
        """
static inline NUM @gelu_tanh(NUM z) {
  const NUM x = @max(-{gelu_limit}, COPYSIGN(z, (NUM)-1)), square = x * x;
  const NUM cube = {gelu_cubic} * square, slope = cube + {gelu_factor};
  const NUM rounded =
      (({gelu_factor} - slope) + cube) - @product_error({gelu_cubic}, square, cube);
  const NUM constants = {gelu_cubic_low} * square + {gelu_factor_low};
  const NUM slope_low = (-{gelu_cubic} * @product_error(x, x, square) + rounded) + constants;
  const NUM u = x * slope;
  NUM normal, rest, value;
  const NUM expm1 =
      @split_exp(u, -x * slope_low + @product_error(x, slope, u), &normal, &rest);
  value = (x * expm1 + x) / (1 + (normal * expm1 + normal));
  return @max(0, z) + (value * normal) * rest;
}""",
    ),
    "silu": (
        ("max", "split_exp"),
        """
static inline NUM @silu(NUM z) {
  const NUM x = @max({product_low}, COPYSIGN(z, (NUM)-1));
  NUM normal, rest, value;
  const NUM expm1 = @split_exp(x, 0, &normal, &rest);
  value = (x * expm1 + x) / (1 + (normal * expm1 + normal));
  return @max(0, z) + (value * normal) * rest;
}""",
    ),
    "mish": (
        ("min", "max", "split_exp"),
        """
static inline NUM @mish(NUM z) {
  const NUM x = @max({product_low}, z);
  NUM normal, rest, e, h, above, value;
  const NUM expm1 = @split_exp(@min({mish_limit}, x), 0, &normal, &rest);
  e = normal * expm1 + normal;
  h = (NUM)0.5 * e + 1;
  above = x < -2 ? h * expm1 + h : (1 + expm1) * h;
  value = x * (above / (e * h + 1));
  return (value * normal) * rest;
}""",
    ),
}
