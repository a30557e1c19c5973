// Normalisation of columns and of rows.
//
// Sums down a column are added in an order that depends on the number of rows only, as `column_sum`
// in elementwise.h does.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace {

// out[j] = (accumulate ? out[j] : 0) + the sum over i of term(i, j, part)
template <class V, class Term>
inline void column_sums(index_t rows, index_t cols, bool accumulate, typename V::T* out,
                        Term term) {
  for_each_vector<V>(cols, [&](index_t j, auto part) {
    V sum[4] = {accumulate ? part.load(out + j) : V::set(0), V::set(0), V::set(0), V::set(0)};
    index_t i = 0;
    for (; i + 4 <= rows; i += 4)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sum[k] = sum[k] + term(i + k, j, part);
    for (; i < rows; ++i) sum[i % 4] = sum[i % 4] + term(i, j, part);
    part.store((sum[0] + sum[1]) + (sum[2] + sum[3]), out + j);
  });
}

template <class V>
void column_product_sum(index_t rows, index_t cols, const typename V::T* a, index_t lda,
                        const typename V::T* b, index_t ldb, bool accumulate, typename V::T* out) {
  column_sums<V>(rows, cols, accumulate, out, [=](index_t i, index_t j, auto part) {
    return part.load(a + i * lda + j) * part.load(b + i * ldb + j);
  });
}

template <class V>
void column_squares(index_t rows, index_t cols, const typename V::T* x, index_t ldx,
                    const typename V::T* mean, typename V::T* out) {
  column_sums<V>(rows, cols, false, out, [=](index_t i, index_t j, auto part) {
    const V d = part.load(x + i * ldx + j) - part.load(mean + j);
    return d * d;
  });
}

template <class V>
void normalize_columns(index_t rows, index_t cols, const typename V::T* x, index_t ldx,
                       const typename V::T* mean, const typename V::T* inverse,
                       const typename V::T* gamma, const typename V::T* beta,
                       typename V::T* normalized, index_t ldn, typename V::T* y, index_t ldy) {
  for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
    // The difference first: x / deviation - mean / deviation would cancel.
    const V h = (part.load(x + i * ldx + j) - part.load(mean + j)) * part.load(inverse + j);
    if (normalized != nullptr) part.store(h, normalized + i * ldn + j);
    part.store(fma(h, part.load(gamma + j), part.load(beta + j)), y + i * ldy + j);
  });
}

template <class V>
void normalize_columns_gradient(index_t rows, index_t cols, const typename V::T* g, index_t ldg,
                                const typename V::T* normalized, index_t ldn,
                                const typename V::T* factor, const typename V::T* mean_g,
                                const typename V::T* mean_gn, typename V::T* dx, index_t lddx) {
  for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
    const V rest = part.load(g + i * ldg + j) - part.load(mean_g + j);
    const V h = part.load(normalized + i * ldn + j);
    part.store(part.load(factor + j) * fnma(h, part.load(mean_gn + j), rest), dx + i * lddx + j);
  });
}

template <class V, class Term>
inline double row_mean(index_t cols, Term term) {
  return row_total<V>(cols, term) / static_cast<double>(cols);
}

template <class V>
void normalize_rows(index_t rows, index_t cols, const densecore::RowRule& rule,
                    const typename V::T* x, index_t ldx, const typename V::T* gamma,
                    const typename V::T* beta, typename V::T* normalized, index_t ldn,
                    typename V::T* y, index_t ldy) {
  using T = typename V::T;
  for (index_t i = 0; i < rows; ++i, x += ldx, normalized += ldn, y += ldy) {
    V mean = V::set(0);
    if (rule.centered)
      mean = V::set(static_cast<T>(
          row_mean<V>(cols, [=](index_t j, auto part) { return part.load(x + j); })));
    const double squares = row_total<V>(cols, [=](index_t j, auto part) {
      const V d = part.load(x + j) - mean;
      return d * d;
    });
    const T inverse = static_cast<T>(1 / __builtin_sqrt(squares / rule.count + rule.epsilon));
    for_each_vector<V>(cols, [=](index_t j, auto part) {
      const V h = (part.load(x + j) - mean) * V::set(inverse);
      part.store(h, normalized + j);
      part.store(fma(h, part.load(gamma + j), part.load(beta + j)), y + j);
    });
    normalized[cols] = inverse;
  }
}

template <class V>
void normalize_rows_gradient(index_t rows, index_t cols, const densecore::RowRule& rule,
                             const typename V::T* g, index_t ldg, const typename V::T* gamma,
                             const typename V::T* normalized, index_t ldn, typename V::T* dx,
                             index_t lddx) {
  using T = typename V::T;
  for (index_t i = 0; i < rows; ++i, g += ldg, normalized += ldn, dx += lddx) {
    V mean_g = V::set(0);
    if (rule.centered)
      mean_g = V::set(static_cast<T>(row_mean<V>(
          cols, [=](index_t j, auto part) { return part.load(g + j) * part.load(gamma + j); })));
    const double along = row_total<V>(cols, [=](index_t j, auto part) {
      return part.load(g + j) * part.load(gamma + j) * part.load(normalized + j);
    });
    const V mean_gn = V::set(static_cast<T>(along / rule.count));
    const V inverse = V::set(normalized[cols]);
    for_each_vector<V>(cols, [=](index_t j, auto part) {
      const V rest = part.load(g + j) * part.load(gamma + j) - mean_g;
      part.store(inverse * fnma(part.load(normalized + j), mean_gn, rest), dx + j);
    });
  }
}

}  // namespace
