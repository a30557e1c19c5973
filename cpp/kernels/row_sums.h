// Sums and maxima along rows, added in one order on every ISA level whatever its width.
//
// Element j of a row goes to slot j modulo `slots`, in double precision and increasing j; then slot
// i + slots / 2 is added to slot i, and so forth by halves. A level's vectors hold that many slots
// as they are wide, so no lane is ever read by itself: one double after the other, in the order of
// j, is 64 dependent additions for a row of 64.
#pragma once

#include "kernels/elementwise.h"

namespace {

inline void widen(VecF64 a, VecF64 (&out)[1]) { out[0] = a; }

template <class V>
constexpr int slots = 64 / sizeof(typename V::T);

// The slots of a sum between two loops that add to it. Stored and loaded by whole vectors.
template <class V>
struct SlotMemory {
  alignas(64) double slot[slots<V>];
};

// Its functions must be inlined: GCC copies an array of vectors in pieces of half a vector, and
// loading what was stored in pieces waits until it has reached the cache.
template <class V>
struct SlotSum {
  static constexpr int positions = slots<V> / V::width;
  static constexpr int doubles = V::width / VecF64::width;
  static constexpr int count = positions * doubles;
  VecF64 sum[count];

  [[gnu::always_inline]] SlotSum() {
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) sum[i] = VecF64::set(0);
  }
  [[gnu::always_inline]] explicit SlotSum(const SlotMemory<V>& memory) {
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) sum[i] = VecF64::load(memory.slot + i * VecF64::width);
  }
  [[gnu::always_inline]] void store(SlotMemory<V>& memory) const {
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) sum[i].store(memory.slot + i * VecF64::width);
  }
  [[gnu::always_inline]] void add(int position, V value) {
    VecF64 wide[doubles];
    widen(value, wide);
#pragma GCC unroll 2
    for (int d = 0; d < doubles; ++d)
      sum[position * doubles + d] = sum[position * doubles + d] + wide[d];
  }
  [[gnu::always_inline]] void add(int position, V value, V weight) {
    VecF64 wide[doubles], factor[doubles];
    widen(value, wide);
    widen(weight, factor);
#pragma GCC unroll 2
    for (int d = 0; d < doubles; ++d)
      sum[position * doubles + d] = fma(factor[d], wide[d], sum[position * doubles + d]);
  }
  // One vector of what is left to add; the sum is no longer one.
  [[gnu::always_inline]] VecF64 fold_slots() {
#pragma GCC unroll 4
    for (int half = count / 2; half > 0; half /= 2)
#pragma GCC unroll 8
      for (int i = 0; i < half; ++i) sum[i] = sum[i] + sum[i + half];
    return sum[0];
  }
};

// value[j] = term(j, part), with zeros up to the last slot. Terms pass through memory because their
// sum needs code for every position among the slots, and they may be two logarithms long.
template <class V, class Term>
[[gnu::always_inline]] inline void fill_slots(index_t n, typename V::T* value, Term term) {
  const V zero = V::set(0);
  for_each_vector<V>(
      n, [&](index_t j, auto part)
             __attribute__((always_inline)) { part.keep(term(j, part), zero).store(value + j); });
  for (index_t j = (n + V::width - 1) & -V::width; j & (slots<V> - 1); j += V::width)
    zero.store(value + j);
}

// body(j, position) for the vectors of whole slots; `position` counts them modulo `slots`.
template <class V, class Body>
[[gnu::always_inline]] inline void for_each_slot(index_t n, Body body) {
  for (index_t j = 0; j < n; j += slots<V>)
#pragma GCC unroll 4
    for (int position = 0; position < SlotSum<V>::positions; ++position)
      body(j + position * V::width, position);
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

// In every lane, the sum over j of term(j, part).
template <class V, class Term>
[[gnu::always_inline]] inline VecF64 row_sum(index_t cols, Term term) {
  constexpr index_t most = 16 * slots<V>;
  alignas(64) typename V::T value[most];
  SlotSum<V> sum;
  if (cols < V::width) {  // a single row is waited for: not through memory
    const Part<V> part{cols};
    sum.add(0, part.keep(term(0, part), V::set(0)));
    return fold<Add>(sum.fold_slots());
  }
  for (index_t first = 0; first < cols; first += most) {
    const index_t n = cols - first < most ? cols - first : most;
    fill_slots<V>(
        n, value, [&](index_t j, auto part) __attribute__((always_inline)) {
          return term(first + j, part);
        });
    for_each_slot<V>(
        n, [&](index_t j, int position)
               __attribute__((always_inline)) { sum.add(position, V::load(value + j)); });
  }
  return fold<Add>(sum.fold_slots());
}

// As `row_sum`, as a number, of a short term, which has code for every position among the slots.
template <class V, class Term>
inline double row_total(index_t cols, Term term) {
  SlotSum<V> sum;
  index_t j = 0;
  for (; j + slots<V> <= cols; j += slots<V>)
#pragma GCC unroll 4
    for (int position = 0; position < SlotSum<V>::positions; ++position)
      sum.add(position, term(j + position * V::width, Whole<V>{}));
#pragma GCC unroll 4
  for (int position = 0; position < SlotSum<V>::positions; ++position, j += V::width) {
    if (j >= cols) break;
    const Any<V> part{cols - j < V::width ? cols - j : V::width};
    sum.add(position, part.keep(term(j, part), V::set(0)));
  }
  double lanes[VecF64::width];
  fold<Add>(sum.fold_slots()).store(lanes);
  return lanes[0];
}

// In every lane, the largest element; a NaN may be skipped, which the callers' own arithmetic then
// finds.
template <class V>
inline V row_maximum(index_t cols, const typename V::T* x) {
  const V lowest = V::set(-static_cast<typename V::T>(__builtin_inf()));
  V m = lowest;
  for_each_vector<V>(
      cols, [&](index_t j, auto part) { m = max(m, part.keep(part.load(x + j), lowest)); });
  return fold<Max>(m);
}

}  // namespace
