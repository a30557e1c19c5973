// The table of layer kinds: everything that depends on a layer's kind is looked up here, or is a
// virtual function of its class.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "layers/layer.h"

namespace densecore {

std::span<const LayerKind> layer_kinds();

// Throws std::invalid_argument for an unknown name.
const LayerKind& find_layer_kind(const std::string& name);

template <class T>
std::unique_ptr<Layer<T>> make_layer(const LayerPlace<T>& place, const LayerSpec& spec);

}  // namespace densecore
