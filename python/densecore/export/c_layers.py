"""The mathematics of layers in a C header: products, normalisations and look-ups of a row, in C99.

In the form of `c_math`, whose functions they call.
"""

from collections.abc import Sequence

LAYERS: dict[str, tuple[Sequence[str], str]] = {
    "category": (
        (),
        """
static inline int @category(int count, NUM x) {
  const int place = x >= 0 && x < count ? (int)x : 0;
  return (NUM)place == x ? place : 0;
}""",
    ),
    "intervals": (
        (),
        """
/* how many of the boundaries are not above x; all for a NaN */
static inline NUM @intervals(int count, const NUM *boundaries, NUM x) {
  int i, found = 0;
  for (i = 0; i < count; ++i) found += !(x < boundaries[i]);
  return (NUM)found;
}""",
    ),
    "lookup": (
        (),
        """
/* the number of the key that x is when it is cut off to a whole number */
static inline NUM @lookup(int count, const NUM *keys, const NUM *numbers, NUM other, NUM x) {
  int i;
  for (i = 0; i < count; ++i)
    if (keys[i] == TRUNC(x)) return numbers[i];
  return other;
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
