// One row through all layers, for networks of narrow layers: no call, no blocking, no temporary
// matrix between them. Every element is the same chain as in the general product.
#pragma once

#include "kernels/activation.h"

namespace {

using densecore::row_units;
using densecore::RowLayer;
using densecore::RowPrediction;

// x W + b into whole vectors of `z`; with `part` the last one's first lanes are units.
template <class V, int vectors, bool part>
inline void row_product(const RowLayer& layer, const typename V::T* parameters,
                        const typename V::T* x, typename V::T* z) {
  using T = typename V::T;
  const index_t units = layer.units, tail = units - (vectors - 1) * V::width;
  const auto load = [tail](const T* from, int v) {
    return part && v == vectors - 1 ? V::load_partial(from + v * V::width, tail)
                                    : V::load(from + v * V::width);
  };
  V sum[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v)
    sum[v] = layer.bias < 0 ? V::set(0) : load(parameters + layer.bias, v);
  const T* weights = parameters + layer.weight;
  for (index_t k = 0; k < layer.inputs; ++k, weights += units) {
    const V x_k = V::set(x[k]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sum[v] = fma(x_k, load(weights, v), sum[v]);
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) sum[v].store(z + v * V::width);
}

template <class V, int vectors = tile_vectors>
inline void row_affine(const RowLayer& layer, const typename V::T* parameters,
                       const typename V::T* x, typename V::T* z) {
  if constexpr (vectors > 1)
    if (layer.units <= (vectors - 1) * V::width)
      return row_affine<V, vectors - 1>(layer, parameters, x, z);
  if (layer.units == vectors * V::width)
    row_product<V, vectors, false>(layer, parameters, x, z);
  else
    row_product<V, vectors, true>(layer, parameters, x, z);
}

template <class V>
void predict_row(const RowPrediction<typename V::T>& p) {
  using T = typename V::T;
  using List = ActivationByIndex<V, InlinedActivations>;
  alignas(64) T slots[2][row_units];
  const T* x = p.x;
  for (int l = 0; l < p.layer_count; ++l) {
    const RowLayer& layer = p.layers[l];
    T* a = slots[l % 2];
    row_affine<V>(layer, p.parameters, x, a);
    for (index_t j = 0; j < layer.units; j += V::width)
      List::forward(layer.activation, V::load(a + j)).store(a + j);
    x = a;
  }
  const index_t outputs = p.layers[p.layer_count - 1].units;
  if (p.last_by_row != nullptr)
    p.last_by_row(1, outputs, x, outputs, p.out, outputs, nullptr);
  else
    for_each_vector<V>(outputs,
                       [&](index_t j, auto part) { part.store(part.load(x + j), p.out + j); });
}

}  // namespace
