// The peak speed of this level on this machine: multiply-adds in registers, and memory read
// or rewritten in order. A benchmark divides by these, so that its shares mean something.
#pragma once

#include "kernels/elementwise.h"

namespace {

// Enough independent chains to hide the latency of a multiply-add on every port (at most 5 x 2),
// and few enough that they and the two factors stay in the 16 registers of AVX2.
constexpr int peak_chains = 12;

// `repeats` multiply-adds of a vector in each chain; returns how many were done. Their sum is
// added to out[0 .. width), or the compiler would drop them.
template <class V>
index_t multiply_adds(index_t repeats, typename V::T* out) {
  using T = typename V::T;
  // Chains that started alike would be merged into one. x / 2 + 1 / 2 runs to 1: no overflow, and
  // none of the subnormal numbers that some processors are slow with.
  V chain[peak_chains];
#pragma GCC unroll 16
  for (int i = 0; i < peak_chains; ++i) chain[i] = V::load(out) + V::set(static_cast<T>(i + 2));
  const V half = V::set(static_cast<T>(0.5));
  for (index_t n = 0; n < repeats; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < peak_chains; ++i) chain[i] = fma(chain[i], half, half);
  }
  V sum = V::load(out);
#pragma GCC unroll 16
  for (int i = 0; i < peak_chains; ++i) sum = sum + chain[i];
  sum.store(out);
  return repeats * peak_chains * V::width;
}

// Reads n elements once; their sum, lane by lane, is added to out[0 .. width).
template <class V>
void read_all(index_t n, const typename V::T* in, typename V::T* out) {
  constexpr int chains = 8;
  V sum[chains];
#pragma GCC unroll 8
  for (int i = 0; i < chains; ++i) sum[i] = V::set(0);
  index_t j = 0;
  for (; j + chains * V::width <= n; j += chains * V::width) {
#pragma GCC unroll 8
    for (int i = 0; i < chains; ++i) sum[i] = sum[i] + V::load(in + j + i * V::width);
  }
  for_each_vector<V>(n - j, [&](index_t k, auto part) { sum[0] = sum[0] + part.load(in + j + k); });
  V total = V::load(out);
#pragma GCC unroll 8
  for (int i = 0; i < chains; ++i) total = total + sum[i];
  total.store(out);
}

// Reads n elements and writes them back with the opposite sign.
template <class V>
void rewrite_all(index_t n, typename V::T* x) {
  const V zero = V::set(0);
  for_each_vector<V>(n, [=](index_t j, auto part) { part.store(zero - part.load(x + j), x + j); });
}

}  // namespace
