"""The functions of a C header: the portable level's mathematics, in C99.

Each is the function of the same name in ``cpp/kernels/math.h``, ``normal.h``, ``activation_*.h``,
operation by operation, so that it gives the bits of the level "scalar". In the texts ``NUM`` stands
for float or double, ``@`` for the prefix of the model's names, and ``{name}`` for a constant, whose
value depends on the type.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from .core_constants import NUMBERS, TABLES
from .program import Array

# Name of a function: those that it calls, and its text.
_FUNCTIONS: dict[str, tuple[Sequence[str], str]] = {
    "min": ((), "static inline NUM @min(NUM a, NUM b) { return a < b ? a : b; }"),
    "max": ((), "static inline NUM @max(NUM a, NUM b) { return a > b ? a : b; }"),
    "abs": (
        (),
        "static inline NUM @abs(NUM a) { return a < 0 ? -a : (a == 0 ? (NUM)0 : a); }",
    ),
    "category": (
        (),
        """
static inline int @category(int count, NUM x) {
  const int place = x >= 0 && x < count ? (int)x : 0;
  return (NUM)place == x ? place : 0;
}""",
    ),
    "dot": (
        (),
        """
static inline NUM @dot(int n, const NUM *a, int a_along, const NUM *b, int b_along) {
  NUM sum[8];
  int k;
  for (k = 0; k < 8; ++k) sum[k] = 0;
  for (k = 0; k < n; ++k) sum[k % 8] += a[k * a_along] * b[k * b_along];
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}""",
    ),
    "polynomial": (
        (),
        """
static inline NUM @polynomial(const NUM *c, int count, NUM x) {
  NUM sum = c[count - 1];
  int i;
  for (i = count - 2; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}""",
    ),
    "paired_polynomial": (
        (),
        """
static inline NUM @paired_polynomial(const NUM *c, int count, NUM x, NUM x2) {
  const int last = (count - 1) / 2 * 2;
  NUM sum = last + 1 < count ? c[last + 1] * x + c[last] : c[last];
  int i;
  for (i = last - 2; i >= 0; i -= 2) sum = sum * x2 + (c[i + 1] * x + c[i]);
  return sum;
}""",
    ),
    "power": (
        (),
        """
/* 2^n for a = n + the magic number: the low bits of a, moved to where the exponent is. */
static inline NUM @power(NUM a) {
  BITS bits;
  memcpy(&bits, &a, sizeof bits);
  bits <<= MANTISSA;
  memcpy(&a, &bits, sizeof bits);
  return a;
}""",
    ),
    "scaled": (
        ("power",),
        """
/* a 2^n, rounded once */
static inline NUM @scaled(NUM a, NUM n) {
  const NUM half = n * (NUM)0.5 + {exponent_magic};
  return (a * @power(half)) * @power(n - (half - {exponent_magic}) + {exponent_magic});
}""",
    ),
    "reduce": (
        ("paired_polynomial",),
        """
/* x = n ln 2 + r, |r| <= ln(2) / 2; returns exp(r) - 1. */
static inline NUM @reduce(NUM x, NUM *n, NUM *shifted) {
  static const NUM tail[] = {exp_tail};
  NUM r, r2;
  *shifted = x * {log2e} + {exponent_magic};
  *n = *shifted - {exponent_magic};
  r = -*n * {ln2_low} + (-*n * {ln2_high} + x);
  r2 = r * r;
  return r2 * @paired_polynomial(tail, #exp_tail, r, r2) + r;
}""",
    ),
    "exp": (
        ("min", "max", "reduce", "scaled"),
        """
static inline NUM @exp(NUM x) {
  NUM n, shifted, expm1;
  x = @max({exp_low}, @min({exp_high}, x));
  expm1 = @reduce(x, &n, &shifted);
  return @scaled(1 + expm1, n);
}""",
    ),
    "expm1": (
        ("min", "max", "reduce", "scaled", "power"),
        """
static inline NUM @expm1(NUM x) {
  NUM n, shifted, power, value;
  const NUM e = @reduce(@max({expm1_low}, @min({exp_high}, x)), &n, &shifted);
  power = @power(@min({expm1_large}, n) + {exponent_magic});
  value = n < {expm1_large} ? power * e + (power - 1) : @scaled(1 + e, n);
  return COPYSIGN(value, x);
}""",
    ),
    "tanh": (
        ("min", "abs", "paired_polynomial", "power"),
        """
static inline NUM @tanh(NUM x) {
  static const NUM tail[] = {exp_tail};
  const NUM limited = @min({tanh_limit}, @abs(x)), twice = limited + limited;
  const NUM shifted = twice * {log2e} + {exponent_magic}, n = shifted - {exponent_magic};
  const NUM r = -n * {ln2} + twice, r2 = r * r;
  const NUM expm1 = r2 * @paired_polynomial(tail, #exp_tail, r, r2) + r;
  const NUM power = @power(shifted), e = power * expm1 + (power - 1);
  return COPYSIGN(e / (e + 2), x);
}""",
    ),
    "sigmoid": (
        ("max", "reduce", "scaled"),
        """
static inline NUM @sigmoid(NUM x) {
  NUM n, shifted, power, e;
  const NUM expm1 = @reduce(@max({exp_low}, COPYSIGN(x, (NUM)-1)), &n, &shifted);
  power = @scaled(1, n);
  e = power * expm1 + power;
  return (x < 0 ? e : (NUM)1) / (power * expm1 + (1 + power));
}""",
    ),
    "log": (
        ("polynomial",),
        """
static inline NUM @log(NUM x) {
  static const NUM tail[] = {log_tail};
  const int subnormal = x < {smallest_normal};
  NUM m = subnormal ? x * {subnormal_scale} : x, e, f, s, z, half_square, rest, result;
  BITS bits;
  memcpy(&bits, &m, sizeof bits);
  e = (NUM)((SIGNED)(bits >> MANTISSA) - BIAS);
  bits = (bits & (((BITS)1 << MANTISSA) - 1)) | ((BITS)BIAS << MANTISSA);
  memcpy(&m, &bits, sizeof bits);
  if (subnormal) e = e - {subnormal_exponent};
  if ((NUM)1.41421356237309505 < m) {
    m = m * (NUM)0.5;
    e = e + 1;
  }
  f = m - 1;
  s = f / (f + 2);
  z = s * s;
  half_square = (NUM)0.5 * f * f;
  rest = z * @polynomial(tail, #log_tail, z);
  result = s * (half_square + rest) + e * {ln2_low};
  result = e * {ln2_high} + (f - (half_square - result));
  result = x < INFINITY ? result : x;
  result = x < {smallest} ? -(NUM)INFINITY : result;
  return x < 0 ? (NUM)NAN : result;
}""",
    ),
    "log1p": (
        ("log",),
        """
static inline NUM @log1p(NUM y) {
  const NUM u = 1 + y;
  return @log(u) + (y - (u - 1)) / u;
}""",
    ),
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
    "product_error": (
        (),
        """
/* product - a b, for product = a b as it was rounded (Dekker, 1971) */
static inline NUM @product_error(NUM a, NUM b, NUM product) {
  const NUM a_scaled = {splitter} * a, b_scaled = {splitter} * b;
  const NUM a_high = a_scaled - (a_scaled - a), a_low = a - a_high;
  const NUM b_high = b_scaled - (b_scaled - b), b_low = b - b_high;
  return (((product - a_high * b_high) - a_high * b_low) - a_low * b_high) - a_low * b_low;
}""",
    ),
    "split_exp": (
        ("max", "paired_polynomial", "power"),
        """
/* exp(x - lost) = (1 + result) normal rest: the power of 2 is multiplied last */
static inline NUM @split_exp(NUM x, NUM lost, NUM *normal, NUM *rest) {
  static const NUM tail[] = {exp_tail};
  const NUM shifted = x * {log2e} + {exponent_magic}, n = shifted - {exponent_magic};
  const NUM limited = @max({lowest_exponent}, n);
  const NUM r = (-n * {ln2_low} + (-n * {ln2_high} + x)) - lost, r2 = r * r;
  *normal = @power(limited + {exponent_magic});
  *rest = @power((n - limited) + {exponent_magic});
  return r2 * @paired_polynomial(tail, #exp_tail, r, r2) + r;
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
  const NUM t = (x + 4) / (x - 4);
  const NUM tail = @polynomial(normal_tail, #normal_tail, t) / ((NUM)1.25 - x);
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
    "row_sum": (
        (),
        """
/* The sum of a row: element j goes to slot j modulo SLOTS, then the slots are added by halves. */
static inline double @row_sum(int n, const NUM *x) {
  double sum[SLOTS];
  int i, half;
  for (i = 0; i < SLOTS; ++i) sum[i] = 0;
  for (i = 0; i < n; ++i) sum[i % SLOTS] += (double)x[i];
  for (half = SLOTS / 2; half > 0; half /= 2)
    for (i = 0; i < half; ++i) sum[i] += sum[i + half];
  return sum[0];
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
    "log64": ((), ""),  # see `_definition`
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
    "dense": (
        (),
        """
/* a = x W + b, W (inputs, units) row by row: each output a chain of multiply-adds */
static inline void @dense(int inputs, int units, const NUM *w, const NUM *b, const NUM *x,
                          NUM *a) {
  int i, j;
  for (j = 0; j < units; ++j) a[j] = b ? b[j] : 0;
  for (i = 0; i < inputs; ++i)
    for (j = 0; j < units; ++j) a[j] = x[i] * w[i * units + j] + a[j];
}""",
    ),
    "dense_int8": (
        (),
        """
/* a = s (x Q) + b with whole numbers Q (inputs, units) and a factor s for each unit */
static inline void @dense_int8(int inputs, int units, const signed char *w, const NUM *s,
                               const NUM *b, const NUM *x, NUM *a) {
  int i, j;
  for (j = 0; j < units; ++j) a[j] = 0;
  for (i = 0; i < inputs; ++i)
    for (j = 0; j < units; ++j) a[j] = x[i] * w[i * units + j] + a[j];
  for (j = 0; j < units; ++j) a[j] = a[j] * s[j] + (b ? b[j] : 0);
}""",
    ),
    "turn_cosine": (
        ("min", "max", "polynomial"),
        """
/* cos(2 pi t) */
static inline NUM @turn_cosine(NUM t) {
  static const NUM cosine[] = {turn_cosine};
  NUM n, r, odd, sign;
  t = @max(-{most_turns}, @min({most_turns}, t));
  n = ((t + t) + {whole_magic}) - {whole_magic};
  r = -n * (NUM)0.5 + t;
  odd = n - 2 * ((n * (NUM)0.5 + {whole_magic}) - {whole_magic});
  sign = -(odd + odd) * odd + 1;
  return sign * @polynomial(cosine, #turn_cosine, r * r);
}""",
    ),
    "periodic": (
        ("turn_cosine",),
        """
/* Each column x becomes x and `further` sums of cosines of it; `rest` columns follow. */
static inline void @periodic(int columns, int frequencies, int further, int rest, const NUM *w,
                             const NUM *b, const NUM *v, const NUM *c, NUM *cosines, const NUM *x,
                             NUM *y) {
  int j, f, k, half;
  for (j = 0; j < columns; ++j, w += frequencies, b += frequencies) {
    for (f = 0; f < frequencies; ++f)
      cosines[f] = @turn_cosine(x[j] * w[f] + b[f] * (NUM)0.159154943091895335769);
    *y++ = x[j];
    for (k = 0; k < further; ++k, v += frequencies) {
      double sum[SLOTS];
      for (f = 0; f < SLOTS; ++f) sum[f] = 0;
      for (f = 0; f < frequencies; ++f) sum[f % SLOTS] += (double)(v[f] * cosines[f]);
      for (half = SLOTS / 2; half > 0; half /= 2)
        for (f = 0; f < half; ++f) sum[f] += sum[f + half];
      *y++ = (NUM)(sum[0] + (double)*c++);
    }
  }
  for (j = 0; j < rest; ++j) *y++ = x[columns + j];
}""",
    ),
    "normalize_row": (
        ("row_sum",),
        """
/* (x - mean) / sqrt(mean square + epsilon); the mean is 0 unless `centered` */
static inline void @normalize_row(int n, int centered, double count, double epsilon, const NUM *x,
                                  NUM *y) {
  const NUM mean = centered ? (NUM)(@row_sum(n, x) / n) : 0;
  double sum[SLOTS];
  NUM inverse;
  int i, half;
  for (i = 0; i < SLOTS; ++i) sum[i] = 0;
  for (i = 0; i < n; ++i) {
    const NUM d = x[i] - mean;
    sum[i % SLOTS] += (double)(d * d);
  }
  for (half = SLOTS / 2; half > 0; half /= 2)
    for (i = 0; i < half; ++i) sum[i] += sum[i + half];
  inverse = (NUM)(1 / sqrt(sum[0] / count + epsilon));
  for (i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse;
}""",
    ),
}


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
