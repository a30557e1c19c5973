// The loops that the other kernels are written in, and the kernels without mathematics.
#pragma once

#include "kernels/table.h"

namespace {

using densecore::Hyperparameter;
using densecore::index_t;

constexpr double unbounded = __builtin_inf();

template <class... Types>
struct TypeList {};

template <bool condition, class A, class B>
struct Choose {
  using type = A;
};
template <class A, class B>
struct Choose<false, A, B> {
  using type = B;
};

// The types of several lists, one list after another.
template <class... Lists>
struct JoinedLists;
template <class... First>
struct JoinedLists<TypeList<First...>> {
  using type = TypeList<First...>;
};
template <class... First, class... Second, class... Rest>
struct JoinedLists<TypeList<First...>, TypeList<Second...>, Rest...>
    : JoinedLists<TypeList<First..., Second...>, Rest...> {};
template <class... Lists>
using Joined = typename JoinedLists<Lists...>::type;

template <class T>
alignas(64) constexpr T lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// 0, or NaN for NaN: to be added where a comparison has chosen a constant.
template <class V>
inline V nothing_or_nan(V z) {
  return min(V::set(0), max(V::set(0), z));
}

// -1, 0 or 1; NaN for NaN.
template <class V>
inline V sign(V x) {
  const V zero = V::set(0);
  const V not_positive = select(less(x, zero), V::set(-1), nothing_or_nan(x));
  return select(less(zero, x), V::set(1), not_positive);
}

// The even and the odd lanes of (a, b). log2(2 width) perfect shuffles bring 2 width lanes back to
// their order, so all of them but one are the inverse of a shuffle.
template <class V>
inline void unzip(V a, V b, V& even, V& odd) {
#pragma GCC unroll 4
  for (int stage = 1; stage < V::width; stage *= 2) {
    zip(a, b, even, odd);
    a = even;
    b = odd;
  }
}

// A whole vector, and the first `count` lanes of one (0 < count < width): the same interface, so
// that the main loop and its tail run the same lambda.
template <class V>
struct Whole {
  using T = typename V::T;
  static constexpr index_t count = V::width;
  V load(const T* p) const { return V::load(p); }
  void store(V x, T* p) const { x.store(p); }
  V keep(V x, V) const { return x; }
};

template <class V>
struct Part {
  using T = typename V::T;
  index_t count;
  V load(const T* p) const { return V::load_partial(p, count); }
  void store(V x, T* p) const { x.store_partial(p, count); }
  // x in the lanes that count, `rest` in the others.
  V keep(V x, V rest) const {
    return select(less(V::load(lane_numbers<T>), V::set(static_cast<T>(count))), x, rest);
  }
};

// The vectors that layers of few units take: half of the level's, where these are the longest that
// there are.
template <class V, bool halved = V::width * sizeof(typename V::T) == 64>
struct ShortOf {
  using type = V;
};
template <class V>
struct ShortOf<V, true> {
  using type = typename V::Half;
};
template <class V>
using Short = typename ShortOf<V>::type;

// body(j, part) for the vectors at j = 0, width, 2 width, ... of n elements.
template <class V, class Body>
inline void for_each_vector(index_t n, Body body) {
  index_t j = 0;
  for (; j + V::width <= n; j += V::width) body(j, Whole<V>{});
  if (j < n) body(j, Part<V>{n - j});
}

template <class V, class Body>
inline void for_each_row_vector(index_t rows, index_t cols, Body body) {
  for (index_t i = 0; i < rows; ++i)
    for_each_vector<V>(cols, [&](index_t j, auto part) { body(i, j, part); });
}

// All or some of a vector's lanes, by a test at run time: for bodies so long that the main loop and
// its tail share one copy of the code.
template <class V>
struct Any {
  using T = typename V::T;
  index_t count;
  V load(const T* p) const { return count == V::width ? V::load(p) : V::load_partial(p, count); }
  void store(V x, T* p) const {
    if (count == V::width)
      x.store(p);
    else
      x.store_partial(p, count);
  }
  V keep(V x, V rest) const { return count == V::width ? x : Part<V>{count}.keep(x, rest); }
};

template <class V, class Body>
inline void for_each_any_vector(index_t rows, index_t cols, Body body) {
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < cols; j += V::width)
      body(i, j, Any<V>{cols - j < V::width ? cols - j : V::width});
}

// Four vectors at a time, as fast as the caches give them: a comparison for each, whose result is a
// branch or a mask, takes twice as long. `limited`: not all finite numbers are inside.
template <class V, bool limited>
[[gnu::noinline]] bool are_inside(index_t n, const typename V::T* x, typename V::T low,
                                  typename V::T high) {
  using T = typename V::T;
  constexpr int together = 4;
  const V zero = V::set(0);
  V least[together], most[together], rest[together];
  for (int i = 0; i < together; ++i) least[i] = V::set(low), most[i] = V::set(high), rest[i] = zero;
  const auto add = [&](int i, V v) __attribute__((always_inline)) {
    if (limited) least[i] = min(least[i], v), most[i] = max(most[i], v);
    rest[i] = rest[i] + v * zero;  // NaN from an infinity or a NaN on
  };
  index_t j = 0;
  for (; j + together * V::width <= n; j += together * V::width)
#pragma GCC unroll 4
    for (int i = 0; i < together; ++i) add(i, V::load(x + j + i * V::width));
  for (; j < n; j += V::width) {
    const Any<V> part{n - j < V::width ? n - j : V::width};
    add(0, part.keep(part.load(x + j), V::set(low)));
  }
  bool inside = true;
  for (int i = 0; i < together; ++i) {
    T lanes[3][V::width];
    least[i].store(lanes[0]), most[i].store(lanes[1]), rest[i].store(lanes[2]);
    for (int k = 0; k < V::width; ++k)
      inside = inside && lanes[0][k] >= low && lanes[1][k] <= high && lanes[2][k] == 0;
  }
  return inside;
}
template <class V>
bool all_inside(index_t n, const typename V::T* x, typename V::T low, typename V::T high) {
  constexpr typename V::T most = sizeof(typename V::T) == 4 ? __FLT_MAX__ : __DBL_MAX__;
  return low <= -most && high >= most ? are_inside<V, false>(n, x, low, high)
                                      : are_inside<V, true>(n, x, low, high);
}

template <class V>
void column_sum(index_t rows, index_t cols, const typename V::T* in, index_t ld, bool accumulate,
                typename V::T* out) {
  // Four sums of every fourth row: one sum would wait for each addition.
  for_each_vector<V>(cols, [=](index_t j, auto part) {
    V sum[4] = {accumulate ? part.load(out + j) : V::set(0), V::set(0), V::set(0), V::set(0)};
    const typename V::T* from = in + j;
    index_t i = 0;
    for (; i + 4 <= rows; i += 4, from += 4 * ld)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sum[k] = sum[k] + part.load(from + k * ld);
    for (; i < rows; ++i, from += ld) sum[i % 4] = sum[i % 4] + part.load(from);
    part.store((sum[0] + sum[1]) + (sum[2] + sum[3]), out + j);
  });
}

template <class V>
void add(index_t n, const typename V::T* in, typename V::T* out) {
  for_each_vector<V>(n, [=](index_t j, auto part) {
    part.store(part.load(out + j) + part.load(in + j), out + j);
  });
}

template <class V>
void multiply(index_t rows, index_t cols, const typename V::T* a, index_t lda,
              const typename V::T* b, index_t ldb, typename V::T* out, index_t ldo) {
  for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
    part.store(part.load(a + i * lda + j) * part.load(b + i * ldb + j), out + i * ldo + j);
  });
}

template <class V>
void sum(index_t rows, index_t cols, const typename V::T* a, index_t lda, const typename V::T* b,
         index_t ldb, typename V::T* out, index_t ldo) {
  for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
    part.store(part.load(a + i * lda + j) + part.load(b + i * ldb + j), out + i * ldo + j);
  });
}

}  // namespace
