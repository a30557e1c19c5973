// The matrix product behind all three products of training (table.h states its meaning):
//   forward           Z  = X W + b       A = X           B = W (inputs, outputs)
//   weight gradient   dW = X^T dZ        A = X^T by strides, B = dZ
//   input gradient    dX = dZ W^T        A = dZ          B = W^T, transposed beforehand
// A is read one element at a time and broadcast; B and C are read and written as vectors along
// the row. No element is ever summed across lanes, hence one order of additions for every tile.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"

namespace {

using densecore::GemmArguments;

// A block of `rows` x (`vectors` registers) of C, held in registers over the whole depth. With
// `part` only the first `tail` lanes of the last vector belong to C.
template <class V, int rows, int vectors, bool part>
inline void gemm_tile(const GemmArguments<typename V::T>& p, index_t i0, index_t j0, index_t tail) {
  using T = typename V::T;
  V sum[rows][vectors];
  const auto load = [tail](const T* from, int v) {
    return part && v == vectors - 1 ? V::load_partial(from + v * V::width, tail)
                                    : V::load(from + v * V::width);
  };
  T* c = p.c + i0 * p.ldc + j0;
  if (p.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = load(c + i * p.ldc, v);
  } else if (p.bias != nullptr) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      const V bias = load(p.bias + j0, v);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) sum[i][v] = bias;
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = V::set(0);
  }

  const T* a = p.a + i0 * p.a_row;
  const T* b = p.b + j0;
  const index_t a_row = p.a_row, a_col = p.a_col, ldb = p.ldb;
  for (index_t k = p.depth; k > 0; --k, a += a_col, b += ldb) {
    V b_row[vectors];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) b_row[v] = load(b, v);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const V a_i = V::set(a[i * a_row]);
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = fma(a_i, b_row[v], sum[i][v]);
    }
  }

#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      T* to = c + i * p.ldc + v * V::width;
      if (part && v == vectors - 1)
        sum[i][v].store_partial(to, tail);
      else
        sum[i][v].store(to);
    }
}

// All rows of one column strip: tiles of `tile_rows` rows, then the rest in powers of two.
template <class V, int vectors, bool part>
void gemm_strip(const GemmArguments<typename V::T>& p, index_t j0, index_t tail) {
  index_t i = 0;
  for (; i + tile_rows <= p.m; i += tile_rows)
    gemm_tile<V, tile_rows, vectors, part>(p, i, j0, tail);
  if constexpr (tile_rows > 4)
    if (p.m - i >= 4) {
      gemm_tile<V, 4, vectors, part>(p, i, j0, tail);
      i += 4;
    }
  if (p.m - i >= 2) {
    gemm_tile<V, 2, vectors, part>(p, i, j0, tail);
    i += 2;
  }
  if (p.m - i >= 1) gemm_tile<V, 1, vectors, part>(p, i, j0, tail);
}

// The last strip: `cols` columns, fewer than a whole one.
template <class V, int vectors>
void gemm_last_strip(const GemmArguments<typename V::T>& p, index_t j0, index_t cols) {
  if constexpr (vectors > 1) {
    if (cols <= (vectors - 1) * V::width) {
      gemm_last_strip<V, vectors - 1>(p, j0, cols);
      return;
    }
  }
  const index_t tail = cols - (vectors - 1) * V::width;
  if (tail == V::width)
    gemm_strip<V, vectors, false>(p, j0, 0);
  else
    gemm_strip<V, vectors, true>(p, j0, tail);
}

template <class V>
void gemm(const GemmArguments<typename V::T>& p) {
  constexpr index_t strip = tile_vectors * V::width;
  index_t j = 0;
  for (; j + strip <= p.n; j += strip) gemm_strip<V, tile_vectors, false>(p, j, 0);
  if (j < p.n) gemm_last_strip<V, tile_vectors>(p, j, p.n - j);
}

}  // namespace
