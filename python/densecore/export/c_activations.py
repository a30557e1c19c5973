"""Activations in a C header: ``cpp/kernels/activation_*.h`` in C99, of an element or of a row.

In the form of `c_math`, whose functions they call.
"""

from collections.abc import Sequence

from .._base.constants import SELU_ALPHA, SELU_SCALE

ACTIVATIONS: dict[str, tuple[Sequence[str], str]] = {
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
    "relu_general": (
        ("min", "max"),
        """
/* z above the threshold and at most `most`, below it slope (z - threshold); a NaN stays one */
static inline NUM @relu_general(NUM z, NUM slope, NUM most, NUM threshold) {
  if (threshold < z) return @min(most, z);
  return 0 < slope ? slope * (z - threshold) : @min(0, @max(0, z));
}""",
    ),
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
  NUM normal, rest, e, h, value;
  const NUM expm1 = @split_exp(@min({mish_limit}, x), 0, &normal, &rest);
  e = normal * expm1 + normal;
  h = (NUM)0.5 * e + 1;
  value = x * ((1 + expm1) * h / (e * h + 1));
  return (value * normal) * rest;
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
    "softsign": (
        ("min", "abs"),
        """
static inline NUM @softsign(NUM z) {
  const NUM size = @min((NUM)1e30, @abs(z));
  return COPYSIGN(size / (1 + size), z);
}""",
    ),
    "hard_sigmoid": (
        ("min", "max"),
        "static inline NUM @hard_sigmoid(NUM z) { return @min(6, @max(0, z + 3)) / 6; }",
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

#: The functions that an activation of one element calls, and its expression in z, in the form of
#: `c_math`. Those of `ROWS` are functions of (n, z, a).
CALLS: dict[str, tuple[tuple[str, ...], str]] = {
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
ROWS = ("softmax", "log_softmax")
#: What the expressions name besides an activation's parameters.
CONSTANTS = {"selu_scale": SELU_SCALE, "selu_alpha": SELU_ALPHA, "half": 0.5}
