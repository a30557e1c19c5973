#include "network/network.h"

#include <algorithm>

namespace densecore {
namespace {

// Rows of one block of work: a leaf's chain runs block by block, so that the activations of a block
// stay in the first-level cache from the forward to the backward pass.
constexpr index_t block_rows = 64;
// A leaf of the batch's reduction has at most `leaf_rows` rows unless there are `max_leaves`.
constexpr index_t leaf_rows = 128;
constexpr int max_leaves = 32;
// A backward pass of less work (some 20 ms) updates the weights as it goes: it is not interrupted,
// or the parameters would be those of two steps.
constexpr double uninterrupted_work = 1e9;

}  // namespace

template <class T>
Network<T>::Network(const KernelTables& tables, NetworkSpec spec)
    : spec_(std::move(spec)), isa_(tables.isa), table_(&table_of<T>(tables)) {
  spec_.check();
  index_t inputs = spec_.inputs;
  for (const DenseSpec& layer : spec_.layers) {
    layers_.emplace_back(*table_, inputs, layer, parameter_count_);
    parameter_count_ += layers_.back().parameter_count();
    inputs = layer.units;
  }
  const auto count = static_cast<std::size_t>(parameter_count_);
  parameters_ = std::make_shared<AlignedBuffer<T>>(count);
  gradients_ = std::make_shared<AlignedBuffer<T>>(count + spare_slots);
  row_layers_ = row_layers_of(*table_, layers_);
  tiny_ = fits_tiny(*table_, row_layers_);
}

template <class T>
double Network<T>::forward_work(index_t rows) const {
  return static_cast<double>(rows) * static_cast<double>(parameter_count_);
}

template <class T>
int Network<T>::leaf_count(index_t rows) const {
  if (!chained()) return 1;
  int count = 1;
  while (count < max_leaves && divide_up(rows, count) > leaf_rows) count *= 2;
  return count;
}

template <class T>
void Network<T>::forward_rows(ConstView x, index_t begin, index_t end, View out, bool stop_at_z,
                              void* scratch) {
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const Dense<T>& layer = layers_[l];
    const View a = l == last && out ? out.slice(begin, end) : workspace_.a(l, begin, end);
    const bool only_z = l == last && stop_at_z;
    const View z = only_z ? a : z_of(l, begin, end, a);
    layer.affine(parameters_->data(), input_of(l, x, begin, end), layer.all_units(), z, scratch);
    if (!only_z) layer.activate(z, layer.all_units(), a);
  }
}

template <class T>
void Network<T>::backward_rows(ConstView x, index_t begin, index_t end, bool from_z,
                               bool accumulate, T* gradients, View dx, void* scratch,
                               const Update<T>* descent) {
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const Dense<T>& layer = layers_[l];
    const View delta = workspace_.gradient(l, begin, end);
    if (!(from_z && l + 1 == layers_.size()))
      layer.delta(workspace_.z(l, begin, end), workspace_.a(l, begin, end), layer.all_units(),
                  delta);
    // The input gradient uses the transposes made before the step: the order does not matter.
    if (descent != nullptr) {
      layer.descend(input_of(l, x, begin, end), delta, layer.all_inputs(), layer.all_units(),
                    descent->rate(), parameters_->data(), gradients, scratch);
      if (layer.use_bias()) descent->apply(layer.bias_offset(), layer.units());
    } else {
      layer.weight_gradient(input_of(l, x, begin, end), delta, layer.all_inputs(),
                            layer.all_units(), accumulate, gradients, scratch);
    }
    if (l > 0)
      layer.input_gradient(workspace_.transposed(l), delta, workspace_.gradient(l - 1, begin, end),
                           scratch);
    else if (dx)
      layer.input_gradient(workspace_.transposed(l), delta, dx.slice(begin, end), scratch);
  }
}

template <class T>
void Network<T>::forward_all(Executor& executor, ConstView x, View out, bool stop_at_z) {
  if (chained()) {
    executor.run(static_cast<int>(divide_up(x.rows, block_rows)), forward_work(x.rows),
                 [&](int i, void* scratch) {
                   const index_t begin = i * block_rows;
                   forward_rows(x, begin, std::min(begin + block_rows, x.rows), out, stop_at_z,
                                scratch);
                 });
    return;
  }
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const View a = l == last && out ? out : workspace_.a(l, 0, x.rows);
    forward_layer(executor, l, input_of(l, x, 0, x.rows), a, l == last && stop_at_z);
  }
}

template <class T>
void Network<T>::transpose_weights(bool first_layer_too) {
  workspace_.reserve_transposed(layers_);
  for (std::size_t l = first_layer_too ? 0 : 1; l < layers_.size(); ++l)
    layers_[l].transpose_weight(parameters_->data(), workspace_.transposed(l));
}

template <class T>
template <class Leaf>
void Network<T>::run_leaves(Executor& executor, index_t rows, Leaf&& leaf) {
  const int leaves = leaf_count(rows);
  workspace_.reserve_partials(leaves - 1, parameter_count_);
  // Leaf 0 is computed where the sum will be.
  const auto buffer = [&](int i) {
    return i == 0 ? gradients_->data() : workspace_.partial(i - 1);
  };
  executor.run(leaves, 3 * forward_work(rows), [&](int i, void* scratch) {
    const index_t begin = rows * i / leaves, end = rows * (i + 1) / leaves;
    leaf(i, begin, end, buffer(i), scratch);
  });
  for (int distance = 1; distance < leaves; distance *= 2) {
    const int pairs = leaves / (2 * distance);
    executor.run(pairs, static_cast<double>(parameter_count_) * pairs, [&](int i, void*) {
      table_->add(parameter_count_, buffer((2 * i + 1) * distance), buffer(2 * i * distance));
    });
  }
}

template <class T>
void Network<T>::predict(Executor& executor, ConstView x, View out) {
  if (x.rows == 1 && !row_layers_.empty()) return predict_one(x.data, out.data);
  // A task's rows use rows of the workspace of their own.
  constexpr index_t chunk = 16 * block_rows;
  reserve(std::min(x.rows, chunk));
  for (index_t begin = 0; begin < x.rows; begin += chunk) {
    const index_t end = std::min(begin + chunk, x.rows);
    forward_all(executor, x.slice(begin, end), out.slice(begin, end), false);
  }
}

template <class T>
void Network<T>::forward(Executor& executor, ConstView x, View out) {
  reserve(x.rows);
  forward_all(executor, x, View(), false);
  const ConstView a = workspace_.a(layers_.size() - 1, 0, x.rows);
  for (index_t i = 0; i < x.rows; ++i) std::copy(a.row(i), a.row(i) + a.cols, out.row(i));
}

template <class T>
void Network<T>::backward(Executor& executor, ConstView x, ConstView grad_output, View dx) {
  const View g = workspace_.gradient(layers_.size() - 1, 0, x.rows);
  for (index_t i = 0; i < x.rows; ++i)
    std::copy(grad_output.row(i), grad_output.row(i) + grad_output.cols, g.row(i));
  if (!chained()) {
    backward_layers(executor, x, false, dx, nullptr, true);
    return;
  }
  transpose_weights(static_cast<bool>(dx));
  run_leaves(executor, x.rows,
             [&](int, index_t leaf_begin, index_t leaf_end, T* gradients, void* scratch) {
               for (index_t begin = leaf_begin; begin < leaf_end; begin += block_rows)
                 backward_rows(x, begin, std::min(begin + block_rows, leaf_end), false,
                               begin > leaf_begin, gradients, dx, scratch);
             });
}

template <class T>
void Network<T>::set_loss_slots(const LossSum& sum) {
  T* slots = gradients_->data() + parameter_count_;
  slots[0] = static_cast<T>(sum.weight);
  slots[1] = static_cast<T>(sum.loss);
}

template <class T>
LossSum Network<T>::train(Executor& executor, const Objective<T>& objective, ConstView x,
                          const Targets<T>& targets, OptimizerState<T>& optimizer,
                          bool keep_gradients) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  if (x.rows == 1 && trains_rows(objective, optimizer)) {
    sum.weight = 0;
    reserve(1);
    train_rows(objective, x, targets, nullptr, 1, optimizer, sum, workspace_.a(last, 0, 1).data);
    set_loss_slots(sum);
    return sum;
  }
  reserve(x.rows);
  bool updated = false;
  if (chained() && !keep_gradients && x.rows <= block_rows && optimizer.entry().descent) {
    transpose_weights(false);
    forward_rows(x, 0, x.rows, View(), from_z, executor.scratch());
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.gradient(last, 0, x.rows));
    const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
    backward_rows(x, 0, x.rows, from_z, false, gradients_->data(), View(), executor.scratch(),
                  &update);
    updated = true;
    executor.check(3 * forward_work(x.rows));
  } else if (chained()) {
    transpose_weights(false);
    double leaf_loss[max_leaves] = {};
    run_leaves(executor, x.rows,
               [&](int i, index_t leaf_begin, index_t leaf_end, T* gradients, void* scratch) {
                 for (index_t begin = leaf_begin; begin < leaf_end; begin += block_rows) {
                   const index_t end = std::min(begin + block_rows, leaf_end);
                   forward_rows(x, begin, end, View(), from_z, scratch);
                   leaf_loss[i] +=
                       objective.rows(workspace_.a(last, begin, end), targets.slice(begin, end),
                                      scale, workspace_.gradient(last, begin, end));
                   backward_rows(x, begin, end, from_z, begin > leaf_begin, gradients, View(),
                                 scratch);
                 }
               });
    const int leaves = leaf_count(x.rows);
    for (int distance = 1; distance < leaves; distance *= 2)
      for (int i = 0; i + distance < leaves; i += 2 * distance)
        leaf_loss[i] += leaf_loss[i + distance];
    sum.loss = leaf_loss[0];
  } else {
    forward_all(executor, x, View(), from_z);
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.gradient(last, 0, x.rows));
    updated = 2 * forward_work(x.rows) < uninterrupted_work;
    if (updated) {
      const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
      Executor uninterrupted;
      backward_layers(uninterrupted, x, from_z, View(), &update,
                      keep_gradients || !optimizer.entry().descent);
      executor.check(2 * forward_work(x.rows));
    } else {
      backward_layers(executor, x, from_z, View(), nullptr, true);
    }
  }
  set_loss_slots(sum);
  if (!updated) optimizer.update(executor, parameters_->data(), gradients_->data());
  return sum;
}

template <class T>
LossSum Network<T>::loss(Executor& executor, const Objective<T>& objective, ConstView x,
                         const Targets<T>& targets) {
  reserve(x.rows);
  forward_all(executor, x, View(), objective.fused());
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  sum.loss =
      objective.rows(workspace_.a(layers_.size() - 1, 0, x.rows), targets, 1, MatrixView<T>());
  return sum;
}

template <class T>
MatrixView<const T> Network<T>::outputs(const Objective<T>& objective, index_t rows) {
  const View a = workspace_.a(layers_.size() - 1, 0, rows);
  finish_outputs(objective, a);
  return a;
}

template <class T>
void Network<T>::finish_outputs(const Objective<T>& objective, View a) const {
  if (objective.fused()) layers_.back().activate(a, layers_.back().all_units(), a);
}

template class Network<float>;
template class Network<double>;

}  // namespace densecore
