// Every loss. One is added as a structure in loss_terms.h (a sum or mean over the outputs) or in
// loss_rows.h (others), with its name in the list at that header's end, and an oracle of the same
// name in python/densecore/reference/losses.py.
//
// Those here, the most used ones, have loops of their own.
// A loss of a row is a double; gradients have the network's dtype. `plain` is a function of the
// network's output a. `fused` is a function of the input z of the last activation, when that is
// the loss's `link`: softmax with cross-entropy and sigmoid with binary cross-entropy are stable
// only together, and their gradient is just a - y.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/loss_rows.h"
#include "kernels/loss_terms.h"
#include "kernels/math.h"
#include "kernels/output_sum.h"
#include "kernels/row_blocks.h"
#include "kernels/table.h"

namespace {

using densecore::LossEntry;

// Keras's label_smoothing: targets y (1 - s) + s / n, n the number of classes.
constexpr Hyperparameter label_smoothing = {"label_smoothing", 0, 0, 1, false};
template <class T>
bool is_smoothed(const LossArguments<T>& p) {
  return p.parameter_count > 0 && p.parameters[0] > 0;
}

// (1/n) sum (a - y)^2, gradient (2/n) (a - y): the note's Eq. 8.
struct MeanSquaredError {
  static constexpr char name[] = "mean_squared_error";
  static constexpr bool averaged = true;
  template <class V>
  static V term(V a, V y, V& gradient) {
    const V difference = a - y;
    gradient = difference + difference;
    return difference * difference;
  }
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    return sum_over_outputs<V>(p, mean_share(p), Term<V>());
  }

 private:
  template <class V>
  struct Term {
    static constexpr bool short_term = true;
    V operator()(V a, V y, V& gradient) const { return term(a, y, gradient); }
  };
};

// -(1/n) sum (y log a + (1 - y) log(1 - a)); of z with a = sigmoid(z):
// (1/n) sum (max(z, 0) - z y + log(1 + exp(-|z|))), gradient (1/n) (a - y).
struct BinaryCrossentropy {
  static constexpr char name[] = "binary_crossentropy";
  static constexpr double lowest_target = 0, highest_target = 1;
  static constexpr bool averaged = true;
  static constexpr char link[] = "sigmoid";
  static constexpr Hyperparameter parameters[] = {label_smoothing};
  template <class V>
  static V term(V a, V y, V& gradient) {
    const V zero = V::set(0), one = V::set(1);
    const Probability<V> q(a);
    gradient = q.masked((q.clipped - y) / (q.clipped * (one - q.clipped)));
    return zero - (y * log(q.clipped) + (one - y) * log1p(zero - q.clipped));
  }
  template <class V>
  static V fused_term(V z, V y, V& gradient) {
    const V zero = V::set(0);
    gradient = sigmoid(z) - y;
    return fnma(z, y, max(zero, z)) + log1p(exp(zero - abs(z)));
  }
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    if (is_smoothed(p)) return smoothed<V, false>(p);
    return sum_over_outputs<V>(p, mean_share(p),
                               [](V a, V y, V& gradient) { return term(a, y, gradient); });
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    if (is_smoothed(p)) return smoothed<V, true>(p);
    return sum_over_outputs<V>(p, mean_share(p),
                               [](V z, V y, V& gradient) { return fused_term(z, y, gradient); });
  }

 private:
  // Targets drawn towards 1/2.
  template <class V, bool from_z>
  [[gnu::noinline]] static double smoothed(const LossArguments<typename V::T>& p) {
    const double smoothing[] = {1 - p.parameters[0], p.parameters[0] / 2};
    return sum_of<V>(
        p,
        [](V a, V y, V& gradient, const V* s) {
          y = fma(y, s[0], s[1]);
          return from_z ? fused_term(a, y, gradient) : term(a, y, gradient);
        },
        mean_share(p), smoothing, 2);
  }
};

// Some rows of a loss fused with softmax, in a layout: exp(z - m), m = max z, and their sum. Arrays
// have room for whole vectors.
template <class V, class Layout>
struct SoftmaxRows {
  using T = typename V::T;
  BlockBuffer<V> z_buffer, e_buffer;
  Block<const T> z;
  Block<T> e;
  alignas(64) T largest[V::width];
  alignas(64) double sum[V::width];
  alignas(64) double inverse[V::width];
  alignas(64) double log_sum[V::width];

  SoftmaxRows(const LossArguments<T>& p, index_t first, const Layout& layout) {
    z = layout.in(p.output + first * p.ld_output, p.ld_output, z_buffer.data);
    T* gradient = p.gradient == nullptr ? nullptr : p.gradient + first * p.ld_gradient;
    e = layout.room(gradient, p.ld_gradient, e_buffer.data);
    layout.maxima(z, largest);
    layout.sums(sum, [&](auto cell) {
      const V value = exp(cell.load(z) - cell.of_row(largest));
      cell.store(value, e);
      return value;
    });
    logarithms(layout.height, sum, log_sum);
    inverses(layout.height, sum, inverse);
  }
};

// -sum y log a; of z with a = softmax(z): sum y (lse(z) - z_i), gradient a sum(y) - y.
struct CategoricalCrossentropy {
  static constexpr char name[] = "categorical_crossentropy";
  static constexpr double lowest_target = 0;
  static constexpr bool averaged = false;
  static constexpr char link[] = "softmax";
  static constexpr Hyperparameter parameters[] = {label_smoothing};
  template <class V>
  static V term(V a, V y, V& gradient) {
    const V zero = V::set(0);
    const Probability<V> q(a);
    gradient = q.masked(zero - y / q.clipped);
    return zero - y * log(q.clipped);
  }
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    if (is_smoothed(p)) return smoothed<V>(p);
    return sum_over_outputs<V>(p, 1.0, [](V a, V y, V& gradient) { return term(a, y, gradient); });
  }
  template <class V>
  static double fused(const LossArguments<typename V::T>& p) {
    return is_smoothed(p) ? fused_rows<V, true>(p) : fused_rows<V, false>(p);
  }

 private:
  template <class V>
  [[gnu::noinline]] static double smoothed(const LossArguments<typename V::T>& p) {
    const double smoothing[] = {1 - p.parameters[0], p.parameters[0] * mean_share(p)};
    return sum_of<V>(
        p, [](V a, V y, V& gradient, const V* s) { return term(a, fma(y, s[0], s[1]), gradient); },
        1.0, smoothing, 2);
  }
  template <class V, bool smooth>
  static double fused_rows(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    const double smoothing = smooth ? p.parameters[0] : 0;
    const V kept = V::set(static_cast<T>(1 - smoothing));
    const V added = V::set(static_cast<T>(smoothing * mean_share(p)));
    const auto target = [=](V value) { return smooth ? fma(value, kept, added) : value; };
    double total = 0;
    const auto body = [&](index_t first, auto layout) {
      SoftmaxRows<V, decltype(layout)> rows(p, first, layout);
      BlockBuffer<V> y_buffer;
      const Block<const T> y =
          layout.in(p.values + first * p.ld_values, p.ld_values, y_buffer.data);
      alignas(64) double y_sum[V::width];
      alignas(64) double y_z[V::width];
      layout.sums(y_sum, [&](auto cell) { return target(cell.load(y)); });
      // sum y (z - m), and not sum y z: large logits would cancel against the log-sum-exp.
      layout.sums(y_z, [&](auto cell) {
        return target(cell.load(y)) * (cell.load(rows.z) - cell.of_row(rows.largest));
      });
      alignas(64) T factor[V::width];
      alignas(64) T share[V::width];
      for (index_t i = 0; i < layout.height; ++i) {
        const double weight = static_cast<double>(weight_of(p, first + layout.scalar_index(i)));
        total += weight * (rows.log_sum[i] * y_sum[i] - y_z[i]);
        factor[i] = static_cast<T>(p.scale * weight);
        share[i] = static_cast<T>(y_sum[i] * rows.inverse[i]);
      }
      if (p.gradient == nullptr) return;
      layout.each([&](auto cell) {
        const V part = fma(cell.load(rows.e), cell.of_row(share), V::set(0) - target(cell.load(y)));
        cell.store(cell.of_row(factor) * part, rows.e);
      });
      layout.out(rows.e, p.gradient + first * p.ld_gradient, p.ld_gradient, p.whole);
    };
    if constexpr (smooth)
      for_each_row<V>(p.rows, p.cols, body);
    else
      for_each_block<V>(p.rows, p.cols, body);
    return total;
  }
};

// The same for a class number c: -log a_c; lse(z) - z_c, gradient a - [i = c].
struct SparseCategoricalCrossentropy {
  static constexpr char name[] = "sparse_categorical_crossentropy";
  static constexpr bool averaged = false;
  static constexpr TargetKind targets = TargetKind::labels;
  static constexpr char link[] = "softmax";
  template <class V>
  static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    // The bounds as the network's dtype has them, as in `Probability`.
    const double low = static_cast<T>(probability_margin);
    const double high = static_cast<T>(1 - probability_margin);
    double total = 0;
    for (index_t first = 0; first < p.rows; first += V::width) {
      const index_t height = p.rows - first < V::width ? p.rows - first : V::width;
      double logarithm[V::width];
      for (index_t i = 0; i < V::width; ++i) {
        const index_t r = first + (i < height ? AsColumns<V>::scalar_index(i) : 0);
        const double a = static_cast<double>(p.output[r * p.ld_output + p.labels[r]]);
        logarithm[i] = a < low ? low : (a > high ? high : a);
      }
      logarithms(height, logarithm, logarithm);
      for (index_t i = 0; i < height; ++i)
        total -=
            static_cast<double>(weight_of(p, first + AsColumns<V>::scalar_index(i))) * logarithm[i];
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
    for_each_block<V>(p.rows, p.cols, [&](index_t first, auto layout) {
      SoftmaxRows<V, decltype(layout)> rows(p, first, layout);
      alignas(64) T share[V::width];
      T factor[V::width];
      for (index_t i = 0; i < layout.height; ++i) {
        const double weight = static_cast<double>(weight_of(p, first + layout.scalar_index(i)));
        const T z = p.output[(first + i) * p.ld_output + p.labels[first + layout.scalar_index(i)]];
        total += weight * (rows.log_sum[i] - static_cast<double>(z - rows.largest[i]));
        factor[i] = static_cast<T>(p.scale * weight);
        share[i] = static_cast<T>(p.scale * weight * rows.inverse[i]);
      }
      if (p.gradient == nullptr) return;
      // Before the vectors are stored: none of them is read again right after one of its elements
      // was written, or the other way round.
      T of_label[V::width];
      for (index_t i = 0; i < layout.height; ++i)
        of_label[i] = layout.element(rows.e, layout.scalar_index(i),
                                     p.labels[first + layout.scalar_index(i)]) *
                          share[i] -
                      factor[i];
      layout.each([&](auto cell) { cell.store(cell.load(rows.e) * cell.of_row(share), rows.e); });
      layout.out(rows.e, p.gradient + first * p.ld_gradient, p.ld_gradient, p.whole);
      for (index_t i = 0; i < layout.height; ++i)
        p.gradient[(first + i) * p.ld_gradient + p.labels[first + layout.scalar_index(i)]] =
            of_label[layout.scalar_index(i)];
    });
    return total;
  }
};

using Losses = Joined<TypeList<MeanSquaredError, BinaryCrossentropy, CategoricalCrossentropy,
                               SparseCategoricalCrossentropy>,
                      TermLosses, RowLosses>;

// Those of loss_terms.h.
template <class Loss, class V>
double plain_terms(const LossArguments<typename V::T>& p) {
  return sum_of<V>(p, Loss::template term<V>, Loss::averaged ? mean_share(p) : 1, p.parameters,
                   p.parameter_count);
}
template <class Loss, class V>
double fused_terms(const LossArguments<typename V::T>& p) {
  return sum_of<V>(p, Loss::template fused_term<V>, Loss::averaged ? mean_share(p) : 1,
                   p.parameters, p.parameter_count);
}

template <class V, class Loss>
constexpr LossEntry<typename V::T> loss_entry() {
  LossEntry<typename V::T> entry = {Loss::name,     nullptr,  0,       TargetKind::values,
                                    Loss::averaged, nullptr,  nullptr, nullptr,
                                    -unbounded,     unbounded};
  if constexpr (requires { Loss::parameters; }) {
    entry.parameters = Loss::parameters;
    entry.parameter_count = sizeof(Loss::parameters) / sizeof(Hyperparameter);
  }
  if constexpr (requires { Loss::targets; }) entry.targets = Loss::targets;
  if constexpr (requires { Loss::lowest_target; }) entry.lowest_target = Loss::lowest_target;
  if constexpr (requires { Loss::highest_target; }) entry.highest_target = Loss::highest_target;
  constexpr bool own_loop = requires { Loss::template plain<V>; };
  if constexpr (own_loop)
    entry.plain = Loss::template plain<V>;
  else
    entry.plain = plain_terms<Loss, V>;
  if constexpr (requires { Loss::link; }) {
    entry.link = Loss::link;
    if constexpr (own_loop)
      entry.fused = Loss::template fused<V>;
    else
      entry.fused = fused_terms<Loss, V>;
  }
  return entry;
}

template <class V, class List>
struct LossTable;
template <class V, class... Loss>
struct LossTable<V, TypeList<Loss...>> {
  static constexpr int count = sizeof...(Loss);
  static constexpr LossEntry<typename V::T> entries[] = {loss_entry<V, Loss>()...};
};

}  // namespace
