// The rules of layers without products: what they do to an array with its derivatives, and the
// backward pass of each.
//
// v[k] are contiguous views (rows, cols), except those that `copy` and `add` take, of
// the value, the first and the second derivative; g[k] = dC/dv[k]. `order` is the highest k. The
// backward pass overwrites g.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore::rules {

template <class T>
using Arrays = std::array<MatrixView<T>, 3>;

template <class T>
index_t size_of(const MatrixView<T>& v) {
  return v.rows * v.cols;
}

template <class T>
void copy(int order, const Arrays<T>& from, const Arrays<T>& to) {
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
    for (index_t i = 0; i < from[k].rows; ++i)
      std::copy_n(from[k].row(i), from[k].cols, to[k].row(i));
}

// to += factor x
template <class T>
void add(int order, const Arrays<T>& x, const Arrays<T>& to, T factor = 1) {
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
    for (index_t i = 0; i < to[k].rows; ++i) {
      const T* const from = x[k].row(i);
      T* const sum = to[k].row(i);
      for (index_t j = 0; j < to[k].cols; ++j) sum[j] += factor * from[j];
    }
}

template <class T>
void clear(int order, const Arrays<T>& to) {
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
    for (index_t i = 0; i < to[k].rows; ++i) std::fill_n(to[k].row(i), to[k].cols, T(0));
}

// Columns begin .. begin + cols.
template <class T>
Arrays<T> columns(const Arrays<T>& of, index_t begin, index_t cols) {
  Arrays<T> part = of;
  for (MatrixView<T>& view : part)
    if (view) view = {view.data + begin, view.rows, cols, view.stride};
  return part;
}

// a = f(z) element by element, with f', f'' and f''' in `slope`; a[0] is there already.
template <class T>
void function(int order, const Arrays<T>& slope, const Arrays<T>& z, const Arrays<T>& a) {
  const index_t n = size_of(z[0]);
  const T *const f1 = slope[0].data, *const f2 = slope[1].data;
  const T *const z1 = z[1].data, *const z2 = z[2].data;
  T *const a1 = a[1].data, *const a2 = a[2].data;
  for (index_t i = 0; i < n; ++i) a1[i] = f1[i] * z1[i];
  if (order < 2) return;
  for (index_t i = 0; i < n; ++i) a2[i] = f2[i] * z1[i] * z1[i] + f1[i] * z2[i];
}
template <class T>
void function_back(int order, const Arrays<T>& slope, const Arrays<T>& z, const Arrays<T>& g) {
  const index_t n = size_of(z[0]);
  const T *const f1 = slope[0].data, *const f2 = slope[1].data, *const f3 = slope[2].data;
  const T *const z1 = z[1].data, *const z2 = z[2].data;
  T *const g0 = g[0].data, *const g1 = g[1].data, *const g2 = g[2].data;
  if (order == 0) {
    for (index_t i = 0; i < n; ++i) g0[i] *= f1[i];
  } else if (order == 1) {
    for (index_t i = 0; i < n; ++i) {
      g0[i] = g0[i] * f1[i] + g1[i] * f2[i] * z1[i];
      g1[i] *= f1[i];
    }
  } else {
    for (index_t i = 0; i < n; ++i) {
      const T slope1 = f2[i] * z1[i];  // the derivative of f' along the line
      g0[i] = g0[i] * f1[i] + g1[i] * slope1 + g2[i] * (f3[i] * z1[i] * z1[i] + f2[i] * z2[i]);
      g1[i] = g1[i] * f1[i] + 2 * g2[i] * slope1;
      g2[i] *= f1[i];
    }
  }
}

template <class T>
T dot(index_t n, const T* a, const T* b) {
  T sum = 0;
  for (index_t j = 0; j < n; ++j) sum += a[j] * b[j];
  return sum;
}

// a = softmax(z), J = diag(a) - a a^T: a1 = J z1 = a (z1 - s), s = a . z1; and with d = z1 - s,
// e = d^2 + z2: a2 = a (e - a . e). a[0] is there already.
template <class T>
void softmax(int order, const Arrays<T>& z, const Arrays<T>& a) {
  const index_t n = z[0].cols;
  for (index_t r = 0; r < z[0].rows; ++r) {
    const T *const p = a[0].row(r), *const z1 = z[1].row(r);
    T* const a1 = a[1].row(r);
    const T s = dot(n, p, z1);
    for (index_t j = 0; j < n; ++j) a1[j] = p[j] * (z1[j] - s);
    if (order < 2) continue;
    const T* const z2 = z[2].row(r);
    T *const a2 = a[2].row(r), mean = 0;
    for (index_t j = 0; j < n; ++j) {
      a2[j] = (z1[j] - s) * (z1[j] - s) + z2[j];
      mean += p[j] * a2[j];
    }
    for (index_t j = 0; j < n; ++j) a2[j] = p[j] * (a2[j] - mean);
  }
}
// The gradients of g1 . a1 + g2 . a2 by (a, z1, z2); then J takes that by a on to z.
template <class T>
void softmax_back(int order, const Arrays<T>& z, const Arrays<T>& a, const Arrays<T>& g) {
  const index_t n = z[0].cols;
  for (index_t r = 0; r < z[0].rows; ++r) {
    const T* const p = a[0].row(r);
    T* const g0 = g[0].row(r);
    if (order >= 1) {
      const T* const z1 = z[1].row(r);
      T* const g1 = g[1].row(r);
      const T s = dot(n, p, z1), c1 = dot(n, p, g1);
      for (index_t j = 0; j < n; ++j) {
        g0[j] += g1[j] * (z1[j] - s) - c1 * z1[j];
        g1[j] = p[j] * (g1[j] - c1);
      }
      if (order >= 2) {
        const T* const z2 = z[2].row(r);
        T* const g2 = g[2].row(r);
        const T c2 = dot(n, p, g2);
        T mean = 0, turn = 0;
        for (index_t j = 0; j < n; ++j) {
          const T d = z1[j] - s;
          mean += p[j] * (d * d + z2[j]);
          turn += 2 * p[j] * (g2[j] - c2) * d;
        }
        for (index_t j = 0; j < n; ++j) {
          const T d = z1[j] - s, h = g2[j] - c2;
          g0[j] += h * (d * d + z2[j]) - g2[j] * mean - turn * z1[j];
          g1[j] += p[j] * (2 * h * d - turn);
          g2[j] = p[j] * h;
        }
      }
    }
    const T c0 = dot(n, p, g0);
    for (index_t j = 0; j < n; ++j) g0[j] = p[j] * (g0[j] - c0);
  }
}

// n = (x - mean) factor, with numbers of each column.
template <class T>
void normalize_columns(int order, const T* mean, const T* factor, const Arrays<T>& x,
                       const Arrays<T>& n) {
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
    for (index_t r = 0; r < x[k].rows; ++r)
      for (index_t j = 0; j < x[k].cols; ++j)
        n[k].row(r)[j] = (x[k].row(r)[j] - (k == 0 ? mean[j] : T(0))) * factor[j];
}
template <class T>
void normalize_columns_back(int order, const T* factor, const Arrays<T>& g) {
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
    for (index_t r = 0; r < g[k].rows; ++r)
      for (index_t j = 0; j < g[k].cols; ++j) g[k].row(r)[j] *= factor[j];
}

// A group of columns of a row, minus its mean if the rule centers: c. Its factor is
// h = v^(-1/2), v = c . c / count + epsilon. v and its powers are float64 for every T: the epsilon
// of UnitNormalization and v^(-7/2) are beyond float32, where a row of zeros would be NaN.
template <class T>
struct NormalizedRow {
  NormalizedRow(int order, const RowRule& rule, const Arrays<T>& x, index_t r, index_t first,
                index_t columns)
      : cols(columns),
        row{x[0].row(r) + first, order >= 1 ? x[1].row(r) + first : nullptr,
            order >= 2 ? x[2].row(r) + first : nullptr} {
    for (int k = 0; k <= order && rule.centered; ++k) {
      T sum = 0;
      for (index_t j = 0; j < cols; ++j) sum += row[k][j];
      mean[k] = sum / static_cast<T>(cols);
    }
    const double inverse = 1 / rule.count;
    double v0 = 0;
    for (index_t j = 0; j < cols; ++j) {
      const double c0 = c(0, j), c1 = order >= 1 ? c(1, j) : T(0), c2 = order >= 2 ? c(2, j) : T(0);
      v0 += c0 * c0;
      v1 += 2 * c0 * c1;
      v2 += 2 * (c1 * c1 + c0 * c2);
    }
    v0 = v0 * inverse + rule.epsilon, v1 *= inverse, v2 *= inverse;
    h0 = 1 / std::sqrt(v0);
    d1 = -0.5 * h0 / v0, d2 = -1.5 * d1 / v0, d3 = -2.5 * d2 / v0;
    h1 = d1 * v1;
    h2 = d2 * v1 * v1 + d1 * v2;
  }
  T c(int k, index_t j) const { return row[k][j] - mean[k]; }

  index_t cols;
  const T* row[3];
  T mean[3] = {};
  double v1 = 0, v2 = 0, h0, h1, h2, d1, d2, d3;  // d1 ... d3: derivatives of v^(-1/2)
};

// body(row, first column, number of columns) for each group of columns of each row.
template <class Body>
void for_each_group(index_t rows, index_t cols, index_t groups, Body&& body) {
  for (index_t r = 0; r < rows; ++r)
    for (index_t group = 0; group < groups; ++group)
      body(r, group * (cols / groups), cols / groups);
}

template <class T>
void normalize_rows(int order, const RowRule& rule, index_t groups, const Arrays<T>& x,
                    const Arrays<T>& n) {
  for_each_group(x[0].rows, x[0].cols, groups, [&](index_t r, index_t first, index_t cols) {
    const NormalizedRow<T> row(order, rule, x, r, first, cols);
    T *const n0 = n[0].row(r) + first, *const n1 = n[1].row(r) + first;
    for (index_t j = 0; j < cols; ++j) {
      n0[j] = static_cast<T>(row.c(0, j) * row.h0);
      n1[j] = static_cast<T>(row.c(1, j) * row.h0 + row.c(0, j) * row.h1);
      if (order >= 2)
        n[2].row(r)[first + j] =
            static_cast<T>(row.c(2, j) * row.h0 + 2 * row.c(1, j) * row.h1 + row.c(0, j) * row.h2);
    }
  });
}
// `computed` is the order of x, at least that of g.
template <class T>
void normalize_rows_back(int order, int computed, const RowRule& rule, index_t groups,
                         const Arrays<T>& x, const Arrays<T>& g) {
  for_each_group(x[0].rows, x[0].cols, groups, [&](index_t r, index_t first, index_t cols) {
    const NormalizedRow<T> row(computed, rule, x, r, first, cols);
    const auto of = [&](std::size_t k, index_t j) -> double {
      return static_cast<int>(k) <= order ? g[k].row(r)[first + j] : T(0);
    };
    double to_h0 = 0, to_h1 = 0, to_h2 = 0;
    for (index_t j = 0; j < cols; ++j) {
      const double c0 = row.c(0, j), c1 = row.c(1, j), c2 = computed >= 2 ? row.c(2, j) : T(0);
      to_h0 += of(0, j) * c0 + of(1, j) * c1 + of(2, j) * c2;
      to_h1 += of(1, j) * c0 + 2 * of(2, j) * c1;
      to_h2 += of(2, j) * c0;
    }
    const double twice = 2 / rule.count;
    const double to_v0 = twice * (to_h0 * row.d1 + to_h1 * row.d2 * row.v1 +
                                  to_h2 * (row.d3 * row.v1 * row.v1 + row.d2 * row.v2));
    const double to_v1 = twice * (to_h1 * row.d1 + 2 * to_h2 * row.d2 * row.v1);
    const double to_v2 = twice * to_h2 * row.d1;
    double sum[3] = {};
    for (index_t j = 0; j < cols; ++j) {
      const double c0 = row.c(0, j), c1 = row.c(1, j), c2 = computed >= 2 ? row.c(2, j) : T(0);
      const double g0 = of(0, j), g1 = of(1, j), g2 = of(2, j);
      const double to[3] = {
          g0 * row.h0 + g1 * row.h1 + g2 * row.h2 + to_v0 * c0 + to_v1 * c1 + to_v2 * c2,
          g1 * row.h0 + 2 * g2 * row.h1 + to_v1 * c0 + 2 * to_v2 * c1, g2 * row.h0 + to_v2 * c0};
      for (int k = 0; k <= order; ++k) {
        g[static_cast<std::size_t>(k)].row(r)[first + j] = static_cast<T>(to[k]);
        sum[k] += to[k];
      }
    }
    for (int k = 0; k <= order && rule.centered; ++k)
      for (index_t j = 0; j < cols; ++j)
        g[static_cast<std::size_t>(k)].row(r)[first + j] -=
            static_cast<T>(sum[k] / static_cast<double>(cols));
  });
}

// gamma and beta with their derivatives along the line; null is 1 for gamma, 0 for the others.
template <class T>
struct Scale {
  const T *gamma, *beta, *gamma1, *beta1;
  T factor(index_t j) const { return gamma == nullptr ? T(1) : gamma[j]; }
  T factor1(index_t j) const { return gamma1 == nullptr ? T(0) : gamma1[j]; }
};

// y = gamma n + beta
template <class T>
void scale(int order, const Scale<T>& s, const Arrays<T>& n, const Arrays<T>& y) {
  for (index_t r = 0; r < n[0].rows; ++r)
    for (index_t j = 0; j < n[0].cols; ++j) {
      const T n0 = n[0].row(r)[j], n1 = n[1].row(r)[j];
      y[0].row(r)[j] = s.factor(j) * n0 + (s.beta == nullptr ? T(0) : s.beta[j]);
      y[1].row(r)[j] =
          s.factor(j) * n1 + s.factor1(j) * n0 + (s.beta1 == nullptr ? T(0) : s.beta1[j]);
      if (order >= 2) y[2].row(r)[j] = s.factor(j) * n[2].row(r)[j] + 2 * s.factor1(j) * n1;
    }
}
// Adds to the gradients of gamma and beta, where they are not null.
template <class T>
void scale_back(int order, const Scale<T>& s, const Arrays<T>& n, const Arrays<T>& g, T* to_gamma,
                T* to_beta) {
  for (index_t r = 0; r < g[0].rows; ++r)
    for (index_t j = 0; j < g[0].cols; ++j) {
      T g0 = g[0].row(r)[j], g1 = 0, g2 = 0, sum = g0 * n[0].row(r)[j];
      if (order >= 1) g1 = g[1].row(r)[j], sum += g1 * n[1].row(r)[j];
      if (order >= 2) g2 = g[2].row(r)[j], sum += g2 * n[2].row(r)[j];
      if (to_gamma != nullptr) to_gamma[j] += sum;
      if (to_beta != nullptr) to_beta[j] += g0;
      g[0].row(r)[j] = s.factor(j) * g0 + s.factor1(j) * g1;
      if (order >= 1) g[1].row(r)[j] = s.factor(j) * g1 + 2 * s.factor1(j) * g2;
      if (order >= 2) g[2].row(r)[j] = s.factor(j) * g2;
    }
}

}  // namespace densecore::rules
