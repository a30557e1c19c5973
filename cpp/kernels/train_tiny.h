// Whole steps of networks whose layers fit into one vector each, one row at a time.
//
// In such a network a step is a chain of dependent operations, some 300 cycles long, and a call or
// a store that must be waited for costs as much as a layer's arithmetic. Here layers hand each
// other registers, and the vectors are the shortest that a layer fits in, because short ones wait
// less for each other. For many steps parameters live in vectors of their own (padded with zeros,
// so that what was stored is loaded back as it was), beside their transposes; a single step takes
// them where they lie. The operations on every element and their order are those of the general
// kernels: the bits are the same.
#pragma once

#include "kernels/activation.h"
#include "kernels/gemm_pack.h"
#include "kernels/loss.h"
#include "kernels/optimizer.h"

namespace {

using densecore::RowLayer;
using densecore::tiny_layers;
using densecore::TinyTraining;

// Element k of a layer's input in every lane: the network's from memory, another layer's from its
// register.
template <class V>
inline V element(const typename V::T* x, index_t k) {
  return V::set(x[k]);
}
template <class V>
inline V element(V x, index_t k) {
  return spread(x, k);
}

// Rows of one vector each: `padded` to whole vectors, or `units` elements where they lie.
template <class V, bool padded>
struct TinyRows {
  using T = typename V::T;
  T* data;
  index_t units;
  V load(index_t k) const {
    return padded ? V::load(data + k * V::width) : Any<V>{units}.load(data + k * units);
  }
  void store(V x, index_t k) const {
    if (padded)
      x.store(data + k * V::width);
    else
      Any<V>{units}.store(x, data + k * units);
  }
};

// x (inputs,) times rows, onto `start`.
template <class V, class X, class Rows>
inline V tiny_product(index_t inputs, X x, const Rows& rows, V start) {
  for (index_t k = 0; k < inputs; ++k) start = fma(element<V>(x, k), rows.load(k), start);
  return start;
}

// rows[k] -= rate * (x[k] * delta)
template <class V, class X, class Rows>
inline void tiny_update(index_t inputs, X x, V delta, const V* scalars, const Rows& rows) {
  for (index_t k = 0; k < inputs; ++k) {
    const V gradient = fma(element<V>(x, k), delta, V::set(0));
    rows.store(without_subnormals(Sgd::update<V>(rows.load(k), gradient, nullptr, scalars)), k);
  }
}

// `many`: for many steps.
template <class V, bool many>
struct TinyNetwork {
  using T = typename V::T;
  using List = ActivationByIndex<V, InlinedActivations>;
  using Rows = TinyRows<V, many>;

  struct Layer {
    RowLayer shape;
    Rows weight, bias;
    TinyRows<V, true> transposed;
    V z, a, delta;
    V lanes;  // 1 in the lanes of the units, else 0
  };
  Layer layers[tiny_layers];
  int count;

  // Copies what it does not take where it lies into the scratch memory, one padded row each.
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
      layer.lanes = select(less(V::load(lane_numbers<T>), V::set(static_cast<T>(s.units))),
                           V::set(1), V::set(0));
      layer.weight = {many ? take(s.inputs) : p.parameters + s.weight, s.units};
      layer.bias = {many ? take(1) : s.bias < 0 ? nullptr : p.parameters + s.bias, s.units};
      if (many) copy_parameters(layer, p.parameters, [](T& ours, T& theirs) { ours = theirs; });
      if (l == 0) continue;
      layer.transposed = {next, s.inputs};
      transpose<V, true>(s.inputs, s.units, p.parameters + s.weight, s.units, next, V::width);
      next += s.units * V::width;
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
      const TinyRows<V, false> weight = {gradients + s.weight, s.units};
      for (index_t i = 0; i < s.inputs; ++i)
        weight.store(
            fma(l == 0 ? V::set(x[i]) : spread(layers[l - 1].a, i), layer.delta, V::set(0)), i);
      if (s.bias >= 0) Any<V>{s.units}.store(layer.delta + V::set(0), gradients + s.bias);
    }
  }

  // The network's output, or the last layer's z when `stop_at_z`.
  V forward(const T* x, bool stop_at_z) {
    V a = V::set(0);
    for (int l = 0; l < count; ++l) {
      Layer& layer = layers[l];
      const index_t inputs = layer.shape.inputs;
      const V bias = !many && layer.shape.bias < 0 ? V::set(0) : layer.bias.load(0);
      const V z = l == 0 ? tiny_product(inputs, x, layer.weight, bias)
                         : tiny_product(inputs, a, layer.weight, bias);
      a = l + 1 == count && stop_at_z ? z : List::forward(layer.shape.activation, z);
      layer.z = z, layer.a = a;
    }
    return a;
  }

  // From dC/da of the last layer (or dC/dz), to the updated parameters.
  void backward(const T* x, V gradient, bool from_z, const V* scalars) {
    for (int l = count - 1; l >= 0; --l) {
      Layer& layer = layers[l];
      const RowLayer& s = layer.shape;
      const V delta = from_z && l + 1 == count
                          ? gradient
                          : List::backward(s.activation, layer.z, layer.a, gradient);
      layer.delta = delta;
      if (l == 0) {
        tiny_update(s.inputs, x, delta, scalars, layer.weight);
      } else {
        const Layer& below = layers[l - 1];
        gradient = tiny_product(s.units, delta, layer.transposed, V::set(0));
        if (many) tiny_update(s.units, delta, below.a * below.lanes, scalars, layer.transposed);
        tiny_update(s.inputs, below.a, delta, scalars, layer.weight);
      }
      if (s.bias >= 0)
        layer.bias.store(without_subnormals(Sgd::update<V>(layer.bias.load(0), V::set(0) + delta,
                                                           nullptr, scalars)),
                         0);
    }
  }

 private:
  template <class Copy>
  static void copy_parameters(const Layer& layer, T* parameters, Copy copy) {
    const RowLayer& s = layer.shape;
    for (index_t j = 0; j < s.units; ++j) {
      for (index_t i = 0; i < s.inputs; ++i)
        copy(layer.weight.data[i * V::width + j], parameters[s.weight + i * s.units + j]);
      if (s.bias >= 0) copy(layer.bias.data[j], parameters[s.bias + j]);
    }
  }
};

// The sum of a row's terms, times `weight`: in double precision, and in the order of row_sums.h.
template <class V>
inline double tiny_total(V term, double weight) {
  alignas(64) typename V::T lane[V::width];
  term.store(lane);
  double sum[V::width];
#pragma GCC unroll 16
  for (int j = 0; j < V::width; ++j) sum[j] = weight * static_cast<double>(lane[j]);
#pragma GCC unroll 4
  for (int half = V::width / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int j = 0; j < half; ++j) sum[j] = sum[j] + sum[j + half];
  return sum[0];
}

// `V` is the vector of the network, `Full` that of the losses.
template <class V, class Full, bool many>
[[gnu::noinline]] void tiny_steps(const TinyTraining<typename V::T>& p) {
  using T = typename V::T;
  TinyNetwork<V, many> network(p);
  V scalars[1] = {V::set(static_cast<T>(p.rate))};
  const auto& last = network.layers[p.layer_count - 1];
  const index_t outputs = last.shape.units;
  // The step waits for the gradient: the most used loss gives it in a register, and nothing waits
  // for its value.
  const bool squared = p.loss == MeanSquaredError::plain<Full>;
  alignas(64) T output[V::width];
  alignas(64) T gradient[V::width] = {};
  LossArguments<T> loss = {1,
                           outputs,
                           output,
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
  const double share = mean_share(loss);
  const T* x = nullptr;
  for (index_t step = 0; step < p.steps; ++step) {
    const index_t row = p.order == nullptr ? step : p.order[step];
    x = p.x + row * p.ldx;
    const V a = network.forward(x, p.from_z);
    a.store(output);
    if (p.outputs != nullptr)
      for (index_t j = 0; j < outputs; ++j) p.outputs[step * outputs + j] = output[j];
    if (p.values != nullptr) loss.values = p.values + row * p.ld_values;
    if (p.labels != nullptr) loss.labels = p.labels + row;
    double weight = 1;
    if (p.weight != nullptr) {
      loss.weight = p.weight + row;
      weight = static_cast<double>(*loss.weight);
      if (p.scale == 0) loss.scale = weight == 0 ? 0 : 1 / weight;
    }
    *p.total_weight += weight;
    if (squared) {
      V g;
      const V term = MeanSquaredError::term(
          a, TinyRows<V, false>{const_cast<T*>(loss.values), outputs}.load(0), g);
      const T factor = static_cast<T>(loss.scale * weight * share);
      *p.total_loss += share * tiny_total(last.lanes * term, weight);
      network.backward(x, V::set(factor) * last.lanes * g, p.from_z, scalars);
    } else {
      *p.total_loss += p.loss(loss);
      network.backward(x, V::load(gradient), p.from_z, scalars);
    }
  }
  if (many) network.write_back(p.parameters);
  network.write_gradients(x, p.gradients);
}

template <class V, class Full = V>
void tiny_train(const TinyTraining<typename V::T>& p) {
  using Half = typename V::Half;
  if constexpr (Half::width < V::width) {
    index_t widest = 0;
    for (int l = 0; l < p.layer_count; ++l)
      widest = p.layers[l].units > widest ? p.layers[l].units : widest;
    if (widest <= Half::width) return tiny_train<Half, Full>(p);
  }
  if (p.steps == 1)
    tiny_steps<V, Full, false>(p);
  else
    tiny_steps<V, Full, true>(p);
}

}  // namespace
