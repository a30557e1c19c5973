#include "layers/kinds.h"

#include <stdexcept>

#include "base/dtypes.h"
#include "layers/dense.h"
#include "layers/embedding.h"
#include "layers/members.h"
#include "layers/merge.h"
#include "layers/normalization.h"
#include "layers/parametric.h"
#include "layers/periodic.h"
#include "layers/piecewise.h"
#include "layers/rowwise.h"
#include "layers/transposed.h"

namespace densecore {
namespace {

// `L`: class templates over the dtype.
template <template <class> class... L>
class LayerList {
  template <class T, class Kind>
  static std::unique_ptr<Layer<T>> make(const LayerPlace<T>& place, const LayerSpec& spec) {
    return std::make_unique<Kind>(place, spec);
  }
  // Nothing in a row depends on the dtype.
  template <class Kind>
  static constexpr LayerKind kind_of() {
    return {.name = Kind::kind_name,
            .numbers = Kind::numbers,
            .has_activation = Kind::has_activation,
            .has_function = Kind::has_function,
            .least_inputs = Kind::least_inputs,
            .most_inputs = Kind::most_inputs,
            .units = Kind::units_of,
            .parameter_count = Kind::parameter_count_of,
            .check = Kind::check,
            .is_table = Kind::is_table,
            .is_last = Kind::is_last,
            .is_sum = Kind::is_sum,
            .transposes = Kind::transposes,
            .is_identity = Kind::is_identity,
            .scheduled = Kind::scheduled};
  }
  template <class T>
  using Factory = std::unique_ptr<Layer<T>> (*)(const LayerPlace<T>&, const LayerSpec&);

 public:
  static constexpr LayerKind kinds[] = {kind_of<L<float>>()...};
  // One for each kind, in the same order.
  template <class T>
  static constexpr Factory<T> factories[] = {make<T, L<T>>...};
};

using Kinds =
    LayerList<Dense, ActivationLayer, Dropout, GaussianNoise, LayerNormalization, RmsNormalization,
              GroupNormalization, UnitNormalization, BatchNormalization, FixedNormalization,
              ActivityRegularization, FunctionLayer, Concatenate, Add, Subtract, Multiply, Average,
              Maximum, Minimum, Dot, Heads, Embedding, Scale, PeriodicEmbedding, PiecewiseLinear,
              ParametricActivation, MemberDense, First, TransposedDense, Columns>;

}  // namespace

std::span<const LayerKind> layer_kinds() { return Kinds::kinds; }

const LayerKind& find_layer_kind(const std::string& name) {
  std::string known;
  for (const LayerKind& kind : layer_kinds()) {
    if (name == kind.name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  throw std::invalid_argument("unknown kind of layer '" + name + "'; known: " + known);
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerPlace<T>& place, const LayerSpec& spec) {
  return Kinds::factories<T>[spec.kind - layer_kinds().data()](place, spec);
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template std::unique_ptr<Layer<T>> make_layer(const LayerPlace<T>&, const LayerSpec&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
