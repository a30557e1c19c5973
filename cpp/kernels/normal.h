// The normal distribution: Φ(z) and its density, both with a small relative error in the tails.
#pragma once

#include "kernels/math.h"

namespace {

template <class T>
struct NormalConstants;

// (z + 1) (1 - Φ(z)) / φ(z) in powers of t = (z - 4) / (z + 4), from 0 to the limit, beyond which
// 1 - Φ is 0. From tools/fit_polynomials.py.
template <>
struct NormalConstants<float> {
  static constexpr float limit = 15;
  static constexpr float mills[] = {1.1832619411859620383f,    -0.24239940809721062535f,
                                    0.035089522705105072635f,  0.071682223750489769665f,
                                    -0.080677811492832574613f, 0.045039686600626689028f,
                                    -0.012648949427260077151f, -0.0010341654056615123523f,
                                    0.0017917599520027021744f, 0.00021395340877231694658f};
};
template <>
struct NormalConstants<double> {
  static constexpr double limit = 40;
  static constexpr double mills[] = {
      1.1832619145678033016,      -0.24239967052180687639,    0.035091880234765275377,
      0.071690481201305506062,    -0.080708009679994903766,   0.044959129081133762428,
      -0.012539103600123553498,   -0.00071595096170416405801, 0.0017418485475624187335,
      -0.00023670133653218490047, -0.00022021408668068743495, 0.000053265120332359504119,
      0.000034152630659689670211, -8.6013232677349437611e-6,  -6.5366607234716241761e-6,
      1.0121286047113033156e-6,   1.361414098396967537e-6,    2.0219555464674278391e-9,
      -2.5430053716311976736e-7,  -4.3978254273927307713e-8,  2.9582506991408692798e-8,
      9.9318786123501488343e-9,   2.9809163158572649826e-11};
};

template <class V>
struct Normal {
  V z;             // limited to where Φ is neither 0 nor 1
  V cdf, density;  // Φ(z), φ(z)

  explicit Normal(V x) {
    using T = typename V::T;
    using N = NormalConstants<T>;
    const V one = V::constant(1), half = V::constant(T(0.5));
    z = max(V::constant(-N::limit), min(V::constant(N::limit), x));
    const V size = abs(z), four = V::constant(4);
    const V t = (size - four) / (size + four);
    const V mills = polynomial(N::mills, t) / (size + one);
    // exp(-z^2 / 2), with what z^2 loses where multiply-adds are fused; elsewhere that is 0.
    const V square = z * z, lost = fma(z, z, V::set(0) - square);
    const V power = exp(V::set(0) - half * square);
    density = V::constant(T(0.39894228040143267794)) * fnma(power, half * lost, power);
    const V tail = density * mills;
    cdf = select(less(z, V::set(0)), tail, one - tail);
  }
};

}  // namespace
