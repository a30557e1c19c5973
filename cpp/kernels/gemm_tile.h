// The register tile: the one inner loop of every matrix product.
//
// A is read one element at a time and broadcast; B and C are read and written as vectors along
// the row. No element is ever summed across lanes, hence one order of additions for every tile.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"

namespace {

inline void prefetch(const void* p) { __builtin_prefetch(p); }

// A tile's operands (see GemmArguments; `rate` with adjacent rows only): C[i][j] = start + sum over
// k of a[i * a_row + k * a_col] * b[k * ldb + j].
template <class T>
struct TileArguments {
  index_t depth;
  const T* a;
  index_t a_row, a_col;
  const T* b;
  index_t ldb;
  const T* bias;
  bool accumulate;
  T* c;
  index_t ldc;
  const T* rate;
};

// How A lies: rows next to each other (packed, or a transposed matrix: a_row is 1), or anyhow.
enum class Rows { adjacent, strided };

// A block of `rows` x (`vectors` registers) of C, held in registers over the whole depth. With
// `part` only the first `tail` lanes of the last vector belong to C.
template <class V, int rows, int vectors, bool part, Rows layout>
inline void gemm_tile(const TileArguments<typename V::T>& p, index_t tail) {
  using T = typename V::T;
  V sum[rows][vectors];
  const auto load = [tail](const T* from, int v) {
    return part && v == vectors - 1 ? V::load_partial(from + v * V::width, tail)
                                    : V::load(from + v * V::width);
  };
  if (p.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = load(p.c + i * p.ldc, v);
  } else if (p.bias != nullptr) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      const V bias = load(p.bias, v);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sum[i][v] = bias;
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = V::set(0);
  }

  const T* a = p.a;
  const T* b = p.b;
  const index_t a_row = layout == Rows::adjacent ? 1 : p.a_row, a_col = p.a_col, ldb = p.ldb;
  for (index_t k = p.depth; k > 0; --k, a += a_col, b += ldb) {
    V b_row[vectors];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      // A single row uses each vector of B once: it goes as fast as B comes.
      if constexpr (rows == 1 && vectors >= 8) prefetch(b + 4 * ldb + v * V::width);
      b_row[v] = load(b, v);
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const V a_i = V::set(a[i * a_row]);
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = fma(a_i, b_row[v], sum[i][v]);
    }
  }

  if (layout == Rows::adjacent && p.rate != nullptr) {
    const V rate = V::set(*p.rate);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = fnma(rate, sum[i][v], load(p.c + i * p.ldc, v));
  }

#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      T* to = p.c + i * p.ldc + v * V::width;
      if (part && v == vectors - 1)
        sum[i][v].store_partial(to, tail);
      else
        sum[i][v].store(to);
    }
}

}  // namespace
