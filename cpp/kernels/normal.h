// The normal distribution: Φ(z) and its density, both with a small relative error in the lower
// tail.
#pragma once

#include "kernels/math.h"

namespace {

template <class T>
struct NormalConstants;

// (z + 1.25) (1 - Φ(z)) exp(z^2 / 2) in powers of t = (z - 4) / (z + 4), from 0 to the limit,
// beyond which 1 - Φ is 0. From tools/fit_polynomials.py.
template <>
struct NormalConstants<float> {
  static constexpr float limit = 15;
  static constexpr float tail[] = {
      0.4956558671202350097f,       -0.13930289946107732124f,    0.045094416022691480066f,
      0.010673207653465750865f,     -0.024481127442843302772f,   0.015816355130453752537f,
      -0.0048776652713926684398f,   -0.00014078104973641263311f, 0.00064879356392773458749f,
      -0.000076050238203292459165f, -0.000070452750632905595315f};
};
template <>
struct NormalConstants<double> {
  static constexpr double limit = 40;
  static constexpr double tail[] = {
      0.4956558668353369153,      -0.13930290771363965721,     0.045094448559241153287,
      0.010673512219115851057,    -0.024481636401500107717,    0.015813073609169771496,
      -0.0048754880724040877838,  -0.00012591963541848540014,  0.00064810103836684604954,
      -0.0001058189742898086515,  -0.000080691104357469749484, 0.000022407922404173675037,
      0.000012551006673100327378, -3.6394942956693788098e-6,   -2.4476010379898958224e-6,
      4.5584755478592844692e-7,   5.2858122924913732561e-7,    -1.1514165722003176673e-8,
      -1.0879757463842265339e-7,  -1.7163857708994018224e-8,   1.7770452023368413635e-8,
      5.8783561906131618728e-9,   -1.612864601669283776e-9,    -7.7937333223555967687e-10};
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
    const V four = V::constant(4), t = (x + four) / (x - four);
    tail = polynomial(NormalConstants<T>::tail, t) / (V::constant(T(1.25)) - x);
  }

 private:
  // With what the square has lost: half of its last bit is some bits of a small exponential.
  static SplitExp<V, V> exponential(V x) {
    const V minus_half = V::constant(T(-0.5)), square = x * x;
    return SplitExp<V, V>(minus_half * square, minus_half * product_error(x, x, square));
  }
};

}  // namespace
