#include "layers/make_layer.h"

#include "layers/dense.h"
#include "layers/normalization.h"
#include "layers/rowwise.h"

namespace densecore {

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

template std::unique_ptr<Layer<float>> make_layer(const KernelTable<float>&, index_t,
                                                  const LayerSpec&, index_t, index_t);
template std::unique_ptr<Layer<double>> make_layer(const KernelTable<double>&, index_t,
                                                   const LayerSpec&, index_t, index_t);

}  // namespace densecore
