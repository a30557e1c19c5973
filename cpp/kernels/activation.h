// The kernels of activations: those of activation_list.h share their loops, softmax and log_softmax
// have their own.
#pragma once

#include "kernels/activation_list.h"
#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/row_blocks.h"
#include "kernels/table.h"

namespace {

using densecore::ActivationEntry;

template <class Activation, class List>
constexpr bool is_in = false;
template <class Activation, class... Others>
constexpr bool is_in<Activation, TypeList<Others...>> = (__is_same(Activation, Others) || ...);

template <class Activation, class List>
constexpr bool is_first = false;
template <class Activation, class... Others>
constexpr bool is_first<Activation, TypeList<Activation, Others...>> = true;

template <class Activation, class V>
constexpr bool shares_slope = requires(V z) {
  Activation::forward_and_slope(z, z);
};

template <class Activation, class V>
constexpr bool has_slope = requires(V z) {
  Activation::slope(z);
}
|| requires(V z, const V* p) { Activation::slope(z, p); };

// The values of an activation's parameters in every lane.
template <class Activation, class V>
struct ParameterVectors {
  static constexpr int count = sizeof(Activation::parameters) / sizeof(Hyperparameter);
  V values[count];
  explicit ParameterVectors(const double* parameters) {
    for (int i = 0; i < count; ++i) values[i] = V::set(static_cast<typename V::T>(parameters[i]));
  }
  V forward(V z) const { return Activation::forward(z, values); }
  V slope(V z) const { return Activation::slope(z, values); }
  V backward(V z, V a, V g) const {
    if constexpr (has_slope<Activation, V>)
      return g * slope(z);
    else
      return Activation::backward(z, a, g, values);
  }
};

template <class Activation, class V>
struct NoParameters {
  explicit NoParameters(const double*) {}
  static V forward(V z) { return Activation::forward(z); }
  static V slope(V z) { return Activation::slope(z); }
  static V backward(V z, V a, V g) {
    if constexpr (has_slope<Activation, V>)
      return g * slope(z);
    else
      return Activation::backward(z, a, g);
  }
};

template <class Activation>
constexpr bool has_parameters = requires {
  Activation::parameters;
};

template <bool parametric, class Activation, class V>
struct FunctionOf : NoParameters<Activation, V> {
  using NoParameters<Activation, V>::NoParameters;
};
template <class Activation, class V>
struct FunctionOf<true, Activation, V> : ParameterVectors<Activation, V> {
  using ParameterVectors<Activation, V>::ParameterVectors;
};

// Rows through a function of whole vectors, their last elements as a vector in another place: a
// loop over rows for each activation would be as large as the activation.
template <class V>
[[gnu::noinline]] void activate_rows(index_t rows, index_t cols, const typename V::T* z,
                                     index_t ldz, typename V::T* a, index_t lda,
                                     const double* parameters,
                                     void (*activate)(index_t n, const typename V::T* z,
                                                      typename V::T* a, const double*)) {
  if (ldz == cols && lda == cols) {
    cols *= rows;
    rows = 1;
  }
  const index_t whole = cols & -V::width;
  for (index_t i = 0; i < rows; ++i, z += ldz, a += lda) {
    if (whole > 0) activate(whole, z, a, parameters);
    if (whole == cols) continue;
    const Part<V> part{cols - whole};
    alignas(64) typename V::T last[V::width];
    part.load(z + whole).store(last);
    activate(V::width, last, last, parameters);
    part.store(V::load(last), a + whole);
  }
}

// The activations that act on one element at a time share these loops. The tail has code of its own
// for the inlined ones, which are short and in the hottest loops. `flatten`: called for each
// vector, a function would load its constants, some twenty, each time, and there would be registers
// for half as many vectors on their way at once.
template <class Activation, class V>
struct ElementwiseActivation {
  using T = typename V::T;
  using Function = FunctionOf<has_parameters<Activation>, Activation, V>;
  static constexpr bool row_wise = false;

  template <class U>
  using Flat = FunctionOf<has_parameters<Activation>, Activation, U>;
  template <class U>
  [[gnu::flatten]] static void activate(index_t n, const T* z, T* a, const double* parameters) {
    const Flat<U> function(parameters);
    for (index_t j = 0; j < n; j += U::width) function.forward(U::load(z + j)).store(a + j);
  }
  // f'(z) takes the place of z: it shares its exponential with a, and the backward pass then has
  // only to multiply.
  template <class U>
  [[gnu::flatten]] static void activate_and_derive(index_t n, T* z, T* a,
                                                   const double* parameters) {
    const Flat<U> function(parameters);
    for (index_t j = 0; j < n; j += U::width) {
      const U z_v = U::load(z + j);
      U slope, a_v;
      if constexpr (shares_slope<Activation, U>) {
        a_v = Activation::forward_and_slope(z_v, slope);
      } else {
        a_v = function.forward(z_v);
        slope = function.slope(z_v);
      }
      a_v.store(a + j);
      slope.store(z + j);
    }
  }
  template <class U>
  static void derive(index_t n, const T* z, const T* a, T* g, const double* parameters) {
    const Flat<U> function(parameters);
    for (index_t j = 0; j < n; j += U::width) {
      const U a_v = U::load(a + j), z_v = Activation::needs_input ? U::load(z + j) : a_v;
      function.backward(z_v, a_v, U::load(g + j)).store(g + j);
    }
  }

  // Rows that follow one another are one long row.
  template <class Body>
  static void loop(index_t rows, index_t cols, bool gapless, Body body) {
    if (gapless) {
      cols *= rows;
      rows = 1;
    }
    if constexpr (is_in<Activation, InlinedActivations>)
      for_each_row_vector<V>(rows, cols, body);
    else
      for_each_any_vector<V>(rows, cols, body);
  }

  static void forward(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda,
                      const double* parameters) {
    if constexpr (!is_in<Activation, InlinedActivations>)
      return activate_rows<V>(rows, cols, z, ldz, a, lda, parameters, activate<V>);
    const Function function(parameters);
    loop(rows, cols, ldz == cols && lda == cols, [=](index_t i, index_t j, auto part) {
      part.store(function.forward(part.load(z + i * ldz + j)), a + i * lda + j);
    });
  }

  static void backward(index_t rows, index_t cols, const T* z, index_t ldz, const T* a, index_t lda,
                       const T* g, index_t ldg, T* dz, index_t lddz, const double* parameters) {
    const Function function(parameters);
    const bool gapless =
        lda == cols && ldg == cols && lddz == cols && (!Activation::needs_input || ldz == cols);
    loop(rows, cols, gapless, [=](index_t i, index_t j, auto part) {
      const V a_v = part.load(a + i * lda + j);
      const V z_v = Activation::needs_input ? part.load(z + i * ldz + j) : a_v;
      part.store(function.backward(z_v, a_v, part.load(g + i * ldg + j)), dz + i * lddz + j);
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

  static void forward(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda,
                      const double*) {
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
      layout.out(out, a + first * lda, lda, false);
    });
  }

  // Row by row: to transpose three matrices costs more than two multiplications per element.
  static void backward(index_t rows, index_t cols, const T*, index_t, const T* a, index_t lda,
                       const T* g, index_t ldg, T* dz, index_t lddz, const double*) {
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

// a_i = z_i - m - log(sum_j exp(z_j - m)), hence dz = g - exp(a) sum g.
struct LogSoftmax {
  static constexpr char name[] = "log_softmax";
  static constexpr bool needs_input = false;
};

template <class V>
struct LogSoftmaxActivation {
  using T = typename V::T;
  static constexpr bool row_wise = true;

  static void forward(index_t rows, index_t cols, const T* z, index_t ldz, T* a, index_t lda,
                      const double*) {
    for_each_row<V>(rows, cols, [=](index_t first, auto layout) {
      BlockBuffer<V> z_buffer, a_buffer;
      const Block<const T> in = layout.in(z + first * ldz, ldz, z_buffer.data);
      const Block<T> out = layout.room(a + first * lda, lda, a_buffer.data);
      alignas(64) T largest[V::width];
      alignas(64) double sum[V::width];
      layout.maxima(in, largest);
      layout.sums(sum, [&](auto cell) { return exp(cell.load(in) - cell.of_row(largest)); });
      logarithms(layout.height, sum, sum);
      alignas(64) T log_sum[V::width];
      for (index_t i = 0; i < layout.height; ++i) log_sum[i] = static_cast<T>(sum[i]);
      layout.each([&](auto cell) {
        cell.store((cell.load(in) - cell.of_row(largest)) - cell.of_row(log_sum), out);
      });
      layout.out(out, a + first * lda, lda, false);
    });
  }

  static void backward(index_t rows, index_t cols, const T*, index_t, const T* a, index_t lda,
                       const T* g, index_t ldg, T* dz, index_t lddz, const double*) {
    for (index_t i = 0; i < rows; ++i, a += lda, g += ldg, dz += lddz) {
      double sum[VecF64::width];
      row_sum<V>(cols, [=](index_t j, auto part) { return part.load(g + j); }).store(sum);
      const V sum_v = V::set(static_cast<T>(sum[0]));
      for_each_vector<V>(cols, [=](index_t j, auto part) {
        part.store(fnma(exp(part.load(a + j)), sum_v, part.load(g + j)), dz + j);
      });
    }
  }
};

template <class Activation, class V>
struct ActivationKernel : ElementwiseActivation<Activation, V> {};
template <class V>
struct ActivationKernel<Softmax, V> : SoftmaxActivation<V> {};
template <class V>
struct ActivationKernel<LogSoftmax, V> : LogSoftmaxActivation<V> {};

// The inlined ones first, in their order: an index means the same in both lists.
using Activations =
    Joined<InlinedActivations, TypeList<Softmax, LogSoftmax>, OtherElementwiseActivations>;

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
    a = A::forward(z);
  }
  template <class A>
  static void apply_backward(V z, V a, V g, V& dz) {
    dz = A::backward(z, a, g);
  }
};

template <class V, class Activation>
constexpr ActivationEntry<typename V::T> activation_entry() {
  using Kernel = ActivationKernel<Activation, V>;
  ActivationEntry<typename V::T> entry = {
      Activation::name,
      nullptr,
      0,
      Activation::needs_input,
      Kernel::row_wise,
      __is_same(Activation, Linear),
      is_in<Activation, InlinedActivations> || __is_same(Activation, Softmax),
      Kernel::forward,
      Kernel::backward,
      {},
      {},
      {}};
  if constexpr (has_slope<Activation, V>) {
    entry.activate_and_derive[0] = Kernel::template activate_and_derive<V>;
    entry.activate_and_derive[1] = Kernel::template activate_and_derive<Short<V>>;
  }
  if constexpr (!Kernel::row_wise) {
    entry.activate[0] = Kernel::template activate<V>;
    entry.activate[1] = Kernel::template activate<Short<V>>;
    if constexpr (!has_slope<Activation, V>) {
      entry.derive[0] = Kernel::template derive<V>;
      entry.derive[1] = Kernel::template derive<Short<V>>;
    }
  }
  if constexpr (has_parameters<Activation>) {
    entry.parameters = Activation::parameters;
    entry.parameter_count = ParameterVectors<Activation, V>::count;
  }
  return entry;
}

template <class V, class List>
struct ActivationTable;
template <class V, class... Activation>
struct ActivationTable<V, TypeList<Activation...>> {
  static constexpr int count = sizeof...(Activation);
  static constexpr ActivationEntry<typename V::T> entries[] = {
      activation_entry<V, Activation>()...};
};

}  // namespace
