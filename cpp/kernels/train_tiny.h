// Whole steps of networks whose layers fit into one vector each, one row at a time.
//
// In such a network a step is a chain of dependent operations, some 300 cycles long, and a call or
// a store that must be waited for costs as much as a layer's arithmetic. Here layers hand each
// other registers, and the vectors are the shortest that a layer fits in, because short ones wait
// less for each other. For many steps parameters live in vectors of their own (padded with zeros,
// so that what was stored is loaded back as it was), beside their transposes; a single step takes
// them where they lie. Plain SGD updates a weight while its gradient is in a register; what wants
// the whole gradient is in tiny_update.h. The operations on every element and their order are those
// of the general kernels: the bits are the same.
#pragma once

#include "kernels/activation.h"
#include "kernels/gemm_pack.h"
#include "kernels/loss.h"
#include "kernels/optimizer.h"
#include "kernels/tiny_update.h"

namespace {

using densecore::tiny_layers;
using densecore::TinyExtra;

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

// The first one of rows of one vector each: `padded` to whole vectors, or `units` elements where
// they lie. By value: what a row is stored to could be, to the compiler, the place of the pointer.
template <class V, bool padded>
struct TinyRows {
  using T = typename V::T;
  T* data;
  index_t units;
  V load() const { return padded ? V::load(data) : Any<V>{units}.load(data); }
  void store(V x) const {
    if (padded || units == V::width)
      x.store(data);
    else if constexpr (requires { x.upper(); })
      store_halves(x);
    else
      x.store_partial(data, units);
  }
  void next() { data += padded ? V::width : units; }

 private:
  // Not under a mask: see avx2_vectors.h.
  void store_halves(V x) const {
    using Half = typename V::Half;
    T* to = data;
    Half rest = x.lower();
    if (units & Half::width) {
      rest.store(to);
      rest = x.upper();
      to += Half::width;
    }
    rest.store_partial(to, units & (Half::width - 1));
  }
};

// x (inputs,) times rows, onto `start`.
template <class V, class X, class Rows>
inline V tiny_product(index_t inputs, X x, Rows rows, V start) {
  for (index_t k = 0; k < inputs; ++k, rows.next())
    start = fma(element<V>(x, k), rows.load(), start);
  return start;
}

// p -= rate * gradient
template <class V, class Rows>
inline void tiny_descend(V gradient, V rate, Rows rows) {
  rows.store(without_subnormals(Sgd::update<V>(rows.load(), gradient, nullptr, &rate)));
}

// rows[k] -= rate * (x[k] * delta). Nothing waits for it, so x comes from memory: an element in
// every lane is then one instruction.
template <class V, class Rows>
inline void tiny_update(index_t inputs, const typename V::T* x, V delta, V rate, Rows rows) {
  for (index_t k = 0; k < inputs; ++k, rows.next())
    tiny_descend(fma(V::set(x[k]), delta, V::set(0)), rate, rows);
}

// x[k] * delta
template <class V, class Rows>
inline void tiny_gradient(index_t inputs, const typename V::T* x, V delta, Rows rows) {
  for (index_t k = 0; k < inputs; ++k, rows.next()) rows.store(fma(V::set(x[k]), delta, V::set(0)));
}

// Of padded rows, `count` of them.
template <class V>
inline void tiny_transpose(index_t count, const typename V::T* in, typename V::T* out) {
  V block[V::width];
#pragma GCC unroll 16
  for (index_t i = 0; i < V::width; ++i)
    block[i] = i < count ? V::load(in + i * V::width) : V::set(0);
  transpose_block(block);
#pragma GCC unroll 16
  for (index_t i = 0; i < V::width; ++i) block[i].store(out + i * V::width);
}

// An activation by its entry in the table, on a vector that is no longer than the table's.
template <class V, class Full>
struct TinyCall {
  using T = typename V::T;
  static constexpr int which = V::width <= Short<Full>::width ? 1 : 0;
  const TinyExtra<T>& extra;

  // z becomes the slope, where there is one.
  [[gnu::noinline]] V forward(V& z) const {
    alignas(64) T z_room[Full::width] = {};
    alignas(64) T a_room[Full::width];
    z.store(z_room);
    const densecore::ActivationEntry<T>& entry = *extra.activation;
    if (entry.activate_and_derive[which] != nullptr) {
      entry.activate_and_derive[which](V::width, z_room, a_room, extra.parameters);
      z = V::load(z_room);
    } else {
      entry.activate[which](V::width, z_room, a_room, extra.parameters);
    }
    return V::load(a_room);
  }
  [[gnu::noinline]] V backward(V z, V a, V g) const {
    const densecore::ActivationEntry<T>& entry = *extra.activation;
    if (entry.activate_and_derive[which] != nullptr) return g * z;
    alignas(64) T z_room[Full::width] = {};
    alignas(64) T a_room[Full::width] = {};
    alignas(64) T g_room[Full::width] = {};
    z.store(z_room);
    a.store(a_room);
    g.store(g_room);
    entry.derive[which](V::width, z_room, a_room, g_room, extra.parameters);
    return V::load(g_room);
  }
};

// `many`: for many steps. `extras`: some of the layers have some.
template <class V, class Full, bool many, bool extras>
struct TinyNetwork {
  using T = typename V::T;
  using List = ActivationByIndex<V, InlinedActivations>;
  using Rows = TinyRows<V, many>;

  struct Layer {
    RowLayer shape;
    TinyExtra<T> extra;
    Rows weight, bias;
    TinyRows<V, true> transposed;
    bool turned;  // whether that is what the update knows, and `weight` is made of it; with extras
    V z, a, factor;  // the factor is dropout's
    V lanes;         // 1 in the lanes of the units, else 0
    const T* in;     // the `out` of the layer below
    // a after dropout, and dC/dz: of these the elements are wanted.
    alignas(sizeof(V)) T out[V::width];
    alignas(sizeof(V)) T delta[V::width];
  };
  Layer layers[tiny_layers];
  int count;
  // Whether the loss takes and derives the last layer's z: it is fused with the activation, or
  // there is none.
  bool from_z;
  index_t rows = 0;  // padded ones of all parameters
  T* room;           // behind all that it has taken of the scratch memory

  // Copies what it does not take where it lies into the scratch memory, one padded row each.
  TinyNetwork(const TinyTraining<T>& p)
      : count(p.layer_count), from_z(p.from_z || p.layers[p.layer_count - 1].activation == 0) {
    static_assert(is_first<Linear, InlinedActivations>);
    T* next = p.scratch;
    const auto take = [&next](index_t vectors) {
      T* taken = next;
      for (index_t i = 0; i < vectors; ++i) V::set(0).store(next + i * V::width);
      next += vectors * V::width;
      return taken;
    };
    for (int l = 0; l < count; ++l) {
      Layer& layer = layers[l];
      layer.in = l == 0 ? nullptr : layers[l - 1].out;
      const RowLayer& s = layer.shape = p.layers[l];
      if (extras) layer.extra = p.extras[l], layer.turned = is_turned(p, l);
      layer.lanes = select(less(V::load(lane_numbers<T>), V::set(static_cast<T>(s.units))),
                           V::set(1), V::set(0));
      layer.weight = {many ? take(tiny_rows_of(p, l)) : p.parameters + s.weight, s.units};
      layer.bias = {many ? take(1) : s.bias < 0 ? nullptr : p.parameters + s.bias, s.units};
    }
    // An optimizer takes whole vectors of its own length.
    if (many) take(Full::width / V::width - 1);
    if (many) {
      T* const padded = p.scratch;
      const T* const from = p.parameters;
      rows = for_each_tiny_parameter<V>(p, [=](index_t to, index_t at) { padded[to] = from[at]; });
    }
    for (int l = 1; l < count; ++l) {
      const RowLayer& s = layers[l].shape;
      layers[l].transposed = {next, s.inputs};
      if (extras && layers[l].turned) {
        layers[l].transposed.data = layers[l].weight.data;
        layers[l].weight.data = next;
        tiny_transpose<V>(s.units, layers[l].transposed.data, next);
      } else {
        transpose<V, true>(s.inputs, s.units, p.parameters + s.weight, s.units, next, V::width);
      }
      next += V::width * V::width;
    }
    room = next;
  }

  [[gnu::noinline]] void write_back(const TinyTraining<T>& p) const {
    const T* const padded = p.scratch;
    T* const to = p.parameters;
    for_each_tiny_parameter<V>(p, [=](index_t from, index_t at) { to[at] = padded[from]; });
  }

  // The gradients of the last step, which are not kept while it runs.
  void write_gradients(const T* x, T* gradients) const {
    for (int l = 0; l < count; ++l) {
      const Layer& layer = layers[l];
      const RowLayer& s = layer.shape;
      const V delta = V::load(layer.delta);
      tiny_gradient(s.inputs, l == 0 ? x : layer.in, delta,
                    TinyRows<V, false>{gradients + s.weight, s.units});
      if (s.bias >= 0) TinyRows<V, false>{gradients + s.bias, s.units}.store(V::set(0) + delta);
    }
  }

  // The network's output, or the last layer's z when `from_z`.
  V forward(const T* x, index_t step) {
    V a = V::set(0);
    const Layer* const last = layers + count - 1;
    for (Layer* at = layers; at <= last; ++at) {
      Layer& layer = *at;
      const index_t inputs = layer.shape.inputs;
      const V bias = layer.shape.bias < 0 ? V::set(0) : layer.bias.load();
      V z = at == layers ? tiny_product(inputs, x, layer.weight, bias)
                         : tiny_product(inputs, a, layer.weight, bias);
      if (at == last && from_z)
        a = z;
      else if (extras && layer.extra.activation != nullptr)
        a = TinyCall<V, Full>{layer.extra}.forward(z);
      else
        a = List::forward(layer.shape.activation, z);
      layer.z = z, layer.a = a;
      if (extras && layer.extra.factors != nullptr) {
        const index_t units = layer.shape.units;
        layer.factor = Any<V>{units}.load(layer.extra.factors + step * units);
        a = a * layer.factor;
      }
      a.store(layer.out);
    }
    return a;
  }

  // From dC/da of the last layer (or dC/dz) to the updated parameters; or to `gradients`, unless
  // null, the padded ones of all parameters.
  void backward(const T* x, V gradient, V rate, T* gradients) {
    index_t row = rows;
    bool derived = from_z;
    for (Layer* at = layers + count - 1; at >= layers; --at) {
      Layer& layer = *at;
      const RowLayer& s = layer.shape;
      const V delta = derived ? gradient : delta_of(layer, gradient);
      derived = false;
      delta.store(layer.delta);
      const T* in = x;
      if (at > layers) {
        gradient = tiny_product(s.units, delta, layer.transposed, V::set(0));
        in = layer.in;
      }
      if (extras && gradients != nullptr) {
        const index_t of_weights = layer.turned ? s.units : s.inputs;
        row -= of_weights + 1;
        TinyRows<V, true> to = {gradients + row * V::width, s.units};
        if (layer.turned)
          tiny_gradient(s.units, layer.delta, V::load(in) * at[-1].lanes, to);
        else
          tiny_gradient(s.inputs, in, delta, to);
        to.data += of_weights * V::width;
        to.store(s.bias < 0 ? V::set(0) : V::set(0) + delta);
        continue;
      }
      tiny_update(s.inputs, in, delta, rate, layer.weight);
      if (many && at > layers) {
        // Of few units an update takes fewer instructions than the shuffles.
        if (2 * s.units > V::width)
          tiny_transpose<V>(s.inputs, layer.weight.data, layer.transposed.data);
        else
          tiny_update(s.units, layer.delta, V::load(in) * at[-1].lanes, rate, layer.transposed);
      }
      if (s.bias >= 0) tiny_descend(V::set(0) + delta, rate, layer.bias);
    }
  }

  // After an update of the padded parameters.
  void transpose_again() {
    for (int l = 1; l < count; ++l) {
      const Layer& layer = layers[l];
      if (layer.turned)
        tiny_transpose<V>(layer.shape.units, layer.transposed.data, layer.weight.data);
      else
        tiny_transpose<V>(layer.shape.inputs, layer.weight.data, layer.transposed.data);
    }
  }

 private:
  static V delta_of(const Layer& layer, V gradient) {
    if (extras && layer.extra.factors != nullptr) gradient = gradient * layer.factor;
    if (extras && layer.extra.activation != nullptr)
      return TinyCall<V, Full>{layer.extra}.backward(layer.z, layer.a, gradient);
    return List::backward(layer.shape.activation, layer.z, layer.a, gradient);
  }
};

// The lanes of a vector, times `weight`, added in double precision and by halves, as row_sums.h
// does. The levels of wide vectors have it in a few instructions.
template <class V>
inline double sum_by_halves(V term, double weight) {
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

// The loss of a network's output `a`, and its gradient.
template <class V, class Full>
struct TinyLoss {
  using T = typename V::T;
  const TinyTraining<T>& p;
  // The step waits for the gradient: the most used losses give it in a register, and nothing waits
  // for their value.
  const bool squared = p.loss == MeanSquaredError::plain<Full>;
  const bool classes = p.loss == SparseCategoricalCrossentropy::fused<Full>;
  bool binary = p.loss == BinaryCrossentropy::fused<Full>;
  V lanes, unweighted;  // the factor of a gradient without a weight
  alignas(64) T output[V::width];
  alignas(64) T gradient[V::width] = {};
  densecore::LossArguments<T> arguments;
  double share;

  TinyLoss(const TinyTraining<T>& training, V of_units) : p(training), lanes(of_units) {
    const index_t outputs = p.layers[p.layer_count - 1].units;
    arguments = {1,
                 outputs,
                 output,
                 outputs,
                 nullptr,
                 outputs,
                 nullptr,
                 nullptr,
                 p.scale,
                 gradient,
                 outputs,
                 p.loss_parameters,
                 p.loss_parameter_count};
    share = mean_share(arguments);
    binary = binary && !is_smoothed(arguments);
    unweighted = factor_of(1);
  }

  double of(V a, index_t step, index_t row, V& slope) {
    const index_t outputs = arguments.cols;
    if (!(squared || binary || classes) || p.outputs != nullptr) a.store(output);
    if (p.outputs != nullptr)
      for (index_t j = 0; j < outputs; ++j) p.outputs[step * outputs + j] = output[j];
    const double weight = p.weight == nullptr ? 1 : static_cast<double>(p.weight[row]);
    if (squared || binary) {
      V g;
      const V y = Any<V>{outputs}.load(p.values + row * p.ld_values);
      const V term = squared ? MeanSquaredError::term(a, y, g) : of_logits(a, y, g);
      slope = (p.weight == nullptr ? unweighted : factor_of(weight)) * g;
      return share * sum_by_halves(lanes * term, weight);
    }
    if (classes) return of_class(a, p.labels[row], weight, slope);
    if (p.values != nullptr) arguments.values = p.values + row * p.ld_values;
    if (p.labels != nullptr) arguments.labels = p.labels + row;
    if (p.weight != nullptr) arguments.weight = p.weight + row;
    const double value = p.loss(arguments);
    slope = V::load(gradient);
    return value;
  }

 private:
  V factor_of(double weight) const {
    return V::set(static_cast<T>(p.scale * weight * share)) * lanes;
  }
  [[gnu::noinline]] static V of_logits(V z, V y, V& g) {
    return BinaryCrossentropy::fused_term(z, y, g);
  }
  // SparseCategoricalCrossentropy::fused of one row in a register.
  [[gnu::noinline]] double of_class(V z, index_t label, double weight, V& slope) const {
    const V lowest = V::set(-static_cast<T>(__builtin_inf()));
    const auto counts = less(V::set(0), lanes);
    const V limited = select(counts, z, lowest), largest = fold<Max>(limited);
    const V e = select(counts, exp(z - largest), V::set(0));
    double sum[VecF64::width], log_sum[VecF64::width];
    VecF64::set(sum_by_halves(e, 1)).store(sum);
    const T factor = static_cast<T>(p.scale * weight);
    const T of_e = static_cast<T>(p.scale * weight * (1 / sum[0]));
    const auto at_label =
        less(abs(V::load(lane_numbers<T>) - V::set(static_cast<T>(label))), V::set(T(0.5)));
    const V scaled_e = e * V::set(of_e);
    slope = select(at_label, scaled_e - V::set(factor), scaled_e);
    log(VecF64::load(sum)).store(log_sum);
    alignas(64) T above[V::width];
    (z - largest).store(above);
    return weight * (log_sum[0] - static_cast<double>(above[label]));
  }
};

// `V` is the vector of the network, `Full` that of the losses. `flatten`: a step takes 25 ns, a
// call in it would take five more, and which calls are inlined depended on the rest of the file.
template <class V, class Full, bool many>
[[gnu::noinline, gnu::flatten]] void tiny_steps(const TinyTraining<typename V::T>& p) {
  using T = typename V::T;
  TinyNetwork<V, Full, many, false> network(p);
  TinyLoss<V, Full> loss(p, network.layers[p.layer_count - 1].lanes);
  const T* x = nullptr;
  for (index_t step = 0; step < p.steps; ++step) {
    const index_t row = p.order == nullptr ? step : p.order[step];
    x = p.x + row * p.ldx;
    V slope;
    *p.total_loss += loss.of(network.forward(x, step), step, row, slope);
    network.backward(x, slope, V::set(static_cast<T>(p.rates[step])), nullptr);
  }
  if (many) network.write_back(p);
  network.write_gradients(x, p.gradients);
}

// Steps of any network by any update.
template <class V, class Full>
[[gnu::noinline]] void tiny_general_steps(const TinyTraining<typename V::T>& p) {
  using T = typename V::T;
  TinyNetwork<V, Full, true, true> network(p);
  TinyLoss<V, Full> loss(p, network.layers[p.layer_count - 1].lanes);
  const bool whole = p.update != nullptr;
  TinyWholeUpdate<V, Full> update(p, network.rows, p.scratch, network.room);
  const T* x = nullptr;
  for (index_t step = 0; step < p.steps; ++step) {
    const index_t row = p.order == nullptr ? step : p.order[step];
    x = p.x + row * p.ldx;
    if (whole) update.begin(step);
    V slope;
    double value = loss.of(network.forward(x, step), step, row, slope);
    network.backward(x, slope, V::set(static_cast<T>(p.rates[step])),
                     whole ? update.gradients : nullptr);
    if (whole) {
      if (update.u->penalized) value += update.penalty();
      update.finish();
      network.transpose_again();
    }
    *p.total_loss += value;
  }
  network.write_back(p);
  if (whole)
    update.write_back();
  else
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
  if (p.extras != nullptr)
    tiny_general_steps<V, Full>(p);
  else if (p.steps == 1)
    tiny_steps<V, Full, false>(p);
  else
    tiny_steps<V, Full, true>(p);
}

}  // namespace
