// Activations that multiply z by a gate, a function that grows from 0 to 1: gelu, silu, mish. Each
// is accurate in its tail.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/higher_derivatives.h"
#include "kernels/math.h"
#include "kernels/normal.h"

namespace {

// These functions vanish for large negative z like exp(x) or exp(x^2), x = -|z|,
// times a polynomial. The power of 2 in that exponential is multiplied last: multiplied first, the
// exponential would be a subnormal number with few bits where the function is still a normal one.

// `falling` is the derivative at -|z| of a function f with f(z) - f(-z) = z.
template <class V>
inline V slope_of_both_sides(V z, V falling) {
  return select(less(z, V::set(0)), falling, V::constant(1) - falling);
}

struct Gelu {  // z Φ(z) = max(z, 0) - |z| Φ(-|z|): Hendrycks & Gimpel, 2016
  static constexpr char name[] = "gelu";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return forward(z, Normal<V>(z));
  }
  template <class V>
  static V slope(V z) {
    return slope(z, Normal<V>(z));
  }
  // Both for little more than one: Normal is nearly all of either.
  template <class V>
  static V forward_and_slope(V z, V& slope_of_z) {
    const Normal<V> n(z);
    slope_of_z = slope(z, n);
    return forward(z, n);
  }
  // The density's derivative is φ' = -z φ.
  static constexpr char inner[] = "exp";
  template <class T>
  static T inner_argument(T z) {
    return T(-0.5) * z * z;
  }
  template <class T>
  static void higher(T z, T, T, T value, const double*, T& f2, T& f3) {
    // Beyond it the density is 0, which an infinite power of z would make NaN.
    const T x = limited(z, T(-40), T(40)), density = T(0.39894228040143267794) * value;
    f2 = density * (2 - x * x);
    f3 = density * x * (x * x - 4);
  }

 private:
  template <class V>
  static V forward(V z, const Normal<V>& n) {
    return max(V::set(0), z) + n.power.scaled(n.power.times(n.x * n.tail));
  }
  template <class V>
  static V slope(V z, const Normal<V>& n) {
    using T = typename V::T;
    // Φ(x) + x φ(x), without the power of 2
    const V sum = fma(V::constant(T(0.39894228040143267794)), n.x, n.tail);
    return slope_of_both_sides(z, n.power.scaled(n.power.times(sum)));
  }
};

// x = -|z| and exp(u), u = x (factor + cubic x^2). An error of u's last bit would be a hundred of
// the exponential's: u has two parts, of which the second is subtracted from the reduced argument.
template <class V>
struct GeluTanhExponential {
  using T = typename V::T;
  static constexpr bool is_float = sizeof(T) == 4;
  // sqrt(8 / pi) with so few bits that `sum_error` is exact, 0.044715 times that, and their rests.
  static constexpr T factor = T(is_float ? 0x1.98846p+0 : 0x1.9884533d4366p+0);
  static constexpr T factor_low =
      T(is_float ? -7.6059641772574021576e-7 : -3.4303621619665788244e-15);
  static constexpr T cubic = T(is_float ? 0x1.2444f2p-4 : 0x1.2444f2a4d8b4bp-4);
  static constexpr T cubic_low =
      T(is_float ? 2.3988323959931356273e-9 : -6.1751499181553154534e-19);
  static constexpr T limit = T(is_float ? 11 : 22);  // beyond it exp(u) times a polynomial is 0

  V x;
  V slope, slope_low;  // u / x, in two parts
  V u, lost;           // u is their difference
  SplitExp<V, V> power;

  explicit GeluTanhExponential(V z)
      : GeluTanhExponential(max(V::constant(-limit), copysign(z, V::constant(-1))), Falling()) {}

  // x u' + `more`, which has magnitudes of about 1. From u' alone it would have the rounding of u'
  // and one more beside: x u' = u + 2 x (u / x - factor), whose difference is exact.
  V times_derivative(V more) const {
    const V doubled = x + x, rests = slope_low - V::constant(factor_low);
    const V small = fma(doubled, rests, more - lost);
    return fma(doubled, slope - V::constant(factor), small + u);
  }

 private:
  struct Falling {};
  GeluTanhExponential(V falling, Falling)
      : x(falling),
        slope(fma(V::constant(cubic), x * x, V::constant(factor))),
        slope_low(rest(x, slope)),
        u(x * slope),
        lost(fnma(x, slope_low, product_error(x, slope, u))),
        power(u, lost) {}
  static V rest(V x, V slope) {
    const V cubic_v = V::constant(cubic), square = x * x;
    const V rounded = sum_error(cubic_v, square, V::constant(factor), slope);
    const V constants = fma(V::constant(cubic_low), square, V::constant(factor_low));
    return fnma(cubic_v, product_error(x, x, square), rounded) + constants;
  }
};

// The same with tanh instead of erf: z sigmoid(u(z)), with 0.5 (1 + tanh(u / 2)) = sigmoid(u).
struct GeluTanh {
  static constexpr char name[] = "gelu_tanh";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const GeluTanhExponential<V> e(z);
    const V sum = V::constant(1) + e.power.beside_one();
    return max(V::set(0), z) + e.power.scaled(e.power.times(e.x) / sum);
  }
  template <class V>
  static V slope(V z) {
    const GeluTanhExponential<V> e(z);
    const V one = V::constant(1), beside_one = e.power.beside_one();
    // w (1 + x u' (1 - w)) = q (1 + q + x u') / (1 + q)^2, w = sigmoid(u) = q / (1 + q), q = exp(u)
    const V sum = e.times_derivative(one + beside_one);
    const V square = fma(beside_one, beside_one + V::constant(2), one);
    const V falling = e.power.scaled(e.power.times(sum) / square);
    return slope_of_both_sides(z, falling);
  }
  // z sigmoid(u), u = c (z + k z^3)
  static constexpr double c = 1.5957691216057307117, k = 0.044715;
  static constexpr char inner[] = "sigmoid";
  // Limited: there sigmoid(u) is 0 or 1 to the last bit, and powers of z do not overflow.
  template <class T>
  static T inner_argument(T z) {
    const T x = limited(z, T(-16), T(16));
    return T(c) * (x + T(k) * x * x * x);
  }
  template <class T>
  static void higher(T z, T, T, T value, const double*, T& f2, T& f3) {
    const T x = limited(z, T(-16), T(16));
    const T u1 = T(c) * (1 + T(3 * k) * x * x), u2 = T(6 * c * k) * x, u3 = T(6 * c * k);
    const LogisticDerivatives<T> s(value);
    // The chain rule for sigmoid(u(z)), then the product rule.
    const T s1 = s.s1 * u1, s2 = s.s2 * u1 * u1 + s.s1 * u2;
    const T s3 = s.s3 * u1 * u1 * u1 + 3 * s.s2 * u1 * u2 + s.s1 * u3;
    f2 = 2 * s1 + x * s2;
    f3 = 3 * s2 + x * s3;
  }
};

struct Silu {  // z sigmoid(z) = max(z, 0) - |z| sigmoid(-|z|)
  static constexpr char name[] = "silu";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const V x = falling_side(z);
    const SplitExp<V> e(x);
    return max(V::set(0), z) + e.scaled(e.times(x) / (V::constant(1) + e.beside_one()));
  }
  template <class V>
  static V slope(V z) {
    const V x = falling_side(z), one = V::constant(1);
    const SplitExp<V> e(x);
    const V beside_one = e.beside_one(), rest = one / (one + beside_one);
    // w (1 + x (1 - w)), w = sigmoid(x) = exp(x) rest: of 1 + x - x w the first sum is exact where
    // it cancels.
    const V sum = fnma(x, beside_one * rest, one + x);
    return slope_of_both_sides(z, e.scaled(e.times(rest * sum)));
  }
  static constexpr char inner[] = "sigmoid";
  template <class T>
  static void higher(T z, T, T, T value, const double*, T& f2, T& f3) {
    const LogisticDerivatives<T> s(value);
    f2 = 2 * s.s1 + z * s.s2;
    f3 = 3 * s.s2 + z * s.s3;
  }

 private:
  template <class V>
  static V falling_side(V z) {
    return max(V::constant(Math<V>::product_low), copysign(z, V::constant(-1)));
  }
};

// z tanh(softplus(z)) = z d / (1 + d), d = e (1 + e / 2), e = exp(z): Misra, 2019.
struct Mish {
  static constexpr char name[] = "mish";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const V x = max(V::constant(Math<V>::product_low), z), one = V::constant(1);
    const SplitExp<V> power(min(limit<V>(), x));
    const V e = power.beside_one(), h = half_of_sum(e);
    // One rounding less where the quotient is small. Elsewhere the roundings of both of its parts
    // are alike, and for large z it is 1.
    const V above = select(less(x, V::set(-2)), power.times(h), (one + power.expm1) * h);
    return power.scaled(x * (above / fma(e, h, one)));
  }
  // e ((1 + e / 2) q + z (1 + e)) / q^2 = 1 + (z e (1 + e) - q) / q^2, q = 1 + d: the first without
  // the power of 2 for negative z; the second for others, where it is near 1 and the quotient, with
  // all its errors, is small beside that.
  template <class V>
  static V slope(V z) {
    const V one = V::constant(1), two = V::constant(2);
    const V x = max(V::constant(Math<V>::product_low), min(limit<V>(), z));
    const SplitExp<V> power(x);
    const V e = power.beside_one(), h = half_of_sum(e), d = e * h, q = d + one;
    const V product = fma(x, e, x);
    const auto falling = less(x, V::set(0));
    const V quotient =
        select(falling, power.times(fma(h, q, product)), fma(e, product, V::set(0) - q)) /
        fma(d, d + two, one);
    return select(falling, power.scaled(quotient), one + quotient);
  }
  // z t, t = tanh(softplus(z)) = n / (n + 2), n = e (e + 2), e = exp(z)
  static constexpr double straight = 20;  // from here on t and sigmoid(z) are 1
  static constexpr char inner[] = "exp";
  template <class T>
  static T inner_argument(T z) {
    return T(straight) < z ? T(straight) : z;
  }
  template <class T>
  static void higher(T z, T, T, T e, const double*, T& f2, T& f3) {
    const T x = limited(z, T(-90), T(straight)), n = e * (e + 2), t = n / (n + 2);
    // u = 1 - t^2 without a difference of equals; s = sigmoid(z) = softplus'.
    const T u = 4 * (n + 1) / ((n + 2) * (n + 2)), s = e / (1 + e);
    const LogisticDerivatives<T> logistic(s);
    const T t1 = u * s, u1 = -2 * t * t1;
    const T t2 = u1 * s + u * logistic.s1, u2 = -2 * (t1 * t1 + t * t2);
    const T t3 = u2 * s + 2 * u1 * logistic.s1 + u * logistic.s2;
    f2 = 2 * t1 + x * t2;
    f3 = 3 * t2 + x * t3;
  }

 private:
  // 1 + e / 2
  template <class V>
  static V half_of_sum(V e) {
    return fma(V::constant(typename V::T(0.5)), e, V::constant(1));
  }
  // From here on the quotient that z is multiplied with and the derivative round to 1.
  template <class V>
  static V limit() {
    return V::constant(sizeof(typename V::T) == 4 ? 15 : 25);
  }
};

using GatedActivations = TypeList<Gelu, GeluTanh, Silu, Mish>;

}  // namespace
