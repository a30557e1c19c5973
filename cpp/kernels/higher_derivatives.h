// Second and third derivatives of activations, f'' and f'''. They stand in their structures as
//
//   higher(z, a, f1, s, p, f2, f3)   writes f2 = f'' and f3 = f''' of one number, from z, a = f(z),
//                                    f1 = f', s and the activation's parameters p
//   inner                            optional: the name of the function of the table whose value at
//                                    inner_argument(z), or at z itself, is s
//
// They are templates over float and double, not over vectors: only activation_derivatives.cc calls
// them, for all ISA levels.
#pragma once

namespace {

// Made of straight pieces: higher derivatives are 0 almost everywhere.
struct Straight {
  template <class T>
  static void higher(T, T, T, T, const double*, T& f2, T& f3) {
    f2 = f3 = 0;
  }
};

// The first three derivatives of the logistic function, from its value.
template <class T>
struct LogisticDerivatives {
  explicit LogisticDerivatives(T s)
      : s1(s * (1 - s)), s2(s1 * (1 - 2 * s)), s3(s1 * (1 - 6 * s1)) {}
  T s1, s2, s3;
};

// c exp(z / width) below 0, linear above.
template <class T>
void exponential_below_higher(T z, T f1, T width, T& f2, T& f3) {
  f2 = z > 0 ? T(0) : f1 / width;
  f3 = f2 / width;
}

// z from low to high; a NaN passes.
template <class T>
T limited(T z, T low, T high) {
  return z < low ? low : high < z ? high : z;
}

// The compiler's own, as kernels include nothing of the standard library's mathematics.
inline float square_root(float x) { return __builtin_sqrtf(x); }
inline double square_root(double x) { return __builtin_sqrt(x); }
inline float hypotenuse(float x, float y) { return __builtin_hypotf(x, y); }
inline double hypotenuse(double x, double y) { return __builtin_hypot(x, y); }

}  // namespace
