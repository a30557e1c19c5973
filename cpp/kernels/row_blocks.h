// Rows, for what is done along them (softmax): one by one, or narrow ones transposed. Same bits.
//
// `AsColumns` transposes up to V::width narrow rows in registers, so that a row is a lane: no lane
// is idle whatever the rows' length, sums and maxima need no shuffles, and what is one number per
// row is a vector, of which a logarithm costs the same. For few rows, or long ones, that costs more
// than it saves: `AsRows` takes them as they lie in memory, several at a
// time, for their logarithms.
#pragma once

#include "kernels/gemm_pack.h"
#include "kernels/math.h"
#include "kernels/row_sums.h"

namespace {

// A matrix in the order of a layout; `whole`: rows have room for whole vectors.
template <class T>
struct Block {
  T* data;
  index_t ld;
  bool whole;
};

// Rows of up to so many columns may become columns: for a row of 40 classes the shuffles of its sum
// and maximum would take twice as long as its exponentials.
constexpr index_t narrow_cols = 64;

// Room for a block in any layout.
template <class V>
struct BlockBuffer {
  static constexpr index_t size = narrow_cols * V::width;
  // And a line more: two of 4 KB, one after the other, would share the lower bits of all addresses.
  alignas(64) typename V::T data[size + 64 / sizeof(typename V::T)];
};

template <class V>
struct AsRows {
  using T = typename V::T;
  index_t height, cols;  // several rows only where the buffer has room for them

  // As many of `rows` rows as fit.
  static AsRows of(index_t rows, index_t cols) {
    const index_t room = BlockBuffer<V>::size / padded(cols);
    const index_t most = room < V::width ? room : V::width;
    return {rows < most ? rows : (most > 1 ? most : 1), cols};
  }
  static index_t padded(index_t cols) { return (cols + V::width - 1) & -V::width; }
  static index_t scalar_index(index_t i) {
    asm("" : "+r"(i));  // see AsColumns
    return i;
  }

  template <class Part>
  struct Cell {
    index_t i, j;
    Part part;
    template <class U>
    V load(Block<U> x) const {
      return part.load(x.data + i * x.ld + j);
    }
    void store(V value, Block<T> x) const {
      if (x.whole)
        value.store(x.data + i * x.ld + j);
      else if (x.data != nullptr)
        part.store(value, x.data + i * x.ld + j);
    }
    V of_row(const T* values) const { return V::set(values[i]); }
  };

  // A matrix in this layout; room for one that becomes `out` (or nothing); from there to memory.
  // Short rows wait in the buffer: a vector that was stored under a mask can be read back only
  // when the store has reached the cache, and there is nothing else to do meanwhile.
  Block<const T> in(const T* x, index_t ld_x, T*) const { return {x, ld_x, false}; }
  Block<T> room(T* out, index_t ld_out, T* buffer) const {
    if (cols <= BlockBuffer<V>::size) return {buffer, padded(cols), true};
    return {out, ld_out, false};
  }
  void out(Block<T> x, T* to, index_t ld_to, bool) const {
    if (x.whole)
      for_each_row_vector<V>(height, cols, [=](index_t i, index_t j, auto part) {
        part.store(V::load(x.data + i * x.ld + j), to + i * ld_to + j);
      });
  }
  static T element(Block<T> x, index_t i, index_t j) { return x.data[i * x.ld + j]; }

  template <class Body>
  void each(Body body) const {
    for_each_row_vector<V>(height, cols, [&](index_t i, index_t j, auto part) {
      body(Cell<decltype(part)>{i, j, part});
    });
  }
  // One number of every row, from a function that gives a vector of it. Of a single row the whole
  // vector is stored, for it is loaded next.
  template <class Vector, class Number, class Function>
  [[gnu::always_inline]] inline void of_rows(Number* out, Function function) const {
    if (height == 1) return function(0).store(out);
    for (index_t i = 0; i < height; ++i) {
      Number lanes[Vector::width];
      function(i).store(lanes);
      out[i] = lanes[0];
    }
  }
  template <class Term>
  [[gnu::always_inline]] void sums(double* out, Term term) const {
    of_rows<VecF64>(
        out, [&](index_t i) __attribute__((always_inline)) {
          return row_sum<V>(cols, [&](index_t j, auto part) {
            return term(Cell<decltype(part)>{i, j, part});
          });
        });
  }
  void maxima(Block<const T> x, T* out) const {
    of_rows<V>(out, [&](index_t i) { return row_maximum<V>(cols, x.data + i * x.ld); });
  }
};

template <class V>
struct AsColumns {
  using T = typename V::T;
  using Half = Short<V>;
  static constexpr bool has_halves = Half::width < V::width;
  static constexpr index_t ld = V::width;
  static constexpr int doubles = V::width / VecF64::width;
  index_t height, cols;  // at most V::width, narrow_cols

  // The number itself, of which the compiler knows nothing: for loops over a block's rows that
  // gather from here and there. Vectorised, they would be most of a loss's code and no faster.
  static index_t scalar_index(index_t i) {
    asm("" : "+r"(i));
    return i;
  }
  static bool is_better(index_t height, index_t cols) {
    return cols <= narrow_cols && 4 * height > V::width;
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

  // The compiler cannot see these limits, and would warn of columns outside the buffer.
  void assume_narrow() const {
    if (cols < 1 || cols > narrow_cols || height > V::width) __builtin_unreachable();
  }

  Block<const T> in(const T* x, index_t ld_x, T* buffer) const {
    assume_narrow();
    if constexpr (has_halves)
      if (cols <= Half::width) {
        transpose_halves_in(height, cols, x, ld_x, buffer);
        return {buffer, ld, true};
      }
    transpose_in(height, cols, x, ld_x, buffer);
    return {buffer, ld, true};
  }
  Block<T> room(T*, index_t, T* buffer) const { return {buffer, ld, true}; }
  // `to_whole`: rows of `to` have room for whole vectors.
  void out(Block<T> x, T* to, index_t ld_to, bool to_whole) const {
    assume_narrow();
    if constexpr (has_halves)
      if (to_whole && cols <= Half::width) return transpose_halves_out(height, x.data, to, ld_to);
    transpose_out(height, cols, x.data, to, ld_to);
  }
  // Not inlined: each is as long as all the rest.
  [[gnu::noinline]] static void transpose_in(index_t rows, index_t count, const T* x, index_t ld_x,
                                             T* buffer) {
    if (rows > V::width || count > narrow_cols) __builtin_unreachable();
    for_each_vector<V>(count, [&](index_t j, auto part) {
      V block[V::width];
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i)
        block[i] = i < rows ? part.load(x + i * ld_x + j) : V::set(0);
      transpose_block(block);
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i) block[i].store(buffer + (j + i) * ld);
    });
  }
  [[gnu::noinline]] static void transpose_out(index_t rows, index_t count, const T* x, T* to,
                                              index_t ld_to) {
    if (rows > V::width || count > narrow_cols) __builtin_unreachable();
    for_each_vector<V>(count, [&](index_t j, auto part) {
      V block[V::width];
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i) block[i] = V::load(x + (j + i) * ld);
      transpose_block(block);
#pragma GCC unroll 16
      for (index_t i = 0; i < V::width; ++i)
        if (i < rows) part.store(block[i], to + i * ld_to + j);
    });
  }
  // Rows of half a vector, as two blocks of half as many of them: less than half of the shuffles.
  [[gnu::noinline]] static void transpose_halves_in(index_t rows, index_t count, const T* x,
                                                    index_t ld_x, T* buffer) {
    const Any<Half> part{count};
    Half block[2][Half::width];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 8
      for (index_t i = 0; i < Half::width; ++i)
        block[half][i] = half * Half::width + i < rows
                             ? part.load(x + (half * Half::width + i) * ld_x)
                             : Half::set(0);
      transpose_block(block[half]);
    }
#pragma GCC unroll 8
    for (index_t j = 0; j < Half::width; ++j)
      V::join(block[0][j], block[1][j]).store(buffer + j * ld);
  }
  [[gnu::noinline]] static void transpose_halves_out(index_t rows, const T* x, T* to,
                                                     index_t ld_to) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      Half block[Half::width];
#pragma GCC unroll 8
      for (index_t j = 0; j < Half::width; ++j)
        block[j] = Half::load(x + j * ld + half * Half::width);
      transpose_block(block);
#pragma GCC unroll 8
      for (index_t i = 0; i < Half::width; ++i)
        if (half * Half::width + i < rows) block[i].store(to + (half * Half::width + i) * ld_to);
    }
  }
  static T element(Block<T> x, index_t i, index_t j) { return x.data[j * ld + i]; }

  template <class Body>
  void each(Body body) const {
    assume_narrow();
    for (index_t j = 0; j < cols; ++j) body(Cell{j});
  }
  // Columns are added as the slots of `SlotSum` are.
  template <class Term>
  void sums(double* out, Term term) const {
    assume_narrow();
    VecF64 slot[slots<V>][doubles];
    index_t count = cols < slots<V> ? cols : slots<V>;
    for (index_t j = 0; j < count; ++j) widen(V::set(0) + term(Cell{j}), slot[j]);
    for (index_t j = slots<V>; j < cols; ++j) {
      VecF64 wide[doubles];
      widen(term(Cell{j}), wide);
      VecF64* const to = slot[j % slots<V>];
      for (int d = 0; d < doubles; ++d) to[d] = to[d] + wide[d];
    }
    fold_columns(count, slot, out);
  }
  [[gnu::noinline]] static void fold_columns(index_t count, VecF64 (*slot)[doubles], double* out) {
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

// body(first, layout) for all rows, in their order: those from `first` on, layout.height of them.
template <class V, class Body>
inline void for_each_block(index_t rows, index_t cols, Body body) {
  for (index_t first = 0; first < rows;) {
    const index_t height = rows - first < V::width ? rows - first : V::width;
    if (AsColumns<V>::is_better(height, cols)) {
      body(first, AsColumns<V>{height, cols});
      first += height;
    } else {
      const AsRows<V> layout = AsRows<V>::of(rows - first, cols);
      body(first, layout);
      first += layout.height;
    }
  }
}

// The same without columns, for what is not worth the code of both layouts.
template <class V, class Body>
inline void for_each_row(index_t rows, index_t cols, Body body) {
  for (index_t first = 0; first < rows;) {
    const AsRows<V> layout = AsRows<V>::of(rows - first, cols);
    body(first, layout);
    first += layout.height;
  }
}

// Logarithms of the first `count` numbers of a block, and of the rest of their last vector.
inline void logarithms(index_t count, const double* x, double* out) {
  for (index_t i = 0; i < count; i += VecF64::width) log(VecF64::load(x + i)).store(out + i);
}
inline void inverses(index_t count, const double* x, double* out) {
  for (index_t i = 0; i < count; i += VecF64::width)
    (VecF64::set(1) / VecF64::load(x + i)).store(out + i);
}

}  // namespace
