// Copies of blocks of A and B in the order in which the register tile reads them.
//
// A tile walks down the depth. Unpacked, every step of B is a row away (4 KB in a layer of 1024
// units: always the same sets of the first-level cache), and so is every step of a transposed A.
#pragma once

#include "kernels/gemm_tile.h"

namespace {

// The rows that are copied are too far apart for the processor to fetch them ahead by itself.
constexpr index_t packing_distance = 8;

// In place: r becomes the transpose of the width x width block that its vectors are the rows of.
// log2(width) perfect shuffles: each stage sends index bits one place on.
template <class V>
inline void transpose_block(V (&r)[V::width]) {
  V next[V::width];
#pragma GCC unroll 4
  for (int stage = 1; stage < V::width; stage *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < V::width / 2; ++i)
      zip(r[i], r[i + V::width / 2], next[2 * i], next[2 * i + 1]);
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) r[i] = next[i];
  }
}

// out[j * ld_out + i] = in[i * ld_in + j] for i < rows, j < cols. With `filled` a row of `out` is
// filled up with zeros to whole vectors.
template <class V, bool filled = false>
[[gnu::noinline]] void transpose(index_t rows, index_t cols, const typename V::T* in, index_t ld_in,
                                 typename V::T* out, index_t ld_out) {
  for (index_t i = 0; i < rows; i += V::width) {
    const index_t height = rows - i < V::width ? rows - i : V::width;
    for_each_vector<V>(cols, [=](index_t j, auto part) {
      V block[V::width];
#pragma GCC unroll 16
      for (index_t r = 0; r < V::width; ++r) {
        prefetch(in + (i + r) * ld_in + j + packing_distance * V::width);
        block[r] = r < height ? part.load(in + (i + r) * ld_in + j) : V::set(0);
      }
      transpose_block(block);
      typename V::T* to = out + j * ld_out + i;
      if (filled || height == V::width) {
#pragma GCC unroll 16
        for (index_t c = 0; c < V::width; ++c)
          if (c < part.count) block[c].store(to + c * ld_out);
      } else {
#pragma GCC unroll 16
        for (index_t c = 0; c < V::width; ++c)
          if (c < part.count) block[c].store_partial(to + c * ld_out, height);
      }
    });
  }
}

// Rows [0, depth) of `cols` columns of B, one after another: out[k * width + j], the last vector
// filled up with zeros.
template <class V>
[[gnu::noinline]] void pack_rows(index_t depth, index_t cols, const typename V::T* b, index_t ldb,
                                 typename V::T* out) {
  for (index_t k = 0; k < depth; ++k, b += ldb)
    for_each_vector<V>(cols, [&](index_t j, auto part) {
      prefetch(b + packing_distance * ldb + j);
      part.load(b + j).store(out);
      out += V::width;
    });
}

// `rows` values from each of `depth` rows: out[k * rows + i] = a[k * lda + i].
template <class V>
[[gnu::noinline]] void pack_columns(index_t depth, index_t rows, const typename V::T* a,
                                    index_t lda, typename V::T* out) {
  for (index_t k = 0; k < depth; ++k, a += lda, out += rows) {
    prefetch(a + V::width);
    for_each_vector<V>(rows, [=](index_t i, auto part) { part.store(part.load(a + i), out + i); });
  }
}

}  // namespace
