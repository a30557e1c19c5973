// The factory of layers, which knows every kind (layer.h is the interface that they share).
#pragma once

#include <memory>

#include "layers/layer.h"

namespace densecore {

// A layer of `inputs` columns whose parameters start at `offset` of the flat buffer; `number` is
// the layer's in the network.
template <class T>
std::unique_ptr<Layer<T>> make_layer(const KernelTable<T>& table, index_t inputs,
                                     const LayerSpec& spec, index_t offset, index_t number);

}  // namespace densecore
