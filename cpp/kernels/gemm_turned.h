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
        gemm_columns<V, vectors, Rows::strided, false>(
            cols,
            {p.depth, p.b + j * p.b_col, p.b_col, 1, turned, ld, nullptr, false, result, ld,
             nullptr},
            ld);
        transpose<V>(cols, rows, result, ld, p.c + i * p.ldc + j, p.ldc);
      }
    }
  }
};

// Whether `p` was done that way.
template <class V>
bool gemm_turned(const GemmArguments<typename V::T>& p) {
  using Half = typename V::Half;
  if (V::width == 1 || p.bias != nullptr || p.accumulate || p.m * (p.n + p.depth) >= p.n * p.depth)
    return false;
  if constexpr (Half::width < V::width)
    if (p.m <= Half::width) {
      if (!TurnedProduct<Half, 1>::fits(p)) return false;
      TurnedProduct<Half, 1>::run(p);
      return true;
    }
  if (!TurnedProduct<V, tile_vectors>::fits(p)) return false;
  TurnedProduct<V, tile_vectors>::run(p);
  return true;
}

}  // namespace
