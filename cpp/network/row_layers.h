// Layers as the kernels for single rows take them; made in single_rows.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/table.h"
#include "network/workspace.h"

namespace densecore {

// Empty when those kernels do not support the layers.
template <class T>
std::vector<RowLayer> row_layers_of(const KernelTable<T>& table, const Layers<T>& layers);
// The same for training, with the arrays of the steps that it makes at once. Empty when its kernel
// does not support the layers.
template <class T>
struct TinyLayers {
  std::vector<RowLayer> rows;
  std::vector<TinyExtra<T>> extras;
  std::vector<const Layer<T>*> dropouts;  // behind each layer, or null
  bool inlined = false;  // whether single steps can take the parameters as they are
  bool drops = false;    // whether there is a dropout
  std::vector<double> rates;
  AlignedBuffer<T> factors;
};
template <class T>
TinyLayers<T> tiny_layers_of(const KernelTable<T>& table, const Layers<T>& layers);

// The arguments that single steps of such a network share, where a step is p -= rate * g. They are
// found at the first step: to find them at each would take as long as a layer.
template <class T>
struct RowStep {
  bool possible = false;  // whether it is also the fastest way
  bool weights = true;    // whether rows may have weights
  double divisor = 1;     // of the loss
  TinyTraining<T> kernel{};
  // The versions that it was made for: of the network's layers, and of the optimizer's settings.
  std::uint64_t layers_version = 0, settings_version = 0;
};

}  // namespace densecore
