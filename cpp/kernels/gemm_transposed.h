// Input gradients of batches that are small beside the weights.
#pragma once

#include "kernels/gemm_pack.h"
#include "kernels/gemm_strip.h"

namespace {

using densecore::GemmArguments;

// The product as its transpose: dX^T = W dZ^T.
// Vectors run along the batch, W is read where it lies, and what is turned is dZ and dX instead.
template <class V, int vectors>
struct TurnedProduct {
  using T = typename V::T;
  static constexpr index_t strip = vectors * V::width;  // rows of the batch at a time
  static constexpr index_t block = 128;                 // rows of W at a time
  static constexpr index_t result_size = block * strip;

  static index_t padded(index_t rows) { return (rows + V::width - 1) / V::width * V::width; }
  // Half a vector of nothing but padding need not be computed.
  static index_t halves(index_t rows) {
    constexpr index_t half = V::Half::width;
    return (rows + half - 1) / half * half;
  }
  static bool fits(const GemmArguments<T>& p) {
    return (result_size + p.depth * padded(p.m < strip ? p.m : strip)) * index_t(sizeof(T)) <=
           index_t(densecore::gemm_scratch_bytes);
  }
  static void run(const GemmArguments<T>& p) {
    T* const result = p.scratch;  // (block, strip)
    T* const turned = p.scratch + result_size;
    const index_t strips = (p.m + strip - 1) / strip;
    for (index_t s = 0; s < strips; ++s) {
      const index_t i = p.m * s / strips, rows = p.m * (s + 1) / strips - i, ld = padded(rows);
      transpose<V, true>(rows, p.depth, p.a + i * p.a_row, p.a_row, turned, ld);
      for (index_t j = 0; j < p.n; j += block) {
        const index_t cols = p.n - j < block ? p.n - j : block;
        gemm_columns<V, vectors>(cols,
                                 {p.depth, p.b + j * p.b_col, p.b_col, 1, turned, ld, nullptr,
                                  false, result, ld, nullptr},
                                 halves(rows));
        transpose<V>(cols, rows, result, ld, p.c + i * p.ldc + j, p.ldc);
      }
    }
  }
};

// A few rows of the batch: W is turned block by block in registers, where all rows use it at once.
// Turned in memory it would be stored and loaded for nothing, and vectors along so short a batch
// would be nearly empty.
template <class V, int rows>
struct FewRows {
  using T = typename V::T;

  // At most `rows` rows; for fewer, of which half would not do, the last one is computed again.
  static void run(const GemmArguments<T>& p) {
    if constexpr (rows > 1) {
      if (p.m <= rows / 2) return FewRows<V, rows / 2>::run(p);
    }
    index_t i = 0;
    for (; i + V::width <= p.n; i += V::width) inputs(p, i, Whole<V>{});
    if (i < p.n) inputs(p, i, Part<V>{p.n - i});
  }

 private:
  // Columns i .. i + part.count of dX.
  template <class Inputs>
  [[gnu::noinline]] static void inputs(const GemmArguments<T>& p, index_t i, Inputs part) {
    V sum[rows];
    const T* delta[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      sum[r] = V::set(0);
      delta[r] = p.a + (r < p.m ? r : p.m - 1) * p.a_row;
    }
    const auto add = [&sum, &delta ](index_t k, V weights) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) sum[r] = fma(V::set(delta[r][k]), weights, sum[r]);
    };
    const T* weights = p.b + i * p.b_col;
    const index_t inputs_apart = p.b_col, depth = p.depth;
    index_t k = 0;
    if constexpr (__is_same(Inputs, Whole<V>))
      for (; k + V::width <= depth; k += V::width) {
        V block[V::width];
        const T* from = weights + k;
#pragma GCC unroll 16
        for (int j = 0; j < V::width; ++j, from = next_row(from, inputs_apart))
          block[j] = V::load(from);
        transpose_block(block);
#pragma GCC unroll 16
        for (int j = 0; j < V::width; ++j) add(k + j, block[j]);
      }
    for (; k < depth; k += V::width) {
      alignas(64) T block[V::width * V::width];
      const index_t units = depth - k < V::width ? depth - k : V::width;
      transpose_edge<V, true>(part.count, units, weights + k, inputs_apart, block, V::width);
      for (index_t j = 0; j < units; ++j) add(k + j, V::load(block + j * V::width));
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) part.store(sum[r], p.c + (r < p.m ? r : p.m - 1) * p.ldc + i);
  }
};

// Whether `p` was done in one of these ways.
template <class V>
bool gemm_turned(const GemmArguments<typename V::T>& p) {
  if (V::width == 1 || p.bias != nullptr || p.accumulate) return false;
  if (p.m <= densecore::gemm_few_rows && p.n >= V::width) {
    FewRows<V, densecore::gemm_few_rows>::run(p);
    return true;
  }
  if (p.m * (p.n + p.depth) >= p.n * p.depth) return false;
  if (!TurnedProduct<V, tile_vectors>::fits(p)) return false;
  TurnedProduct<V, tile_vectors>::run(p);
  return true;
}

}  // namespace
