// Losses whose outputs are not one per target, or that take a row as a whole.
#pragma once

#include "kernels/loss_terms.h"
#include "kernels/row_sums.h"

namespace {

// The pinball loss max(tau d, (tau - 1) d), d = y - a, for each quantile tau of each target; output
// t * quantiles + q is quantile q of target t (Koenker & Bassett, 1978). One by one: a target is
// shared by its quantiles, and there is no logarithm to gain from vectors.
struct Quantile {
  static constexpr char name[] = "quantile";
  static constexpr bool averaged = true;
  static constexpr TargetKind targets = TargetKind::quantiles;
  static constexpr Hyperparameter parameters[] = {{"quantile", 0.5, 0, 1, true}};
  template <class V>
  [[gnu::noinline]] static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    const double share = mean_share(p);
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const double weight = static_cast<double>(weight_of(p, r));
      const double factor = p.scale * weight * share;
      double sum = 0;
      index_t q = 0;
      const T* y = p.values + r * p.ld_values;
      for (index_t j = 0; j < p.cols; ++j) {
        const double d =
            static_cast<double>(*y) - static_cast<double>(p.output[r * p.ld_output + j]);
        const double tau = p.parameters[q];
        sum += d > 0 ? tau * d : (tau - 1) * d;
        // At 0 none, and a NaN remains one.
        const double slope = d > 0 ? -tau : (d < 0 ? 1 - tau : d);
        if (p.gradient != nullptr)
          p.gradient[r * p.ld_gradient + j] = static_cast<T>(factor * slope);
        if (++q == p.parameter_count) q = 0, ++y;
      }
      total += weight * sum;
    }
    return total * share;
  }
};

// Outputs are the means of all targets, then the logarithms s of their variances:
// (s + (y - mean)^2 exp(-s)) / 2, the constant left out as in PyTorch.
struct GaussianNll {
  static constexpr char name[] = "gaussian_nll";
  static constexpr bool averaged = true;
  static constexpr TargetKind targets = TargetKind::pairs;
  template <class V>
  [[gnu::noinline]] static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    const index_t count = p.cols / 2;
    const double share = 1.0 / static_cast<double>(count);
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const T *mean = p.output + r * p.ld_output, *y = p.values + r * p.ld_values;
      T* g = p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient;
      const double weight = static_cast<double>(weight_of(p, r));
      const V factor = V::set(static_cast<T>(p.scale * weight * share));
      double sum[VecF64::width];
      row_sum<V>(count, [=](index_t j, auto part) {
        const V half = V::set(T(0.5)), s = part.load(mean + count + j);
        const V precision = exp(V::set(0) - s), d = part.load(mean + j) - part.load(y + j);
        const V square = d * d * precision;
        if (g != nullptr) {
          part.store(factor * (d * precision), g + j);
          part.store(factor * (half * (V::set(1) - square)), g + count + j);
        }
        return half * (s + square);
      }).store(sum);
      total += weight * sum[0];
    }
    return total * share;
  }
};

// max(0, 1 + max (1 - y) a - sum y a); the derivative of the maximum is its first place's.
struct CategoricalHinge {
  static constexpr char name[] = "categorical_hinge";
  static constexpr double lowest_target = 0, highest_target = 1;
  static constexpr bool averaged = false;
  template <class V>
  [[gnu::noinline]] static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const T *a = p.output + r * p.ld_output, *y = p.values + r * p.ld_values;
      double positive = 0, negative = -unbounded;
      index_t place = 0;
      for (index_t j = 0; j < p.cols; ++j) {
        const double a_j = static_cast<double>(a[j]), y_j = static_cast<double>(y[j]);
        positive += y_j * a_j;
        if ((1 - y_j) * a_j > negative) negative = (1 - y_j) * a_j, place = j;
      }
      const double margin = negative - positive + 1;
      const double weight = static_cast<double>(weight_of(p, r));
      // A NaN is neither, and remains.
      total += weight * (margin <= 0 ? 0 : margin);
      if (p.gradient == nullptr) continue;
      const double factor = p.scale * weight * (margin > 0 ? 1 : (margin <= 0 ? 0 : margin));
      T* g = p.gradient + r * p.ld_gradient;
      for (index_t j = 0; j < p.cols; ++j)
        g[j] = static_cast<T>(-factor * static_cast<double>(y[j]));
      g[place] += static_cast<T>(factor * (1 - static_cast<double>(y[place])));
    }
    return total;
  }
};

// -<a, y> / (|a| |y|), lengths kept above 1e-12.
struct CosineSimilarity {
  static constexpr char name[] = "cosine_similarity";
  static constexpr bool averaged = false;
  template <class V>
  [[gnu::noinline]] static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    constexpr double shortest = 1e-12;
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const T *a = p.output + r * p.ld_output, *y = p.values + r * p.ld_values;
      const double length = __builtin_sqrt(product<V>(p.cols, a, a));
      const double inverse = 1 / (length < shortest ? shortest : length);
      const double y_length = __builtin_sqrt(product<V>(p.cols, y, y));
      const double both = inverse / (y_length < shortest ? shortest : y_length);
      const double cosine = product<V>(p.cols, a, y) * both;
      const double weight = static_cast<double>(weight_of(p, r));
      total -= weight * cosine;
      if (p.gradient == nullptr) continue;
      const double factor = p.scale * weight;
      const V of_y = V::set(static_cast<T>(-factor * both));
      const V of_a =
          V::set(static_cast<T>(length < shortest ? 0 : factor * cosine * inverse * inverse));
      T* g = p.gradient + r * p.ld_gradient;
      for_each_vector<V>(p.cols, [=](index_t j, auto part) {
        part.store(fma(part.load(a + j), of_a, part.load(y + j) * of_y), g + j);
      });
    }
    return total;
  }

 private:
  template <class V>
  [[gnu::noinline]] static double product(index_t n, const typename V::T* x,
                                          const typename V::T* y) {
    double sum[VecF64::width];
    row_sum<V>(n, [=](index_t j, auto part) {
      return part.load(x + j) * part.load(y + j);
    }).store(sum);
    return sum[0];
  }
};

// (1 - a_c^q) / q for the class number c: between the cross-entropy (q -> 0) and the absolute error
// (q = 1), and hence less led astray by wrong labels (Zhang & Sabuncu, 2018).
struct CategoricalGeneralizedCrossEntropy {
  static constexpr char name[] = "categorical_generalized_cross_entropy";
  static constexpr bool averaged = false;
  static constexpr TargetKind targets = TargetKind::labels;
  static constexpr Hyperparameter parameters[] = {{"q", 0.5, 0, 1, true}};
  template <class V>
  [[gnu::noinline]] static double plain(const LossArguments<typename V::T>& p) {
    using T = typename V::T;
    // Kept above 0, where the derivative has no end; the bound as the network's dtype has it.
    const double low = static_cast<T>(probability_margin), q = p.parameters[0];
    double total = 0;
    for (index_t r = 0; r < p.rows; ++r) {
      const double weight = static_cast<double>(weight_of(p, r));
      const double a = static_cast<double>(p.output[r * p.ld_output + p.labels[r]]);
      const double kept = a < low ? low : a;
      // a^q by this library's own functions: the same bits on every platform.
      double power;
      power_of(kept, q, &power);
      total += weight * ((1 - power) / q);
      if (p.gradient == nullptr) continue;
      T* const g = p.gradient + r * p.ld_gradient;
      for_each_vector<V>(p.cols, [=](index_t j, auto part) { part.store(V::set(0), g + j); });
      // A NaN is neither, and remains.
      g[p.labels[r]] = static_cast<T>(a < low ? 0 : -p.scale * weight * power / kept);
    }
    return total;
  }

 private:
  static void power_of(double x, double q, double* result) {
    VecF64 value = VecF64::set(x);
    double lanes[VecF64::width];
    exp(VecF64::set(q) * log(value)).store(lanes);
    *result = lanes[0];
  }
};

using RowLosses = TypeList<Quantile, GaussianNll, CategoricalHinge, CosineSimilarity,
                           CategoricalGeneralizedCrossEntropy>;

}  // namespace
