// Optimizers that give each parameter a step length of its own. Initial values are those of Keras,
// and the formulas where their comments do not say otherwise.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/table.h"

namespace {

// x^n for n >= 1 by squaring: the same bits on every platform, which pow does not promise.
inline double integer_power(double x, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    // Not a branch: the bits of a step's number are hard to predict.
    const double factors[] = {1, x};
    result *= factors[n & 1];
    x *= x;
  }
  return result;
}

// The same as a summand beside 1, for 0 <= x < 1: 0 where it is below half of 1's last bit, which
// soon spares the loop. x^n < exp(-(1 - x) n), and exp(-42) < 2^-60.
inline double vanishing_power(double x, std::int64_t n) {
  return (1 - x) * static_cast<double>(n) > 42 ? 0 : integer_power(x, n);
}

// Kingma & Ba, Adam: a method for stochastic optimization, 2015, algorithm 1. The two bias
// corrections are folded into the step's scalars:
//   p -= (learning_rate / (1 - b1^t)) m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
//
// `amsgrad`: v's largest value so far in its place (Reddi, Kale & Kumar, 2018).
template <bool amsgrad>
struct Adam {
  static constexpr const char* name = amsgrad ? "adam_amsgrad" : "adam";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.999, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"m", "v", "v_max"};
  static constexpr int state_count = amsgrad ? 3 : 2;
  static constexpr unsigned never_negative = 0b110;
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    scalars[0] = h[0] / (1 - vanishing_power(h[1], step));
    scalars[1] = 1 / __builtin_sqrt(1 - vanishing_power(h[2], step));
    scalars[2] = h[3];
    scalars[3] = h[1];
    scalars[4] = 1 - h[1];
    scalars[5] = h[2];
    scalars[6] = 1 - h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[3], s[0], scalars[4] * g);
    s[1] = fma(scalars[5], s[1], scalars[6] * (g * g));
    if constexpr (amsgrad) s[2] = max(s[2], s[1]);
    return p - scalars[0] * s[0] / fma(sqrt(s[amsgrad ? 2 : 1]), scalars[1], scalars[2]);
  }
};

// The same with epsilon beside the root of v as it is, Kingma & Ba's "epsilon hat" (before their
// section 2.1), as in Keras and scikit-learn:
//   p -= (learning_rate sqrt(1 - b2^t) / (1 - b1^t)) m / (sqrt(v) + epsilon)
struct AdamEpsilonHat : Adam<false> {
  using Update = Adam<false>;
  static constexpr char name[] = "adam_epsilon_hat";
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    Update::prepare(h, step, scalars);
    scalars[0] /= scalars[1];
    scalars[1] = 1;
  }
};

// Adam with Nesterov's momentum, and momenta that warm up: u_t = beta_1 (1 - 0.96^t / 2)
// (Dozat, 2016).
struct Nadam {
  static constexpr char name[] = "nadam";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.999, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"m", "v"};
  static constexpr int state_count = 2;
  static constexpr unsigned never_negative = 0b10;
  static double momentum(double beta, double decay) { return beta * (1 - 0.5 * decay); }
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    // The product of the momenta so far, which soon is nothing beside 1.
    double product = vanishing_power(h[1], step) > 0 ? 1 : 0, decay = 1;
    for (std::int64_t t = 1; t <= step && product > 1e-20; ++t) {
      decay *= 0.96;
      product *= momentum(h[1], decay);
    }
    const double now = vanishing_power(0.96, step);
    const double u = momentum(h[1], now), next = momentum(h[1], 0.96 * now);
    scalars[0] = h[0] * next / (1 - product * next);
    scalars[1] = h[0] * (1 - u) / (1 - product);
    scalars[2] = 1 / __builtin_sqrt(1 - vanishing_power(h[2], step));
    scalars[3] = h[3];
    scalars[4] = h[1];
    scalars[5] = 1 - h[1];
    scalars[6] = h[2];
    scalars[7] = 1 - h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[4], s[0], scalars[5] * g);
    s[1] = fma(scalars[6], s[1], scalars[7] * (g * g));
    const V step = fma(scalars[0], s[0], scalars[1] * g);
    return p - step / fma(sqrt(s[1]), scalars[2], scalars[3]);
  }
};

// Adam with the largest gradient instead of a mean square (Kingma & Ba, algorithm 2).
struct Adamax {
  static constexpr char name[] = "adamax";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.999, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"m", "u"};
  static constexpr int state_count = 2;
  static constexpr unsigned never_negative = 0b10;
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    scalars[0] = h[0] / (1 - vanishing_power(h[1], step));
    scalars[1] = h[1];
    scalars[2] = 1 - h[1];
    scalars[3] = h[2];
    scalars[4] = h[3];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[1], s[0], scalars[2] * g);
    s[1] = max(scalars[3] * s[1], abs(g));
    return p - scalars[0] * s[0] / (s[1] + scalars[4]);
  }
};

// g over the root of its mean square (Tieleman & Hinton, 2012), or, `centered`, of its variance
// (Graves, 2013); epsilon is added under the root.
template <bool momentum, bool centered>
struct Rmsprop {
  static constexpr const char* name =
      momentum ? (centered ? "rmsprop_momentum_centered" : "rmsprop_momentum")
               : (centered ? "rmsprop_centered" : "rmsprop");
  static constexpr Hyperparameter all[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"rho", 0.9, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
      {"momentum", 0.9, 0, 1, true},
  };
  static constexpr const Hyperparameter* hyperparameters = all;
  static constexpr int hyperparameter_count = momentum ? 4 : 3;
  static constexpr bool descent = false;
  static constexpr const char* names[] = {"v", "mean", "velocity"};
  static constexpr const char* without_mean[] = {"v", "velocity"};
  static constexpr const char* const* states = centered ? names : without_mean;
  static constexpr int state_count = 1 + (centered ? 1 : 0) + (momentum ? 1 : 0);
  static constexpr unsigned never_negative = 0b1;
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = h[0];
    scalars[1] = h[1];
    scalars[2] = 1 - h[1];
    scalars[3] = h[2];
    scalars[4] = momentum ? h[3] : 0;
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[1], s[0], scalars[2] * (g * g));
    V square = s[0];
    if constexpr (centered) {
      s[1] = fma(scalars[1], s[1], scalars[2] * g);
      // Rounding must not make it negative.
      square = max(V::set(0), fnma(s[1], s[1], square));
    }
    const V step = scalars[0] * g / sqrt(square + scalars[3]);
    if constexpr (!momentum) return p - step;
    V& velocity = s[state_count - 1];
    velocity = fma(scalars[4], velocity, step);
    return p - velocity;
  }
};

// g over the root of the sum of all its squares (Duchi, Hazan & Singer, 2011).
struct Adagrad {
  static constexpr char name[] = "adagrad";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"initial_accumulator_value", 0.1, 0, unbounded, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"sum"};
  static constexpr int state_count = 1;
  static constexpr unsigned never_negative = 0b1;
  static double initial_state(const double* h, int) { return h[1]; }
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = h[0];
    scalars[1] = h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(g, g, s[0]);
    return p - scalars[0] * g / sqrt(s[0] + scalars[1]);
  }
};

// Steps in the parameters' own unit: g times the root mean square of the last steps over that of
// the last gradients (Zeiler, 2012).
struct Adadelta {
  static constexpr char name[] = "adadelta";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"rho", 0.95, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"v", "step"};
  static constexpr int state_count = 2;
  static constexpr unsigned never_negative = 0b11;
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = h[0];
    scalars[1] = h[1];
    scalars[2] = 1 - h[1];
    scalars[3] = h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[1], s[0], scalars[2] * (g * g));
    const V step = sqrt((s[1] + scalars[3]) / (s[0] + scalars[3])) * g;
    s[1] = fma(scalars[1], s[1], scalars[2] * (step * step));
    return fnma(scalars[0], step, p);
  }
};

// The sign of an interpolated momentum (Chen et al., 2023).
struct Lion {
  static constexpr char name[] = "lion";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.99, 0, 1, false},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"m"};
  static constexpr int state_count = 1;
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = h[0];
    scalars[1] = h[1];
    scalars[2] = 1 - h[1];
    scalars[3] = h[2];
    scalars[4] = 1 - h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    const V direction = sign(fma(scalars[1], s[0], scalars[2] * g));
    s[0] = fma(scalars[3], s[0], scalars[4] * g);
    return fnma(scalars[0], direction, p);
  }
};

// Follow the regularized leader, proximal: the l1 penalty makes parameters exactly zero (McMahan et
// al., Ad click prediction, 2013). n is the sum of squared gradients, z the leader's linear part:
//   z += g + 2 shrinkage p - (sqrt(n + g^2) - sqrt(n)) / rate p;  n += g^2
//   p = (clip(z, -l1, l1) - z) / (sqrt(n) / rate + 2 (l2 + beta / (2 rate)))
struct Ftrl {
  static constexpr char name[] = "ftrl";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, true},
      {"initial_accumulator_value", 0.1, 0, unbounded, false},
      {"l1_regularization_strength", 0, 0, unbounded, false},
      {"l2_regularization_strength", 0, 0, unbounded, false},
      {"l2_shrinkage_regularization_strength", 0, 0, unbounded, false},
      {"beta", 0, 0, unbounded, false},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"n", "z"};
  static constexpr int state_count = 2;
  static double initial_state(const double* h, int state) { return state == 0 ? h[1] : 0; }
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = 1 / h[0];
    scalars[1] = h[2];
    scalars[2] = 2 * (h[3] + h[5] / (2 * h[0]));
    scalars[3] = 2 * h[4];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    const V n = fma(g, g, s[0]), root = sqrt(n), zero = V::set(0);
    s[1] = s[1] + fma(scalars[3], p, g) - (root - sqrt(s[0])) * scalars[0] * p;
    s[0] = n;
    const V leader = max(zero - scalars[1], min(scalars[1], s[1]));
    // Without any gradient so far, and nothing else to divide by, the parameter stays 0.
    const V curvature = max(fma(root, scalars[0], scalars[2]), V::set(Math<V>::smallest_normal));
    return (leader - s[1]) / curvature;
  }
};

// Adam's direction, with a step of each array as long as the array itself times the rate (You et
// al., Large batch optimization for deep learning, 2020).
struct Lamb {
  static constexpr char name[] = "lamb";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.999, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr densecore::ArrayStep array_step = densecore::ArrayStep::trust_ratio;
  static constexpr const char* states[] = {"m", "v"};
  static constexpr int state_count = 2;
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    Adam<false>::prepare(h, step, scalars);
    scalars[0] /= h[0];  // the array step has the rate
    scalars[7] = h[0];
  }
  template <class V>
  static V update(V, V g, V* s, const V* scalars) {
    return V::set(0) - Adam<false>::update(V::set(0), g, s, scalars);
  }
};

// x^n for x > 0 by this library's own functions: the same bits on every platform.
inline double real_power(double x, double n) {
  double lanes[VecF64::width];
  exp(VecF64::set(n) * log(VecF64::set(x))).store(lanes);
  return lanes[0];
}

// Mean squares of a matrix's gradient as a product of those of its rows and its columns, clipped
// directions, and rates relative to the parameters (Shazeer & Stern, 2018). `update` is that of a
// vector, of which each mean square is kept.
struct Adafactor {
  static constexpr char name[] = "adafactor";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, false}, {"beta_2_decay", -0.8, -unbounded, 0, false},
      {"epsilon_1", 1e-30, 0, unbounded, false},     {"epsilon_2", 1e-3, 0, unbounded, false},
      {"clip_threshold", 1, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr densecore::ArrayStep array_step = densecore::ArrayStep::factored;
  static constexpr const char* states[] = {"v"};
  static constexpr int state_count = 1;
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    const double count = static_cast<double>(step);
    scalars[1] = 1 - real_power(count, h[1]);
    scalars[0] = 1 - scalars[1];
    scalars[2] = h[2];
    scalars[3] = h[3];
    scalars[4] = h[4];
    const double inverse_root = 1 / __builtin_sqrt(count);
    scalars[7] = inverse_root < h[0] ? inverse_root : h[0];
  }
  template <class V>
  static V update(V, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[1], s[0], scalars[0] * fma(g, g, scalars[2]));
    return g / sqrt(max(s[0], V::set(Math<V>::smallest_normal)));
  }
};

using AdaptiveOptimizers = TypeList<Adam<false>, Adam<true>, Nadam, Adamax, Rmsprop<false, false>,
                                    Rmsprop<true, false>, Rmsprop<false, true>, Rmsprop<true, true>,
                                    Adagrad, Adadelta, Lion, AdamEpsilonHat, Ftrl, Lamb, Adafactor>;

}  // namespace
