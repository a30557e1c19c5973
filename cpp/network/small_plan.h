// The memory and functions of a small batch, layer by layer: found when the network first sees one,
// and kept beside the workspace that it points into (small.cc).
#pragma once

#include <cstdint>
#include <vector>

#include "base/view.h"
#include "kernels/table.h"
#include "layers/layer.h"

namespace densecore {

// A stretch of dense layers, of which the last one may have a row-wise activation, or another
// layer, with its rows of the workspace, all that there are.
template <class T>
struct SmallPart {
  std::size_t begin, end;
  const ActivationFunction<T>* by_rows = nullptr;
  Layer<T>* layer = nullptr;  // null: the part is dense layers
  LayerRows<T> rows{};
  MatrixView<T> gradient{}, below{};  // by its outputs; by its input, where that is wanted
  index_t x_first = -1;               // the first column, of a layer whose input is x; else -1
  // Whether the part needs more than its kernels and the layer's functions: it has several inputs,
  // or its gradient is added to another one.
  bool joins = false;

  const LayerRows<T>& of(MatrixView<const T> x) {
    if (x_first >= 0) {
      rows.x.data = x.data + x_first;
      rows.x.stride = x.stride;
    }
    rows.x.rows = rows.kept.rows = rows.a.rows = x.rows;
    return rows;
  }
};

template <class T>
struct SmallPlan {
  std::vector<SmallPart<T>> parts;
  std::vector<SmallLayer<T>> layers;  // by number; those that are not dense are left empty
  bool only_z = false;                // whether the last one stops at z, else it is `last`
  SmallLayer<T> last{};
  // The versions that it was made for: of the workspace, and of the layers.
  std::uint64_t workspace = 0, layers_version = 0;
};

}  // namespace densecore
