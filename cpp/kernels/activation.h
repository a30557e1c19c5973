// Every activation, and their list. This is the one place to add one: a structure here, its name
// in `Activations`, and an oracle of the same name in python/densecore/reference/functions.py.
//
// An element-wise activation gives a = `forward(z)` and dC/dz = `backward(z, a, g)` from g = dC/da.
// When `needs_input` is false the latter uses a alone, and z need not be kept.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/row_blocks.h"
#include "kernels/table.h"

namespace {

using densecore::ActivationEntry;

struct Linear {  // a = z
  static constexpr char name[] = "linear";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return z;
  }
  template <class V>
  static V backward(V, V, V g) {
    return g;
  }
};

struct Relu {  // a = max(z, 0); the derivative at 0 is 0
  static constexpr char name[] = "relu";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return max(V::set(0), z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    // a < smallest is a <= 0, and false for NaN: an inactive unit stops even an infinite g.
    return select(less(a, V::set(Math<V>::smallest)), V::set(0), g);
  }
};

struct Sigmoid {  // a = 1 / (1 + exp(-z)), a' = a (1 - a)
  static constexpr char name[] = "sigmoid";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return sigmoid(z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    return g * (a * (V::set(1) - a));
  }
};

struct Tanh {  // a' = 1 - a^2
  static constexpr char name[] = "tanh";
  static constexpr bool needs_input = false;
  template <class V>
  static V forward(V z) {
    return tanh(z);
  }
  template <class V>
  static V backward(V, V a, V g) {
    return g * fnma(a, a, V::set(1));
  }
};

// The activations that act on one element at a time share these two loops.
template <class Activation, class V>
struct ElementwiseActivation {
  using T = typename V::T;
  static constexpr bool row_wise = false;

  static void forward(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda) {
    for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
      part.store(Activation::forward(part.load(z + i * ldz + j)), a + i * lda + j);
    });
  }

  static void backward(index_t rows, index_t cols, const T* z, index_t ldz, const T* a, index_t lda,
                       const T* g, index_t ldg, T* dz, index_t lddz) {
    for_each_row_vector<V>(rows, cols, [=](index_t i, index_t j, auto part) {
      const V a_v = part.load(a + i * lda + j);
      const V z_v = Activation::needs_input ? part.load(z + i * ldz + j) : a_v;
      part.store(Activation::backward(z_v, a_v, part.load(g + i * ldg + j)), dz + i * lddz + j);
    });
  }
};

// a_i = exp(z_i - m) / sum_j exp(z_j - m), m = max z (the note's Eq. 15, made safe). Its Jacobian
// is full: da_i/dz_j = a_i ([i = j] - a_j), hence dz = a (g - <g, a>).
struct Softmax {
  static constexpr char name[] = "softmax";
  static constexpr bool needs_input = false;
};

template <class V>
struct SoftmaxActivation {
  using T = typename V::T;
  static constexpr bool row_wise = true;

  static void forward(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda) {
    for_each_block<V>(rows, cols, [=](index_t first, auto layout) {
      BlockBuffer<V> z_buffer, a_buffer;
      const Block<const T> in = layout.in(z + first * ldz, ldz, z_buffer.data);
      const Block<T> out = layout.room(a + first * lda, lda, a_buffer.data);
      alignas(64) T largest[V::width];
      alignas(64) double sum[V::width];
      layout.maxima(in, largest);
      layout.sums(sum, [&](auto cell) {
        const V e = exp(cell.load(in) - cell.of_row(largest));
        cell.store(e, out);
        return e;
      });
      alignas(64) T divisor[V::width];
      for (index_t i = 0; i < layout.height; ++i) divisor[i] = static_cast<T>(sum[i]);
      layout.each([&](auto cell) { cell.store(cell.load(out) / cell.of_row(divisor), out); });
      layout.out(out, a + first * lda, lda);
    });
  }

  // Not transposed: three matrices would be, for two multiplications each.
  static void backward(index_t rows, index_t cols, const T*, index_t, const T* a, index_t lda,
                       const T* g, index_t ldg, T* dz, index_t lddz) {
    for (index_t i = 0; i < rows; ++i, a += lda, g += ldg, dz += lddz) {
      double inner[VecF64::width];
      row_sum<V>(cols, [=](index_t j, auto part) {
        return part.load(a + j) * part.load(g + j);
      }).store(inner);
      const V inner_v = V::set(static_cast<T>(inner[0]));
      for_each_vector<V>(cols, [=](index_t j, auto part) {
        part.store(part.load(a + j) * (part.load(g + j) - inner_v), dz + j);
      });
    }
  }
};

template <class Activation, class V>
struct ActivationKernel : ElementwiseActivation<Activation, V> {};
template <class V>
struct ActivationKernel<Softmax, V> : SoftmaxActivation<V> {};

using Activations = TypeList<Linear, Relu, Sigmoid, Tanh, Softmax>;

// Element-wise activations by their index in the list, for kernels that inline them into a loop
// over layers: a call through the table costs more than a short row.
template <class V, class List>
struct ActivationByIndex;
template <class V, class... Activation>
struct ActivationByIndex<V, TypeList<Activation...>> {
  static V forward(int index, V z) {
    V a = z;
    int i = 0;
    ((i++ == index ? apply<Activation>(z, a) : void()), ...);
    return a;
  }
  static V backward(int index, V z, V a, V g) {
    V dz = g;
    int i = 0;
    ((i++ == index ? apply_backward<Activation>(z, a, g, dz) : void()), ...);
    return dz;
  }

 private:
  template <class A>
  static void apply(V z, V& a) {
    if constexpr (!ActivationKernel<A, V>::row_wise) a = A::forward(z);
  }
  template <class A>
  static void apply_backward(V z, V a, V g, V& dz) {
    if constexpr (!ActivationKernel<A, V>::row_wise) dz = A::backward(z, a, g);
  }
};

template <class V, class List>
struct ActivationTable;
template <class V, class... Activation>
struct ActivationTable<V, TypeList<Activation...>> {
  static constexpr int count = sizeof...(Activation);
  static constexpr ActivationEntry<typename V::T> entries[] = {
      {Activation::name, Activation::needs_input, ActivationKernel<Activation, V>::row_wise,
       __is_same(Activation, Linear), ActivationKernel<Activation, V>::forward,
       ActivationKernel<Activation, V>::backward}...};
};

}  // namespace
