// Sums and maxima along rows, added in one order on every ISA level whatever its width.
//
// Element j of a row goes to slot j modulo `slots`, in double precision and increasing j; then slot
// i takes on slot i + slots / 2, and so forth by halves. A level's vectors hold that many slots as
// they are wide, so no lane is ever read by itself: one double after the other, in the order of j,
// is 64 dependent additions for a row of 64. The halves of several rows are added together, with a
// row to a lane: what follows (a logarithm, a division) is then one operation for all of them.
#pragma once

#include "kernels/elementwise.h"

namespace {

inline void widen(VecF64 a, VecF64 (&out)[1]) { out[0] = a; }

template <class V>
constexpr int slots = 64 / sizeof(typename V::T);

// Rows that are taken together; a row that fills the first-level cache by itself is taken alone.
constexpr index_t block_height = 16;
inline index_t rows_at_once(index_t cols) { return cols <= 256 ? block_height : 1; }

template <class V>
struct SlotSum {
  static constexpr int positions = slots<V> / V::width;
  static constexpr int doubles = V::width / VecF64::width;
  static constexpr int count = positions * doubles;
  VecF64 sum[count];

  SlotSum() {
    for (VecF64& s : sum) s = VecF64::set(0);
  }
  void add(int position, V value) {
    VecF64 wide[doubles];
    widen(value, wide);
#pragma GCC unroll 2
    for (int d = 0; d < doubles; ++d)
      sum[position * doubles + d] = sum[position * doubles + d] + wide[d];
  }
  void add(int position, V value, V weight) {
    VecF64 wide[doubles], factor[doubles];
    widen(value, wide);
    widen(weight, factor);
#pragma GCC unroll 2
    for (int d = 0; d < doubles; ++d)
      sum[position * doubles + d] = fma(factor[d], wide[d], sum[position * doubles + d]);
  }
  // One vector of what is left to add.
  VecF64 folded() const {
    VecF64 rest[count];
    for (int i = 0; i < count; ++i) rest[i] = sum[i];
#pragma GCC unroll 4
    for (int half = count / 2; half > 0; half /= 2)
#pragma GCC unroll 8
      for (int i = 0; i < half; ++i) rest[i] = rest[i] + rest[i + half];
    return rest[0];
  }
};

// body(j, position, part) for the vectors of a row; `position` counts them modulo `slots`.
template <class V, class Body>
inline void for_each_slot(index_t n, Body body) {
  constexpr int positions = SlotSum<V>::positions;
  index_t j = 0;
  for (; j + slots<V> <= n; j += slots<V>) {
#pragma GCC unroll 4
    for (int p = 0; p < positions; ++p) body(j + p * V::width, p, Whole<V>{});
  }
#pragma GCC unroll 4
  for (int p = 0; p < positions; ++p, j += V::width) {
    if (j + V::width <= n) {
      if (positions > 1) body(j, p, Whole<V>{});
    } else {
      if (j < n) body(j, p, Part<V>{n - j});
      break;
    }
  }
}

struct Add {
  template <class V>
  static V of(V a, V b) {
    return a + b;
  }
};
struct Max {
  template <class V>
  static V of(V a, V b) {
    return max(a, b);
  }
};

// Every lane: all lanes of one vector combined, by halves.
template <class Operation, class V>
inline V fold(V a) {
#pragma GCC unroll 4
  for (int stage = 1; stage < V::width; stage *= 2) {
    V low, high;
    zip(a, a, low, high);
    a = Operation::of(low, high);
  }
  return a;
}

// Lane i: the lanes of r[i] combined, in the same order. One zip of two vectors halves both.
template <class Operation, class V>
inline V fold_rows(V (&r)[V::width]) {
#pragma GCC unroll 4
  for (int half = V::width / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      V low, high;
      zip(r[i], r[i + half], low, high);
      r[i] = Operation::of(low, high);
    }
  return r[0];
}

// out[i] = the lanes of row(i) combined, for i < height <= block_height; `out` has room for
// block_height, and gets numbers of the first rows where there are no more.
template <class Operation, class V, class Row>
inline void fold_block(index_t height, typename V::T* out, Row row) {
  if (height == 1) {
    fold<Operation>(row(0)).store(out);
    return;
  }
  for (index_t first = 0; first < height; first += V::width) {
    V group[V::width];
    for (index_t i = 0; i < V::width; ++i)
      group[i] = first + i < height ? row(first + i) : group[0];
    fold_rows<Operation>(group).store(out + first);
  }
}

// sums[i] = the sum over j of term(i, j, part), which is counted in its first part.count lanes.
template <class V, class Term>
inline void row_sums(index_t height, index_t cols, double* sums, Term term) {
  fold_block<Add, VecF64>(height, sums, [&](index_t i) {
    SlotSum<V> sum;
    for_each_slot<V>(cols, [&](index_t j, int position, auto part) {
      sum.add(position, part.keep(term(i, j, part), V::set(0)));
    });
    return sum.folded();
  });
}

// The largest elements; a NaN may be skipped, which the callers' own arithmetic then finds.
template <class V>
inline void row_maxima(index_t height, index_t cols, const typename V::T* x, index_t ld,
                       typename V::T* largest) {
  const V lowest = V::set(-static_cast<typename V::T>(__builtin_inf()));
  fold_block<Max, V>(height, largest, [=](index_t i) {
    V m = lowest;
    for_each_vector<V>(cols, [&](index_t j, auto part) {
      m = max(m, part.keep(part.load(x + i * ld + j), lowest));
    });
    return m;
  });
}

}  // namespace
