#include "network/network.h"

#include <algorithm>
#include <utility>

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
    : Network(tables, std::move(spec), nullptr) {}

template <class T>
Network<T>::Network(const KernelTables& tables, NetworkSpec spec,
                    std::shared_ptr<AlignedBuffer<T>> parameters)
    : spec_(std::move(spec)),
      tables_(&tables),
      table_(&table_of<T>(tables)),
      parameters_(std::move(parameters)) {
  spec_.check();
  index_t inputs = spec_.inputs;
  branches_.resize(spec_.layers.size());
  for (const LayerSpec& layer : spec_.layers) {
    layers_.push_back(
        make_layer(*table_, inputs, layer, parameter_count_, static_cast<index_t>(layers_.size())));
    layers_.back()->trainable = layer.trainable;
    plain_ = plain_ && layers_.back()->dense() != nullptr;
    if (layer.kind == "add")
      branches_[static_cast<std::size_t>(layer.from + 1)].push_back(layers_.size() - 1);
    parameter_count_ += layers_.back()->parameter_count();
    inputs = layers_.back()->units();
  }
  const auto count = static_cast<std::size_t>(parameter_count_);
  if (parameters_ == nullptr) {
    parameters_ = std::make_shared<AlignedBuffer<T>>(count);
    gradients_ = std::make_shared<AlignedBuffer<T>>(count + spare_slots);
  }
  layers_changed();
}

template <class T>
std::unique_ptr<Network<T>> Network<T>::replica() const {
  std::unique_ptr<Network> made(new Network(*tables_, spec_, parameters_));
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    for (std::size_t s = 0; s < layers_[l]->states().size(); ++s) {
      const AlignedBuffer<T>& from = *layers_[l]->states()[s].values;
      std::copy_n(from.data(), from.size(), made->layers_[l]->states()[s].values->data());
    }
    if (const auto* layer = dynamic_cast<const FunctionLayer<T>*>(layers_[l].get()))
      made->set_function(l, layer->function);
  }
  return made;
}

template <class T>
void Network<T>::layers_changed() {
  trained_.clear();
  penalized_ = false;
  lowest_ = layers_.size();
  for (std::size_t l = layers_.size(); l-- > 0;) {
    if (!layers_[l]->trainable || layers_[l]->parameter_count() == 0) continue;
    lowest_ = l;
  }
  bool all = true;
  for (const auto& layer : layers_) {
    all = all && layer->trainable;
    if (!layer->trainable) continue;
    for (const ParameterBlock& block : layer->parameters()) {
      trained_.push_back(block);
      penalized_ = penalized_ || block.penalty.any();
    }
  }
  // What is not trained has no gradient.
  if (gradients_ != nullptr) std::fill_n(gradients_->data(), parameter_count_, T(0));
  row_layers_ = row_layers_of(*table_, layers_);
  tiny_ = all && !penalized_ && fits_tiny(*table_, row_layers_);
}

template <class T>
void Network<T>::set_trainable(std::size_t layer, bool trainable) {
  layers_[layer]->trainable = trainable;
  layers_changed();
}

template <class T>
void Network<T>::set_penalty(std::size_t layer, std::size_t array, Penalty penalty) {
  NetworkSpec changed = spec_;
  changed.layers[layer].penalties[array] = penalty;
  changed.check();
  layers_[layer]->set_penalty(array, penalty);
  spec_ = std::move(changed);
  layers_changed();
}

template <class T>
void Network<T>::set_function(std::size_t layer, UserFunction<T> function) {
  dynamic_cast<FunctionLayer<T>&>(*layers_[layer]).function = std::move(function);
}

template <class T>
double Network<T>::penalty() const {
  double sum = 0;
  for (const ParameterBlock& block : trained_) {
    const T* values = parameters_->data() + block.offset;
    if (block.penalty.l1 != 0)
      sum += block.penalty.l1 * table_->gradients.sum_of_magnitudes(block.size(), values);
    if (block.penalty.l2 != 0)
      sum += block.penalty.l2 * table_->gradients.sum_of_squares(block.size(), values);
  }
  return sum;
}

template <class T>
void Network<T>::start(const Pass& pass) {
  if (plain_) return;
  pass_ = pass;
  coupled_ = false;
  for (const auto& layer : layers_) coupled_ = coupled_ || layer->couples_rows(pass);
  if (!coupled_ && chained())
    for (const auto& layer : layers_) layer->begin(pass, parameters_->data(), ConstView());
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
    const View a = l == last && out ? out.slice(begin, end) : workspace_.a(l, begin, end);
    const bool only_z = l == last && stop_at_z;
    const Dense<T>* const layer = layers_[l]->dense();
    if (layer == nullptr) {
      forward_simple(l, x, begin, end, a, only_z);
      continue;
    }
    const View z = only_z ? a : z_of(*layer, l, begin, end, a);
    layer->affine(parameters_->data(), input_of(l, x, begin, end), layer->all_units(), z, scratch);
    if (!only_z) layer->activate(z, layer->all_units(), a);
  }
}

template <class T>
void Network<T>::backward_rows(ConstView x, index_t begin, index_t end, bool from_z,
                               bool accumulate, T* gradients, View dx, void* scratch,
                               const Update<T>* descent) {
  const std::size_t end_layer = dx ? 0 : lowest_;
  for (std::size_t l = layers_.size(); l-- > end_layer;) {
    const bool from_here = from_z && l + 1 == layers_.size();
    const View delta = workspace_.gradient(l, begin, end);
    const View below = l > end_layer ? workspace_.gradient(l - 1, begin, end)
                                     : (dx ? dx.slice(begin, end) : View());
    const Dense<T>* const layer = layers_[l]->dense();
    if (layer == nullptr) {
      backward_simple(l, x, begin, end, from_here, accumulate, gradients, below);
      if (descent != nullptr && layers_[l]->trainable)
        descent->apply(layers_[l]->parameter_offset(), layers_[l]->parameter_count());
    } else {
      if (!from_here)
        layer->delta(workspace_.kept(l, begin, end), workspace_.a(l, begin, end),
                     layer->all_units(), delta);
      // The input gradient uses the transposes made before the step: the order does not matter.
      if (!layer->trainable) {
      } else if (descent != nullptr) {
        layer->descend(input_of(l, x, begin, end), delta, layer->all_inputs(), layer->all_units(),
                       descent->rate(), parameters_->data(), gradients, scratch);
        if (layer->use_bias()) descent->apply(layer->bias_offset(), layer->units());
      } else {
        layer->weight_gradient(input_of(l, x, begin, end), delta, layer->all_inputs(),
                               layer->all_units(), accumulate, gradients, scratch);
      }
      if (below) layer->input_gradient(workspace_.transposed(l), delta, below, scratch);
    }
    if (!plain_ && below) add_branches(l, begin, end, below);
  }
}

template <class T>
void Network<T>::forward_simple(std::size_t l, ConstView x, index_t begin, index_t end, View a,
                                bool stop_at_z) {
  LayerRows<T> rows = rows_of(l, x, begin, end);
  rows.a = a;
  if (stop_at_z) return copy_rows(rows.x, a);
  const index_t from = layers_[l]->from();
  if (from == -1) rows.kept = View(const_cast<T*>(x.row(begin)), end - begin, x.cols, x.stride);
  if (from >= 0) rows.kept = workspace_.a(static_cast<std::size_t>(from), begin, end);
  layers_[l]->forward(pass_, parameters_->data(), rows);
}

template <class T>
void Network<T>::backward_simple(std::size_t l, ConstView x, index_t begin, index_t end,
                                 bool from_z, bool accumulate, T* gradients, View below) {
  Layer<T>& layer = *layers_[l];
  if (layer.trainable && !from_z)
    layer.parameter_gradient(pass_, rows_of(l, x, begin, end), workspace_.gradient(l, begin, end),
                             accumulate, gradients);
  if (below) input_gradient_simple(l, x, begin, end, from_z, below);
}

template <class T>
void Network<T>::input_gradient_simple(std::size_t l, ConstView x, index_t begin, index_t end,
                                       bool from_z, View below) {
  const View g = workspace_.gradient(l, begin, end);
  if (from_z) return copy_rows(ConstView(g), below);
  layers_[l]->input_gradient(pass_, parameters_->data(), rows_of(l, x, begin, end), g, below);
}

template <class T>
void Network<T>::add_branches(std::size_t l, index_t begin, index_t end, View below) {
  for (const std::size_t addition : branches_[l]) {
    const View g = workspace_.kept(addition, begin, end);
    table_->normalization.sum(below.rows, below.cols, below.data, below.stride, g.data, g.stride,
                              below.data, below.stride);
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
  forward_layers(executor, x, out, stop_at_z);
}

template <class T>
void Network<T>::transpose_weights(bool first_layer_too) {
  workspace_.reserve_transposed(layers_);
  for (std::size_t l = first_layer_too ? 0 : lowest_ + 1; l < layers_.size(); ++l)
    if (const Dense<T>* const layer = layers_[l]->dense())
      layer->transpose_weight(parameters_->data(), workspace_.transposed(l));
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
  start({});
  // A task's rows use rows of the workspace of their own.
  constexpr index_t chunk = 16 * block_rows;
  reserve(std::min(x.rows, chunk));
  for (index_t begin = 0; begin < x.rows; begin += chunk) {
    const index_t end = std::min(begin + chunk, x.rows);
    forward_all(executor, x.slice(begin, end), out.slice(begin, end), false);
  }
}

template <class T>
void Network<T>::forward(Executor& executor, ConstView x, View out, bool training,
                         std::int64_t step) {
  // Without a step, numbers from the other end than those of training steps.
  start({training, seed, step < 0 ? ~open_passes++ : static_cast<std::uint64_t>(step)});
  reserve(x.rows);
  forward_all(executor, x, View(), false);
  if (!plain_)
    for (const auto& layer : layers_) layer->commit(pass_);
  copy_rows(ConstView(workspace_.a(layers_.size() - 1, 0, x.rows)), out);
}

template <class T>
Tape<T> Network<T>::make_tape() const {
  Tape<T> tape;
  for (const auto& layer : layers_)
    tape.layers.emplace_back(static_cast<std::size_t>(layer->kept_of_pass()));
  return tape;
}

template <class T>
void Network<T>::exchange(Tape<T>& tape) noexcept {
  std::swap(workspace_, tape.workspace);
  if (plain_) return;
  std::swap(pass_, tape.pass);
  std::swap(coupled_, tape.coupled);
  for (std::size_t l = 0; l < layers_.size(); ++l) layers_[l]->exchange(tape.layers[l]);
}

template <class T>
void Network<T>::backward(Executor& executor, ConstView x, ConstView grad_output, View dx,
                          bool accumulate) {
  copy_rows(grad_output, workspace_.gradient(layers_.size() - 1, 0, x.rows));
  if (!accumulate) return backward_all(executor, x, dx);
  // Added at the end, so that the sum is that of whole gradients, whatever the cut into leaves.
  // What is not trained has no gradient to add to.
  densecore::reserve(gathered_, parameter_count_);
  T* const gradients = gradients_->data();
  for (const ParameterBlock& block : trained_)
    std::copy_n(gradients + block.offset, block.size(), gathered_.data() + block.offset);
  try {
    backward_all(executor, x, dx);
  } catch (...) {
    for (const ParameterBlock& block : trained_)
      std::copy_n(gathered_.data() + block.offset, block.size(), gradients + block.offset);
    throw;
  }
  for (const ParameterBlock& block : trained_)
    table_->add(block.size(), gathered_.data() + block.offset, gradients + block.offset);
}

template <class T>
void Network<T>::backward_all(Executor& executor, ConstView x, View dx) {
  if (!chained()) {
    backward_layers(executor, x, false, dx, nullptr, false);
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
double Network<T>::train_block(ConstView x, index_t begin, index_t end,
                               const Objective<T>& objective, const Targets<T>& targets,
                               double scale, bool accumulate, T* gradients, void* scratch,
                               const Update<T>* descent) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  forward_rows(x, begin, end, View(), from_z, scratch);
  const double loss = objective.rows(workspace_.a(last, begin, end), targets.slice(begin, end),
                                     scale, workspace_.gradient(last, begin, end));
  backward_rows(x, begin, end, from_z, accumulate, gradients, View(), scratch, descent);
  return loss;
}

template <class T>
double Network<T>::train_leaves(Executor& executor, ConstView x, const Objective<T>& objective,
                                const Targets<T>& targets, double scale) {
  double loss[max_leaves] = {};
  run_leaves(executor, x.rows,
             [&](int i, index_t leaf_begin, index_t leaf_end, T* gradients, void* scratch) {
               for (index_t begin = leaf_begin; begin < leaf_end; begin += block_rows)
                 loss[i] += train_block(x, begin, std::min(begin + block_rows, leaf_end), objective,
                                        targets, scale, begin > leaf_begin, gradients, scratch);
             });
  const int leaves = leaf_count(x.rows);
  for (int distance = 1; distance < leaves; distance *= 2)
    for (int i = 0; i + distance < leaves; i += 2 * distance) loss[i] += loss[i + distance];
  return loss[0];
}

template <class T>
LossSum Network<T>::train(Executor& executor, const Objective<T>& objective, ConstView x,
                          const Targets<T>& targets, OptimizerState<T>& optimizer,
                          bool keep_gradients) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  if (x.rows == 1 && trains_rows(objective, optimizer)) {
    reserve(1);
    return train_row(objective, x, targets, optimizer, workspace_.a(last, 0, 1).data);
  }
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  start({true, seed, static_cast<std::uint64_t>(optimizer.steps)});
  reserve(x.rows);
  // Whether the whole gradient is wanted before any parameter is updated.
  const bool whole = penalized_ || optimizer.wants_whole_gradient();
  const bool descent = !keep_gradients && optimizer.descends() && !penalized_;
  const double factor = penalty_factor(sum.weight);
  const double penalized = penalized_ ? factor * penalty() : 0;
  bool updated = !whole;
  if (chained() && descent && x.rows <= block_rows) {
    transpose_weights(false);
    const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
    sum.loss = train_block(x, 0, x.rows, objective, targets, scale, false, gradients_->data(),
                           executor.scratch(), &update);
    executor.check(3 * forward_work(x.rows));
  } else if (chained()) {
    transpose_weights(false);
    sum.loss = train_leaves(executor, x, objective, targets, scale);
    updated = false;
  } else {
    const bool from_z = objective.fused();
    forward_all(executor, x, View(), from_z);
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.gradient(last, 0, x.rows));
    updated = updated && 2 * forward_work(x.rows) < uninterrupted_work;
    if (updated) {
      const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
      Executor uninterrupted;
      backward_layers(uninterrupted, x, from_z, View(), &update, descent && x.rows <= gemm_depth);
      executor.check(2 * forward_work(x.rows));
    } else {
      backward_layers(executor, x, from_z, View(), nullptr, false);
    }
  }
  set_loss_slots(sum);
  if (!updated)
    optimizer.update(executor, parameters_->data(), gradients_->data(), trained_, factor);
  if (!plain_)
    for (const auto& layer : layers_) layer->commit(pass_);
  sum.loss += penalized * objective.divisor(sum.weight);
  return sum;
}

template <class T>
LossSum Network<T>::gradient(Executor& executor, const Objective<T>& objective, ConstView x,
                             const Targets<T>& targets, std::uint64_t number) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  start({true, seed, number});
  reserve(x.rows);
  if (chained()) {
    transpose_weights(false);
    sum.loss = train_leaves(executor, x, objective, targets, scale);
  } else {
    const bool from_z = objective.fused();
    forward_all(executor, x, View(), from_z);
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.gradient(last, 0, x.rows));
    backward_layers(executor, x, from_z, View(), nullptr, false);
  }
  set_loss_slots(sum);
  const double factor = penalty_factor(sum.weight);
  for (const ParameterBlock& block : trained_)
    if (block.penalty.any())
      table_->gradients.add_penalty(block.size(), parameters_->data() + block.offset,
                                    factor * block.penalty.l1, factor * block.penalty.l2,
                                    gradients_->data() + block.offset);
  if (penalized_) sum.loss += factor * penalty() * objective.divisor(sum.weight);
  return sum;
}

template <class T>
LossSum Network<T>::loss(Executor& executor, const Objective<T>& objective, ConstView x,
                         const Targets<T>& targets) {
  start({});
  reserve(x.rows);
  forward_all(executor, x, View(), objective.fused());
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  sum.loss =
      objective.rows(workspace_.a(layers_.size() - 1, 0, x.rows), targets, 1, MatrixView<T>());
  if (penalized_) sum.loss += penalty() * objective.divisor(sum.weight);
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
  if (objective.fused()) layers_.back()->activation()->forward(a, a);
}

template class Network<float>;
template class Network<double>;

}  // namespace densecore
