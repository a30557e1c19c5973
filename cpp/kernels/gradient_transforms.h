// Functions of gradients and parameters besides the optimizer's own update: penalties,
// clipping, decay, averages. All element by element or sums in an order that depends on the length
// only.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace {

template <class V>
double sum_of_squares(index_t n, const typename V::T* x) {
  return row_total<V>(n, [=](index_t j, auto part) {
    const V v = part.load(x + j);
    return v * v;
  });
}

template <class V>
double sum_of_magnitudes(index_t n, const typename V::T* x) {
  return row_total<V>(n, [=](index_t j, auto part) { return abs(part.load(x + j)); });
}

// The gradient of l1 |x| + l2 x^2, whose first part is 0 at 0.
template <class V>
void add_penalty_gradient(index_t n, const typename V::T* x, double l1, double l2,
                          typename V::T* g) {
  using T = typename V::T;
  const V zero = V::set(0), slope = V::set(static_cast<T>(l1)),
          twice = V::set(static_cast<T>(2 * l2));
  for_each_vector<V>(n, [=](index_t j, auto part) {
    const V v = part.load(x + j);
    const V sign = select(less(zero, v), slope, select(less(v, zero), zero - slope, zero));
    part.store(fma(twice, v, part.load(g + j) + sign), g + j);
  });
}

template <class V>
void scale(index_t n, double factor, typename V::T* x) {
  const V f = V::set(static_cast<typename V::T>(factor));
  for_each_vector<V>(n, [=](index_t j, auto part) { part.store(f * part.load(x + j), x + j); });
}

// A NaN stays one.
template <class V>
void clip(index_t n, double limit, typename V::T* x) {
  const V high = V::set(static_cast<typename V::T>(limit)), low = V::set(0) - high;
  for_each_vector<V>(
      n, [=](index_t j, auto part) { part.store(max(low, min(high, part.load(x + j))), x + j); });
}

// mean += (1 - momentum) (x - mean), without subnormal numbers: it becomes the parameters
template <class V>
void average(index_t n, double momentum, const typename V::T* x, typename V::T* mean) {
  const V step = V::set(static_cast<typename V::T>(1 - momentum));
  for_each_vector<V>(n, [=](index_t j, auto part) {
    const V m = part.load(mean + j);
    part.store(without_subnormals(fma(step, part.load(x + j) - m, m)), mean + j);
  });
}

}  // namespace
