// A strip of C, as wide as a tile: its rows, tile after tile.
#pragma once

#include "kernels/gemm_tile.h"

namespace {

// m rows as evenly as tiles of at most `tile_rows` rows share them: 8 rows are 4 + 4 and not 6 + 2,
// because a low tile waits for its loads.
struct Tiles {
  index_t left;  // tiles
  explicit Tiles(index_t m)
      : left((m + tile_rows - 1) / tile_rows),
        low_(left == 0 ? 0 : m / left),
        high_(m - low_ * left) {}
  index_t rows() const { return low_ + (high_ > 0 ? 1 : 0); }
  void next() { --left, --high_; }

 private:
  index_t low_, high_;  // rows of a low tile, and how many higher ones come first
};

// Elements between two packed panels of A: without them all panels might begin in the same set of
// the first-level cache.
constexpr index_t panel_gap = 16;

// The part that is packed next: `rows` rows of `length` elements. The tiles of this strip fetch it,
// a few rows each, because the packing itself would wait for memory most of its time.
template <class T>
struct Ahead {
  const T* next;
  index_t rows, length, stride;

  void fetch(index_t count) {
    for (; count > 0 && rows > 0; --count, --rows, next += stride)
      for (index_t j = 0; j < length; j += 64 / index_t(sizeof(T))) prefetch(next + j);
  }
};

// The tile of so many rows; see gemm_tile. A low one waits for its loads: a shorter tail would gain
// nothing.
template <class V, int vectors, bool part, class Tail, bool fetching = false>
inline void gemm_rows(index_t rows, const TileArguments<typename V::T>& p, index_t tail) {
  if constexpr (Tail::width < V::width)
    if (rows <= 3) return gemm_rows<V, vectors, part, V>(rows, p, tail);
  switch (rows) {
    case 1:
      return gemm_tile<V, 1, vectors, part, V, fetching>(p, tail);
    case 2:
      return gemm_tile<V, 2, vectors, part, V, fetching>(p, tail);
    case 3:
      return gemm_tile<V, 3, vectors, part, V, fetching>(p, tail);
    case 4:
      return gemm_tile<V, 4, vectors, part, Tail, fetching>(p, tail);
    case 5:
      if constexpr (tile_rows > 4) gemm_tile<V, 5, vectors, part, Tail, fetching>(p, tail);
      return;
    default:
      if constexpr (tile_rows > 5) gemm_tile<V, 6, vectors, part, Tail, fetching>(p, tail);
  }
}

// All rows of one column strip: `vectors` vectors, and with `part` the first `tail` lanes of a
// `Tail`. `panels`: A is packed, tile after tile.
template <class V, int vectors, bool part, class Tail>
[[gnu::noinline]] void gemm_strip(index_t m, TileArguments<typename V::T> p, index_t tail,
                                  bool panels, Ahead<typename V::T> ahead) {
  const index_t share = ahead.rows == 0 ? 0 : ahead.rows / Tiles(m).left + 1;
  for (Tiles tiles(m); tiles.left > 0; tiles.next()) {
    const index_t rows = tiles.rows();
    if (share > 0) {
      ahead.fetch(share);
      // And the next tile's place in C, whose old lines a store would wait for.
      if (tiles.left > 1)
        for (index_t i = 0; i < rows; ++i)
          for (int v = 0; v < vectors; ++v) prefetch(p.c + (rows + i) * p.ldc + v * V::width);
    }
    if (panels) p.a_col = rows;
    gemm_rows<V, vectors, part, Tail>(rows, p, tail);
    p.a += panels ? rows * p.depth + panel_gap : rows * p.a_row;
    p.c += rows * p.ldc;
  }
}

// A strip of `cols` columns, 0 < cols <= vectors * width. For what fits in half a vector a whole
// one would take twice as long for nothing.
template <class V, int vectors>
void gemm_columns(index_t m, const TileArguments<typename V::T>& p, index_t cols,
                  bool panels = false, const Ahead<typename V::T>& ahead = {}) {
  using Half = typename V::Half;
  if constexpr (vectors > 1) {
    if (cols <= (vectors - 1) * V::width)
      return gemm_columns<V, vectors - 1>(m, p, cols, panels, ahead);
  } else if constexpr (Half::width < V::width) {
    if (cols <= Half::width) return gemm_columns<Half, 1>(m, p, cols, panels, ahead);
  }
  const index_t tail = cols - (vectors - 1) * V::width;
  if (tail == V::width) return gemm_strip<V, vectors, false, V>(m, p, 0, panels, ahead);
  if constexpr (vectors > 1 && Half::width < V::width)
    if (tail <= Half::width)
      return gemm_strip<V, vectors - 1, true, Half>(m, p, tail, panels, ahead);
  gemm_strip<V, vectors - 1, true, V>(m, p, tail, panels, ahead);
}

}  // namespace
