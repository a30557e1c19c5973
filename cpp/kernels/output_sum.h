// Losses that are a sum over the outputs: the loop that adds up their terms, for rows of any
// length.
#pragma once

#include "kernels/row_sums.h"
#include "kernels/table.h"

namespace {

using densecore::LossArguments;

template <class T>
T weight_of(const LossArguments<T>& p, index_t row) {
  return p.weight == nullptr ? T(1) : p.weight[row];
}

// Rows of `cols` elements, each copied as one piece: a loop over the elements, or vectors under a
// mask, would cost more than the arithmetic that follows.
template <class T, int cols = 32 / sizeof(T)>
inline void copy_narrow_rows(index_t rows, index_t n, const T* from, index_t ld_from, T* to,
                             index_t ld_to) {
  if constexpr (cols > 0) {
    if (n != cols) return copy_narrow_rows<T, cols - 1>(rows, n, from, ld_from, to, ld_to);
    for (index_t r = 0; r < rows; ++r)
      __builtin_memcpy(to + r * ld_to, from + r * ld_from, cols * sizeof(T));
  }
}

// Values for each element (`mask` is -1), or one for all: then `mask` is 0, and `data` holds one
// vector of it. Weights that are all 1 have no `data`.
template <class V>
struct PerElement {
  const typename V::T* data;
  index_t mask;
  V load(index_t j) const { return V::load(data + (j & mask)); }
};

// Adds values of whole slots.
template <class V>
[[gnu::always_inline]] inline void add_values(index_t n, const typename V::T* value,
                                              PerElement<V> weight, SlotSum<V>& sum) {
  for_each_slot<V>(
      n, [&](index_t j, int position) __attribute__((always_inline)) {
        if (weight.data == nullptr)
          sum.add(position, V::load(value + j));
        else
          sum.add(position, V::load(value + j), weight.load(j));
      });
}

// Adds the values of term(j, part), with zeros beyond n.
template <class V, class Term>
[[gnu::always_inline]] inline void add_terms(index_t n, SlotSum<V>& sum, Term term,
                                             PerElement<V> weight) {
  const auto add = [&](index_t j, int position, auto part) __attribute__((always_inline)) {
    const V value = term(j, part);
    if (weight.data == nullptr)
      sum.add(position, value);
    else
      sum.add(position, value, weight.load(j));
  };
  index_t j = 0;
  for (; j + slots<V> <= n; j += slots<V>)
#pragma GCC unroll 4
    for (int position = 0; position < SlotSum<V>::positions; ++position)
      add(j + position * V::width, position, Whole<V>{});
#pragma GCC unroll 4
  for (int position = 0; position < SlotSum<V>::positions; ++position, j += V::width) {
    if (j >= n) return;
    add(j, position, Any<V>{n - j < V::width ? n - j : V::width});
  }
}

// The sums that all losses share: where terms are, in which order they are added.
template <class V>
struct TermSum {
  using T = typename V::T;
  // Rows of so few outputs are packed one after the other, as one long row: alone each would leave
  // most lanes of its vector idle, and a logarithm costs the same for one lane as for all.
  static constexpr index_t narrow = slots<V> / 2;
  // A packed block ends where a slot 0 begins: it holds a multiple of the slots. Its loads must
  // wait for the stores of several rows: the more rows, the less often.
  static constexpr index_t packed_rows = 4 * slots<V>;
  static constexpr index_t most = packed_rows * narrow;  // elements that are taken at once

  // Some rows of n elements.
  struct Rows {
    index_t count, n;
    const T* a;
    index_t ld_a;
    const T* y;
    index_t ld_y;
    PerElement<V> factor;  // the same for all rows
    T* g;                  // or null
    index_t ld_g;
    PerElement<V> weight;  // the same for all rows
    index_t whole() const { return (n + slots<V> - 1) & -slots<V>; }
  };

  const LossArguments<T>& p;
  double share;  // what the sum is multiplied with: 1/n for a mean
  // Adds the terms to `sum`, and unless `g` is null writes their gradients times `factor`. An
  // indirect call for a block of terms costs nothing; a copy of the loops around it for every loss
  // would be a tenth of the kernels.
  void (*evaluate)(const TermSum& self, const Rows& rows, SlotMemory<V>& sum);

  [[gnu::noinline]] double of_many() const {
    SlotMemory<V> memory;
    SlotSum<V>().store(memory);
    if (p.cols <= narrow)
      add_packed(memory);
    else
      add_rows(memory);
    SlotSum<V> sum(memory);
    return total_of(sum);
  }

  [[gnu::always_inline]] double total_of(SlotSum<V>& sum) const {
    double lanes[VecF64::width];
    fold<Add>(sum.fold_slots()).store(lanes);
    return share * lanes[0];
  }

  T factor_of(T weight) const {
    return static_cast<T>(p.scale * static_cast<double>(weight) * share);
  }

  [[gnu::noinline]] static void add_to(SlotMemory<V>& memory, index_t n, const T* value,
                                       PerElement<V> weight) {
    SlotSum<V> sum(memory);
    add_values<V>(n, value, weight, sum);
    sum.store(memory);
  }

  [[gnu::always_inline]] void add_rows(SlotMemory<V>& sum) const {
    alignas(64) T weight[V::width];
    alignas(64) T factor[V::width];
    V::set(factor_of(1)).store(factor);
    // Short rows together, unless each has a weight of its own.
    const index_t room = p.cols >= most ? 1 : most / ((p.cols + slots<V> - 1) & -slots<V>),
                  together = p.weight == nullptr ? room : 1;
    for (index_t r = 0; r < p.rows; r += together) {
      if (p.weight != nullptr) {
        V::set(p.weight[r]).store(weight);
        V::set(factor_of(p.weight[r])).store(factor);
      }
      for (index_t j = 0; j < p.cols; j += most) {
        const Rows rows = {p.rows - r < together ? p.rows - r : together,
                           p.cols - j < most ? p.cols - j : most,
                           p.output + r * p.ld_output + j,
                           p.ld_output,
                           p.values + r * p.ld_values + j,
                           p.ld_values,
                           {factor, 0},
                           p.gradient == nullptr ? nullptr : p.gradient + r * p.ld_gradient + j,
                           p.ld_gradient,
                           {p.weight == nullptr ? nullptr : weight, 0}};
        evaluate(*this, rows, sum);
      }
    }
  }

  [[gnu::always_inline]] void add_packed(SlotMemory<V>& sum) const {
    alignas(64) T a[most];
    alignas(64) T y[most];
    alignas(64) T g[most];
    alignas(64) T weight[most + V::width];
    alignas(64) T factor[most + V::width];
    const bool weighted = p.weight != nullptr;
    V::set(factor_of(1)).store(factor);
    for (index_t first = 0; first < p.rows; first += packed_rows) {
      const index_t height = p.rows - first < packed_rows ? p.rows - first : packed_rows;
      const index_t n = height * p.cols;
      copy_narrow_rows(height, p.cols, p.output + first * p.ld_output, p.ld_output, a, p.cols);
      const T* values = p.values + first * p.ld_values;
      if (p.ld_values != p.cols) {
        copy_narrow_rows(height, p.cols, values, p.ld_values, y, p.cols);
        values = y;
      }
      if (weighted) expand_weights(first, height, weight, factor);
      const Rows rows = {1,
                         n,
                         a,
                         0,
                         values,
                         0,
                         {factor, weighted ? -1 : 0},
                         p.gradient == nullptr ? nullptr : g,
                         0,
                         {weighted ? weight : nullptr, -1}};
      evaluate(*this, rows, sum);
      if (p.gradient != nullptr)
        copy_narrow_rows(height, p.cols, g, p.cols, p.gradient + first * p.ld_gradient,
                         p.ld_gradient);
    }
  }

  // Whole vectors: each writes over what the one before left beyond its row.
  void expand_weights(index_t first, index_t height, T* weight, T* factor) const {
    for (index_t r = 0; r < height; ++r) {
      const T w = p.weight[first + r];
      for (index_t j = 0; j < p.cols; j += V::width) {
        V::set(w).store(weight + r * p.cols + j);
        V::set(factor_of(w)).store(factor + r * p.cols + j);
      }
    }
    // The last vector may read on to the end of its slots.
    for (index_t j = height * p.cols; j & (slots<V> - 1); ++j) weight[j] = factor[j] = 0;
  }
};

// The sum of `terms(a, y, gradient)`, times `share`.
template <class V, class Terms>
struct OutputSum : TermSum<V> {
  using T = typename V::T;
  using Base = TermSum<V>;
  using Base::p;
  Terms terms;

  OutputSum(const LossArguments<T>& arguments, double factor, Terms t)
      : Base{arguments, factor, evaluate_terms}, terms(t) {}

  double total() const {
    if (p.cols > V::width || (p.rows != 1 && (p.rows > few || p.cols > Base::narrow)))
      return Base::of_many();
    SlotSum<V> sum;
    add_few(sum);
    return Base::total_of(sum);
  }

 private:
  // A step of a small network waits for the gradients: by the shortest way. Each of a few rows, a
  // vector or less, writes its terms over what the row before left beyond its outputs, so that they
  // are packed in memory; the sum may wait for that.
  static constexpr index_t few = 4;
  [[gnu::always_inline]] void add_few(SlotSum<V>& sum) const {
    alignas(64) T value[few * V::width + slots<V>];
    alignas(64) T weight[few * V::width + slots<V>];
    const Any<V> row{p.cols}, room{p.whole ? V::width : p.cols};
    const V zero = V::set(0);
    const bool weighted = p.weight != nullptr;
    V factor = V::set(Base::factor_of(1));
    for (index_t r = 0; r < p.rows; ++r) {
      if (weighted) factor = V::set(Base::factor_of(p.weight[r]));
      V gradient;
      const V term = terms(room.load(p.output + r * p.ld_output),
                           row.load(p.values + r * p.ld_values), gradient);
      if (p.gradient != nullptr) room.store(factor * gradient, p.gradient + r * p.ld_gradient);
      if (p.rows == 1) return sum.add(0, row.keep(term, zero), V::set(weight_of(p, 0)));
      term.store(value + r * p.cols);
      if (weighted) V::set(p.weight[r]).store(weight + r * p.cols);
    }
    const index_t n = p.rows * p.cols, end = (n + slots<V> - 1) & -slots<V>;
    for (index_t j = n; j < end; j += V::width) {
      zero.store(value + j);
      if (weighted) zero.store(weight + j);
    }
    add_values<V>(n, value, {weighted ? weight : nullptr, -1}, sum);
  }

  static void evaluate_terms(const Base& base, const typename Base::Rows& rows,
                             SlotMemory<V>& memory) {
    const Terms& terms = static_cast<const OutputSum&>(base).terms;
    const PerElement<V> factor = rows.factor;
    const T *a = rows.a, *y = rows.y;
    T* g = rows.g;
    const auto term_of = [&](index_t j, auto part) __attribute__((always_inline)) {
      V gradient;
      const V term = terms(part.load(a + j), part.load(y + j), gradient);
      if (g != nullptr) part.store(factor.load(j) * gradient, g + j);
      return term;
    };
    // Terms of a few operations have code for every position among the slots. Others pass through
    // memory, rows of whole slots after each other, since they may be two logarithms long.
    if constexpr (requires { Terms::short_term; }) {
      SlotSum<V> sum(memory);
      for (index_t r = 0; r < rows.count; ++r) {
        add_terms<V>(
            rows.n, sum,
            [&](index_t j, auto part)
                __attribute__((always_inline)) { return part.keep(term_of(j, part), V::set(0)); },
            rows.weight);
        a += rows.ld_a, y += rows.ld_y;
        if (g != nullptr) g += rows.ld_g;
      }
      sum.store(memory);
    } else {
      alignas(64) T value[Base::most];
      for (index_t r = 0; r < rows.count; ++r) {
        fill_slots<V>(rows.n, value + r * rows.whole(), term_of);
        a += rows.ld_a, y += rows.ld_y;
        if (g != nullptr) g += rows.ld_g;
      }
      Base::add_to(memory, rows.count * rows.whole(), value, rows.weight);
    }
  }
};

template <class V, class Terms>
double sum_over_outputs(const LossArguments<typename V::T>& p, double share, Terms terms) {
  return OutputSum<V, Terms>(p, share, terms).total();
}

}  // namespace
