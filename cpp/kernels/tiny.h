// Whole steps of networks whose layers fit into one vector each, one row at a time.
//
// In such a network a step is a chain of dependent operations, some 350 cycles long, and a call or
// a store that must be waited for costs as much as a layer's arithmetic. Here parameters live in
// vectors of their own (padded with zeros, so that what was stored is loaded back as it was) for
// many steps, beside their transposes, and layers hand each other registers. The operations on
// every element and their order are those of the general kernels: the bits are the same.
#pragma once

#include "kernels/activation.h"
#include "kernels/loss.h"
#include "kernels/optimizer.h"

namespace {

using densecore::RowLayer;
using densecore::tiny_layers;
using densecore::TinyTraining;

// x (inputs,) times rows of `width` elements each, onto `start`.
template <class V>
inline V tiny_product(index_t inputs, const typename V::T* x, const typename V::T* rows, V start) {
  for (index_t k = 0; k < inputs; ++k)
    start = fma(V::set(x[k]), V::load(rows + k * V::width), start);
  return start;
}

// rows[k] -= rate * (x[k] * delta)
template <class V>
inline void tiny_update(index_t inputs, const typename V::T* x, V delta, const V* scalars,
                        typename V::T* rows) {
  const V zero = V::set(0);
  for (index_t k = 0; k < inputs; ++k) {
    typename V::T* row = rows + k * V::width;
    Sgd::update<V>(V::load(row), fma(V::set(x[k]), delta, zero), nullptr, scalars).store(row);
  }
}

template <class V>
struct TinyNetwork {
  using T = typename V::T;
  using List = ActivationByIndex<V, InlinedActivations>;

  struct Layer {
    RowLayer shape;
    T *weight, *bias, *transposed;  // rows of one vector each
    T *z, *a, *a_padded, *delta;    // one vector each
    V lanes;                        // 1 in the lanes of the units, else 0
  };
  Layer layers[tiny_layers];
  int count;

  // Copies the parameters into the scratch memory (zeroed here), one padded row each.
  TinyNetwork(const TinyTraining<T>& p) : count(p.layer_count) {
    T* next = p.scratch;
    const auto take = [&next](index_t rows) {
      T* taken = next;
      for (index_t i = 0; i < rows; ++i) V::set(0).store(next + i * V::width);
      next += rows * V::width;
      return taken;
    };
    for (int l = 0; l < count; ++l) {
      Layer& layer = layers[l];
      const RowLayer& s = layer.shape = p.layers[l];
      layer.weight = take(s.inputs);
      layer.bias = take(1);
      layer.transposed = take(l == 0 ? 0 : s.units);
      layer.z = take(1), layer.a = take(1), layer.a_padded = take(1), layer.delta = take(1);
      for (index_t j = 0; j < s.units; ++j) layer.delta[j] = 1;
      layer.lanes = V::load(layer.delta);
      copy_parameters(layer, p.parameters, [](T& ours, T& theirs) { ours = theirs; });
      if (l == 0) continue;
      for (index_t i = 0; i < s.inputs; ++i)
        for (index_t j = 0; j < s.units; ++j)
          layer.transposed[j * V::width + i] = layer.weight[i * V::width + j];
    }
  }

  void write_back(T* parameters) {
    for (int l = 0; l < count; ++l)
      copy_parameters(layers[l], parameters, [](T& ours, T& theirs) { theirs = ours; });
  }

  // The gradients of the last step, which are not kept while it runs.
  void write_gradients(const T* x, T* gradients) {
    for (int l = 0; l < count; ++l) {
      const Layer& layer = layers[l];
      const RowLayer& s = layer.shape;
      const T* input = l == 0 ? x : layers[l - 1].a;
      for (index_t j = 0; j < s.units; ++j) {
        for (index_t i = 0; i < s.inputs; ++i)
          gradients[s.weight + i * s.units + j] = input[i] * layer.delta[j] + T(0);
        if (s.bias >= 0) gradients[s.bias + j] = layer.delta[j] + T(0);
      }
    }
  }

  // The network's output, or the last layer's z when `stop_at_z`, in the last layer's `a`.
  const T* forward(const T* x, bool stop_at_z) {
    for (int l = 0; l < count; ++l) {
      Layer& layer = layers[l];
      const V z = tiny_product(layer.shape.inputs, x, layer.weight, V::load(layer.bias));
      const bool last = l + 1 == count;
      const V a = last && stop_at_z ? z : List::forward(layer.shape.activation, z);
      a.store(layer.a);
      z.store(layer.z);
      (a * layer.lanes).store(layer.a_padded);
      x = layer.a;
    }
    return x;
  }

  // From dC/da of the last layer (or dC/dz), to the updated parameters.
  void backward(const T* x, V gradient, bool from_z, const V* scalars) {
    for (int l = count - 1; l >= 0; --l) {
      Layer& layer = layers[l];
      const RowLayer& s = layer.shape;
      const V delta = from_z && l + 1 == count ? gradient
                                               : List::backward(s.activation, V::load(layer.z),
                                                                V::load(layer.a), gradient);
      delta.store(layer.delta);
      if (l > 0) {
        gradient = tiny_product(s.units, layer.delta, layer.transposed, V::set(0));
        tiny_update(s.units, layer.delta, V::load(layers[l - 1].a_padded), scalars,
                    layer.transposed);
      }
      tiny_update(s.inputs, l == 0 ? x : layers[l - 1].a, delta, scalars, layer.weight);
      if (s.bias >= 0)
        Sgd::update<V>(V::load(layer.bias), V::set(0) + delta, nullptr, scalars).store(layer.bias);
    }
  }

 private:
  template <class Copy>
  static void copy_parameters(const Layer& layer, T* parameters, Copy copy) {
    const RowLayer& s = layer.shape;
    for (index_t j = 0; j < s.units; ++j) {
      for (index_t i = 0; i < s.inputs; ++i)
        copy(layer.weight[i * V::width + j], parameters[s.weight + i * s.units + j]);
      if (s.bias >= 0) copy(layer.bias[j], parameters[s.bias + j]);
    }
  }
};

template <class V>
void tiny_train(const TinyTraining<typename V::T>& p) {
  using T = typename V::T;
  TinyNetwork<V> network(p);
  V scalars[1] = {V::set(static_cast<T>(p.rate))};
  alignas(64) T gradient[V::width] = {};
  const index_t outputs = p.layers[p.layer_count - 1].units;
  LossArguments<T> loss = {1,
                           outputs,
                           nullptr,
                           outputs,
                           nullptr,
                           outputs,
                           nullptr,
                           nullptr,
                           p.scale != 0 ? p.scale : 1,
                           gradient,
                           outputs,
                           p.loss_parameters,
                           p.loss_parameter_count};
  const T* x = nullptr;
  for (index_t step = 0; step < p.steps; ++step) {
    const index_t row = p.order == nullptr ? step : p.order[step];
    x = p.x + row * p.ldx;
    const T* output = network.forward(x, p.from_z);
    if (p.outputs != nullptr)
      for (index_t j = 0; j < outputs; ++j) p.outputs[step * outputs + j] = output[j];
    loss.output = output;
    if (p.values != nullptr) loss.values = p.values + row * p.ld_values;
    if (p.labels != nullptr) loss.labels = p.labels + row;
    double weight = 1;
    if (p.weight != nullptr) {
      loss.weight = p.weight + row;
      weight = static_cast<double>(*loss.weight);
      if (p.scale == 0) loss.scale = weight == 0 ? 0 : 1 / weight;
    }
    *p.total_weight += weight;
    *p.total_loss += p.loss(loss);
    network.backward(x, V::load(gradient), p.from_z, scalars);
  }
  network.write_back(p.parameters);
  network.write_gradients(x, p.gradients);
}

}  // namespace
