#include "layers/layer.h"

#include <algorithm>
#include <stdexcept>

#include "base/dtypes.h"
#include "layers/lookup.h"

namespace densecore {

template <class T>
ActivationFunction<T>::ActivationFunction(const KernelTable<T>& table, const ActivationSpec& spec)
    : entry_(&find_activation(table, spec.name)),
      lanes_(table.lanes),
      short_lanes_(table.short_lanes),
      parameters_(resolved_parameters(spec.name, entry_->parameters, entry_->parameter_count,
                                      spec.parameters)) {}

template <class T>
void ActivationFunction<T>::forward_and_derive(MatrixView<T> z, MatrixView<T> a, index_t j,
                                               index_t cols) const {
  const bool is_short = z.stride <= short_lanes_;
  const auto function = entry_->activate_and_derive[is_short ? 1 : 0];
  const index_t n =
      divide_up(cols, is_short ? short_lanes_ : lanes_) * (is_short ? short_lanes_ : lanes_);
  if (n == z.stride && z.stride == a.stride)
    return function(z.rows * n, z.data, a.data, parameters_.data());
  for (index_t i = 0; i < z.rows; ++i) function(n, z.row(i) + j, a.row(i) + j, parameters_.data());
}

template <class T>
std::shared_ptr<AlignedBuffer<T>> Layer<T>::add_state(const char* name, T value) {
  std::shared_ptr<AlignedBuffer<T>> values;
  if (shared_states_ != nullptr) {
    values = (*shared_states_)[states_.size()].values;
  } else {
    values = std::make_shared<AlignedBuffer<T>>(static_cast<std::size_t>(units_));
    std::fill_n(values->data(), units_, value);
  }
  states_.push_back({name, values});
  return values;
}

template <class T>
void Layer<T>::random_numbers(const Pass&, index_t, T*) const {
  throw std::invalid_argument("layer " + std::to_string(number_) +
                              ": found one without random numbers, wanted one that draws some");
}

template <class T>
void copy_rows(MatrixView<const T> from, MatrixView<T> to) {
  for (index_t i = 0; i < from.rows; ++i) std::copy_n(from.row(i), from.cols, to.row(i));
}

#define DENSECORE_INSTANTIATE(T, ...)   \
  template class ActivationFunction<T>; \
  template class Layer<T>;              \
  template void copy_rows(MatrixView<const T>, MatrixView<T>);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
