// The one unit that is compiled once per ISA level, with that level's flags. It exports one symbol.
//
// DENSECORE_ISA is the level's name; DENSECORE_ISA_HEADER, the header of that name in kernels/isa,
// gives VecF32, VecF64 and the tile.
// Rules for everything included here: anonymous namespace, no standard templates, no static
// initialisers, no exceptions. tests/test_architecture.py inspects the object files.

#define DENSECORE_STRING_(x) #x
#define DENSECORE_STRING(x) DENSECORE_STRING_(x)
#define DENSECORE_JOIN_(a, b) a##b
#define DENSECORE_JOIN(a, b) DENSECORE_JOIN_(a, b)
#include DENSECORE_ISA_HEADER

#include "base/dtypes.h"
#include "kernels/elementwise.h"
#include "kernels/math.h"

// A level that is compiled for space (-Os) keeps its products fast: GCC would hold their tiles in
// memory. What comes before is inlined into both.
#if defined(DENSECORE_FAST_PRODUCTS) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O2")
#endif
#include "kernels/gemm.h"
#include "kernels/small_layer.h"
#if defined(DENSECORE_FAST_PRODUCTS) && !defined(__clang__)
#pragma GCC pop_options
#endif

#include "kernels/activation.h"
#include "kernels/dropout.h"
#include "kernels/gradient_transforms.h"
#include "kernels/lanes.h"
#include "kernels/loss.h"
#include "kernels/normalization.h"
#include "kernels/optimizer.h"
#include "kernels/peak.h"
#include "kernels/periodic.h"
#include "kernels/predict_row.h"
#include "kernels/table.h"
#include "kernels/train_tiny.h"

namespace {

template <class V, class Function>
void apply_function(index_t n, const typename V::T* in, typename V::T* out) {
  for (index_t j = 0; j < n; j += V::width) {
    const Any<V> part{n - j < V::width ? n - j : V::width};
    part.store(Function::apply(part.load(in + j)), out + j);
  }
}

#define DENSECORE_FUNCTION(f) \
  struct Function_##f {       \
    template <class V>        \
    static V apply(V x) {     \
      return f(x);            \
    }                         \
  };
DENSECORE_FUNCTION(erf)
DENSECORE_FUNCTION(exp)
DENSECORE_FUNCTION(expm1)
DENSECORE_FUNCTION(log)
DENSECORE_FUNCTION(log1p)
DENSECORE_FUNCTION(sigmoid)
DENSECORE_FUNCTION(tanh)

template <class V>
constexpr densecore::FunctionEntry<typename V::T> functions[] = {
    {"erf", apply_function<V, Function_erf>},     {"exp", apply_function<V, Function_exp>},
    {"expm1", apply_function<V, Function_expm1>}, {"log", apply_function<V, Function_log>},
    {"log1p", apply_function<V, Function_log1p>}, {"sigmoid", apply_function<V, Function_sigmoid>},
    {"tanh", apply_function<V, Function_tanh>},
};

template <class V>
constexpr densecore::KernelTable<typename V::T> kernel_table() {
  using ActivationList = ActivationTable<V, Activations>;
  using LossList = LossTable<V, Losses>;
  using OptimizerList = OptimizerTable<V, Optimizers>;
  return {V::width,
          Short<V>::width,
          gemm<V>,
          small_choose<V>,
          small_forward<typename V::T>,
          small_backward<typename V::T>,
          tiny_train<V>,
          lane_trainer<V>(),
          predict_row<V>,
          tile_vectors * V::width < densecore::row_units ? tile_vectors * V::width
                                                         : densecore::row_units,
          transpose<V>,
          column_sum<V>,
          add<V>,
          ActivationList::entries,
          ActivationList::count,
          LossList::entries,
          LossList::count,
          OptimizerList::entries,
          OptimizerList::count,
          functions<V>,
          static_cast<int>(sizeof(functions<V>) / sizeof(functions<V>[0])),
          {column_product_sum<V>, column_squares<V>, normalize_columns<V>,
           normalize_columns_gradient<V>, normalize_rows<V>, normalize_rows_gradient<V>},
          {drop<V>, multiply<V>, sum<V>, all_inside<V>},
          {periodic_forward<V>, periodic_gradient<V>, periodic_input_gradient<V>},
          {sum_of_squares<V>, sum_of_magnitudes<V>, add_penalty_gradient<V>, scale<V>, clip<V>,
           average<V>},
          {multiply_adds<V>, read_all<V>, rewrite_all<V>}};
}

#define DENSECORE_TABLE(T, NAME, field, dtype) \
  constexpr densecore::KernelTable<T> table_##field = kernel_table<Vec##NAME>();
DENSECORE_FOR_EACH_DTYPE(DENSECORE_TABLE)

}  // namespace

extern "C" const densecore::KernelTables DENSECORE_JOIN(densecore_kernels_, DENSECORE_ISA);
const densecore::KernelTables DENSECORE_JOIN(densecore_kernels_, DENSECORE_ISA) = {
    DENSECORE_STRING(DENSECORE_ISA),
#define DENSECORE_ADDRESS(T, NAME, field, dtype) &table_##field,
    DENSECORE_FOR_EACH_DTYPE(DENSECORE_ADDRESS)};
