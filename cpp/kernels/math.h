// exp, expm1, tanh, sigmoid, log, log1p, erf over any vector type: written once for every ISA
// level.
//
// Errors in ULP, measured on every level by tests/test_math.py over random arguments and by
// tools/sweep_math.py over the floats: below 1 for log, 1.6 for exp, log1p and erf, 2.6 for expm1,
// tanh and sigmoid. NaN passes through; infinities give the limits; results underflow gradually.
// The polynomials come from tools/fit_polynomials.py.
#pragma once

namespace {

template <class T>
struct MathConstants;

template <>
struct MathConstants<float> {
  // Beyond these exp is 0 or infinity, also after rounding.
  static constexpr float exp_low = -104.0f, exp_high = 89.0f;
  // Beyond it x exp(x) is 0, and so is exp(x) times a polynomial of x as activations have them.
  static constexpr float product_low = -110.0f;
  static constexpr float log2e = 1.44269504088896341f;
  // ln 2 = high + low; high has so few bits that its product with an exponent is exact.
  static constexpr float ln2 = 0.693147180559945309f;
  static constexpr float ln2_high = 0x1.63p-1f, ln2_low = -2.12194440e-4f;
  // (exp(r) - 1 - r) / r^2 on |r| <= ln(2) / 2
  static constexpr float exp_tail[] = {0.50000000619384585361f, 0.16666542992101992092f,
                                       0.041666282013201546536f, 0.0083665839478239300844f,
                                       0.0013946451020395553141f};
  // (2 atanh(s) - 2 s) / s^3 in powers of s^2
  static constexpr float log_tail[] = {0.66666776448641241061f, 0.39977532381257474786f,
                                       0.29871996833277406845f};
  // erf(x) / x - 1 in powers of x^2, up to x = 1
  static constexpr float erf_near[] = {0.12837916572671279921f,    -0.3761262582421307964f,
                                       0.11283585148406229173f,    -0.026853811927888313046f,
                                       0.0051883276737003971898f,  -0.0008010193533785524029f,
                                       0.000078538610889747782627f};
  // -log(erfc(x)) in powers of x - 1.75f, from x = 1
  static constexpr float erf_far[] = {4.3178635835979419651f,     3.9596106152388295981f,
                                      0.909936360332953436f,      0.020534853339998616559f,
                                      -0.0046074583022252709146f, 0.00099071874427664736107f,
                                      -0.00018677655227394376974f};
  static constexpr float erf_centre = 1.75f, erf_limit = 3.93f;  // beyond the limit erf rounds to 1
  // Below expm1_low the result rounds to -1; from 2^expm1_large on, 1 is below its last bit.
  static constexpr float expm1_low = -18.0f, expm1_large = 64;
  static constexpr float smallest_normal = 0x1p-126f, smallest = 0x1p-149f;
  static constexpr float subnormal_scale = 0x1p24f, subnormal_exponent = 24;
  static constexpr float tanh_limit = 9.1f;  // beyond it tanh rounds to 1
  // n + this has n + 127 in its low bits, for |n| < 2^22; the addition rounds to an integer.
  static constexpr float exponent_magic = 0x1.8p23f + 127;
  // 2^this times a number that is not tiny is normal, and beside 1 it is nothing.
  static constexpr float lowest_exponent = -100;
  static constexpr float splitter = 0x1p12f + 1;  // see product_error
  static constexpr float infinity = __builtin_inff(), nan = __builtin_nanf("");
};

template <>
struct MathConstants<double> {
  static constexpr double exp_low = -746, exp_high = 710;
  static constexpr double product_low = -756;
  static constexpr double log2e = 1.44269504088896340736;
  static constexpr double ln2 = 0.693147180559945309417;
  static constexpr double ln2_high = 6.93147180369123816490e-01;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double exp_tail[] = {0.50000000000000055502,     0.16666666666666685987,
                                        0.041666666666573622342,    0.0083333333333145998945,
                                        0.001388888893237957513,    0.00019841269903012103055,
                                        0.000024801504445080722255, 2.755722797052178119e-6,
                                        2.762632685412070528e-7,    2.5114467879113437491e-8};
  static constexpr double log_tail[] = {0.66666666666667345087, 0.39999999999413962501,
                                        0.28571428742562366355, 0.22222198553767521642,
                                        0.18183565408003185951, 0.15314021102946471434,
                                        0.14796261297331357735};
  // erf(x) / x - 1 in powers of x^2, up to x = 1
  static constexpr double erf_near[] = {
      0.12837916709551256565,    -0.37612638903183519534,    0.11283791670944184563,
      -0.026866170643111446694,  0.0052239776061183306781,   -0.00085483259293085144877,
      0.00012055293576741669771, -0.00001492471229925612874, 1.6447131540297692984e-6,
      -1.6206313540173915632e-7, 1.3710979522503812057e-8,   -7.77946696398075756e-10};
  // -log(erfc(x)) in powers of x - 1.75, from x = 1
  static constexpr double erf_far[] = {
      4.317863525433223136,       3.9596109008134219192,      0.90994016649668879561,
      0.020538840381218674562,    -0.004624930498307958786,   0.00096409865515923114683,
      -0.00017452306622807180191, 0.00002374142690064530531,  -8.2751662391470846681e-7,
      -8.9075054138383684802e-7,  4.0190925518448653556e-7,   -1.1329641127674710371e-7,
      2.3148815846422428514e-8,   -2.6800508090930143033e-9,  -3.4291917518613023912e-10,
      2.6463165232634883829e-10,  -5.8933257436283475868e-11, 5.0428551947088136637e-12};
  static constexpr double erf_centre = 1.75, erf_limit = 5.93;  // beyond the limit erf rounds to 1
  // Below expm1_low the result rounds to -1; from 2^expm1_large on, 1 is below its last bit.
  static constexpr double expm1_low = -38, expm1_large = 128;
  static constexpr double smallest_normal = 0x1p-1022, smallest = 0x1p-1074;
  static constexpr double subnormal_scale = 0x1p54, subnormal_exponent = 54;
  static constexpr double tanh_limit = 19.1;
  static constexpr double exponent_magic = 0x1.8p52 + 1023;
  static constexpr double lowest_exponent = -960;
  static constexpr double splitter = 0x1p27 + 1;
  static constexpr double infinity = __builtin_inf(), nan = __builtin_nan("");
};

template <class V>
using Math = MathConstants<typename V::T>;

// Whether fma and fnma round once, on this level.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr bool fused_multiply_add = true;
#else
constexpr bool fused_multiply_add = false;
#endif

// product - a * b, for product = a * b as it was rounded. Where multiply-adds are not fused, the
// factors are split in halves, whose products are exact (Dekker, 1971).
template <class V>
inline V product_error(V a, V b, V product) {
  if constexpr (fused_multiply_add) return fnma(a, b, product);
  const V splitter = V::set(Math<V>::splitter), a_scaled = splitter * a, b_scaled = splitter * b;
  const V a_high = a_scaled - (a_scaled - a), a_low = a - a_high;
  const V b_high = b_scaled - (b_scaled - b), b_low = b - b_high;
  return (((product - a_high * b_high) - a_high * b_low) - a_low * b_high) - a_low * b_low;
}

// a * b + c - sum, for sum = fma(a, b, c) as it was rounded, and c - sum exact.
template <class V>
inline V sum_error(V a, V b, V c, V sum) {
  if constexpr (fused_multiply_add) return fma(a, b, c - sum);
  const V product = a * b;
  return ((c - sum) + product) - product_error(a, b, product);
}

// 1 - a^2. Not fused, the square's rounding would be most of what is left for a near 1.
template <class V>
inline V one_minus_square(V a) {
  const V one = V::set(1);
  if constexpr (fused_multiply_add) return fnma(a, a, one);
  return (one - a) * (one + a);
}

template <class V, int count>
inline V polynomial(const typename V::T (&coefficients)[count], V x) {
  V sum = V::constant(coefficients[count - 1]);
  for (int i = count - 2; i >= 0; --i) sum = fma(sum, x, V::constant(coefficients[i]));
  return sum;
}

// The same in powers of x^2 of pairs: one operation more, half the wait for the one before
// (Estrin's scheme, one level).
template <class V, int count>
inline V paired_polynomial(const typename V::T (&coefficients)[count], V x, V x2) {
  const auto pair = [&](int i) {
    return i + 1 < count ? fma(V::constant(coefficients[i + 1]), x, V::constant(coefficients[i]))
                         : V::constant(coefficients[i]);
  };
  constexpr int last = (count - 1) / 2 * 2;
  V sum = pair(last);
#pragma GCC unroll 8
  for (int i = last - 2; i >= 0; i -= 2) sum = fma(sum, x2, pair(i));
  return sum;
}

// x = n ln 2 + r with integral n and |r| <= ln(2) / 2.
template <class V>
struct Reduced {
  V n, shifted;  // shifted = n + exponent_magic
  V expm1;       // exp(r) - 1
};

// `near`: for n so small that the rounding of ln 2 does not show. `lost`, if given, is small beside
// the last bit of x: exp(x - lost) is wanted.
template <class V, bool near = false, class... Lost>
inline Reduced<V> reduce(V x, Lost... lost) {
  using M = Math<V>;
  const V magic = V::constant(M::exponent_magic);
  const V shifted = fma(x, V::constant(M::log2e), magic), n = shifted - magic;
  V r;
  if constexpr (near)
    r = fnma(n, V::constant(M::ln2), x);
  else
    r = fnma(n, V::constant(M::ln2_low), fnma(n, V::constant(M::ln2_high), x));
  ((r = r - lost), ...);
  const V r2 = r * r;
  return {n, shifted, fma(r2, paired_polynomial(M::exp_tail, r, r2), r)};
}

// a * 2^n for integral n, rounded once, also when the result is subnormal.
template <class V>
inline V scaled(V a, V n) {
  if constexpr (requires { scale(a, n); }) {
    return scale(a, n);
  } else {
    // In two factors: n may lie outside the exponents of normal numbers. The first product is
    // exact.
    const V magic = V::constant(Math<V>::exponent_magic);
    const V half = fma(n, V::constant(typename V::T(0.5)), magic);
    return (a * low_bits_to_exponent(half)) * low_bits_to_exponent(n - (half - magic) + magic);
  }
}

// exp(x) = (1 + expm1) 2^n, whose power of 2 is multiplied last: what underflows in exp(x) keeps
// its bits until then, and the product is rounded once. For x below 88 (float) or 709 (double).
template <class V, class... Lost>
struct SplitExp {
  V expm1;
  // 2^n is `normal` times `rest`, which is 1 unless 2^n comes near the smallest normal number.
  V n, normal, rest;

  explicit SplitExp(V x, Lost... lost) {
    const Reduced<V> reduced = reduce(x, lost...);
    expm1 = reduced.expm1;
    n = reduced.n;
    if constexpr (!has_scale) {
      const V magic = V::constant(Math<V>::exponent_magic);
      const V limited = max(V::constant(Math<V>::lowest_exponent), n);
      normal = low_bits_to_exponent(limited + magic);
      rest = low_bits_to_exponent((n - limited) + magic);
    }
  }
  // a exp(x) 2^-n
  V times(V a) const { return fma(a, expm1, a); }
  // a 2^n
  V scaled(V a) const {
    if constexpr (has_scale) return scale(a, n);
    return (a * normal) * rest;
  }
  // exp(x) as a summand of something that is not small: it has no subnormal values.
  V beside_one() const {
    if constexpr (has_scale) return scale(V::constant(1) + expm1, n);
    return fma(normal, expm1, normal);
  }

 private:
  static constexpr bool has_scale = requires(V v) { scale(v, v); };
};

// x, or zero for a subnormal number: what is kept of parameters and of optimizers' states. A weight
// of a pixel that is always black decays to a subnormal number and stays there, and processors that
// compute those in microcode take up to a hundred times as long for whatever reads it. Not their
// own flush-to-zero mode: levels differ in what it does, and it is a setting of the whole thread.
template <class V>
inline V without_subnormals(V x) {
  return select(less(abs(x), V::constant(Math<V>::smallest_normal)), V::constant(0), x);
}
// The same of what is never negative: one operation less.
template <class V>
inline V positive_without_subnormals(V x) {
  return select(less(x, V::set(Math<V>::smallest_normal)), V::set(0), x);
}

template <class V>
inline V exp(V x) {
  using M = Math<V>;
  // The constant stands first in min and max: a NaN in the second operand is passed on.
  x = max(V::constant(M::exp_low), min(V::constant(M::exp_high), x));
  const Reduced<V> reduced = reduce(x);
  return scaled(V::constant(1) + reduced.expm1, reduced.n);
}

// Scaled after 1 was subtracted, unless 1 is far below the last bit: then exp is nearer to
// overflow.
template <class V>
inline V expm1(V x) {
  using M = Math<V>;
  const V one = V::constant(1), large = V::constant(M::expm1_large);
  const Reduced<V> reduced =
      reduce(max(V::constant(M::expm1_low), min(V::constant(M::exp_high), x)));
  const V power = low_bits_to_exponent(min(large, reduced.n) + V::constant(M::exponent_magic));
  const V small = fma(power, reduced.expm1, power - one);
  const V scaled_exp = scaled(one + reduced.expm1, reduced.n);
  return copysign(select(less(reduced.n, large), small, scaled_exp), x);
}

// tanh x = e / (e + 2), e = exp(2 |x|) - 1; e is accurate near 0 because its r is, and the larger
// e, the less its error shows.
template <class V>
inline V tanh(V x) {
  const V one = V::constant(1), limited = min(V::constant(Math<V>::tanh_limit), abs(x));
  const Reduced<V> reduced = reduce<V, true>(limited + limited);
  const V power = low_bits_to_exponent(reduced.shifted);
  const V e = fma(power, reduced.expm1, power - one);
  return copysign(e / (e + V::constant(2)), x);
}

// 1 / (1 + exp(-x)), without overflow: exp is only taken of -|x|. Numerator and denominator are
// made side by side, because a small network waits for them. 2^n is exact where it is subnormal
// too, hence exp is rounded once.
template <class V>
inline V sigmoid(V x) {
  using M = Math<V>;
  const V one = V::constant(1);
  const V negative = max(V::constant(M::exp_low), copysign(x, V::constant(-1)));
  const Reduced<V> reduced = reduce(negative);
  const V power = scaled(one, reduced.n);
  const V e = fma(power, reduced.expm1, power);
  return select(less(x, V::constant(0)), e, one) / fma(power, reduced.expm1, one + power);
}

template <class V>
inline V log(V x) {
  using M = Math<V>;
  const V zero = V::constant(0), one = V::constant(1);
  const auto subnormal = less(x, V::constant(M::smallest_normal));
  V e;
  V m = split(select(subnormal, x * V::constant(M::subnormal_scale), x), e);
  e = select(subnormal, e - V::constant(M::subnormal_exponent), e);
  const auto large = less(V::constant(typename V::T(1.41421356237309505)), m);
  m = select(large, m * V::constant(typename V::T(0.5)), m);
  e = select(large, e + one, e);
  // log m = f - f^2/2 + s (f^2/2 + R), with f = m - 1 exact: no cancellation near x = 1.
  const V f = m - one, s = f / (f + V::constant(2)), z = s * s;
  const V half_square = V::constant(typename V::T(0.5)) * f * f;
  const V tail = z * polynomial(M::log_tail, z);
  V result = fma(s, half_square + tail, e * V::constant(M::ln2_low));
  result = fma(e, V::constant(M::ln2_high), f - (half_square - result));
  result = select(less(x, V::constant(M::infinity)), result, x);  // infinity and NaN
  result = select(less(x, V::constant(M::smallest)), V::constant(-M::infinity), result);
  return select(less(x, zero), V::constant(M::nan), result);
}

// Up to 1 a polynomial that vanishes with x. Beyond, 1 - erfc, where erfc = exp(-p(x)) is so small
// that its relative error hardly counts; its logarithm is far smoother than itself.
template <class V>
inline V erf(V x) {
  using M = Math<V>;
  const V one = V::constant(1), limited = min(V::constant(M::erf_limit), abs(x));
  const V z = limited * limited;
  const V near = fma(limited, paired_polynomial(M::erf_near, z, z * z), limited);
  const V v = limited - V::constant(M::erf_centre);
  const Reduced<V> reduced = reduce(V::set(0) - paired_polynomial(M::erf_far, v, v * v));
  const V power = low_bits_to_exponent(reduced.shifted);
  const V far = fnma(power, reduced.expm1, one - power);
  return copysign(select(less(limited, one), near, far), x);
}

// log(1 + y) for -1 < y <= 1, correcting for what 1 + y loses.
template <class V>
inline V log1p(V y) {
  const V one = V::constant(1), u = one + y;
  return log(u) + (y - (u - one)) / u;
}

}  // namespace
