// Updates of train_tiny.h that want the whole gradient of a step: optimizers with states, decays,
// penalties and norms that are clipped.
//
// Parameters, gradients and states lie in padded vectors, one for each row of weights and one for
// the biases of each layer (zeros without), layer after layer. A layer that has fewer units than
// inputs may be turned: its weights are fewer rows of W^T, and an update of fewer vectors. What is
// done element by element is done to all of them at once. A sum over an array must add as the
// general kernels do, in an order that depends on its length: the array is copied without its
// padding first.
#pragma once

#include "kernels/gradient_transforms.h"
#include "kernels/table.h"

namespace {

using densecore::RowLayer;
using densecore::TinyTraining;
using densecore::TinyUpdate;

// Whether the rows of a layer's weights are those of W^T. Its inputs are another layer's units: one
// vector. Of several units the sums, which add in the order of W, would take longer.
template <class T>
inline bool is_turned(const TinyTraining<T>& p, int l) {
  const TinyUpdate<T>* const u = p.update;
  if (l == 0 || u == nullptr || p.layers[l].units >= p.layers[l].inputs) return false;
  const bool sums = u->penalized || u->clipnorm != 0 || u->global_clipnorm != 0;
  return p.layers[l].units == 1 || !sums;
}
template <class T>
inline index_t tiny_rows_of(const TinyTraining<T>& p, int l) {
  return is_turned(p, l) ? p.layers[l].units : p.layers[l].inputs;
}

// body(row, rows, layer, array) for each array of parameters that there is: its padded vectors
// [row, row + rows), and 0 for weights or 1 for biases. Returns the number of padded vectors.
template <class T, class Body>
inline index_t for_each_tiny_array(const TinyTraining<T>& p, Body body) {
  index_t row = 0;
  for (int l = 0; l < p.layer_count; ++l) {
    const RowLayer& layer = p.layers[l];
    const index_t rows = tiny_rows_of(p, l);
    body(row, rows, l, 0);
    row += rows;
    if (layer.bias >= 0) body(row, index_t(1), l, 1);
    ++row;
  }
  return row;
}

// copy(place among the padded ones, place among the network's own) for each parameter.
template <class V, class T, class Copy>
inline index_t for_each_tiny_parameter(const TinyTraining<T>& p, Copy copy) {
  return for_each_tiny_array(p, [&](index_t row, index_t rows, int l, int array) {
    const RowLayer& layer = p.layers[l];
    const index_t offset = array == 0 ? layer.weight : layer.bias;
    const bool turned = array == 0 && is_turned(p, l);
    const index_t cols = turned ? layer.inputs : layer.units;
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j)
        copy((row + i) * V::width + j, offset + (turned ? j * rows + i : i * cols + j));
  });
}

// `V` is the vector of the network, `Full` the level's.
template <class V, class Full>
struct TinyWholeUpdate {
  using T = typename V::T;
  const TinyTraining<T>& p;
  const TinyUpdate<T>* u;  // null: only the parameters change
  index_t count;           // elements with the padding, whole vectors of the optimizer
  T *parameters, *gradients;
  T* states[densecore::max_optimizer_states];
  T* gapless;
  double scalars[densecore::max_optimizer_scalars];
  double decay;

  // The parameters are padded already; the rest is to lie at `room`.
  [[gnu::cold]] TinyWholeUpdate(const TinyTraining<T>& training, index_t rows, T* padded, T* room)
      : p(training), u(training.update), count(round_up(rows)), parameters(padded) {
    const auto take = [&] {
      T* taken = room;
      for (index_t i = 0; i < count; i += V::width) V::set(0).store(taken + i);
      room += count;
      return taken;
    };
    if (u == nullptr) return;
    gradients = take();
    for (int i = 0; i < u->rule->state_count; ++i) {
      T* const state = states[i] = take();
      const T* const from = u->states[i];
      for_each_tiny_parameter<V>(p, [=](index_t to, index_t at) { state[to] = from[at]; });
    }
    gapless = room;
  }

  // Elements of so many rows.
  static index_t round_up(index_t rows) {
    return (rows * V::width + Full::width - 1) & -Full::width;
  }

  [[gnu::cold]] void write_back() const {
    const T* const from_gradients = gradients;
    T* const to_gradients = p.gradients;
    for_each_tiny_parameter<V>(
        p, [=](index_t from, index_t at) { to_gradients[at] = from_gradients[from]; });
    for (int i = 0; i < u->rule->state_count; ++i) {
      const T* const state = states[i];
      T* const to = u->states[i];
      for_each_tiny_parameter<V>(p, [=](index_t from, index_t at) { to[at] = state[from]; });
    }
  }

  // Before the passes, during which there is time for it.
  void begin(index_t step) {
    double values[densecore::max_optimizer_scalars];
    for (int i = 0; i < densecore::max_optimizer_scalars; ++i) values[i] = u->hyperparameters[i];
    values[0] = p.rates[step];
    u->rule->prepare(values, u->first + step, scalars);
    decay = 1 - values[0] * u->weight_decay;
  }

  // The penalties' part of the loss.
  [[gnu::noinline]] double penalty() const {
    double sum = 0;
    for_each_tiny_array(p, [&](index_t row, index_t rows, int l, int array) {
      const double l1 = p.extras[l].l1[array], l2 = p.extras[l].l2[array];
      if (l1 == 0 && l2 == 0) return;
      if (l1 != 0) sum += l1 * sum_of(parameters, row, rows, l, array, false);
      if (l2 != 0) sum += l2 * sum_of(parameters, row, rows, l, array, true);
    });
    return u->penalty_factor * sum * u->penalty_share;
  }

  // From the gradients.
  void finish() const {
    if (u->penalized) add_penalties();
    clip_gradients();
    if (decay != 1) scale<V>(count, decay, parameters);
    u->rule->update(count, scalars, parameters, gradients, states);
  }

 private:
  // The sum of squares, or of magnitudes.
  [[gnu::noinline]] double sum_of(const T* padded, index_t row, index_t rows, int l, int array,
                                  bool squares) const {
    // One row of W^T is W itself.
    const bool turned = array == 0 && is_turned(p, l);
    const index_t units = turned ? p.layers[l].inputs : p.layers[l].units, n = rows * units;
    const T* from = padded + row * V::width;
    if (units < V::width) {
      if (n <= few) return sum_of_few(from, rows, units, squares);
      // Each vector's padding is written over by the next one.
      for (index_t i = 0; i < rows; ++i) V::load(from + i * V::width).store(gapless + i * units);
      from = gapless;
    }
    return squares ? sum_of_squares<Full>(n, from) : sum_of_magnitudes<Full>(n, from);
  }
  // Few elements go one by one: a copy could be loaded by vectors only when all of its stores
  // have reached the cache. In the order of row_sums.h.
  static constexpr index_t few = 64;
  static double sum_of_few(const T* from, index_t rows, index_t units, bool squares) {
    double slot[slots<Full>] = {};
    index_t s = 0;
    for (index_t i = 0; i < rows; ++i, from += V::width)
      for (index_t j = 0; j < units; ++j, s = (s + 1) & (slots<Full> - 1)) {
        const T x = from[j];
        slot[s] += static_cast<double>(squares ? x * x : (x < 0 ? -x : x));
      }
    index_t half = slots<Full> / 2;
    while (half >= rows * units) half /= 2;  // what it would add is 0
    for (; half > 0; half /= 2)
      for (index_t j = 0; j < half; ++j) slot[j] = slot[j] + slot[j + half];
    return slot[0];
  }
  [[gnu::noinline]] void add_penalties() const {
    for_each_tiny_array(p, [&](index_t row, index_t rows, int l, int array) {
      const double l1 = p.extras[l].l1[array], l2 = p.extras[l].l2[array];
      if (l1 != 0 || l2 != 0)
        add_penalty_gradient<V>(rows * V::width, parameters + row * V::width,
                                u->penalty_factor * l1, u->penalty_factor * l2,
                                gradients + row * V::width);
    });
  }
  // As OptimizerState::clip.
  [[gnu::noinline]] void clip_gradients() const {
    const auto squares_of = [&](index_t row, index_t rows, int l, int array) {
      return sum_of(gradients, row, rows, l, array, true);
    };
    const auto shorten = [&](index_t begin, index_t n, double squares, double length) {
      if (squares > length * length)
        scale<V>(n, length / __builtin_sqrt(squares), gradients + begin);
    };
    if (u->clipnorm != 0) {
      for_each_tiny_array(p, [&](index_t row, index_t rows, int l, int array) {
        shorten(row * V::width, rows * V::width, squares_of(row, rows, l, array), u->clipnorm);
      });
    } else if (u->global_clipnorm != 0) {
      double squares = 0;
      for_each_tiny_array(p, [&](index_t row, index_t rows, int l, int array) {
        squares += squares_of(row, rows, l, array);
      });
      shorten(0, count, squares, u->global_clipnorm);
    } else if (u->clipvalue != 0) {
      clip<V>(count, u->clipvalue, gradients);
    }
  }
};

}  // namespace
