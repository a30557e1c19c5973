// Products with one or two columns: layers of one or two units.
//
// A row per lane. Along the units most lanes would be idle, and every element of X would be loaded
// by itself. Every element of Z is the chain of multiply-adds of the general product.
#pragma once

#include "kernels/gemm_pack.h"

namespace {

// Measured: with more units, fewer inputs, or blocks of fewer than 32 bytes a row, transpositions
// cost what they save.
template <class V>
constexpr bool has_dot_products = Short<V>::width * sizeof(typename V::T) >= 32;
template <class T>
constexpr index_t least_dot_inputs(index_t units) {
  return index_t(sizeof(T)) / 4 * (units == 1 ? 6 : 20);
}

// Z (rows, units) = X (rows, inputs) W (inputs, units) + bias, with W gapless. `whole_x`: rows of X
// have room for whole vectors.
template <class T>
struct DotArguments {
  index_t rows, inputs;
  const T* x;
  index_t ld_x;
  bool whole_x;
  const T *weight, *bias;  // bias null: none
  T* z;
  index_t ld_z;
};

template <class V, int units>
[[gnu::noinline]] void dot_products(const DotArguments<typename V::T>& p) {
  using T = typename V::T;
  // So many blocks of rows take turns: the additions of one wait for each other.
  constexpr index_t width = V::width, together = 4;
  // As many rows are as many streams, more than the processor follows by itself. The rows behind
  // these are fetched as they lie, a block's size at a time; in the first-level cache they would
  // take the place of these.
  constexpr index_t lines = width * width * sizeof(T) / 64;
  for (index_t i = 0; i < p.rows; i += together * width) {
    const T* ahead = p.x + (i + together * width) * p.ld_x;
    V sums[together][units];
    for (auto& sum : sums)
#pragma GCC unroll 2
      for (int j = 0; j < units; ++j) sum[j] = p.bias == nullptr ? V::set(0) : V::set(p.bias[j]);
    for (index_t k = 0; k < p.inputs; k += width) {
      const index_t count = p.inputs - k < width ? p.inputs - k : width;
      const Any<V> part{p.whole_x ? width : count};
      const T* from = p.x + i * p.ld_x + k;
      for (index_t b = 0; b < together && i + b * width < p.rows; ++b) {
        const index_t height = p.rows - i - b * width;
        for (index_t line = 0; line < lines; ++line, ahead += 64 / sizeof(T)) prefetch_far(ahead);
        V block[width];
#pragma GCC unroll 8
        for (index_t r = 0; r < width; ++r) {
          block[r] = part.load(from);
          from = next_row(from, r + 1 < height ? p.ld_x : 0);  // the last row again
        }
        transpose_block(block);
        const T* w = p.weight + k * units;
        // In registers: through memory every addition would wait for the store of the one before.
        V sum[units];
#pragma GCC unroll 2
        for (int j = 0; j < units; ++j) sum[j] = sums[b][j];
#pragma GCC unroll 8
        for (index_t c = 0; c < width; ++c)
          if (c < count)
#pragma GCC unroll 2
            for (int j = 0; j < units; ++j) sum[j] = fma(block[c], V::set(*w++), sum[j]);
#pragma GCC unroll 2
        for (int j = 0; j < units; ++j) sums[b][j] = sum[j];
      }
    }
    for (index_t b = 0; b < together; ++b)
#pragma GCC unroll 2
      for (int j = 0; j < units; ++j) {
        alignas(64) T lanes[width];
        sums[b][j].store(lanes);
        const index_t first = i + b * width;
        for (index_t r = 0; r < width && first + r < p.rows; ++r)
          p.z[(first + r) * p.ld_z + j] = lanes[r];
      }
  }
}

}  // namespace
