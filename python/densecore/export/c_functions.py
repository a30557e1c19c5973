"""The functions of a C header: the portable level's mathematics, in C99.

Each is the function of the same name in ``cpp/kernels/math.h``, ``normal.h``, ``activation_*.h``,
operation by operation, so that it gives the bits of the level "scalar". In the texts ``NUM`` stands
for float or double, ``@`` for the prefix of the model's names, and ``{name}`` for a constant, whose
value depends on the type.
"""

import re
from collections.abc import Iterable, Sequence

from .program import Array

# Constants by type, as in MathConstants and NormalConstants of the core.
_NUMBERS: dict[str, dict[str, float]] = {
    "float32": {
        "exp_low": -104.0, "exp_high": 89.0, "log2e": 1.44269504088896341,
        "ln2": 0.693147180559945309, "ln2_high": float.fromhex("0x1.63p-1"),
        "ln2_low": -2.12194440e-4, "erf_centre": 1.75, "erf_limit": 3.93,
        "expm1_low": -18.0, "expm1_large": 64.0, "smallest_normal": 2.0**-126,
        "smallest": 2.0**-149, "subnormal_scale": 2.0**24, "subnormal_exponent": 24.0,
        "tanh_limit": 9.1, "exponent_magic": 1.5 * 2.0**23 + 127, "mills_limit": 15.0,
    },
    "float64": {
        "exp_low": -746.0, "exp_high": 710.0, "log2e": 1.44269504088896340736,
        "ln2": 0.693147180559945309417, "ln2_high": 6.93147180369123816490e-01,
        "ln2_low": 1.90821492927058770002e-10, "erf_centre": 1.75, "erf_limit": 5.93,
        "expm1_low": -38.0, "expm1_large": 128.0, "smallest_normal": 2.0**-1022,
        "smallest": 2.0**-1074, "subnormal_scale": 2.0**54, "subnormal_exponent": 54.0,
        "tanh_limit": 19.1, "exponent_magic": 1.5 * 2.0**52 + 1023, "mills_limit": 40.0,
    },
}  # fmt: skip
_TABLES: dict[str, dict[str, tuple[float, ...]]] = {
    "float32": {
        "exp_tail": (
            0.5000000061938459, 0.16666542992101993, 0.04166628201320155, 0.00836658394782393,
            0.0013946451020395553,
        ),
        "log_tail": (
            0.6666677644864124, 0.39977532381257475, 0.2987199683327741,
        ),
        "erf_near": (
            0.1283791657267128, -0.3761262582421308, 0.11283585148406229, -0.026853811927888313,
            0.005188327673700397, -0.0008010193533785524, 7.853861088974778e-05,
        ),
        "erf_far": (
            4.3178635835979415, 3.9596106152388297, 0.9099363603329534, 0.02053485333999862,
            -0.004607458302225271, 0.0009907187442766473, -0.00018677655227394377,
        ),
        "mills": (
            1.183261941185962, -0.24239940809721064, 0.03508952270510507, 0.07168222375048977,
            -0.08067781149283257, 0.04503968660062669, -0.012648949427260078,
            -0.0010341654056615123, 0.0017917599520027021, 0.00021395340877231696,
        ),
    },
    "float64": {
        "exp_tail": (
            0.5000000000000006, 0.16666666666666685, 0.04166666666657362, 0.0083333333333146,
            0.0013888888932379576, 0.00019841269903012103, 2.4801504445080723e-05,
            2.7557227970521782e-06, 2.7626326854120705e-07, 2.511446787911344e-08,
        ),
        "log_tail": (
            0.6666666666666734, 0.3999999999941396, 0.28571428742562366, 0.22222198553767522,
            0.18183565408003186, 0.1531402110294647, 0.1479626129733136,
        ),
        "erf_near": (
            0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.026866170643111448,
            0.00522397760611833, -0.0008548325929308515, 0.0001205529357674167,
            -1.492471229925613e-05, 1.6447131540297694e-06, -1.6206313540173915e-07,
            1.3710979522503812e-08, -7.779466963980758e-10,
        ),
        "erf_far": (
            4.317863525433223, 3.9596109008134217, 0.9099401664966887, 0.020538840381218674,
            -0.0046249304983079585, 0.0009640986551592312, -0.0001745230662280718,
            2.3741426900645305e-05, -8.275166239147085e-07, -8.907505413838369e-07,
            4.0190925518448656e-07, -1.132964112767471e-07, 2.314881584642243e-08,
            -2.6800508090930144e-09, -3.4291917518613025e-10, 2.6463165232634885e-10,
            -5.893325743628347e-11, 5.042855194708814e-12,
        ),
        "mills": (
            1.1832619145678034, -0.2423996705218069, 0.035091880234765276, 0.0716904812013055,
            -0.0807080096799949, 0.04495912908113376, -0.012539103600123553, -0.000715950961704164,
            0.0017418485475624186, -0.0002367013365321849, -0.00022021408668068744,
            5.326512033235951e-05, 3.415263065968967e-05, -8.601323267734944e-06,
            -6.536660723471624e-06, 1.0121286047113033e-06, 1.3614140983969676e-06,
            2.0219555464674277e-09, -2.543005371631198e-07, -4.3978254273927305e-08,
            2.9582506991408693e-08, 9.93187861235015e-09, 2.980916315857265e-11,
        ),
    },
}  # fmt: skip


# Name of a function: those that it calls, and its text.
_FUNCTIONS: dict[str, tuple[Sequence[str], str]] = {
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
        ("min", "max", "abs", "polynomial", "exp"),
        """
static inline NUM @gelu(NUM x) {
  static const NUM mills_tail[] = {mills};
  const NUM z = @max(-{mills_limit}, @min({mills_limit}, x)), size = @abs(z);
  const NUM t = (size - 4) / (size + 4);
  const NUM mills = @polynomial(mills_tail, #mills, t) / (size + 1);
  const NUM square = z * z, lost = z * z + (0 - square);
  const NUM power = @exp(0 - (NUM)0.5 * square);
  const NUM density = (NUM)0.39894228040143267794 * (-power * ((NUM)0.5 * lost) + power);
  const NUM tail = density * mills;
  return @max(z, x) * (z < 0 ? tail : 1 - tail);
}""",
    ),
    "gelu_tanh": (
        ("min", "max", "sigmoid"),
        """
static inline NUM @gelu_tanh(NUM z) {
  const NUM x = @max(-24, @min(24, z));
  const NUM u = (NUM)1.5957691216057307117 * ((NUM)0.044715 * (x * x) * x + x);
  return @max(x, z) * @sigmoid(u);
}""",
    ),
    "silu": (
        ("max", "sigmoid"),
        "static inline NUM @silu(NUM z) { return @max({exp_low}, z) * @sigmoid(z); }",
    ),
    "mish": (
        ("min", "max", "exp"),
        """
static inline NUM @mish(NUM z) {
  const NUM e = @exp(@min(40, z)), n = e * (e + 2);
  return @max({exp_low}, z) * (n / (n + 2));
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
static inline void @dense(int inputs, int units, const WEIGHT *w, const NUM *b, const NUM *x,
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
    "normalize_row": (
        ("row_sum",),
        """
static inline void @normalize_row(int n, double epsilon, const NUM *x, NUM *y) {
  const NUM mean = (NUM)(@row_sum(n, x) / n);
  double sum[SLOTS], variance;
  NUM inverse;
  int i, half;
  for (i = 0; i < SLOTS; ++i) sum[i] = 0;
  for (i = 0; i < n; ++i) {
    const NUM d = x[i] - mean;
    sum[i % SLOTS] += (double)(d * d);
  }
  for (half = SLOTS / 2; half > 0; half /= 2)
    for (i = 0; i < half; ++i) sum[i] += sum[i + half];
  variance = sum[0] / n;
  inverse = (NUM)(1 / sqrt(variance + epsilon));
  for (i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse;
}""",
    ),
}


def number(value: float, dtype: str) -> str:
    """A C literal that reads back as the same number; ``INFINITY`` for infinities."""
    if value in (float("inf"), float("-inf")):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = repr(value) if dtype == "float64" else f"{value:.9g}"
    if not re.search(r"[.e]", text):
        text += ".0"
    return text + ("f" if dtype == "float32" else "")


def array(values: Iterable[float], dtype: str) -> str:
    """A C initializer, in lines of at most 96 characters."""
    lines, line = [], ""
    for value in values:
        text = number(float(value), dtype)
        if len(line) + len(text) + 2 > 96:
            lines.append(line.rstrip())
            line = ""
        line += text + ", "
    return "{" + "\n  ".join([*lines, line.rstrip(", ")]) + "}"


def integers(values: "Array") -> str:
    """The same for whole numbers."""
    lines, line = [], ""
    for value in values.ravel().tolist():
        text = str(value)
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
        "WEIGHT": "float" if single else "double",
        "BITS": "uint32_t" if single else "uint64_t",
        "SIGNED": "int32_t" if single else "int64_t",
        "MANTISSA": "23" if single else "52",
        "BIAS": "127" if single else "1023",
        "SLOTS": "16" if single else "8",
        "COPYSIGN": "copysignf" if single else "copysign",
    }
    text = re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[1]], template)
    tables, numbers = _TABLES[dtype], _NUMBERS[dtype]
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
