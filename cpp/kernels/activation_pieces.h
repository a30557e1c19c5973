// Activations made of straight pieces. A NaN passes through the derivative too.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/higher_derivatives.h"
#include "kernels/math.h"
#include "kernels/table.h"

namespace {

struct Linear : Straight {  // a = z
  static constexpr char name[] = "linear";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return z;
  }
  template <class V>
  static V backward(V, V, V g) {
    return g;
  }
};

struct Relu : Straight {  // a = max(z, 0); the derivative at 0 is 0
  static constexpr char name[] = "relu";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return max(V::set(0), z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    // a < smallest is a <= 0, and false for NaN: an inactive unit stops even an infinite g.
    return select(less(a, V::set(Math<V>::smallest)), V::set(0), g);
  }
};

// g where low < z < high, else 0 (also for an infinite g).
template <class V>
inline V inside(V z, V low, V high, V g) {
  const V rest = nothing_or_nan(z);
  return select(less(low, z), select(less(z, high), g, rest), rest);
}

// Keras's relu with its arguments: z above the threshold and at most max_value, below it
// slope (z - threshold).
struct ReluGeneral : Straight {
  static constexpr char name[] = "relu_general";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {
      {"negative_slope", 0, 0, unbounded, false},
      {"max_value", unbounded, 0, unbounded, false},
      {"threshold", 0, 0, unbounded, false},
  };
  template <class V>
  static V forward(V z, const V* p) {
    return pieces(z, p[0], p[1], p[2]);
  }
  template <class V>
  static V backward(V z, V, V g, const V* p) {
    return slopes(z, g, p[0], p[1], p[2]);
  }

  template <class V>
  static V pieces(V z, V slope, V most, V threshold) {
    // A slope of 0 is no product: 0 times infinity is NaN.
    const V below = select(less(V::set(0), slope), slope * (z - threshold), nothing_or_nan(z));
    return select(less(threshold, z), min(most, z), below);
  }
  template <class V>
  static V slopes(V z, V g, V slope, V most, V threshold) {
    const V zero = V::set(0);
    const V below = select(less(zero, slope), slope * g, zero) + nothing_or_nan(z);
    return select(less(threshold, z), select(less(most, z), zero, g), below);
  }
};

struct LeakyRelu : Straight {  // z, and below 0 negative_slope z
  static constexpr char name[] = "leaky_relu";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {
      {"negative_slope", 0.2, 0, unbounded, false},
  };
  template <class V>
  static V forward(V z, const V* p) {
    return ReluGeneral::pieces(z, p[0], V::set(Math<V>::infinity), V::set(0));
  }
  template <class V>
  static V backward(V z, V, V g, const V* p) {
    return ReluGeneral::slopes(z, g, p[0], V::set(Math<V>::infinity), V::set(0));
  }
};

struct Relu6 : Straight {  // min(max(z, 0), 6)
  static constexpr char name[] = "relu6";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return min(V::set(6), max(V::set(0), z));
  }
  template <class V>
  static V backward(V z, V, V g) {
    return inside(z, V::set(0), V::set(6), g);
  }
};

struct HardTanh : Straight {  // z between -1 and 1
  static constexpr char name[] = "hard_tanh";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return max(V::set(-1), min(V::set(1), z));
  }
  template <class V>
  static V backward(V z, V, V g) {
    return inside(z, V::set(-1), V::set(1), g);
  }
};

struct HardSigmoid : Straight {  // relu6(z + 3) / 6
  static constexpr char name[] = "hard_sigmoid";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return min(V::set(6), max(V::set(0), z + V::set(3))) / V::set(6);
  }
  template <class V>
  static V backward(V z, V, V g) {
    return inside(z, V::set(-3), V::set(3), g / V::set(6));
  }
};

struct HardSilu {  // z hard_sigmoid(z)
  static constexpr char name[] = "hard_silu";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    // Limited below, where the factor is 0: minus infinity times 0 is NaN.
    return max(V::set(-3), z) * HardSigmoid::forward(z);
  }
  template <class V>
  static V slope(V z) {
    const V within = inside(z, V::set(-3), V::set(3), z / V::set(6));
    return HardSigmoid::forward(z) + within;
  }
  // z (z + 3) / 6 in the middle
  template <class T>
  static void higher(T z, T, T, T, const double*, T& f2, T& f3) {
    f2 = z > T(-3) && z < T(3) ? T(1) / T(3) : T(0);
    f3 = 0;
  }
};

// z where |z| is above the threshold, else 0 (Donoho & Johnstone, 1994, as the next one).
struct HardShrink : Straight {
  static constexpr char name[] = "hard_shrink";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {{"threshold", 0.5, 0, unbounded, false}};
  template <class V>
  static V forward(V z, const V* p) {
    return select(less(p[0], abs(z)), z, nothing_or_nan(z));
  }
  template <class V>
  static V backward(V z, V, V g, const V* p) {
    return select(less(p[0], abs(z)), g, nothing_or_nan(z));
  }
};

struct SoftShrink : Straight {  // z without the threshold, towards 0
  static constexpr char name[] = "soft_shrink";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {{"threshold", 0.5, 0, unbounded, false}};
  template <class V>
  static V forward(V z, const V* p) {
    return select(less(p[0], abs(z)), z - p[0] * sign(z), nothing_or_nan(z));
  }
  template <class V>
  static V backward(V z, V, V g, const V* p) {
    return HardShrink::backward(z, z, g, p);
  }
};

// z above a number, another number elsewhere. Units that are off give any constant.
struct Threshold : Straight {
  static constexpr char name[] = "threshold";
  static constexpr bool needs_input = true;
  static constexpr Hyperparameter parameters[] = {
      {"threshold", 0, -unbounded, unbounded, true},
      {"default_value", 0, -unbounded, unbounded, true},
  };
  template <class V>
  static V forward(V z, const V* p) {
    return select(less(p[0], z), z, p[1] + nothing_or_nan(z));
  }
  template <class V>
  static V backward(V z, V, V g, const V* p) {
    return select(less(p[0], z), g, nothing_or_nan(z));
  }
};

// z above 1, 0 below -1, and the parabola (z + 1)^2 / 4 between: softplus with a compact tail.
struct SparsePlus {
  static constexpr char name[] = "sparse_plus";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    const V one = V::set(1), half = V::set(typename V::T(0.5)),
            root = half * (max(V::set(-1), z) + one);
    return select(less(one, z), z, root * root);
  }
  template <class V>
  static V backward(V z, V, V g) {
    return g * slope_of(z);
  }

  // Its derivative, which is an activation, too.
  template <class V>
  static V slope_of(V z) {
    const V one = V::set(1);
    return V::set(typename V::T(0.5)) * (max(V::set(-1), min(one, z)) + one);
  }
  template <class T>
  static void higher(T z, T, T, T, const double*, T& f2, T& f3) {
    f2 = z > T(-1) && z < T(1) ? T(0.5) : T(0);
    f3 = 0;
  }
};

struct SparseSigmoid : Straight {  // (z + 1) / 2 between -1 and 1, at most 1, at least 0
  static constexpr char name[] = "sparse_sigmoid";
  static constexpr bool needs_input = true;
  template <class V>
  static V forward(V z) {
    return SparsePlus::slope_of(z);
  }
  template <class V>
  static V backward(V z, V, V g) {
    return inside(z, V::set(-1), V::set(1), V::set(typename V::T(0.5)) * g);
  }
};

using StraightActivations = TypeList<ReluGeneral, LeakyRelu, Relu6, HardTanh, HardSigmoid, HardSilu,
                                     HardShrink, SoftShrink, Threshold, SparsePlus, SparseSigmoid>;

}  // namespace
