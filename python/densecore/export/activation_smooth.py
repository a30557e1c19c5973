"""The other smooth activations, and those of whole rows, in the formats of other programs.

What ONNX Runtime has in single precision only (Elu, Softplus, Erf …) is written out in exponentials
for models of float64. The C functions are those of ``cpp/kernels/activation_smooth.h`` and
``activation.h``, in the form of `c_math`.
"""

from .._base.constants import SELU_ALPHA, SELU_SCALE
from .activation_forms import Expression, Forms, Parameters
from .onnx_graph import Graph


def _exponential_below(g: Graph, z: str, slope: str, factor: float, scale: float = 1.0) -> str:
    """z · scale above 0 and slope (exp(z / factor) - 1) below: elu, selu and celu.

    The exponential sees no positive number, so that it does not overflow where it is not chosen.
    """
    low = g.node("Min", z, g.number(0.0))
    scaled = low if factor == 1 else g.node("Div", low, g.number(factor))
    below = g.node("Mul", g.node("Sub", g.node("Exp", scaled), g.number(1.0)), slope)
    above = z if scale == 1 else g.node("Mul", z, g.number(scale))
    return g.node("Where", g.node("Greater", z, g.number(0.0)), above, below)


def _selu(g: Graph, z: str, p: Parameters) -> str:
    return _exponential_below(g, z, g.number(SELU_ALPHA * SELU_SCALE), 1.0, SELU_SCALE)


def softplus(g: Graph, z: str) -> str:
    """Nodes for log(1 + exp(z)); the name of the result."""
    if g.dtype == "float32":
        return g.node("Softplus", z)
    # max(z, 0) + log(1 + exp(-|z|)), which does not overflow.
    small = g.node("Exp", g.node("Neg", g.node("Abs", z)))
    tail = g.node("Log", g.node("Add", small, g.number(1.0)))
    return g.node("Add", g.node("Max", z, g.number(0.0)), tail)


def _squareplus(g: Graph, z: str, p: Parameters) -> str:
    root = g.node("Sqrt", g.node("Add", g.node("Mul", z, z), g.number(p["b"])))
    return g.node("Mul", g.node("Add", z, root), g.number(0.5))


#: What the C expressions name besides an activation's parameters.
C_CONSTANTS = {"selu_scale": SELU_SCALE, "selu_alpha": SELU_ALPHA, "half": 0.5}

FORMS: dict[str, Forms] = {
    "sigmoid": Forms(
        onnx=lambda g, z, p: g.node("Sigmoid", z),
        c=(("sigmoid",), "@sigmoid(z)"),
        jax=lambda nn, p, z: nn.sigmoid(z),
        torch=lambda nn, p: nn.Sigmoid(),
    ),
    "tanh": Forms(
        onnx=lambda g, z, p: g.node("Tanh", z),
        c=(("tanh",), "@tanh(z)"),
        function=lambda np_, p, z: np_.tanh(z),
        torch=lambda nn, p: nn.Tanh(),
    ),
    "elu": Forms(
        onnx=lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), 1.0),
        c=(("exponential_below",), "@exponential_below(z, 1, {alpha}, 1)"),
        jax=lambda nn, p, z: nn.elu(z, p["alpha"]),
        torch=lambda nn, p: nn.ELU(p["alpha"]),
        keras=lambda keras, p: keras.layers.ELU(**p),
    ),
    "selu": Forms(
        onnx=_selu,
        c=(("exponential_below",), "@exponential_below(z, {selu_scale}, {selu_alpha}, 1)"),
        jax=lambda nn, p, z: nn.selu(z),
        torch=lambda nn, p: nn.SELU(),
    ),
    "celu": Forms(
        onnx=lambda g, z, p: _exponential_below(g, z, g.number(p["alpha"]), p["alpha"]),
        c=(("exponential_below",), "@exponential_below(z, 1, {alpha}, {alpha})"),
        jax=lambda nn, p, z: nn.celu(z, p["alpha"]),
        torch=lambda nn, p: nn.CELU(p["alpha"]),
        keras=lambda keras, p: lambda x: keras.activations.celu(x, **p),
    ),
    "exponential": Forms(
        onnx=lambda g, z, p: g.node("Exp", z),
        c=(("exp",), "@exp(z)"),
        function=lambda np_, p, z: np_.exp(z),
    ),
    "softplus": Forms(
        onnx=lambda g, z, p: softplus(g, z),
        c=(("softplus",), "@softplus(z)"),
        jax=lambda nn, p, z: nn.softplus(z),
        # PyTorch's threshold of 20 would make it linear from there on: 2e-9 in float32, but not
        # exact.
        torch=lambda nn, p: nn.Softplus(threshold=100.0),
    ),
    "softsign": Forms(
        onnx=lambda g, z, p: g.node("Div", z, g.node("Add", g.node("Abs", z), g.number(1.0))),
        c=(("softsign",), "@softsign(z)"),
        jax=lambda nn, p, z: nn.soft_sign(z),
        torch=lambda nn, p: nn.Softsign(),
    ),
    "log_sigmoid": Forms(
        onnx=lambda g, z, p: g.node("Neg", softplus(g, g.node("Neg", z))),
        c=(("softplus",), "0 - @softplus(0 - z)"),
        jax=lambda nn, p, z: nn.log_sigmoid(z),
        torch=lambda nn, p: nn.LogSigmoid(),
    ),
    "squareplus": Forms(
        onnx=_squareplus,
        c=(("squareplus",), "@squareplus(z, {b})"),
        function=lambda np_, p, z: (z + np_.sqrt(z * z + p["b"])) / 2,
        keras=lambda keras, p: lambda x: keras.activations.squareplus(x, **p),
    ),
    "tanh_shrink": Forms(
        onnx=lambda g, z, p: g.node("Sub", z, g.node("Tanh", z)),
        c=(("tanh_shrink",), "@tanh_shrink(z)"),
        function=lambda np_, p, z: z - np_.tanh(z),
        torch=lambda nn, p: nn.Tanhshrink(),
    ),
    "softmax": Forms(
        onnx=lambda g, z, p: g.node("Softmax", z, axis=-1),
        c=(("softmax",), ""),
        jax=lambda nn, p, z: nn.softmax(z),
        torch=lambda nn, p: nn.Softmax(dim=-1),
    ),
    "log_softmax": Forms(
        onnx=lambda g, z, p: g.node("LogSoftmax", z, axis=-1),
        c=(("log_softmax",), ""),
        jax=lambda nn, p, z: nn.log_softmax(z),
        torch=lambda nn, p: nn.LogSoftmax(dim=-1),
    ),
}

C_FUNCTIONS: dict[str, Expression] = {
    "softplus": (
        ("max", "abs", "exp", "log1p"),
        """
static inline NUM @softplus(NUM z) { return @max(0, z) + @log1p(@exp(0 - @abs(z))); }""",
    ),
    "exponential_below": (
        ("expm1",),
        """
/* scale z, and below 0 scale alpha (exp(z / width) - 1) */
static inline NUM @exponential_below(NUM z, NUM scale, NUM alpha, NUM width) {
  return 0 < z ? scale * z : scale * alpha * @expm1(z / width);
}""",
    ),
    "tanh_shrink": (
        ("min", "abs", "tanh", "paired_polynomial"),
        """
static inline NUM @tanh_shrink(NUM z) {
  static const NUM fraction[] = {tanh_fraction};
  NUM size, w, k;
  if (!(@abs(z) < (NUM)1.5)) return z - @tanh(z);
  size = @min((NUM)1.5, @abs(z));
  w = size * size;
  k = @paired_polynomial(fraction, #tanh_fraction, w, w * w);
  return COPYSIGN(size * (w / (k + w)), z);
}""",
    ),
    "squareplus": (
        ("min", "max", "abs"),
        """
static inline NUM @squareplus(NUM z, NUM b) {
  const NUM size = @min({squareplus_most}, @abs(z));
  const NUM away = @max(@abs(z), SQRT(size * size + b)) + @abs(z);
  return z < 0 ? (NUM)0.5 * (b / @max(away, {smallest_normal})) : (NUM)0.5 * away;
}""",
    ),
    "softsign": (
        ("min", "abs"),
        """
static inline NUM @softsign(NUM z) {
  const NUM size = @min((NUM)1e30, @abs(z));
  return COPYSIGN(size / (1 + size), z);
}""",
    ),
    "largest": (
        ("max",),
        """
static inline NUM @largest(int n, const NUM *x) {
  NUM largest = x[0];
  int i;
  for (i = 1; i < n; ++i) largest = @max(largest, x[i]);
  return largest;
}""",
    ),
    "softmax": (
        ("largest", "exp", "row_sum"),
        """
static inline void @softmax(int n, const NUM *z, NUM *a) {
  const NUM largest = @largest(n, z);
  NUM divisor;
  int i;
  for (i = 0; i < n; ++i) a[i] = @exp(z[i] - largest);
  divisor = (NUM)@row_sum(n, a);
  for (i = 0; i < n; ++i) a[i] = a[i] / divisor;
}""",
    ),
    "log_softmax": (
        ("largest", "exp", "log64"),
        """
static inline void @log_softmax(int n, const NUM *z, NUM *a) {
  const NUM largest = @largest(n, z);
  double sum[SLOTS];
  NUM log_sum;
  int i, half;
  for (i = 0; i < SLOTS; ++i) sum[i] = 0;
  for (i = 0; i < n; ++i) sum[i % SLOTS] += (double)@exp(z[i] - largest);
  for (half = SLOTS / 2; half > 0; half /= 2)
    for (i = 0; i < half; ++i) sum[i] += sum[i + half];
  log_sum = (NUM)@log64(sum[0]);
  for (i = 0; i < n; ++i) a[i] = (z[i] - largest) - log_sum;
}""",
    ),
}
