#include "network/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/dtypes.h"
#include "layers/kinds.h"

namespace densecore {
namespace {

// A backward pass of less work than this (about 20 ms) updates the weights as it goes. It is not
// interrupted: some parameters would be those of the next step.
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
  graph_ = spec_.graph();
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const std::size_t root = graph_.roots[l];
    const bool own = root == l;
    const index_t offset = own ? parameter_count_ : layers_[root]->parameter_offset();
    layers_.push_back(make_layer<T>({*table_, graph_.inputs[l], offset, static_cast<index_t>(l),
                                     own ? nullptr : &layers_[root]->states()},
                                    spec_.layers[l]));
    Layer<T>& made = *layers_.back();
    if (made.dense() == nullptr) others_.push_back(&made);
    couples_ = couples_ || made.couples_rows({true, 0, 0});
    weights_used_ += made.parameter_count();
    if (own) parameter_count_ += made.parameter_count();
    if (!own) made.trainable = layers_[root]->trainable;
    shared_ = shared_ || !own;
    input_.push_back(graph_.sources[l].front());
  }
  plan_gradients();
  block_rows_ = rows_of_block();
  small_rows_ = rows_of_small();
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
void Network<T>::plan_gradients() {
  const std::size_t count = layers_.size();
  edges_.resize(count);
  uses_.resize(count);
  follows_.resize(count);
  places_.buffer.resize(count);
  std::vector<char> met(count), taken(1, 1);  // `taken`: the buffer of the last layer
  for (const auto& sources : graph_.sources)
    for (const Source& source : sources) x_uses_ += source.from_x();
  const auto need_spare = [&](const Source& source) {
    places_.spare = std::max(places_.spare, source.columns);
    return true;
  };
  for (std::size_t l = count; l-- > 0;) {
    for (const Source& source : graph_.sources[l]) {
      if (source.from_x()) {
        edges_[l].push_back({source, x_uses_ > 1 && need_spare(source)});
        continue;
      }
      const auto from = static_cast<std::size_t>(source.layer);
      const bool first = uses_[from]++ == 0;
      edges_[l].push_back({source, !first && need_spare(source)});
      if (!first) continue;
      places_.buffer[from] =
          static_cast<std::size_t>(std::find(taken.begin(), taken.end(), 0) - taken.begin());
      if (places_.buffer[from] == taken.size()) taken.push_back(0);
      taken[places_.buffer[from]] = 1;
    }
    taken[places_.buffer[l]] = 0;
    follows_[l] = met[graph_.roots[l]];
    met[graph_.roots[l]] = 1;
  }
  places_.buffers = std::max<std::size_t>(2, taken.size());
}

template <class T>
void Network<T>::layers_changed() {
  trained_.clear();
  stretches_.clear();
  penalized_ = array_steps_ = false;
  lowest_ = layers_.size();
  for (std::size_t l = layers_.size(); l-- > 0;) {
    if (!layers_[l]->trainable || layers_[l]->parameter_count() == 0) continue;
    lowest_ = l;
  }
  reaches_.assign(layers_.size(), 0);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    reaches_[l] = layers_[l]->trainable && layers_[l]->parameter_count() > 0;
    for (const Source& source : graph_.sources[l])
      if (!source.from_x() && reaches_[static_cast<std::size_t>(source.layer)]) reaches_[l] = 1;
  }
  bool all = true;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto& layer = layers_[l];
    all = all && layer->trainable;
    if (!layer->trainable || graph_.roots[l] != l) continue;
    for (const ParameterBlock& block : layer->parameters()) {
      trained_.push_back(block);
      penalized_ = penalized_ || block.penalty.any();
      array_steps_ = array_steps_ || block.penalty.any() || block.multipliers.any();
      if (stretches_.empty() || stretches_.back().end != block.offset)
        stretches_.push_back({block.offset, block.offset});
      stretches_.back().end += block.size();
    }
  }
  // Arrays that are not trained keep a gradient of 0.
  if (gradients_ != nullptr) std::fill_n(gradients_->data(), parameter_count_, T(0));
  row_layers_ = shared_ ? std::vector<RowLayer>() : row_layers_of(*table_, layers_);
  const bool multiplied =
      std::any_of(trained_.begin(), trained_.end(),
                  [](const ParameterBlock& block) { return block.multipliers.any(); });
  tiny_ = all && !shared_ && !multiplied ? tiny_layers_of(*table_, layers_) : TinyLayers<T>();
  tiny_.drops = std::any_of(tiny_.dropouts.begin(), tiny_.dropouts.end(),
                            [](const Layer<T>* dropout) { return dropout != nullptr; });
  tiny_.inlined = !tiny_.rows.empty() && !row_layers_.empty();
  // Measured: a single step of wider layers is faster by small.cc.
  tiniest_ = tiny_.inlined && !penalized_ &&
             std::all_of(row_layers_.begin(), row_layers_.end(),
                         [](const RowLayer& layer) { return layer.units <= 4; });
  ++layers_version_;
}

template <class T>
void Network<T>::set_trainable(std::size_t layer, bool trainable) {
  for (std::size_t l = 0; l < layers_.size(); ++l)
    if (graph_.roots[l] == graph_.roots[layer]) layers_[l]->trainable = trainable;
  layers_changed();
}

template <class T>
void Network<T>::set_penalty(std::size_t layer, std::size_t array, Penalty penalty) {
  layer = graph_.roots[layer];
  NetworkSpec changed = spec_;
  changed.layers[layer].penalties[array] = penalty;
  changed.check();
  layers_[layer]->set_penalty(array, penalty);
  spec_ = std::move(changed);
  layers_changed();
}

template <class T>
void Network<T>::set_function(std::size_t layer, UserFunction<T> function) {
  auto* const found = dynamic_cast<FunctionLayer<T>*>(layers_.at(layer).get());
  if (found == nullptr)
    throw std::invalid_argument("layer " + std::to_string(layer) + ": found a layer of kind '" +
                                spec_.layers[layer].kind->name + "', wanted one of kind '" +
                                FunctionLayer<T>::kind_name + "'");
  found->function = std::move(function);
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
  if (others_.empty()) return;
  pass_ = pass;
  coupled_ = false;
  for (const Layer<T>* const layer : others_) coupled_ = coupled_ || layer->couples_rows(pass);
  if (!coupled_ && chained())
    for (Layer<T>* const layer : others_) layer->begin(pass, parameters_->data(), ConstView());
}

template <class T>
void Network<T>::forward_all(Executor& executor, ConstView x, View out, bool stop_at_z, bool kept) {
  if (small(x.rows)) {
    forward_small(x, out, stop_at_z, kept);
    executor.check(forward_work(x.rows));
  } else if (chained())
    forward_blocks(executor, x, out, stop_at_z);
  else
    forward_layers(executor, x, out, stop_at_z);
}

template <class T>
void Network<T>::backward_all(Executor& executor, ConstView x, View dx) {
  if (small(x.rows))
    backward_small(x, dx);
  else if (chained())
    backward_leaves(executor, x, dx);
  else
    backward_layers(executor, x, false, dx, nullptr, false);
}

template <class T>
void Network<T>::predict(Executor& executor, ConstView x, View out) {
  if (x.rows == 1 && !row_layers_.empty()) return predict_one(x.data, out.data);
  start({});
  // Each task uses the workspace rows of its own rows.
  const index_t chunk = 16 * block_rows_;
  reserve(std::min(x.rows, chunk));
  for (index_t begin = 0; begin < x.rows; begin += chunk) {
    const index_t end = std::min(begin + chunk, x.rows);
    forward_all(executor, x.slice(begin, end), out.slice(begin, end), false, false);
  }
}

template <class T>
void Network<T>::forward(Executor& executor, ConstView x, View out, bool training,
                         std::int64_t step) {
  // Without a step: numbers from the other end of the range, which no training step reaches.
  start({training, seed, step < 0 ? ~open_passes++ : static_cast<std::uint64_t>(step)});
  reserve(x.rows);
  if (x.rows == 0) return;  // moving averages stay: there is nothing that they could move to
  forward_all(executor, x, View(), false, true);
  for (Layer<T>* const layer : others_) layer->commit(pass_);
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
  std::swap(small_, tape.small);
  if (others_.empty()) return;
  std::swap(pass_, tape.pass);
  std::swap(coupled_, tape.coupled);
  for (std::size_t l = 0; l < layers_.size(); ++l) layers_[l]->exchange(tape.layers[l]);
}

template <class T>
void Network<T>::backward(Executor& executor, ConstView x, ConstView grad_output, View dx,
                          bool accumulate) {
  if (x.rows == 0) {
    if (!accumulate) std::fill_n(gradients_->data(), parameter_count_, T(0));
    return;
  }
  const std::size_t last = layers_.size() - 1;
  if (dx && x_uses_ > 1)
    for (index_t i = 0; i < dx.rows; ++i) std::fill_n(dx.row(i), dx.cols, T(0));
  copy_rows(grad_output, small(x.rows) ? workspace_.near_gradient(last, x.rows)
                                       : workspace_.gradient(last, 0, x.rows));
  if (!accumulate) return backward_all(executor, x, dx);
  // Added at the end, so that the bits of the sum do not depend on the cut into leaves. Only arrays
  // that are trained have a gradient.
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
LossSum Network<T>::train(Executor& executor, const Objective<T>& objective, ConstView x,
                          const Targets<T>& targets, OptimizerState<T>& optimizer,
                          bool keep_gradients) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  if (x.rows == 1 && trains_single_row(objective, targets, optimizer)) {
    reserve(1);
    return train_row(objective, x, targets, optimizer, workspace_.a(last, 0, 1).data);
  }
  start({true, seed, static_cast<std::uint64_t>(optimizer.steps)});
  reserve(x.rows);
  if (trains_small(x.rows, objective, optimizer))
    return train_small(executor, objective, x, targets, x.rows, optimizer, nullptr);
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  // Whether the whole gradient is wanted before any parameter is updated.
  const bool whole = array_steps_ || shared_ || optimizer.wants_whole_gradient();
  const bool descent = !keep_gradients && optimizer.descends() && !array_steps_ && !shared_;
  const double factor = penalty_factor(sum.weight);
  const double penalized = penalized_ ? factor * penalty() : 0;
  bool updated = !whole;
  if (chained() && descent && x.rows <= block_rows_ && leaf_count(x.rows) == 1) {
    transpose_weights(x.rows, false);
    const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
    sum.loss = train_block(x, 0, x.rows, objective, targets, scale, false, gradients_->data(),
                           executor.scratch(), &update);
    executor.check(3 * forward_work(x.rows));
  } else if (chained()) {
    transpose_weights(x.rows, false);
    sum.loss = train_leaves(executor, x, objective, targets, scale);
    updated = false;
  } else {
    const bool from_z = objective.fused();
    forward_layers(executor, x, View(), from_z);
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
    optimizer.update(executor, parameters_->data(), gradients_->data(), trained_,
                     penalized_ ? factor : 0);
  for (Layer<T>* const layer : others_) layer->commit(pass_);
  sum.loss += penalized * objective.divisor(sum.weight);
  return sum;
}

template <class T>
LossSum Network<T>::gradient(Executor& executor, const Objective<T>& objective, ConstView x,
                             const Targets<T>& targets, std::uint64_t number) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  start({true, seed, number});
  reserve(x.rows);
  if (small(x.rows)) {
    forward_small(x, View(), objective.fused(), true);
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.near_gradient(last, x.rows));
    backward_small(x, objective.fused());
  } else if (chained()) {
    transpose_weights(x.rows, false);
    sum.loss = train_leaves(executor, x, objective, targets, scale);
  } else {
    const bool from_z = objective.fused();
    forward_layers(executor, x, View(), from_z);
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
  forward_all(executor, x, View(), objective.fused(), false);
  LossSum sum;
  sum.weight = objective.batch_weight(targets.weight, x.rows);
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

#define DENSECORE_INSTANTIATE(T, ...) template class Network<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
