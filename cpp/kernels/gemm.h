// The matrix product behind all three products of training (table.h states its meaning):
//   forward           Z  = X W + b       A = X           B = W (inputs, outputs)
//   weight gradient   dW = X^T dZ        A = X^T         B = dZ
//   input gradient    dX = dZ W^T        A = dZ          B = W^T
// A^T and B^T are read where they lie, by their strides.
//
// Small products read A and B where they are. Larger ones are cut into blocks that stay in the
// second-level cache, or packed; a cut of the depth continues each element's chain through C. How
// a product is cut does not change its bits.
#pragma once

#include "kernels/dot_products.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_strip.h"
#include "kernels/gemm_transposed.h"

namespace {

using densecore::GemmArguments;

template <class V>
struct Blocking {
  using T = typename V::T;
  static constexpr index_t strip = tile_vectors * V::width;  // columns of a tile
  // Depth of a block: few products are deeper, so that C is loaded and stored once.
  static constexpr index_t depth = densecore::gemm_depth;
  // Rows of a block. B's strip, which every tile reads, takes 256 KB of the second-level cache. A's
  // block (rows x depth), 2 MB, need not stay there: a tile reads a byte of it per cycle, in order.
  // And the more rows use a strip, the less its packing costs.
  static constexpr index_t rows = index_t(2016 / sizeof(T)) / tile_rows * tile_rows;
  static constexpr index_t narrow_bytes = 32 * 1024;  // the result of gemm_narrow
  // A strip of B where it lies: from its first to its last row. Rows that far apart share few sets
  // of the second-level cache, whose half they may take; deeper, tiles would fetch B from the next
  // level again and again (1 MB, 8 ways: 512 rows of 2 KB at best).
  static constexpr index_t span_bytes = 512 * 1024, least_slice = 64;
  // A B of more bytes is fetched from memory by a product of few rows; of more it takes less time
  // than the arithmetic.
  static constexpr index_t fetching_bytes = 2048 * 1024, fetching_rows = 64;
  static constexpr index_t b_size = depth * strip;
  static constexpr index_t a_size = depth * rows + panel_gap * rows / tile_rows;
  static_assert((b_size + a_size) * sizeof(T) + narrow_bytes <= densecore::gemm_scratch_bytes);
};

template <class V>
void gemm(const GemmArguments<typename V::T>& p);

// One row: a tile as wide as the registers allow, so that rows of B are read in long pieces.
template <class V, int vectors>
void gemm_row(const GemmArguments<typename V::T>& p) {
  constexpr index_t strip = vectors * V::width, piece = 128;
  const index_t whole = p.n / strip * strip;
  // All strips of some rows, then the next rows: B is read nearly as it lies.
  for (index_t k = 0; k < p.depth; k += piece) {
    const index_t depth = p.depth - k < piece ? p.depth - k : piece;
    for (index_t j = 0; j < whole; j += strip)
      gemm_tile<V, 1, vectors, false, V>(
          {depth, p.a + k * p.a_col, p.a_row, p.a_col, p.b + k * p.b_row + j, p.b_row,
           k > 0 || p.bias == nullptr ? nullptr : p.bias + j, k > 0 || p.accumulate, p.c + j, p.ldc,
           nullptr},
          0);
  }
  const index_t j = whole;
  if (j == p.n) return;
  GemmArguments<typename V::T> rest = p;
  rest.n -= j;
  rest.b += j;
  rest.c += j;
  if (rest.bias != nullptr) rest.bias += j;
  gemm<V>(rest);
}

// Few rows of A, for which B is read from memory. Along a strip its rows are far apart, and the
// processor would wait for each: a piece of the depth goes through all strips, B's rows nearly as
// they lie, and each strip fetches the next.
template <class V>
void gemm_fetching(const GemmArguments<typename V::T>& p) {
  constexpr index_t strip = Blocking<V>::strip, piece = 128;
  const index_t pieces = (p.depth + piece - 1) / piece;
  for (index_t s = 0; s < pieces; ++s) {
    const index_t k = p.depth * s / pieces, depth = p.depth * (s + 1) / pieces - k;
    for (index_t j = 0; j < p.n; j += strip) {
      TileArguments<typename V::T> tile = {depth,
                                           p.a + k * p.a_col,
                                           p.a_row,
                                           p.a_col,
                                           p.b + k * p.b_row + j,
                                           p.b_row,
                                           k > 0 || p.bias == nullptr ? nullptr : p.bias + j,
                                           k > 0 || p.accumulate,
                                           p.c + j,
                                           p.ldc,
                                           nullptr};
      index_t fetched = 0;  // rows of the first tile, which fetches all of the next strip
      if (p.n - j >= strip) {
        fetched = Tiles(p.m).rows();
        gemm_rows<V, tile_vectors, false, V, true>(fetched, tile, 0);
        tile.a += fetched * p.a_row;
        tile.c += fetched * p.ldc;
      }
      gemm_columns<V, tile_vectors>(p.m - fetched, tile, p.n - j < strip ? p.n - j : strip);
    }
  }
}

// Whether a weight gradient (m, n) would leave a quarter of the lanes of its one or two vectors
// empty, and its transpose would not.
template <class V>
constexpr bool is_narrow(index_t m, index_t n) {
  const auto two = [](index_t cols) { return cols > V::width && 2 * cols <= 3 * V::width; };
  return m >= V::width && (4 * n <= 3 * V::width || (two(n) && m > 2 * V::width));
}

// A weight gradient of few units: as its transpose, so that vectors run along the inputs and are
// full. The chains of additions are the same.
template <class V>
void gemm_narrow(const GemmArguments<typename V::T>& p) {
  using T = typename V::T;
  // (n, block) elements: so many inputs at a time, whole cache lines of them.
  const index_t block = index_t(Blocking<V>::narrow_bytes / sizeof(T)) / p.n & -index_t(64);
  T* const turned = p.scratch;
  for (index_t i = 0; i < p.m; i += block) {
    const index_t rows = p.m - i < block ? p.m - i : block;
    T* c = p.c + i * p.ldc;
    if (p.accumulate || p.rate != nullptr) transpose<V>(rows, p.n, c, p.ldc, turned, block);
    gemm<V>({p.n, rows, p.depth, p.b, 1, p.b_row, p.a + i, p.a_col, 1, nullptr, p.accumulate,
             turned, block, p.scratch + p.n * block, p.rate});
    transpose<V>(p.n, rows, turned, block, c, p.ldc);
  }
}

// The product a part of the depth at a time, none above `most`: parts of equal size, for a small
// last one would load and store C for few products.
template <class V>
void gemm_slices(const GemmArguments<typename V::T>& p, index_t most) {
  const index_t slices = (p.depth + most - 1) / most;
  for (index_t s = 0; s < slices; ++s) {
    const index_t k = p.depth * s / slices;
    GemmArguments<typename V::T> slice = p;
    slice.depth = p.depth * (s + 1) / slices - k;
    slice.a += k * p.a_col;
    slice.b += k * p.b_row;
    if (s > 0) {
      slice.bias = nullptr;
      slice.accumulate = true;
    }
    gemm<V>(slice);
  }
}

template <class V>
void gemm(const GemmArguments<typename V::T>& p) {
  using T = typename V::T;
  using B = Blocking<V>;
  if (p.m == 0 || p.n == 0) return;
  const bool transposed_a = p.a_row == 1 && (p.a_col != 1 || p.rate != nullptr),
             transposed_b = p.b_row == 1 && p.b_col != 1;
  if (transposed_a && !transposed_b && p.bias == nullptr && is_narrow<V>(p.m, p.n))
    return gemm_narrow<V>(p);
  if (transposed_b && !transposed_a && gemm_turned<V>(p)) return;
  if constexpr (has_dot_products<V>)
    if (p.n <= 2 && p.m >= Short<V>::width && p.a_col == 1 && p.b_row == p.n && !p.accumulate &&
        p.rate == nullptr && p.depth >= least_dot_inputs<T>(p.n))
      return (p.n == 1 ? dot_products<Short<V>, 1>
                       : dot_products<Short<V>, 2>)({p.m, p.depth, p.a, p.a_row, false, p.b, p.bias,
                                                     p.c, p.ldc});
  // Half of the registers that a whole tile takes hold sums, as many again are loaded ahead.
  constexpr int row_vectors = tile_rows * tile_vectors * 2 / 3;
  if (p.m == 1 && p.rate == nullptr && p.depth > 0 && !transposed_b &&
      p.n >= row_vectors * V::width && V::width > 1)
    return gemm_row<V, row_vectors>(p);
  if (p.m <= B::fetching_rows && p.n >= 2 * B::strip && !transposed_a && !transposed_b &&
      p.rate == nullptr && p.depth * p.n * index_t(sizeof(T)) > B::fetching_bytes)
    return gemm_fetching<V>(p);
  using Half = typename V::Half;
  if constexpr (Half::width < V::width)
    if (p.n <= Half::width && !transposed_a && !transposed_b) {
      gemm_columns<Half, 1>(
          p.m,
          {p.depth, p.a, p.a_row, p.a_col, p.b, p.b_row, p.bias, p.accumulate, p.c, p.ldc, p.rate},
          p.n);
      return;
    }
  const index_t strips = (p.n + B::strip - 1) / B::strip;
  // Measured. Packing B pays when many rows use it, and its own rows are so far apart that few of
  // them at a time could be used where they lie, or when very many use it. A pays only when it is
  // read across its rows: along them six rows are six streams, which the processor follows by
  // itself.
  const index_t apart = p.b_row * index_t(sizeof(T)),
                fits = B::span_bytes / (apart > 0 ? apart : 1);
  const index_t slice = fits < B::least_slice ? B::least_slice : fits;
  // The sum of a descent cannot be continued through C, which holds the weights.
  const bool deep = p.depth > slice && p.m >= 48 && p.rate != nullptr;
  const bool pack_b = transposed_b || deep ||
                      (p.depth * p.n * index_t(sizeof(T)) > 48 * 1024 &&
                       ((p.m >= 128 && apart >= 8192) || (p.m >= 192 && apart >= 1024)));
  if (!pack_b && p.depth > slice && p.rate == nullptr) return gemm_slices<V>(p, slice);
  const bool pack_a = transposed_a && strips >= 2 && p.m * p.depth * index_t(sizeof(T)) > 32 * 1024;
  if (!pack_a && !pack_b) {
    for (index_t j = 0; j < p.n; j += B::strip) {
      const index_t cols = p.n - j < B::strip ? p.n - j : B::strip;
      const TileArguments<T> tile = {p.depth,
                                     p.a,
                                     p.a_row,
                                     p.a_col,
                                     p.b + j,
                                     p.b_row,
                                     p.bias == nullptr ? nullptr : p.bias + j,
                                     p.accumulate,
                                     p.c + j,
                                     p.ldc,
                                     p.rate};
      gemm_columns<V, tile_vectors>(p.m, tile, cols);
    }
    return;
  }
  T* const b_packed = p.scratch;
  T* const a_packed = p.scratch + B::b_size;
  const index_t blocks = pack_a ? (p.m + B::rows - 1) / B::rows : 1;
  // Blocks of equal size: 784 = 384 + 384 + 16 would load and store C for 16 products.
  const index_t depth_blocks = p.depth <= B::depth ? 1 : (p.depth + B::depth - 1) / B::depth;
  for (index_t depth_block = 0; depth_block < depth_blocks; ++depth_block) {
    const index_t k = p.depth * depth_block / depth_blocks;
    const index_t depth = p.depth * (depth_block + 1) / depth_blocks - k;
    for (index_t block = 0; block < blocks; ++block) {
      const index_t i = p.m * block / blocks, rows = p.m * (block + 1) / blocks - i;
      const T* a = p.a + i * p.a_row + k * p.a_col;
      if (pack_a) pack_columns(depth, rows, a, p.a_col, a_packed);
      for (index_t j = 0; j < p.n; j += B::strip) {
        const index_t cols = p.n - j < B::strip ? p.n - j : B::strip;
        const index_t padded = (cols + V::width - 1) / V::width * V::width;
        const T* b = p.b + k * p.b_row + j * p.b_col;
        index_t ldb = p.b_row;
        if (pack_b) {
          if (transposed_b)
            transpose<V>(cols, depth, b, p.b_col, b_packed, padded);
          else
            pack_rows<V>(depth, cols, b, p.b_row, b_packed);
          b = b_packed;
          ldb = padded;
        }
        const bool first = k == 0;
        const TileArguments<T> tile = {depth,
                                       pack_a ? a_packed : a,
                                       p.a_row,
                                       p.a_col,
                                       b,
                                       ldb,
                                       !first || p.bias == nullptr ? nullptr : p.bias + j,
                                       !first || p.accumulate,
                                       p.c + i * p.ldc + j,
                                       p.ldc,
                                       p.rate};
        Ahead<T> ahead = {};
        if (pack_b) {
          // The next strip of this slice, else the first one of the next slice.
          const bool more = j + B::strip < p.n;
          const index_t next_j = more ? j + B::strip : 0, next_k = more ? k : k + depth;
          const index_t next_cols = p.n - next_j < B::strip ? p.n - next_j : B::strip;
          const index_t next_depth = p.depth - next_k < depth ? p.depth - next_k : depth;
          ahead = {p.b + next_k * p.b_row + next_j * p.b_col, transposed_b ? next_cols : next_depth,
                   transposed_b ? next_depth : next_cols, transposed_b ? p.b_col : p.b_row};
          if (next_depth == 0) ahead.rows = 0;
        }
        gemm_columns<V, tile_vectors>(rows, tile, cols, pack_a, ahead);
      }
    }
  }
}

}  // namespace
