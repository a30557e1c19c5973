// Copies of blocks of A and B in the order in which the register tile reads them.
//
// A tile walks down the depth. Unpacked, every step of B is a row away (4 KB in a layer of 1024
// units: always the same sets of the first-level cache), and so is every step of a transposed A.
#pragma once

#include "kernels/gemm_strip.h"

namespace {

// The rows that are copied are too far apart for the processor to fetch them ahead by itself.
constexpr index_t packing_distance = 8;

// In place: r becomes the transpose of the width x width block that its vectors are the rows of.
// log2(width) perfect shuffles: each stage sends index bits one place on. Instruction sets whose
// vectors consist of lanes have overloads of their own.
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

// One addition. Opaque, because GCC would rather compute the multiples of `ld` for all rows before
// the loop, and then load them from the stack.
template <class T>
inline T* next_row(T* row, index_t ld) {
  row += ld;
  asm("" : "+r"(row));
  return row;
}

// A block of `rows` x `cols` elements, neither more than a vector. With `filled` a row of `out` is
// filled up with zeros to a whole vector.
template <class V, bool filled>
[[gnu::noinline]] void transpose_edge(index_t rows, index_t cols, const typename V::T* in,
                                      index_t ld_in, typename V::T* out, index_t ld_out) {
  const Any<V> row{cols}, col{filled ? V::width : rows};
  V block[V::width];
#pragma GCC unroll 16
  for (index_t r = 0; r < V::width; ++r) block[r] = r < rows ? row.load(in + r * ld_in) : V::set(0);
  transpose_block(block);
#pragma GCC unroll 16
  for (index_t c = 0; c < V::width; ++c)
    if (c < cols) col.store(block[c], out + c * ld_out);
}

// out[j * ld_out + i] = in[i * ld_in + j] for i < rows, j < cols; `filled` as above.
template <class V, bool filled = false>
[[gnu::noinline]] void transpose(index_t rows, index_t cols, const typename V::T* in, index_t ld_in,
                                 typename V::T* out, index_t ld_out) {
  for (index_t i = 0; i < rows; i += V::width, in += V::width * ld_in, out += V::width) {
    const index_t height = rows - i < V::width ? rows - i : V::width;
    index_t j = 0;
    if (height == V::width)
      for (; j + V::width <= cols; j += V::width) {
        V block[V::width];
        const typename V::T* from = in + j;
        typename V::T* to = out + j * ld_out;
#pragma GCC unroll 16
        for (index_t r = 0; r < V::width; ++r, from = next_row(from, ld_in)) {
          prefetch(from + packing_distance * V::width);
          block[r] = V::load(from);
        }
        transpose_block(block);
#pragma GCC unroll 16
        for (index_t c = 0; c < V::width; ++c, to = next_row(to, ld_out)) block[c].store(to);
      }
    for (; j < cols; j += V::width)
      transpose_edge<V, filled>(height, cols - j < V::width ? cols - j : V::width, in + j, ld_in,
                                out + j * ld_out, ld_out);
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

// `count` panels of A, for tiles of `rows` rows each: see pack_columns.
template <class T, int height = tile_rows>
[[gnu::noinline]] void pack_panels(index_t depth, index_t count, index_t rows, const T* a,
                                   index_t lda, T* out) {
  if constexpr (height > 1) {
    if (rows != height) return pack_panels<T, height - 1>(depth, count, rows, a, lda, out);
  }
  const index_t panel = height * depth + panel_gap;
  for (index_t k = 0; k < depth; ++k, a += lda, out += height) {
    prefetch(a + packing_distance * lda);
    for (index_t t = 0; t < count; ++t)
      __builtin_memcpy(out + t * panel, a + t * height, height * sizeof(T));
  }
}

// The columns of A as tiles take them: panel after panel, out[k * height + i] = a[k * lda + i], for
// several tiles at a time, so that rows are read by whole cache lines.
template <class T>
void pack_columns(index_t depth, index_t rows, const T* a, index_t lda, T* out) {
  constexpr index_t together = 8;
  for (Tiles tiles(rows); tiles.left > 0;) {
    const index_t height = tiles.rows();
    index_t count = 0;
    for (; count < together && tiles.left > 0 && tiles.rows() == height; ++count) tiles.next();
    pack_panels(depth, count, height, a, lda, out);
    a += count * height;
    out += count * (height * depth + panel_gap);
  }
}

}  // namespace
