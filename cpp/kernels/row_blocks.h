// Blocks of rows, for what is done along them (softmax): in one of two layouts, with the same bits.
//
// `AsRows` takes rows as they lie in memory. `AsColumns` transposes up to V::width narrow rows in
// registers, so that a row is a lane: no lane is idle whatever the rows' length, sums and maxima
// need no shuffles, and what is one number per row is a vector. For few rows, or long ones, the
// transposition costs more than it saves.
#pragma once

#include "kernels/gemm_pack.h"
#include "kernels/row_sums.h"

namespace {

// A matrix in the order of a layout.
template <class T>
struct Block {
  T* data;
  index_t ld;
};

template <class V>
struct AsRows {
  using T = typename V::T;
  index_t height, cols;

  template <class Part>
  struct Cell {
    index_t i, j;
    Part part;
    template <class U>
    V load(Block<U> x) const {
      return part.load(x.data + i * x.ld + j);
    }
    void store(V value, Block<T> x) const {
      if (x.data != nullptr) part.store(value, x.data + i * x.ld + j);
    }
    V of_row(const T* values) const { return V::set(values[i]); }
  };

  // A matrix in this layout, and back; `buffer` is for a layout that is not memory's.
  Block<const T> in(const T* x, index_t ld, T*) const { return {x, ld}; }
  Block<T> room(T* out, index_t ld, T*) const { return {out, ld}; }
  void out(Block<T>, T*, index_t) const {}
  static T& element(Block<T> x, index_t i, index_t j) { return x.data[i * x.ld + j]; }

  template <class Body>
  void each(Body body) const {
    for_each_row_vector<V>(height, cols, [&](index_t i, index_t j, auto part) {
      body(Cell<decltype(part)>{i, j, part});
    });
  }
  template <class Term>
  void sums(double* out, Term term) const {
    row_sums<V>(height, cols, out, [&](index_t i, index_t j, auto part) {
      return term(Cell<decltype(part)>{i, j, part});
    });
  }
  void maxima(Block<const T> x, T* out) const {
    row_maxima<V>(height, cols, x.data, x.ld, out);
  }
};

template <class V>
struct AsColumns {
  using T = typename V::T;
  static constexpr index_t ld = V::width;
  index_t height, cols;  // at most V::width, slots<V>

  static bool is_better(index_t height, index_t cols) {
    return cols <= slots<V> && 4 * height > V::width;
  }

  struct Cell {
    index_t j;
    template <class U>
    V load(Block<U> x) const {
      return V::load(x.data + j * ld);
    }
    void store(V value, Block<T> x) const { value.store(x.data + j * ld); }
    V of_row(const T* values) const { return V::load(values); }
  };

  Block<const T> in(const T* x, index_t ld_x, T* buffer) const {
    for_each_vector<V>(cols, [&](index_t j, auto part) {
      V block[V::width];
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i)
        block[i] = i < height ? part.load(x + i * ld_x + j) : V::set(0);
      transpose_block(block);
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i) block[i].store(buffer + (j + i) * ld);
    });
    return {buffer, ld};
  }
  Block<T> room(T*, index_t, T* buffer) const { return {buffer, ld}; }
  void out(Block<T> x, T* to, index_t ld_to) const {
    for_each_vector<V>(cols, [&](index_t j, auto part) {
      V block[V::width];
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i) block[i] = V::load(x.data + (j + i) * ld);
      transpose_block(block);
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i)
        if (i < height) part.store(block[i], to + i * ld_to + j);
    });
  }
  static T& element(Block<T> x, index_t i, index_t j) { return x.data[j * x.ld + i]; }

  template <class Body>
  void each(Body body) const {
    for (index_t j = 0; j < cols; ++j) body(Cell{j});
  }
  // The slots of a row are its columns: added by halves, as `SlotSum` does.
  template <class Term>
  void sums(double* out, Term term) const {
    constexpr int doubles = V::width / VecF64::width;
    VecF64 slot[slots<V>][doubles];
    for (index_t j = 0; j < cols; ++j) widen(V::set(0) + term(Cell{j}), slot[j]);
    index_t count = cols;
    for (index_t half = slots<V> / 2; half > 0; half /= 2) {
      for (index_t j = 0; j + half < count; ++j)
        for (int d = 0; d < doubles; ++d) slot[j][d] = slot[j][d] + slot[j + half][d];
      count = count < half ? count : half;
    }
    for (int d = 0; d < doubles; ++d) slot[0][d].store(out + d * VecF64::width);
  }
  void maxima(Block<const T> x, T* out) const {
    V m = V::load(x.data);
    for (index_t j = 1; j < cols; ++j) m = max(m, V::load(x.data + j * ld));
    m.store(out);
  }
};

// Room for a block in any layout.
template <class V>
struct BlockBuffer {
  alignas(64) typename V::T data[slots<V> * V::width];
};

// body(first, layout) for blocks of rows, in their order.
template <class V, class Body>
inline void for_each_block(index_t rows, index_t cols, Body body) {
  for (index_t first = 0; first < rows;) {
    index_t height = rows - first < V::width ? rows - first : V::width;
    if (AsColumns<V>::is_better(height, cols)) {
      body(first, AsColumns<V>{height, cols});
    } else {
      height = rows - first < rows_at_once(cols) ? rows - first : rows_at_once(cols);
      body(first, AsRows<V>{height, cols});
    }
    first += height;
  }
}

}  // namespace
