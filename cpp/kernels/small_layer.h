// Dense layers of small networks: one call for all layers forward, and one back.
//
// A step of such a network is a few hundred multiply-adds, so what surrounds them decides: nothing
// is asked here that does not change from step to step, and no vector is loaded from what two
// earlier stores have written, for which it would wait until both have reached the cache. Hence
// the network's own matrices (SmallLayer's z, a, delta, below and transposed) have rows of whole
// vectors, which are stored and loaded whole. Lanes beyond a row's columns hold anything; nothing
// that counts is computed of them. Weights lie without gaps, and are loaded beyond their rows.
//
// Every element is the chain of multiply-adds of the general product: the bits are the same.
#pragma once

#include "kernels/dot_products.h"
#include "kernels/elementwise.h"
#include "kernels/gemm_pack.h"
#include "kernels/table.h"

namespace {

using densecore::SmallLayer;

// C[i][j] = bias[j] + sum over k of A[i][k] * b[k * ldb + j]; without a bias from 0. A is row-major
// or, when `exact`, the transpose of such a matrix, with `lda` between rows. Vectors of B, of the
// bias and of C are whole.
template <class T>
struct SmallProduct {
  index_t m, depth;
  const T* a;
  index_t lda;
  const T* b;
  index_t ldb;
  const T* bias;
  T* c;
  index_t ldc;
  // When `exact`: the last `tight` rows of C end with the first `tail` lanes of the last vector. In
  // the rows before, what is stored beyond them belongs to a later row.
  index_t tight, tail;
};

// `half`: the last vector is half of one.
template <class V, int rows, int vectors, bool exact, bool half>
[[gnu::always_inline]] inline void small_tile(const SmallProduct<typename V::T>& p, index_t i) {
  using T = typename V::T;
  using Last = typename Choose<half, typename V::Half, V>::type;
  constexpr int whole = vectors - 1;
  V sum[rows][vectors];
  Last last[rows];
  const bool from_bias = !exact && p.bias != nullptr;
#pragma GCC unroll 4
  for (int v = 0; v < whole; ++v) {
    const V start = from_bias ? V::load(p.bias + v * V::width) : V::set(0);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) sum[r][v] = start;
  }
  const Last start = from_bias ? Last::load(p.bias + whole * V::width) : Last::set(0);
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) last[r] = start;
  const index_t lda = p.lda, ldb = p.ldb, a_row = exact ? 1 : lda, a_col = exact ? lda : 1;
  const T *a = p.a + i * a_row, *b = p.b;
  for (index_t k = p.depth; k > 0; --k, a += a_col, b += ldb) {
    V b_k[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < whole; ++v) b_k[v] = V::load(b + v * V::width);
    const Last b_last = Last::load(b + whole * V::width);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const V a_k = V::set(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < whole; ++v) sum[r][v] = fma(a_k, b_k[v], sum[r][v]);
      last[r] = fma(first_lanes<Last>(a_k), b_last, last[r]);
    }
  }
  const index_t ldc = p.ldc;
  T* c = p.c + i * ldc;
  const bool tight = exact && i + rows > p.m - p.tight;
  const Any<Last> tail{tight ? p.tail : index_t(Last::width)};
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r, c += ldc) {
#pragma GCC unroll 4
    for (int v = 0; v < whole; ++v) sum[r][v].store(c + v * V::width);
    if (exact)
      tail.store(last[r], c + whole * V::width);
    else
      last[r].store(c + whole * V::width);
  }
}

template <class V, int vectors, bool exact, bool half>
[[gnu::always_inline]] inline void small_strip(const SmallProduct<typename V::T>& p) {
  index_t i = 0;
  // Eight sums at a time, or each addition would wait for the one before.
  if constexpr (vectors == 1)
    for (; i + 8 <= p.m; i += 8) small_tile<V, 8, vectors, exact, half>(p, i);
  for (; i + 4 <= p.m; i += 4) small_tile<V, 4, vectors, exact, half>(p, i);
  if (p.m & 2) {
    small_tile<V, 2, vectors, exact, half>(p, i);
    i += 2;
  }
  if (p.m & 1) small_tile<V, 1, vectors, exact, half>(p, i);
}

// The three products of a layer of at most `vectors` vectors of units (of inputs, for `below`).
template <class V, int vectors, bool half = false>
void small_multiply(const SmallLayer<typename V::T>& p, index_t rows) {
  small_strip<V, vectors, false, half>(
      {rows, p.inputs, p.x, p.ld_x, p.weight, p.units, p.bias, p.z, p.ld, 0, 0});
}
// The same of one or two units, row by row in the lanes.
template <class V, int units>
void small_narrow_multiply(const SmallLayer<typename V::T>& p, index_t rows) {
  if (rows < V::width || p.inputs < least_dot_inputs<typename V::T>(units))
    return small_multiply<Short<V>, 1>(p, rows);
  dot_products<V, units>({rows, p.inputs, p.x, p.ld_x, p.whole_x, p.weight, p.bias, p.z, p.ld});
}
template <class V, int vectors, bool half = false>
void small_below(const SmallLayer<typename V::T>& p, index_t rows) {
  small_strip<V, vectors, false, half>(
      {rows, p.units, p.delta, p.ld, p.transposed, p.ld_below, nullptr, p.below, p.ld_below, 0, 0});
}
template <class V, int vectors>
[[gnu::always_inline]] inline void small_bias(const SmallLayer<typename V::T>& p, index_t rows) {
  if (p.bias_gradient == nullptr) return;
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    V sum[4] = {V::set(0), V::set(0), V::set(0), V::set(0)};
    const typename V::T* from = p.delta + v * V::width;
    index_t i = rows;
    for (; i >= 4; i -= 4, from += 4 * p.ld)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) sum[k] = sum[k] + V::load(from + k * p.ld);
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k)
      if (k < i) sum[k] = sum[k] + V::load(from + k * p.ld);
    const V all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    if (v < vectors - 1)
      all.store(p.bias_gradient + v * V::width);
    else
      Any<V>{p.tail}.store(all, p.bias_gradient + v * V::width);
  }
}

// The gradients of weights of one or two units, along the inputs: for `vectors` vectors of them,
// the last of which may be one of `count` elements of a row of x that ends there.
template <class V, int units, int vectors>
[[gnu::always_inline]] inline void small_column_tile(const SmallLayer<typename V::T>& p,
                                                     index_t rows, index_t i, index_t count) {
  using T = typename V::T;
  V sum[vectors][2];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) sum[v][j] = V::set(0);
  const Any<V> part{p.whole_x ? V::width : count};
  const T *x = p.x + i, *delta = p.delta;
  for (index_t r = rows; r > 0; --r, x += p.ld_x, delta += p.ld) {
    V delta_r[units];
#pragma GCC unroll 2
    for (int j = 0; j < units; ++j) delta_r[j] = V::set(delta[j]);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const V x_r = vectors == 1 ? part.load(x) : V::load(x + v * V::width);
#pragma GCC unroll 2
      for (int j = 0; j < units; ++j) sum[v][j] = fma(x_r, delta_r[j], sum[v][j]);
    }
  }
  T* out = p.weight_gradient + i * units;
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    if (units == 2) zip(sum[v][0], sum[v][1], sum[v][0], sum[v][1]);
#pragma GCC unroll 2
    for (int j = 0; j < units; ++j, out += V::width) {
      const index_t left = vectors > 1 ? V::width : count * units - j * V::width;
      if (left >= V::width)
        sum[v][j].store(out);
      else if (left > 0)
        sum[v][j].store_partial(out, left);
    }
  }
}
template <class V, int units>
[[gnu::noinline]] void small_columns(const SmallLayer<typename V::T>& p, index_t rows) {
  index_t i = 0;
  for (; i + 4 * V::width <= p.inputs; i += 4 * V::width)
    small_column_tile<V, units, 4>(p, rows, i, V::width);
  for (; i < p.inputs; i += V::width)
    small_column_tile<V, units, 1>(p, rows, i, p.inputs - i < V::width ? p.inputs - i : V::width);
}

// All sums are added as `column_sum` adds them.
template <class V, int vectors, bool half = false>
void small_weights(const SmallLayer<typename V::T>& p, index_t rows) {
  small_bias<V, vectors>(p, rows);
  small_strip<V, vectors, true, half>({p.inputs, rows, p.x, p.ld_x, p.delta, p.ld, nullptr,
                                       p.weight_gradient, p.units, p.tight, p.tail});
}
template <class V, int units>
void small_narrow_weights(const SmallLayer<typename V::T>& p, index_t rows) {
  small_bias<Short<V>, 1>(p, rows);
  if (Short<V>::width < V::width && p.inputs <= Short<V>::width)
    small_columns<Short<V>, units>(p, rows);
  else
    small_columns<V, units>(p, rows);
}

template <class T>
using SmallFunction = void (*)(const SmallLayer<T>&, index_t rows);
template <class V, int vectors = 1>
SmallFunction<typename V::T> small_function(const char which, index_t cols) {
  if constexpr (vectors < tile_vectors)
    if (cols > vectors * V::width) return small_function<V, vectors + 1>(which, cols);
  if constexpr (vectors > 1 && Short<V>::width < V::width)
    if (2 * cols <= (2 * vectors - 1) * V::width)
      return which == 'm'
                 ? small_multiply<V, vectors, true>
                 : (which == 'b' ? small_below<V, vectors, true> : small_weights<V, vectors, true>);
  return which == 'm' ? small_multiply<V, vectors>
                      : (which == 'b' ? small_below<V, vectors> : small_weights<V, vectors>);
}

// Wider ones, strip by strip.
template <class V, char which>
void small_wide(const SmallLayer<typename V::T>& p, index_t rows) {
  constexpr index_t strip = tile_vectors * V::width;
  const index_t cols = which == 'b' ? p.inputs : p.units;
  for (index_t j = 0; j < cols; j += strip) {
    SmallLayer<typename V::T> part = p;
    const index_t left = cols - j;
    if (which == 'b') {
      part.transposed += j;
      part.below += j;
    } else {
      part.weight += j;
      if (p.bias != nullptr) part.bias += j;
      part.z += j;
      part.delta += j;
      part.weight_gradient += j;
      if (p.bias_gradient != nullptr) part.bias_gradient += j;
      // No row may store beyond its end, where the next one's first strip is.
      part.tight = left < strip ? p.inputs : 0;
      part.tail = left < strip ? (left - 1) % V::width + 1 : V::width;
    }
    small_function<V>(which, left)(part, rows);
  }
}

template <class V, char which>
SmallFunction<typename V::T> small_function(index_t cols) {
  if (cols > tile_vectors * V::width) return small_wide<V, which>;
  if (cols <= Short<V>::width) return small_function<Short<V>>(which, cols);
  return small_function<V>(which, cols);
}

// W^T of a gapless W (rows, cols), in rows of whole vectors; `out` has room for whole vectors of
// them, too.
template <class V>
void small_transpose(const SmallLayer<typename V::T>& p) {
  using T = typename V::T;
  const index_t rows = p.inputs, cols = p.units, ld = p.ld_below;
  const T* in = p.weight;
  T* out = const_cast<T*>(p.transposed);
  if (cols == 2 && V::width > 1) {
    for (index_t i = 0; i < rows; i += V::width, in += 2 * V::width) {
      // Beyond the last row the memory may end.
      const V low = V::load(in), high = V::load(i + V::width / 2 < rows ? in + V::width : in);
      V even, odd;
      unzip(low, high, even, odd);
      even.store(out + i);
      odd.store(out + ld + i);
    }
    return;
  }
  if (cols < 4 || V::width == 1) {
    for (index_t i = 0; i < rows; ++i, in += cols)
      for (index_t j = 0; j < cols; ++j) out[j * ld + i] = in[j];
    return;
  }
  for (index_t i = 0; i < rows; i += V::width, in += V::width * cols, out += V::width)
    for (index_t j = 0; j < cols; j += V::width) {
      V block[V::width];
      const T* from = in + j;
#pragma GCC unroll 16
      for (index_t r = 0; r < V::width; ++r) {
        block[r] = V::load(from);
        // The last row again: beyond it the memory may end.
        from = next_row(from, i + r + 1 < rows ? cols : 0);
      }
      transpose_block(block);
      T* to = out + j * ld;
#pragma GCC unroll 16
      for (index_t c = 0; c < V::width; ++c, to = next_row(to, ld)) block[c].store(to);
    }
}

// By the slopes that `activate_and_derive` has left.
template <class V>
void small_scale(index_t n, const typename V::T* slope, const typename V::T*, typename V::T* g,
                 const double*) {
  for (index_t j = 0; j < n; j += V::width) (V::load(g + j) * V::load(slope + j)).store(g + j);
}

// The functions of a layer whose sizes and pointers are set.
template <class V>
void small_choose(SmallLayer<typename V::T>& p) {
  const index_t units = p.units;
  p.multiply = small_function<V, 'm'>(units);
  p.multiply_back = small_function<V, 'b'>(p.inputs);
  p.sum_gradients = small_function<V, 'w'>(units);
  if (V::width > 2) {
    if (units == 1) p.sum_gradients = small_narrow_weights<V, 1>;
    if (units == 2) p.sum_gradients = small_narrow_weights<V, 2>;
  }
  if constexpr (has_dot_products<V>) {
    if (units == 1) p.multiply = small_narrow_multiply<Short<V>, 1>;
    if (units == 2) p.multiply = small_narrow_multiply<Short<V>, 2>;
  }
  // Shorter vectors: their blocks take fewer shuffles, and fewer of them lie beyond the edges.
  p.transpose = small_transpose<Short<V>>;
  // One column is a row.
  if (units == 1) {
    p.transpose = nullptr;
    p.transposed = p.weight;
  }
  if (p.activate_and_derive != nullptr)
    p.derive = units <= Short<V>::width ? small_scale<Short<V>> : small_scale<V>;
  const index_t width = units <= Short<V>::width ? Short<V>::width : V::width;
  p.tail = (units - 1) % width + 1;
  // So far does a row's last vector reach into the next ones.
  p.tight = (width - p.tail + units - 1) / units;
  if (p.tight > p.inputs) p.tight = p.inputs;
}

template <class T>
void small_forward(const SmallLayer<T>* layers, index_t count, index_t rows, bool kept) {
  for (const SmallLayer<T>* p = layers; p != layers + count; ++p) {
    // Now, because now there is time: the products wait for each other.
    if (kept && p->below != nullptr && p->transpose != nullptr) p->transpose(*p);
    p->multiply(*p, rows);
    if (kept && p->activate_and_derive != nullptr)
      p->activate_and_derive(rows * p->ld, p->z, p->a, p->parameters);
    else if (p->activate != nullptr)
      p->activate(rows * p->ld, p->z, p->a, p->parameters);
  }
}

template <class T>
void small_backward(const SmallLayer<T>* layers, index_t count, index_t rows) {
  for (const SmallLayer<T>* p = layers + count; p-- != layers;) {
    if (p->derive != nullptr) p->derive(rows * p->ld, p->z, p->a, p->delta, p->parameters);
    if (p->below != nullptr) p->multiply_back(*p, rows);
    if (p->weight_gradient != nullptr) p->sum_gradients(*p, rows);
  }
}

}  // namespace
