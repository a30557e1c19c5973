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
#include "kernels/row_sums.h"
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

template <class T>
T weight_of(const LossArguments<T>& p, index_t row) {
  return p.weight == nullptr ? T(1) : p.weight[row];
}

// In place, for `count` numbers in an array of block_height.
inline void log_of_rows(index_t count, double* x) {
  for (index_t i = 0; i < count; i += VecF64::width) log(VecF64::load(x + i)).store(x + i);
}

// Losses that are a sum over the outputs of `value(a, y)`, times `share` (1/n for a mean).
template <class V, class Terms>
struct OutputSum {
  using T = typename V::T;
  // Rows of so few outputs are packed one after the other, as one long row: alone each would leave
  // most lanes of its vector idle, and a logarithm costs the same for one lane as for all.
  static constexpr index_t narrow = slots<V> / 2;

  const LossArguments<T>& p;
  double share;
  Terms terms;
  SlotSum<V> sum;

  double total() {
    if (p.cols > narrow || p.rows == 1) {
      for (index_t r = 0; r < p.rows; ++r) {
        const T weight = weight_of(p, r);
        const V factor = V::set(factor_of(weight)), weight_v = V::set(weight);
        add(p.cols, p.output + r * p.ld_output, p.values + r * p.ld_values,
            p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient,
            [=](index_t, auto) { return factor; }, [=](index_t, auto) { return weight_v; });
      }
    } else {
      for (index_t r = 0; r < p.rows; r += slots<V>)
        add_packed(r, p.rows - r < slots<V> ? p.rows - r : slots<V>);
    }
    double lanes[VecF64::width];
    fold<Add>(sum.folded()).store(lanes);
    return share * lanes[0];
  }

 private:
  T factor_of(T weight) const {
    return static_cast<T>(p.scale * static_cast<double>(weight) * share);
  }

  template <class Factor, class Weight>
  void add(index_t n, const T* a, const T* y, T* g, Factor factor, Weight weight) {
    for_each_slot<V>(n, [&](index_t j, int position, auto part) {
      V gradient;
      const V value = terms(part.load(a + j), part.load(y + j), gradient);
      if (g != nullptr) part.store(factor(j, part) * gradient, g + j);
      sum.add(position, part.keep(value, V::set(0)), weight(j, part));
    });
  }

  // `height` rows from row `first` on. A block of slots<V> rows ends where a slot 0 begins.
  void add_packed(index_t first, index_t height) {
    constexpr index_t size = slots<V> * narrow + V::width;
    T a[size], y[size], g[size], factor[size], weight[size];
    pack(height, p.output + first * p.ld_output, p.ld_output, a);
    pack(height, p.values + first * p.ld_values, p.ld_values, y);
    const index_t n = height * p.cols;
    T* gradient = p.gradient == nullptr ? nullptr : g;
    if (p.weight == nullptr) {
      const V one = V::set(1), all = V::set(factor_of(1));
      add(n, a, y, gradient, [=](index_t, auto) { return all; },
          [=](index_t, auto) { return one; });
    } else {
      for (index_t r = 0; r < height; ++r)
        for (index_t j = 0; j < p.cols; ++j) {
          weight[r * p.cols + j] = p.weight[first + r];
          factor[r * p.cols + j] = factor_of(p.weight[first + r]);
        }
      add(n, a, y, gradient, [&](index_t j, auto part) { return part.load(factor + j); },
          [&](index_t j, auto part) { return part.load(weight + j); });
    }
    if (gradient != nullptr)
      for_each_row_vector<V>(height, p.cols, [&](index_t r, index_t j, auto part) {
        part.store(V::load(g + r * p.cols + j), p.gradient + (first + r) * p.ld_gradient + j);
      });
  }

  // Whole vectors are stored, each over what the one before wrote beyond its row.
  void pack(index_t height, const T* x, index_t ld, T* out) const {
    for_each_row_vector<V>(height, p.cols, [&](index_t r, index_t j, auto part) {
      part.load(x + r * ld + j).store(out + r * p.cols + j);
    });
  }
};

template <class V, class Terms>
double sum_over_outputs(const LossArguments<typename V::T>& p, double share, Terms terms) {
  return OutputSum<V, Terms>{p, share, terms, {}}.total();
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

// Some rows of a loss fused with softmax: exp(z - m), m = max z, is left in the gradient where one
// is wanted. The arrays have room for whole vectors: their rest is not used.
template <class V>
struct SoftmaxRows {
  using T = typename V::T;
  index_t height;
  const T* z;
  index_t ld_z;
  T* gradient;
  index_t ld_gradient;
  T largest[block_height];
  double sum[block_height], log_sum[block_height];

  SoftmaxRows(const LossArguments<T>& p, index_t first)
      : height(p.rows - first < rows_at_once(p.cols) ? p.rows - first : rows_at_once(p.cols)),
        z(p.output + first * p.ld_output),
        ld_z(p.ld_output),
        gradient(p.gradient == nullptr ? nullptr : p.gradient + first * p.ld_gradient),
        ld_gradient(p.ld_gradient) {
    row_maxima<V>(height, p.cols, z, ld_z, largest);
    row_sums<V>(height, p.cols, sum, [&](index_t i, index_t j, auto part) {
      const V e = exp(part.load(z + i * ld_z + j) - V::set(largest[i]));
      if (gradient != nullptr) part.store(e, gradient + i * ld_gradient + j);
      return e;
    });
    for (index_t i = 0; i < block_height; ++i) log_sum[i] = sum[i];
    log_of_rows(height, log_sum);
  }
};

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
    for (index_t first = 0; first < p.rows; first += rows_at_once(p.cols)) {
      const SoftmaxRows<V> rows(p, first);
      const T* y = p.values + first * p.ld_values;
      double y_sum[block_height], y_z[block_height];
      row_sums<V>(rows.height, p.cols, y_sum, [&](index_t i, index_t j, auto part) {
        return part.load(y + i * p.ld_values + j);
      });
      // sum y (z - m), and not sum y z: large logits would cancel against the log-sum-exp.
      row_sums<V>(rows.height, p.cols, y_z, [&](index_t i, index_t j, auto part) {
        const V z = part.load(rows.z + i * rows.ld_z + j);
        return part.load(y + i * p.ld_values + j) * (z - V::set(rows.largest[i]));
      });
      for (index_t i = 0; i < rows.height; ++i)
        total += static_cast<double>(weight_of(p, first + i)) *
                 (rows.log_sum[i] * y_sum[i] - y_z[i]);
      if (rows.gradient == nullptr) continue;
      for (index_t i = 0; i < rows.height; ++i) {
        const V share = V::set(static_cast<T>(y_sum[i] / rows.sum[i]));
        const V factor =
            V::set(static_cast<T>(p.scale * static_cast<double>(weight_of(p, first + i))));
        T* g = rows.gradient + i * rows.ld_gradient;
        for_each_vector<V>(p.cols, [=](index_t j, auto part) {
          const V target = part.load(y + i * p.ld_values + j);
          part.store(factor * fma(part.load(g + j), share, V::set(0) - target), g + j);
        });
      }
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
    // The bounds as the network's dtype has them, as in `Probability`.
    const double low = static_cast<T>(probability_margin);
    const double high = static_cast<T>(1 - probability_margin);
    double total = 0;
    for (index_t first = 0; first < p.rows; first += block_height) {
      const index_t height = p.rows - first < block_height ? p.rows - first : block_height;
      double logarithm[block_height];
      for (index_t i = 0; i < block_height; ++i) {
        const index_t r = first + (i < height ? i : 0);
        const double a = static_cast<double>(p.output[r * p.ld_output + p.labels[r]]);
        logarithm[i] = a < low ? low : (a > high ? high : a);
      }
      log_of_rows(height, logarithm);
      for (index_t i = 0; i < height; ++i)
        total -= static_cast<double>(weight_of(p, first + i)) * logarithm[i];
    }
    if (p.gradient == nullptr) return total;
    for (index_t r = 0; r < p.rows; ++r) {
      const double a = static_cast<double>(p.output[r * p.ld_output + p.labels[r]]);
      T* g = p.gradient + r * p.ld_gradient;
      for_each_vector<V>(p.cols, [=](index_t j, auto part) { part.store(V::set(0), g + j); });
      if (!(a < low || a > high))
        g[p.labels[r]] = static_cast<T>(-p.scale * static_cast<double>(weight_of(p, r)) / a);
    }
    return total;
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    double total = 0;
    for (index_t first = 0; first < p.rows; first += rows_at_once(p.cols)) {
      const SoftmaxRows<V> rows(p, first);
      double factor[block_height];
      for (index_t i = 0; i < rows.height; ++i) {
        const double weight = static_cast<double>(weight_of(p, first + i));
        const T label = rows.z[i * rows.ld_z + p.labels[first + i]];
        total += weight * (rows.log_sum[i] - static_cast<double>(label - rows.largest[i]));
        factor[i] = p.scale * weight;
      }
      if (rows.gradient == nullptr) continue;
      for (index_t i = 0; i < rows.height; ++i) {
        const V share = V::set(static_cast<T>(factor[i] / rows.sum[i]));
        T* g = rows.gradient + i * rows.ld_gradient;
        for_each_vector<V>(
            p.cols, [=](index_t j, auto part) { part.store(part.load(g + j) * share, g + j); });
      }
      // After all rows are scaled: reading a lane of what was just stored as a vector waits.
      for (index_t i = 0; i < rows.height; ++i)
        rows.gradient[i * rows.ld_gradient + p.labels[first + i]] -= static_cast<T>(factor[i]);
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
