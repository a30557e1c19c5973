// Steps of many small networks at once: a network per lane.
//
// A network of a few units leaves most lanes of its vectors idle, and waits for every operation
// before it can begin the next. Here a vector holds one parameter of as many networks as it has
// lanes (the compact layout of Kim et al., 2017): all lanes count whatever the layers' widths, and
// softmax, losses and learning rates need no shuffles. The operations on every element and their
// order are those of the general kernels: the bits are those of each network trained alone.
#pragma once

#include "kernels/activation.h"
#include "kernels/loss.h"
#include "kernels/optimizer.h"

namespace {

using densecore::LaneLoss;
using densecore::LaneTraining;
using densecore::LaneUpdate;

// Up to this many units, or inputs, are computed side by side: each is a chain of operations that
// wait for one another.
constexpr int lane_block = 4;

// body(begin, constant) for blocks of lane_block, half of it, ..., 1 elements of `count`;
// constant.value is the block's size.
template <int size>
struct BlockSize {
  static constexpr int value = size;
};
template <int size = lane_block, class Body>
[[gnu::always_inline]] inline void for_each_lane_block(index_t count, Body body, index_t i = 0) {
  for (; i + size <= count; i += size) body(i, BlockSize<size>{});
  if constexpr (size > 1) for_each_lane_block<size / 2>(count, body, i);
}

// z = b + x W, in increasing k.
template <class V>
inline void lane_product(const densecore::RowLayer& layer, const typename V::T* parameters,
                         const typename V::T* x, typename V::T* z) {
  using T = typename V::T;
  const index_t row = layer.units * V::width;
  for_each_lane_block(layer.units, [=](index_t j, auto block) {
    constexpr int size = block.value;
    V sum[size];
    const T* bias = parameters + (layer.bias + j) * V::width;
#pragma GCC unroll 4
    for (int c = 0; c < size; ++c)
      sum[c] = layer.bias < 0 ? V::set(0) : V::load(bias + c * V::width);
    const T* weights = parameters + (layer.weight + j) * V::width;
    for (index_t k = 0; k < layer.inputs; ++k, weights += row) {
      const V x_k = V::load(x + k * V::width);
#pragma GCC unroll 4
      for (int c = 0; c < size; ++c) sum[c] = fma(x_k, V::load(weights + c * V::width), sum[c]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < size; ++c) sum[c].store(z + (j + c) * V::width);
  });
}

template <class V, class List>
struct LaneActivations;
template <class V, class... Activation>
struct LaneActivations<V, TypeList<Activation...>> {
  using T = typename V::T;
  static void forward(int index, index_t units, T* a) {
    int i = 0;
    ((i++ == index ? apply<Activation>(units, a) : void()), ...);
  }
  // The gradient by a becomes that by z.
  static void backward(int index, index_t units, const T* a, T* g) {
    int i = 0;
    ((i++ == index ? apply_backward<Activation>(units, a, g) : void()), ...);
  }

 private:
  template <class A>
  static void apply(index_t units, T* a) {
    for (index_t j = 0; j < units * V::width; j += V::width)
      A::forward(V::load(a + j)).store(a + j);
  }
  template <class A>
  static void apply_backward(index_t units, const T* a, T* g) {
    static_assert(!A::needs_input);
    for (index_t j = 0; j < units * V::width; j += V::width) {
      const V a_j = V::load(a + j);
      A::backward(a_j, a_j, V::load(g + j)).store(g + j);
    }
  }
};

// The losses of a row per lane, and their gradients. `sum` gets the lanes' losses, to be multiplied
// with p.share.
template <class V>
struct LaneLosses {
  using T = typename V::T;
  static constexpr index_t ld = V::width;
  const LaneTraining<T>& p;
  const AsColumns<V> layout;
  V factor;

  LaneLosses(const LaneTraining<T>& training, index_t outputs)
      : p(training), layout{V::width, outputs}, factor(V::set(static_cast<T>(p.scale * p.share))) {}

  void compute(const T* output, const T* y, const std::int32_t* labels, T* gradient,
               double* sum) const {
    const Block<const T> out = {output, ld, true}, targets = {y, ld, true};
    const Block<T> g = {gradient, ld, true};
    if (p.loss == LaneLoss::squared) {
      layout.sums(sum, [&](auto cell) {
        const V difference = cell.load(out) - cell.load(targets);
        cell.store(factor * (difference + difference), g);
        return difference * difference;
      });
    } else if (p.loss == LaneLoss::binary) {
      layout.sums(sum, [&](auto cell) {
        V slope;
        const V term = BinaryCrossentropy::fused_term(cell.load(out), cell.load(targets), slope);
        cell.store(factor * slope, g);
        return term;
      });
    } else {
      softmax(out, targets, labels, g, sum);
    }
  }

 private:
  [[gnu::noinline]] void softmax(Block<const T> z, Block<const T> y, const std::int32_t* labels,
                                 Block<T> g, double* sum) const {
    alignas(64) T largest[V::width];
    alignas(64) double total[V::width];
    alignas(64) double inverse[V::width];
    alignas(64) double log_sum[V::width];
    alignas(64) T share[V::width];
    layout.maxima(z, largest);
    layout.sums(total, [&](auto cell) {
      const V e = exp(cell.load(z) - cell.of_row(largest));
      cell.store(e, g);
      return e;
    });
    logarithms(V::width, total, log_sum);
    inverses(V::width, total, inverse);
    if (p.loss == LaneLoss::categorical) {
      alignas(64) double y_sum[V::width];
      layout.sums(y_sum, [&](auto cell) { return cell.load(y); });
      layout.sums(sum,
                  [&](auto cell) { return cell.load(y) * (cell.load(z) - cell.of_row(largest)); });
      for (index_t i = 0; i < V::width; ++i) {
        sum[i] = log_sum[i] * y_sum[i] - sum[i];
        share[i] = static_cast<T>(y_sum[i] * inverse[i]);
      }
      layout.each([&](auto cell) {
        const V part = fma(cell.load(g), cell.of_row(share), V::set(0) - cell.load(y));
        cell.store(factor * part, g);
      });
      return;
    }
    T of_label[V::width];
    const T one = static_cast<T>(p.scale);
    for (index_t i = 0; i < V::width; ++i) {
      const index_t place = labels[p.shared ? 0 : i] * ld + i;
      sum[i] = log_sum[i] - static_cast<double>(z.data[place] - largest[i]);
      share[i] = static_cast<T>(p.scale * inverse[i]);
      of_label[i] = g.data[place] * share[i] - one;
    }
    layout.each([&](auto cell) { cell.store(cell.load(g) * cell.of_row(share), g); });
    for (index_t i = 0; i < V::width; ++i) g.data[labels[p.shared ? 0 : i] * ld + i] = of_label[i];
  }
};

template <class V, class Optimizer>
struct LaneNetworks {
  using T = typename V::T;
  using List = LaneActivations<V, InlinedActivations>;
  const LaneTraining<T>& p;
  V scalars[densecore::max_optimizer_scalars];

  // p -= ..., for the parameters at `place` with the gradient g; returns what they were.
  [[gnu::always_inline]] V update(index_t place, V g) const {
    V state[densecore::lane_states];
#pragma GCC unroll 2
    for (int i = 0; i < Optimizer::state_count; ++i) state[i] = V::load(p.states[i] + place);
    const V before = V::load(p.parameters + place);
    without_subnormals(Optimizer::update(before, g, state, scalars)).store(p.parameters + place);
#pragma GCC unroll 2
    for (int i = 0; i < Optimizer::state_count; ++i)
      kept_state<Optimizer>(state[i], i).store(p.states[i] + place);
    return before;
  }

  // A layer's parameters updated from `delta`, dC/dz; `below`, when wanted, is dC/dx by the
  // parameters as they were.
  template <bool with_below>
  void backward(const densecore::RowLayer& layer, const T* x, const T* delta, T* below) const {
    const V zero = V::set(0);
    for_each_lane_block(layer.inputs, [&](index_t i, auto block) {
      constexpr int size = block.value;
      V x_i[size], sum[size];
#pragma GCC unroll 4
      for (int c = 0; c < size; ++c) x_i[c] = V::load(x + (i + c) * V::width), sum[c] = zero;
      index_t place = (layer.weight + i * layer.units) * V::width;
      for (index_t j = 0; j < layer.units; ++j, place += V::width) {
        const V d = V::load(delta + j * V::width);
#pragma GCC unroll 4
        for (int c = 0; c < size; ++c) {
          const V before = update(place + c * layer.units * V::width, fma(x_i[c], d, zero));
          if constexpr (with_below) sum[c] = fma(d, before, sum[c]);
        }
      }
      if constexpr (with_below)
#pragma GCC unroll 4
        for (int c = 0; c < size; ++c) sum[c].store(below + (i + c) * V::width);
    });
    if (layer.bias >= 0)
      for (index_t j = 0; j < layer.units; ++j)
        update((layer.bias + j) * V::width, zero + V::load(delta + j * V::width));
  }

  void train() {
    constexpr index_t slot = densecore::lane_units * V::width;
    T* const x_buffer = p.scratch;
    T* const y_buffer = x_buffer + densecore::tiny_inputs * V::width;
    T* const a_buffer = y_buffer + slot;
    T* const g_buffer = a_buffer + densecore::tiny_layers * slot;
    const int last = p.layer_count - 1;
    const index_t inputs = p.layers[0].inputs, outputs = p.layers[last].units;
    const bool from_z = p.loss != LaneLoss::squared;
    const LaneLosses<V> losses(p, outputs);
    alignas(64) double sum[V::width];
    for (index_t step = 0; step < p.steps; ++step) {
#pragma GCC unroll 8
      for (int k = 0; k < densecore::max_optimizer_scalars; ++k)
        scalars[k] = V::load(p.scalars + step * p.scalars_step + k * V::width);
      const T *x = p.x + step * p.ldx, *y = p.values + step * p.ld_values;
      if (p.shared) {
        x = spread(inputs, x, x_buffer);
        if (p.labels == nullptr) y = spread(outputs, y, y_buffer);
      }
      const std::int32_t* labels =
          p.labels == nullptr ? nullptr : p.labels + step * (p.shared ? 1 : V::width);
      const T* input = x;
      for (int l = 0; l <= last; ++l) {
        T* a = a_buffer + l * slot;
        lane_product<V>(p.layers[l], p.parameters, input, a);
        if (l < last || !from_z) List::forward(p.layers[l].activation, p.layers[l].units, a);
        input = a;
      }
      T *gradient = g_buffer, *below = g_buffer + slot;
      losses.compute(input, y, labels, gradient, sum);
      for (index_t i = 0; i < V::width; i += VecF64::width)
        (VecF64::load(p.total_loss + i) + VecF64::set(p.share) * VecF64::load(sum + i))
            .store(p.total_loss + i);
      for (int l = last; l >= 0; --l) {
        const densecore::RowLayer& layer = p.layers[l];
        if (l < last || !from_z)
          List::backward(layer.activation, layer.units, a_buffer + l * slot, gradient);
        if (l == 0) {
          backward<false>(layer, x, gradient, nullptr);
        } else {
          backward<true>(layer, a_buffer + (l - 1) * slot, gradient, below);
          T* const done = gradient;
          gradient = below, below = done;
        }
      }
    }
  }

 private:
  static const T* spread(index_t n, const T* from, T* to) {
    for (index_t i = 0; i < n; ++i) V::set(from[i]).store(to + i * V::width);
    return to;
  }
};

template <class V>
void lane_train(const LaneTraining<typename V::T>& p) {
  if (p.update == LaneUpdate::sgd)
    LaneNetworks<V, Sgd>{p, {}}.train();
  else
    LaneNetworks<V, Adam<false>>{p, {}}.train();
}

template <class V>
constexpr auto lane_trainer() -> void (*)(const LaneTraining<typename V::T>&) {
  if constexpr (V::width == 1)
    return nullptr;
  else
    return lane_train<V>;
}

}  // namespace
