// Losses that are a sum (or mean) over the outputs of a term for each, and that are called through
// a pointer per vector: one loop for all of them, instead of one compiled for each.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/output_sum.h"
#include "kernels/table.h"

namespace {

using densecore::TargetKind;

// The loss of a vector of outputs and its derivative; parameters have their value in every lane.
template <class V>
using LossTerm = V (*)(V a, V y, V& gradient, const V* parameters);

template <class V>
struct TermCall {
  LossTerm<V> term;
  const V* parameters;
  V operator()(V a, V y, V& gradient) const { return term(a, y, gradient, parameters); }
};

template <class V>
[[gnu::noinline]] double sum_of_terms(const LossArguments<typename V::T>& p, LossTerm<V> term,
                                      double share, const double* parameters, int count) {
  constexpr int most = 4;
  V vectors[most] = {};
  for (int i = 0; i < count && i < most; ++i)
    vectors[i] = V::set(static_cast<typename V::T>(parameters[i]));
  return sum_over_outputs<V>(p, share, TermCall<V>{term, vectors});
}

template <class V>
double sum_of(const LossArguments<typename V::T>& p, LossTerm<V> term, double share,
              const double* parameters, int count) {
  // Opaque, or the compiler would make a copy of the whole loop for this term.
  asm("" : "+r"(term));
  return sum_of_terms<V>(p, term, share, parameters, count);
}

template <class T>
double mean_share(const LossArguments<T>& p) {
  return 1.0 / static_cast<double>(p.cols);
}

// Probabilities are kept this far from 0 and 1 before a logarithm, and divisors from 0 (Keras's
// epsilon); outside the gradient is 0, as that of a clipped value.
constexpr double probability_margin = 1e-7;

template <class V>
inline V margin() {
  return V::set(static_cast<typename V::T>(probability_margin));
}

template <class V>
struct Probability {
  V clipped;
  typename V::Mask too_low, too_high;

  explicit Probability(V a, double highest = 1 - probability_margin) {
    const V low = margin<V>();
    const V high = V::set(static_cast<typename V::T>(highest));
    clipped = max(low, min(high, a));
    too_low = less(a, low);
    too_high = less(high, a);
  }
  V masked(V gradient) const {
    const V zero = V::set(0);
    return select(too_low, zero, select(too_high, zero, gradient));
  }
};

// |a - y|
struct MeanAbsoluteError {
  static constexpr char name[] = "mean_absolute_error";
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    gradient = sign(a - y);
    return abs(a - y);
  }
};

// (a - y)^2 / 2 up to delta, from there on a straight line: Huber, 1964.
struct Huber {
  static constexpr char name[] = "huber";
  static constexpr bool averaged = true;
  static constexpr Hyperparameter parameters[] = {{"delta", 1, 0, unbounded, true}};
  template <class V>
  static V term(V a, V y, V& gradient, const V* p) {
    const V d = a - y, half = V::set(typename V::T(0.5));
    gradient = max(V::set(0) - p[0], min(p[0], d));
    return gradient * fnma(half, gradient, d);
  }
};

// log(cosh(d)), d = a - y: with e = exp(-|d|) it is |d| - log 2 + log(1 + e^2), and near 0, where
// that cancels, log(1 + (1 - e)^2 / (2 e)).
struct LogCosh {
  static constexpr char name[] = "log_cosh";
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    using T = typename V::T;
    const V d = a - y, size = abs(d), one = V::set(1), half = V::set(T(0.5));
    const V q = expm1(V::set(0) - size), e = one + q;
    const auto near = less(size, one);
    gradient = tanh(d);
    return log1p(select(near, half * (q * q) / e, e * e)) +
           select(near, V::set(0), size - V::set(T(0.69314718055994530942)));
  }
};

// (log(1 + a) - log(1 + y))^2, both kept above 0.
struct MeanSquaredLogarithmicError {
  static constexpr char name[] = "mean_squared_logarithmic_error";
  static constexpr double lowest_target = 0;
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const V low = margin<V>(), kept = max(low, a), zero = V::set(0);
    const V d = log1p(kept) - log1p(max(low, y));
    gradient = select(less(a, low), zero, (d + d) / (V::set(1) + kept));
    return d * d;
  }
};

// 100 |a - y| / |y|
struct MeanAbsolutePercentageError {
  static constexpr char name[] = "mean_absolute_percentage_error";
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const V scale = V::set(100) / max(margin<V>(), abs(y));
    gradient = scale * sign(a - y);
    return scale * abs(a - y);
  }
};

// a - y log(a)
struct Poisson {
  static constexpr char name[] = "poisson";
  static constexpr double lowest_target = 0;
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const V kept = a + margin<V>();
    gradient = V::set(1) - y / kept;
    return a - y * log(kept);
  }
};

// Targets 0 stand for -1, as in Keras.
template <class V>
inline V plus_or_minus(V y) {
  return select(less(abs(y), V::set(Math<V>::smallest)), V::set(-1), y);
}

// max(0, 1 - y a) for targets -1 and 1
struct Hinge {
  static constexpr char name[] = "hinge";
  static constexpr double lowest_target = -1, highest_target = 1;
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const V zero = V::set(0), side = plus_or_minus(y), short_of = fnma(side, a, V::set(1));
    gradient = select(less(zero, short_of), zero - side, nothing_or_nan(short_of));
    return max(zero, short_of);
  }
};

struct SquaredHinge {
  static constexpr char name[] = "squared_hinge";
  static constexpr double lowest_target = -1, highest_target = 1;
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const V zero = V::set(0), side = plus_or_minus(y);
    const V short_of = max(zero, fnma(side, a, V::set(1)));
    gradient = zero - (short_of + short_of) * side;
    return short_of * short_of;
  }
};

// sum y log(y / a)
struct KlDivergence {
  static constexpr char name[] = "kl_divergence";
  static constexpr double lowest_target = 0, highest_target = 1;
  static constexpr bool averaged = false;
  template <class V>
  static V term(V a, V y, V& gradient, const V*) {
    const Probability<V> q(a, 1), truth(y, 1);
    gradient = q.masked(V::set(0) - truth.clipped / q.clipped);
    return truth.clipped * log(truth.clipped / q.clipped);
  }
};

// x^n for x > 0
template <class V>
inline V power(V x, V n) {
  return exp(n * log(x));
}

// Binary cross-entropy times (1 - p)^gamma, p the probability given to the truth: what is right
// already counts less (Lin et al., Focal loss, 2017). With class balancing also times alpha for the
// ones and 1 - alpha for the zeros. The factor is 1 - p = y (1 - a) + (1 - y) a.
struct BinaryFocalCrossentropy {
  static constexpr char name[] = "binary_focal_crossentropy";
  static constexpr double lowest_target = 0, highest_target = 1;
  static constexpr bool averaged = true;
  static constexpr char link[] = "sigmoid";
  static constexpr Hyperparameter parameters[] = {
      {"alpha", 0.25, 0, unbounded, false},
      {"gamma", 2, 0, unbounded, false},
      {"apply_class_balancing", 0, 0, 2, false},
      {"label_smoothing", 0, 0, 1, false},
  };
  template <class V>
  struct Target {
    V y, weight;
    Target(V truth, const V* p) {
      using T = typename V::T;
      const V zero = V::set(0), one = V::set(1), half = V::set(T(0.5));
      y = fma(p[3], half - truth, truth);
      const V balanced = fma(y, p[0], (one - y) * (one - p[0]));
      weight = select(less(zero, p[2]), balanced, one);
    }
  };
  template <class V>
  static V term(V a, V truth, V& gradient, const V* p) {
    const V zero = V::set(0), one = V::set(1);
    const Target<V> t(truth, p);
    const V y = t.y, other = one - y;
    const Probability<V> q(a);
    const V rest = one - q.clipped;
    const V entropy = zero - (y * log(q.clipped) + other * log1p(zero - q.clipped));
    const V wrong = fma(y, rest, other * q.clipped), factor = t.weight * power(wrong, p[1]);
    const V slope = (q.clipped - y) / (q.clipped * rest);
    gradient = q.masked(factor * fma(p[1] * (other - y), entropy / wrong, slope));
    return factor * entropy;
  }
  template <class V>
  static V fused_term(V z, V truth, V& gradient, const V* p) {
    const V zero = V::set(0), one = V::set(1);
    const Target<V> t(truth, p);
    const V y = t.y, other = one - y, a = sigmoid(z), rest = sigmoid(zero - z);
    const V entropy = fnma(z, y, max(zero, z)) + log1p(exp(zero - abs(z)));
    // Not 0, where the quotient below would be of two zeros.
    const V wrong = max(V::set(Math<V>::smallest_normal), fma(y, rest, other * a));
    const V factor = t.weight * power(wrong, p[1]);
    gradient = factor * fma(p[1] * (other - y), entropy * (a * rest / wrong), a - y);
    return factor * entropy;
  }
};

// -sum alpha (1 - a)^gamma y log a
struct CategoricalFocalCrossentropy {
  static constexpr char name[] = "categorical_focal_crossentropy";
  static constexpr double lowest_target = 0;
  static constexpr bool averaged = false;
  static constexpr Hyperparameter parameters[] = {
      {"alpha", 0.25, 0, unbounded, false},
      {"gamma", 2, 0, unbounded, false},
  };
  template <class V>
  static V term(V a, V y, V& gradient, const V* p) {
    const V zero = V::set(0), one = V::set(1);
    const Probability<V> q(a);
    const V rest = one - q.clipped, logarithm = log(q.clipped);
    const V factor = p[0] * y * power(rest, p[1]);
    gradient = q.masked(factor * (p[1] * logarithm / rest - one / q.clipped));
    return zero - factor * logarithm;
  }
};

using TermLosses = TypeList<MeanAbsoluteError, Huber, LogCosh, MeanSquaredLogarithmicError,
                            MeanAbsolutePercentageError, Poisson, BinaryFocalCrossentropy,
                            CategoricalFocalCrossentropy, Hinge, SquaredHinge, KlDivergence>;

}  // namespace
