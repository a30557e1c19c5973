// Smooth activations made of exp, tanh and their kin. Each is accurate in its tails, where the
// textbook formula overflows or subtracts what is nearly equal.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/higher_derivatives.h"
#include "kernels/math.h"
#include "kernels/table.h"

namespace {

struct Sigmoid {  // a = 1 / (1 + exp(-z)), a' = a (1 - a)
  static constexpr char name[] = "sigmoid";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return sigmoid(z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    return g * (a * (V::set(1) - a));
  }
  template <class T>
  static void higher(T, T a, T, T, const double*, T& f2, T& f3) {
    const LogisticDerivatives<T> s(a);
    f2 = s.s2;
    f3 = s.s3;
  }
};

struct Tanh {  // a' = 1 - a^2
  static constexpr char name[] = "tanh";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return tanh(z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    return g * one_minus_square(a);
  }
  template <class T>
  static void higher(T, T a, T f1, T, const double*, T& f2, T& f3) {
    f2 = -2 * a * f1;
    f3 = f1 * (6 * a * a - 2);
  }
};

// log(1 + exp(z))
template <class V>
inline V softplus(V z) {
  const V zero = V::set(0);
  return max(zero, z) + log1p(exp(zero - abs(z)));
}

// The function of elu, selu and celu: `scale` z, and below 0 `scale` alpha (exp(z / width) - 1).
template <class V>
inline V exponential_below(V z, V scale, V alpha, V width) {
  const V below = scale * alpha * expm1(z / width);
  return select(less(V::set(0), z), scale * z, below);
}
template <class V>
inline V exponential_below_slope(V z, V scale, V alpha, V width) {
  const V below = scale * (alpha / width) * exp(z / width);
  return select(less(V::set(0), z), scale, below);
}

struct Elu {  // Clevert, Unterthiner & Hochreiter, 2016
  static constexpr char name[] = "elu";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {{"alpha", 1, 0, unbounded, false}};
  template <class V>
  static V forward(V z, const V* p) {
    return exponential_below(z, V::set(1), p[0], V::set(1));
  }
  template <class V>
  static V slope(V z, const V* p) {
    return exponential_below_slope(z, V::set(1), p[0], V::set(1));
  }
  template <class T>
  static void higher(T z, T, T f1, T, const double*, T& f2, T& f3) {
    exponential_below_higher(z, f1, T(1), f2, f3);
  }
};

struct Selu {  // Klambauer, Unterthiner, Mayr & Hochreiter, 2017
  static constexpr char name[] = "selu";
  static constexpr bool needs_input = true;
  static constexpr double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
  template <class V>
  static V forward(V z) {
    using T = typename V::T;
    return exponential_below(z, V::set(T(scale)), V::set(T(alpha)), V::set(1));
  }
  template <class V>
  static V slope(V z) {
    using T = typename V::T;
    return exponential_below_slope(z, V::set(T(scale)), V::set(T(alpha)), V::set(1));
  }
  template <class T>
  static void higher(T z, T, T f1, T, const double*, T& f2, T& f3) {
    exponential_below_higher(z, f1, T(1), f2, f3);
  }
};

struct Celu {  // Barron, 2017: elu with a derivative of 1 at 0 for every alpha
  static constexpr char name[] = "celu";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {{"alpha", 1, 0, unbounded, true}};
  template <class V>
  static V forward(V z, const V* p) {
    return exponential_below(z, V::set(1), p[0], p[0]);
  }
  template <class V>
  static V slope(V z, const V* p) {
    return exponential_below_slope(z, V::set(1), p[0], p[0]);
  }
  template <class T>
  static void higher(T z, T, T f1, T, const double* p, T& f2, T& f3) {
    exponential_below_higher(z, f1, static_cast<T>(p[0]), f2, f3);
  }
};

struct Exponential {
  static constexpr char name[] = "exponential";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return exp(z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    return g * a;
  }
  template <class T>
  static void higher(T, T a, T, T, const double*, T& f2, T& f3) {
    f2 = f3 = a;
  }
};

struct Softplus {  // log(1 + exp(z))
  static constexpr char name[] = "softplus";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return softplus(z);
  }
  template <class V>
  static V slope(V z) {
    return sigmoid(z);
  }
  // f' = sigmoid(z)
  static constexpr char inner[] = "sigmoid";
  template <class T>
  static void higher(T, T, T, T value, const double*, T& f2, T& f3) {
    const LogisticDerivatives<T> s(value);
    f2 = s.s1;
    f3 = s.s2;
  }
};

struct LogSigmoid {  // -log(1 + exp(-z))
  static constexpr char name[] = "log_sigmoid";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const V zero = V::set(0);
    return zero - softplus(zero - z);
  }
  template <class V>
  static V slope(V z) {
    return sigmoid(V::set(0) - z);
  }
  // f' = 1 - sigmoid(z)
  static constexpr char inner[] = "sigmoid";
  template <class T>
  static void higher(T, T, T, T value, const double*, T& f2, T& f3) {
    const LogisticDerivatives<T> s(value);
    f2 = -s.s1;
    f3 = -s.s2;
  }
};

struct Softsign {  // z / (1 + |z|)
  static constexpr char name[] = "softsign";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    // Limited: infinity over infinity is NaN.
    const V size = min(V::set(typename V::T(1e30)), abs(z));
    return copysign(size / (V::set(1) + size), z);
  }
  template <class V>
  static V backward(V z, V, V g) {
    const V inverse = V::set(1) / (V::set(1) + abs(z));
    return g * inverse * inverse;
  }
  template <class T>
  static void higher(T z, T, T f1, T, const double*, T& f2, T& f3) {
    const T i = 1 / (1 + (z < 0 ? -z : z));  // f' = i^2
    f2 = (z < 0 ? T(2) : T(-2)) * f1 * i;
    f3 = 6 * f1 * f1;
  }
};

// Up to 1.5 z - tanh(z) cancels: there it is z z^2 / (k + z^2), from tanh(z) = z k / (k + z^2)
// with a smooth k, 3 + z^2 / 5 - ... (tools/fit_polynomials.py).
template <class T>
struct TanhFraction;
template <>
struct TanhFraction<float> {
  static constexpr float k[] = {3.0000000350370755671f, 0.19999909540499112733f,
                                -0.0057107068528794370947f, 0.00024908909153669581046f,
                                -9.454077107105302021e-6f};
};
template <>
struct TanhFraction<double> {
  static constexpr double k[] = {
      3.0000000000000000118,     0.19999999999999863203,      -0.0057142857142598450498,
      0.00025396825377900239061, -0.000012203668640306047904, 5.9876478023243537694e-7,
      -2.9563053866772595187e-8, 1.4610045511303686509e-9,    -7.1405249674345973705e-11,
      3.2214903521806531335e-12, -9.9551473501972558712e-14};
};

struct TanhShrink {
  static constexpr char name[] = "tanh_shrink";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return select(less(abs(z), V::constant(1.5)), near_zero(z), z - tanh(z));
  }
  template <class V>
  static V slope(V z) {
    // tanh(z)^2; z - (z - tanh(z)) is more accurate near 0 than tanh itself.
    const V t = select(less(abs(z), V::constant(0.75)), z - near_zero(z), tanh(z));
    return t * t;
  }
  static constexpr char inner[] = "tanh";
  template <class T>
  static void higher(T, T, T, T t, const double*, T& f2, T& f3) {
    const T slope = 1 - t * t;
    f2 = 2 * t * slope;
    f3 = slope * (2 - 6 * t * t);
  }

 private:
  template <class V>
  static V near_zero(V z) {
    const V size = min(V::constant(1.5), abs(z)), w = size * size;
    const V k = paired_polynomial(TanhFraction<typename V::T>::k, w, w * w);
    return copysign(size * (w / (k + w)), z);
  }
};

// (z + sqrt(z^2 + b)) / 2 (Barron, 2021): softplus without an exponential. Below 0, where the sum
// cancels, it is b / (2 (sqrt(z^2 + b) - z)).
struct Squareplus {
  static constexpr char name[] = "squareplus";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {{"b", 4, 0, unbounded, false}};
  template <class V>
  static V forward(V z, const V* p) {
    const V zero = V::set(0), half = V::set(typename V::T(0.5)), away = root(z, p[0]) + abs(z);
    return select(less(z, zero), half * (p[0] / max(away, V::set(Math<V>::smallest_normal))),
                  half * away);
  }
  // (1 + z / sqrt(z^2 + b)) / 2 = a / sqrt(z^2 + b)
  template <class V>
  static V backward(V z, V a, V g, const V* p) {
    return g * (a / max(root(z, p[0]), V::set(Math<V>::smallest_normal)));
  }
  // f' = (1 + z / r) / 2, r = sqrt(z^2 + b): f'' = b / (2 r^3)
  template <class T>
  static void higher(T z, T, T, T, const double* p, T& f2, T& f3) {
    // From r, not from its square, which may overflow; 0 for b = 0.
    const T b = static_cast<T>(p[0]), r = hypotenuse(z, square_root(b));
    f2 = b > 0 ? b / r / r / r / 2 : T(0);
    f3 = b > 0 ? -3 * f2 * (z / r) / r : T(0);
  }

 private:
  // Limited to where the square is finite, as is the quotient of two such.
  template <class V>
  static V root(V z, V b) {
    const V most = V::set(typename V::T(sizeof(typename V::T) == 4 ? 1e18 : 1e150));
    const V size = min(most, abs(z));
    return max(abs(z), sqrt(fma(size, size, b)));
  }
};

using SmoothActivations =
    TypeList<Elu, Selu, Celu, Exponential, Softplus, Softsign, LogSigmoid, TanhShrink, Squareplus>;

}  // namespace
