"""Functions of one number in a C header: ``cpp/kernels/math.h`` and ``normal.h``, in C99.

Each name has the functions that it calls, and its text; `c_functions` says what stands in it for
types and constants.
"""

from collections.abc import Sequence

MATH: dict[str, tuple[Sequence[str], str]] = {
    "min": ((), "static inline NUM @min(NUM a, NUM b) { return a < b ? a : b; }"),
    "max": ((), "static inline NUM @max(NUM a, NUM b) { return a > b ? a : b; }"),
    "abs": (
        (),
        "static inline NUM @abs(NUM a) { return a < 0 ? -a : (a == 0 ? (NUM)0 : a); }",
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
    "log64": ((), ""),  # see `_definition`
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
}
