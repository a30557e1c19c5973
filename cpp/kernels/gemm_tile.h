// The register tile: the one inner loop of every matrix product.
//
// A is read one element at a time and broadcast; B and C are read and written as vectors along
// the row. No element is ever summed across lanes, hence one order of additions for every tile.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/table.h"

namespace {

inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }  // to the second level

// A tile's operands (see GemmArguments): C[i][j] = start + sum over k of
// a[i * a_row + k * a_col] * b[k * ldb + j]. How A lies is not known to the compiler: tiles for
// rows next to each other (a_row is 1) would be as large again, and no faster.
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

// The first lanes of a vector, as a vector of type `To`.
template <class To, class V>
inline To first_lanes(V v) {
  if constexpr (To::width == V::width)
    return v;
  else
    return v.lower();
}

// A block of C, held in registers over the whole depth: `rows` x (`vectors` vectors, and with
// `part` the first `tail` lanes of one more, a `Tail`). `fetching`: B comes from memory, and its
// next strip, to the right of this one, is fetched.
template <class V, int rows, int vectors, bool part, class Tail, bool fetching = false>
inline void gemm_tile(const TileArguments<typename V::T>& p, index_t tail) {
  using T = typename V::T;
  constexpr index_t end = vectors * V::width;  // the column where the last, partial vector begins
  V sum[rows][vectors > 0 ? vectors : 1];
  Tail last[rows];
  const index_t ldc = p.ldc;
  // C's own rows, or the bias in each of them: one copy of the code for both.
  const T* const start = p.accumulate ? p.c : p.bias;
  const index_t apart = p.accumulate ? ldc : 0;
  if (start != nullptr) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = V::load(start + i * apart + v * V::width);
    }
    if constexpr (part) {  // which takes several instructions: of the bias once
      last[0] = Tail::load_partial(start + end, tail);
#pragma GCC unroll 16
      for (int i = 1; i < rows; ++i) last[i] = last[0];
      if (p.accumulate)
#pragma GCC unroll 16
        for (int i = 1; i < rows; ++i) last[i] = Tail::load_partial(start + i * apart + end, tail);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = V::set(0);
      if constexpr (part) last[i] = Tail::set(0);
    }
  }

  const T* a = p.a;
  const T* b = p.b;
  const index_t a_row = p.a_row, a_col = p.a_col, ldb = p.ldb;
  for (index_t k = p.depth; k > 0; --k, a += a_col, b += ldb) {
    V b_row[vectors > 0 ? vectors : 1];
    Tail b_last;
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) {
      // A single row uses each vector of B once: it goes as fast as B comes.
      if constexpr (rows == 1 && vectors >= 8) prefetch(b + 4 * ldb + v * V::width);
      if constexpr (fetching) prefetch(b + end + v * V::width);
      b_row[v] = V::load(b + v * V::width);
    }
    if constexpr (part) b_last = Tail::load_partial(b + end, tail);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const V a_i = V::set(a[i * a_row]);
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sum[i][v] = fma(a_i, b_row[v], sum[i][v]);
      if constexpr (part) last[i] = fma(first_lanes<Tail>(a_i), b_last, last[i]);
    }
  }

  if (p.rate != nullptr) {
    const V rate = V::set(*p.rate);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v)
        sum[i][v] =
            without_subnormals(fnma(rate, sum[i][v], V::load(p.c + i * ldc + v * V::width)));
      if constexpr (part)
        last[i] =
            fnma(first_lanes<Tail>(rate), last[i], Tail::load_partial(p.c + i * ldc + end, tail));
    }
  }

#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) sum[i][v].store(p.c + i * ldc + v * V::width);
    if constexpr (part) Any<Tail>{tail}.store(last[i], p.c + i * ldc + end);
  }
  if constexpr (part) {
    // In a loop of its own, from memory: comparisons of half vectors want the lower 16 registers,
    // and sums that had to be there would be spilled in the loop over k.
    if (p.rate != nullptr)
      for (int i = 0; i < rows; ++i) {
        T* const c = p.c + i * ldc + end;
        Any<Tail>{tail}.store(without_subnormals(Tail::load_partial(c, tail)), c);
      }
  }
}

}  // namespace
