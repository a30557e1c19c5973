// Every loss, and their list. This is the one place to add one: a structure here, its name in
// `Losses`, and an oracle of the same name in python/densecore/reference/functions.py.
//
// A loss of a row is a double; gradients have the network's dtype. `plain` is a function of the
// network's output a. `fused` is a function of the input z of the last activation, when that is
// the loss's `link`: softmax with cross-entropy and sigmoid with binary cross-entropy are stable
// only together, and their gradient is just a - y.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/table.h"

namespace {

using densecore::LossArguments;
using densecore::LossEntry;

// Probabilities are kept this far from 0 and 1 before a logarithm (Keras's epsilon); outside the
// gradient is 0, as that of a clipped value.
constexpr double probability_margin = 1e-7;

template <class V>
struct Probability {
  V clipped;
  typename V::Mask too_low, too_high;

  explicit Probability(V a) {
    const V low = V::set(static_cast<typename V::T>(probability_margin));
    const V high = V::set(static_cast<typename V::T>(1 - probability_margin));
    clipped = max(low, min(high, a));
    too_low = less(a, low);
    too_high = less(high, a);
  }
  V masked(V gradient) const {
    const V zero = V::set(0);
    return select(too_low, zero, select(too_high, zero, gradient));
  }
};

inline double log_of(double x) {
  double lanes[VecF64::width];
  log(VecF64::set(x)).store(lanes);
  return lanes[0];
}

template <class T>
double weight_of(const LossArguments<T>& p, index_t row) {
  return p.weight == nullptr ? 1.0 : static_cast<double>(p.weight[row]);
}

// Losses that are a sum over the outputs of `value(a, y)`, times `share` (1/n for a mean).
template <class V, class Terms>
double sum_over_outputs(const LossArguments<typename V::T>& p, double share, Terms terms) {
  using T = typename V::T;
  double total = 0;
  for (index_t r = 0; r < p.rows; ++r) {
    const T* a = p.output + r * p.ld_output;
    const T* y = p.values + r * p.ld_values;
    T* g = p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient;
    const double weight = weight_of(p, r);
    const V factor = V::set(static_cast<T>(p.scale * weight * share));
    const double sum = row_sum<V>(p.cols, [&](index_t j, auto part) {
      V gradient;
      const V value = terms(part.load(a + j), part.load(y + j), gradient);
      if (g != nullptr) part.store(factor * gradient, g + j);
      return value;
    });
    total += weight * (sum * share);
  }
  return total;
}

// (1/n) sum (a - y)^2, gradient (2/n) (a - y): the note's Eq. 8.
struct MeanSquaredError {
  static constexpr char name[] = "mean_squared_error";
  static constexpr bool sparse = false;
  static constexpr const char* link = nullptr;
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    return sum_over_outputs<V>(p, 1.0 / static_cast<double>(p.cols), [](V a, V y, V& gradient) {
      const V difference = a - y;
      gradient = difference + difference;
      return difference * difference;
    });
  }
};

// -(1/n) sum (y log a + (1 - y) log(1 - a)); of z with a = sigmoid(z):
// (1/n) sum (max(z, 0) - z y + log(1 + exp(-|z|))), gradient (1/n) (a - y).
struct BinaryCrossentropy {
  static constexpr char name[] = "binary_crossentropy";
  static constexpr bool sparse = false;
  static constexpr char link[] = "sigmoid";
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    return sum_over_outputs<V>(p, 1.0 / static_cast<double>(p.cols), [](V a, V y, V& gradient) {
      const V zero = V::set(0), one = V::set(1);
      const Probability<V> q(a);
      gradient = q.masked((q.clipped - y) / (q.clipped * (one - q.clipped)));
      return zero - (y * log(q.clipped) + (one - y) * log1p(zero - q.clipped));
    });
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    return sum_over_outputs<V>(p, 1.0 / static_cast<double>(p.cols), [](V z, V y, V& gradient) {
      const V zero = V::set(0);
      gradient = sigmoid(z) - y;
      return fnma(z, y, max(zero, z)) + log1p(exp(zero - abs(z)));
    });
  }
};

// The softmax of a row of z: exp(z - m) is left in `out` where that is not null.
template <class V>
double sum_of_exponentials(index_t cols, const typename V::T* z, typename V::T m,
                           typename V::T* out) {
  const V m_v = V::set(m);
  return row_sum<V>(cols, [=](index_t j, auto part) {
    const V e = exp(part.load(z + j) - m_v);
    if (out != nullptr) part.store(e, out + j);
    return e;
  });
}

// -sum y log a; of z with a = softmax(z): sum y (lse(z) - z_i), gradient a sum(y) - y.
struct CategoricalCrossentropy {
  static constexpr char name[] = "categorical_crossentropy";
  static constexpr bool sparse = false;
  static constexpr char link[] = "softmax";
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    return sum_over_outputs<V>(p, 1.0, [](V a, V y, V& gradient) {
      const V zero = V::set(0);
      const Probability<V> q(a);
      gradient = q.masked(zero - y / q.clipped);
      return zero - y * log(q.clipped);
    });
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const T* z = p.output + r * p.ld_output;
      const T* y = p.values + r * p.ld_values;
      T* g = p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient;
      const T m = row_max<V>(p.cols, z);
      const double sum = sum_of_exponentials<V>(p.cols, z, m, g);
      const double y_sum =
          row_sum<V>(p.cols, [=](index_t j, auto part) { return part.load(y + j); });
      const V m_v = V::set(m);
      // sum y (z - m), and not sum y z: large logits would cancel against the log-sum-exp.
      const double y_z = row_sum<V>(p.cols, [=](index_t j, auto part) {
        return part.load(y + j) * (part.load(z + j) - m_v);
      });
      const double weight = weight_of(p, r);
      total += weight * (log_of(sum) * y_sum - y_z);
      if (g == nullptr) continue;
      const V share = V::set(static_cast<T>(y_sum / sum));
      const V factor = V::set(static_cast<T>(p.scale * weight));
      for_each_vector<V>(p.cols, [=](index_t j, auto part) {
        part.store(factor * fma(part.load(g + j), share, V::set(0) - part.load(y + j)), g + j);
      });
    }
    return total;
  }
};

// The same for a class number c: -log a_c; lse(z) - z_c, gradient a - [i = c].
struct SparseCategoricalCrossentropy {
  static constexpr char name[] = "sparse_categorical_crossentropy";
  static constexpr bool sparse = true;
  static constexpr char link[] = "softmax";
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const double a = static_cast<double>(p.output[r * p.ld_output + p.labels[r]]);
      // The bounds as the network's dtype has them, as in `Probability`.
      const double low = static_cast<T>(probability_margin);
      const double high = static_cast<T>(1 - probability_margin);
      const double clipped = a < low ? low : (a > high ? high : a);
      const double weight = weight_of(p, r);
      total -= weight * log_of(clipped);
      if (p.gradient == nullptr) continue;
      T* g = p.gradient + r * p.ld_gradient;
      for (index_t j = 0; j < p.cols; ++j) g[j] = 0;
      if (!(a < low || a > high)) g[p.labels[r]] = static_cast<T>(-p.scale * weight / a);
    }
    return total;
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const T* z = p.output + r * p.ld_output;
      T* g = p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient;
      const T m = row_max<V>(p.cols, z);
      const double sum = sum_of_exponentials<V>(p.cols, z, m, g);
      const double weight = weight_of(p, r);
      total += weight * (log_of(sum) - static_cast<double>(z[p.labels[r]] - m));
      if (g == nullptr) continue;
      const double factor = p.scale * weight;
      const V share = V::set(static_cast<T>(factor / sum));
      for_each_vector<V>(
          p.cols, [=](index_t j, auto part) { part.store(part.load(g + j) * share, g + j); });
      g[p.labels[r]] -= static_cast<T>(factor);
    }
    return total;
  }
};

using Losses = TypeList<MeanSquaredError, BinaryCrossentropy, CategoricalCrossentropy,
                        SparseCategoricalCrossentropy>;

template <class V, class Loss>
constexpr LossEntry<typename V::T> loss_entry() {
  if constexpr (Loss::link == nullptr)
    return {Loss::name, Loss::sparse, nullptr, Loss::template plain<V>, nullptr};
  else
    return {Loss::name, Loss::sparse, Loss::link, Loss::template plain<V>, Loss::template fused<V>};
}

template <class V, class List>
struct LossTable;
template <class V, class... Loss>
struct LossTable<V, TypeList<Loss...>> {
  static constexpr int count = sizeof...(Loss);
  static constexpr LossEntry<typename V::T> entries[] = {loss_entry<V, Loss>()...};
};

}  // namespace
