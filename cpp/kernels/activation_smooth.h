// Smooth activations made of exp, tanh and their kin. Each is accurate in its tails, where the
// textbook formula overflows or subtracts what is nearly equal.
#pragma once

#include "kernels/activation_pieces.h"
#include "kernels/math.h"
#include "kernels/normal.h"

namespace {

// log(1 + exp(z))
template <class V>
inline V softplus(V z) {
  const V zero = V::set(0);
  return max(zero, z) + log1p(exp(zero - abs(z)));
}

// What elu, selu and celu share: `scale` z, and below 0 `scale` alpha (exp(z / width) - 1).
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
};

// The functions from here to Mish vanish for large negative z like exp(x) or exp(x^2), x = -|z|,
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
  SplitExp<V, V> power;

  explicit GeluTanhExponential(V z)
      : x(max(V::constant(-limit), copysign(z, V::constant(-1)))), power(exponential(x)) {}

 private:
  static SplitExp<V, V> exponential(V x) {
    const V factor_v = V::constant(factor), cubic_v = V::constant(cubic);
    const V square = x * x;
    const V slope = fma(cubic_v, square, factor_v);
    const V rounded = sum_error(cubic_v, square, factor_v, slope);
    const V constants = fma(V::constant(cubic_low), square, V::constant(factor_low));
    const V slope_low = fnma(cubic_v, product_error(x, x, square), rounded) + constants;
    const V u = x * slope;
    return SplitExp<V, V>(u, fnma(x, slope_low, product_error(x, slope, u)));
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
    using T = typename V::T;
    const GeluTanhExponential<V> e(z);
    const V one = V::constant(1);
    const V beside_one = e.power.beside_one(), rest = one / (one + beside_one);
    const V du = fma(V::constant(T(3 * 1.5957691216057307117 * 0.044715)), e.x * e.x,
                     V::constant(T(1.5957691216057307117)));
    // w (1 + x u' (1 - w)), w = sigmoid(u) = exp(u) rest
    const V sum = fnma(e.x * (beside_one * rest), du, fma(e.x, du, one));
    const V falling = e.power.scaled(e.power.times(rest * sum));
    return slope_of_both_sides(z, falling);
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
    // Not `times(h)`: for large z the quotient must be 1.
    return power.scaled(x * ((one + power.expm1) * h / fma(e, h, one)));
  }
  // e ((1 + e / 2) (1 + d) + z (1 + e)) / (1 + d)^2
  template <class V>
  static V slope(V z) {
    const V one = V::constant(1), two = V::constant(2);
    const V x = max(V::constant(Math<V>::product_low), min(limit<V>(), z));
    const SplitExp<V> power(x);
    const V e = power.beside_one(), h = half_of_sum(e), d = e * h;
    const V sum = fma(d, h, h) + fma(x, e, x);
    return power.scaled(power.times(sum) / fma(d, d + two, one));
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

 private:
  // Limited to where the square is finite, as is the quotient of two such.
  template <class V>
  static V root(V z, V b) {
    const V most = V::set(typename V::T(sizeof(typename V::T) == 4 ? 1e18 : 1e150));
    const V size = min(most, abs(z));
    return max(abs(z), sqrt(fma(size, size, b)));
  }
};

using SmoothActivations = TypeList<Elu, Selu, Celu, Exponential, Gelu, GeluTanh, Silu, Mish,
                                   Softplus, Softsign, LogSigmoid, TanhShrink, Squareplus>;

}  // namespace
