#include "layers/layer.h"

#include <algorithm>

#include "layers/dense.h"
#include "layers/lookup.h"
#include "layers/normalization.h"
#include "layers/rowwise.h"

namespace densecore {

template <class T>
ActivationFunction<T>::ActivationFunction(const KernelTable<T>& table, const ActivationSpec& spec)
    : entry_(&find_activation(table, spec.name)),
      parameters_(resolved_parameters(spec.name, entry_->parameters, entry_->parameter_count,
                                      spec.parameters)) {}

template <class T>
std::shared_ptr<AlignedBuffer<T>> Layer<T>::add_state(const char* name, T value) {
  auto values = std::make_shared<AlignedBuffer<T>>(static_cast<std::size_t>(units_));
  std::fill_n(values->data(), units_, value);
  states_.push_back({name, values});
  return values;
}

template <class T>
std::unique_ptr<Layer<T>> make_layer(const KernelTable<T>& table, index_t inputs,
                                     const LayerSpec& spec, index_t offset, index_t number) {
  if (spec.kind == "dense") return std::make_unique<Dense<T>>(table, inputs, spec, offset);
  if (spec.kind == "activation")
    return std::make_unique<ActivationLayer<T>>(table, inputs, spec, offset);
  if (spec.kind == "dropout")
    return std::make_unique<Dropout<T>>(table, inputs, spec, offset, number);
  if (spec.kind == "add") return std::make_unique<AddLayer<T>>(table, inputs, spec, offset);
  if (spec.kind == "layer_normalization")
    return std::make_unique<LayerNormalization<T>>(table, inputs, spec, offset);
  if (spec.kind == "batch_normalization")
    return std::make_unique<BatchNormalization<T>>(table, inputs, spec, offset);
  if (spec.kind == "function")
    return std::make_unique<FunctionLayer<T>>(table, inputs, spec, offset);
  return std::make_unique<FixedNormalization<T>>(table, inputs, spec, offset);
}

template <class T>
void copy_rows(MatrixView<const T> from, MatrixView<T> to) {
  for (index_t i = 0; i < from.rows; ++i) std::copy_n(from.row(i), from.cols, to.row(i));
}

#define DENSECORE_INSTANTIATE(T)                                                                  \
  template class ActivationFunction<T>;                                                           \
  template class Layer<T>;                                                                        \
  template std::unique_ptr<Layer<T>> make_layer(const KernelTable<T>&, index_t, const LayerSpec&, \
                                                index_t, index_t);                                \
  template void copy_rows(MatrixView<const T>, MatrixView<T>);
DENSECORE_INSTANTIATE(float)
DENSECORE_INSTANTIATE(double)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
