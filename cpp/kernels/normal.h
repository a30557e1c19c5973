// The normal distribution: Φ(z) and its density, both with a small relative error in the lower
// tail.
#pragma once

#include "kernels/math.h"

namespace {

template <class T>
struct NormalConstants;

// (z + shift) (1 - Φ(z)) exp(z^2 / 2) in powers of t = (z - centre) / (z + centre), from 0 to the
// limit, beyond which 1 - Φ is 0. From tools/fit_polynomials.py, which says why this shift.
template <>
struct NormalConstants<float> {
  static constexpr float limit = 15, centre = 3, shift = 0.890625f;
  static constexpr float tail[] = {
      0.47276520758325517221f,   -0.073951498534516699706f,   -0.029910117914154027068f,
      0.050219260060375476247f,  -0.023397120979716165935f,   0.00083724256263759761732f,
      0.00309786133622280713f,   -0.00030318707454379449347f, -0.00048125174584183314022f,
      6.7005074867717548202e-6f, 0.000046442031218251186271f};
};
template <>
struct NormalConstants<double> {
  static constexpr double limit = 40, centre = 5, shift = 0.890625;
  static constexpr double tail[] = {
      0.45310278086839646106,      -0.075861611727007619012,  0.018335342125931680774,
      0.018849026460982114331,     -0.031635222122375645666,  0.027097858609863962375,
      -0.016153846556593378858,    0.0067821867644618588504,  -0.0017000857072891230604,
      -6.8948950496496517769e-6,   0.00018894341893176403446, -0.000053712896028162452706,
      -0.000010622954933954637755, 9.1992312632227365312e-6,  3.9489892247415576849e-9,
      -1.3349280803879107659e-6,   1.1843473629002999769e-7,  2.0142023084073419319e-7,
      -2.3760741891145239088e-8,   -3.1919832820928898594e-8, 2.4725521229154612962e-9,
      4.361130422035144211e-9,     3.640503389832762931e-11,  -2.7792519811585729776e-10};
};

// Of x = -|z|, limited to where Φ(x) is not 0: Φ(x) = power * tail, φ(x) = power / sqrt(2 pi).
template <class V>
struct Normal {
  using T = typename V::T;
  V x, tail;
  SplitExp<V, V> power;  // exp(-x^2 / 2)

  explicit Normal(V z)
      : x(max(V::constant(-NormalConstants<T>::limit), copysign(z, V::constant(-1)))),
        power(exponential(x)) {
    using N = NormalConstants<T>;
    const V centre = V::constant(N::centre), t = (x + centre) / (x - centre);
    tail = polynomial(N::tail, t) / (V::constant(N::shift) - x);
  }

 private:
  // With what the square has lost: half of its last bit is some bits of a small exponential.
  static SplitExp<V, V> exponential(V x) {
    const V minus_half = V::constant(T(-0.5)), square = x * x;
    return SplitExp<V, V>(minus_half * square, minus_half * product_error(x, x, square));
  }
};

}  // namespace
