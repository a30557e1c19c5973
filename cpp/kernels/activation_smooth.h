// Smooth activations made of exp, tanh and their kin. Each is accurate in its tails, where the
// textbook formula overflows or subtracts what is nearly equal.
#pragma once

#include "kernels/activation_pieces.h"
#include "kernels/math.h"
#include "kernels/normal.h"

namespace {

// z, limited to where exp(z) is neither 0 nor infinite: for a factor of what vanishes there.
template <class V>
inline V within_exp(V z) {
  return max(V::constant(Math<V>::exp_low), min(V::constant(-Math<V>::exp_low), z));
}

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
inline V exponential_below_slope(V z, V g, V scale, V alpha, V width) {
  const V below = scale * (alpha / width) * exp(z / width);
  return g * select(less(V::set(0), z), scale, below);
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
  static V backward(V z, V, V g, const V* p) {
    return exponential_below_slope(z, g, V::set(1), p[0], V::set(1));
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
  static V backward(V z, V, V g) {
    using T = typename V::T;
    return exponential_below_slope(z, g, V::set(T(scale)), V::set(T(alpha)), V::set(1));
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
  static V backward(V z, V, V g, const V* p) {
    return exponential_below_slope(z, g, V::set(1), p[0], p[0]);
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

struct Gelu {  // z Φ(z): Hendrycks & Gimpel, 2016
  static constexpr char name[] = "gelu";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const Normal<V> normal(z);
    return max(normal.z, z) * normal.cdf;
  }
  template <class V>
  static V backward(V z, V, V g) {
    const Normal<V> normal(z);
    return g * fma(normal.z, normal.density, normal.cdf);
  }
};

// The same with tanh instead of erf: z sigmoid(u), u = sqrt(8 / pi) (z + 0.044715 z^3).
struct GeluTanh {
  static constexpr char name[] = "gelu_tanh";
  static constexpr bool needs_input = true;
  static constexpr double factor = 1.5957691216057307117, cubic = 0.044715;
  // Beyond it sigmoid(u) is 0 or 1.
  static constexpr double limit = 24;
  template <class V>
  static V limited(V z) {
    using T = typename V::T;
    return max(V::constant(T(-limit)), min(V::constant(T(limit)), z));
  }
  template <class V>
  static V argument(V z) {
    using T = typename V::T;
    return V::constant(T(factor)) * fma(V::constant(T(cubic)) * (z * z), z, z);
  }
  template <class V>
  static V forward(V z) {
    const V x = limited(z);
    return max(x, z) * sigmoid(argument(x));
  }
  template <class V>
  static V backward(V z, V, V g) {
    using T = typename V::T;
    const V x = limited(z), one = V::constant(1);
    const V slope = V::constant(T(factor)) * fma(V::constant(T(3 * cubic)) * x, x, one);
    const V s = sigmoid(argument(x));
    return g * (s * fma(x * slope, one - s, one));
  }
};

struct Silu {  // z sigmoid(z)
  static constexpr char name[] = "silu";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return max(V::constant(Math<V>::exp_low), z) * sigmoid(z);
  }
  template <class V>
  static V backward(V z, V, V g) {
    const V s = sigmoid(z), one = V::constant(1);
    return g * (s * fma(within_exp(z), one - s, one));
  }
};

// z tanh(softplus(z)) = z n / (n + 2), n = e (e + 2), e = exp(z): Misra, 2019.
struct Mish {
  static constexpr char name[] = "mish";
  static constexpr bool needs_input = true;
  // From here on n / (n + 2) rounds to 1, and its square does not overflow.
  static constexpr double limit = 40;
  template <class V>
  static V forward(V z) {
    using T = typename V::T;
    const V two = V::constant(2), e = exp(min(V::constant(T(limit)), z)), n = e * (e + two);
    return max(V::constant(Math<V>::exp_low), z) * (n / (n + two));
  }
  template <class V>
  static V backward(V z, V, V g) {
    using T = typename V::T;
    const V two = V::constant(2), four = V::constant(4);
    const V x = max(V::constant(Math<V>::exp_low), min(V::constant(T(limit)), z));
    const V e = exp(x), n = e * (e + two), m = n + two;
    return g * fma(x, four * (fma(e, e, e) / m) / m, n / m);
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
  static V backward(V z, V, V g) {
    return g * sigmoid(z);
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
  static V backward(V z, V, V g) {
    return g * sigmoid(V::set(0) - z);
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

struct TanhShrink {  // z - tanh(z)
  static constexpr char name[] = "tanh_shrink";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return z - tanh(z);
  }
  template <class V>
  static V backward(V z, V, V g) {
    const V t = tanh(z);
    return g * (t * t);
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
