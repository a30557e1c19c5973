#include "network/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/dtypes.h"
#include "layers/kinds.h"

namespace densecore {

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
  // Tables lie behind all other parameters.
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const LayerSpec& layer = spec_.layers[l];
    if (graph_.roots[l] == l && !layer.kind->is_table)
      summed_count_ += layer.kind->parameter_count(layer, graph_.inputs[l]);
  }
  index_t next = 0, next_table = summed_count_;
  for (std::size_t l = 0; l < spec_.layers.size(); ++l) {
    const std::size_t root = graph_.roots[l];
    const bool own = root == l, table = spec_.layers[l].kind->is_table;
    const index_t offset = !own ? layers_[root]->parameter_offset() : table ? next_table : next;
    layers_.push_back(make_layer<T>({*table_, graph_.inputs[l], offset, static_cast<index_t>(l),
                                     own ? nullptr : &layers_[root]->states()},
                                    spec_.layers[l]));
    Layer<T>& made = *layers_.back();
    if (made.dense() == nullptr) others_.push_back(&made);
    couples_in_training_ = couples_in_training_ || made.couples_rows({true, 0, 0});
    weights_used_ += table ? made.units() : made.parameter_count();
    if (own) (table ? next_table : next) += made.parameter_count();
    if (dynamic_cast<const ActivityRegularization<T>*>(&made) != nullptr) activities_.push_back(l);
    if (made.table() != nullptr) embedding_tables_.add_layer(l, made, graph_.sources[l].front());
    if (!own) made.trainable = layers_[root]->trainable;
    shared_ = shared_ || !own;
    input_.push_back(graph_.sources[l].front());
  }
  parameter_count_ = next_table;
  heads_ = HeadLosses<T>(layers_.back().get());
  plan_ = plan_gradients(spec_, graph_);
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
void Network<T>::layers_changed() {
  trained_.clear();
  stretches_.clear();
  penalized_ = array_steps_ = false;
  reaches_.assign(layers_.size(), 0);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    reaches_[l] = layers_[l]->trainable && layers_[l]->parameter_count() > 0;
    for (const Source& source : graph_.sources[l])
      if (!source.from_x() && reaches_[static_cast<std::size_t>(source.layer)]) reaches_[l] = 1;
  }
  lowest_ =
      static_cast<std::size_t>(std::find(reaches_.begin(), reaches_.end(), 1) - reaches_.begin());
  bool all = true;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto& layer = layers_[l];
    all = all && layer->trainable;
    if (!layer->trainable || graph_.roots[l] != l) continue;
    for (const ParameterBlock& block : layer->parameters()) {
      trained_.push_back(block);
      penalized_ = penalized_ || block.penalty.any();
      array_steps_ = array_steps_ || block.penalty.any() || block.multipliers.any();
      if (layer->table() != nullptr) {
        trained_.back().used = embedding_tables_.used_of(block.offset);
        continue;
      }
      if (stretches_.empty() || stretches_.back().end != block.offset)
        stretches_.push_back({block.offset, block.offset});
      stretches_.back().end += block.size();
    }
  }
  // Arrays that are not trained keep a gradient of 0.
  if (gradients_ != nullptr) std::fill_n(gradients_->data(), parameter_count_, T(0));
  branches_sums_.clear();
  row_layers_.clear();
  if (graph_.stack) row_layers_ = row_layers_of(*table_, layers_);
  const bool multiplied =
      std::any_of(trained_.begin(), trained_.end(),
                  [](const ParameterBlock& block) { return block.multipliers.any(); });
  tiny_ = all && graph_.stack && !multiplied ? tiny_layers_of(*table_, layers_) : TinyLayers<T>();
  tiny_.drops = std::any_of(tiny_.dropouts.begin(), tiny_.dropouts.end(),
                            [](const Layer<T>* dropout) { return dropout != nullptr; });
  tiny_.inlined = !tiny_.rows.empty() && !row_layers_.empty();
  tiniest_ = tiny_.inlined && !penalized_;
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
  couples_in_pass_ = false;
  for (Layer<T>* const layer : others_) {
    layer->prepare(pass);
    couples_in_pass_ = couples_in_pass_ || layer->couples_rows(pass);
  }
  if (!couples_in_pass_ && chained())
    for (Layer<T>* const layer : others_) layer->begin(pass, parameters_->data(), ConstView());
}

template <class T>
void Network<T>::forward_all(Executor& executor, ConstView x, View out, bool stop_at_z, bool kept) {
  workspace_.slopes = kept;
  if (small(x.rows)) {
    forward_small(x, out, stop_at_z, kept);
    executor.check(forward_work(x.rows));
  } else if (chained())
    forward_blocks(executor, x, out, stop_at_z);
  else
    forward_layers(executor, x, out, stop_at_z);
}

template <class T>
void Network<T>::backward_all(Executor& executor, ConstView x, View dx, bool shared) {
  if (small(x.rows))
    backward_small(x, dx);
  else if (shared)
    backward_leaf(executor, x, false, dx, nullptr, false);
  else if (chained())
    backward_leaves(executor, x, dx);
  else
    backward_layers(executor, x, false, dx, nullptr, false);
}

template <class T>
void Network<T>::predict(Executor& executor, ConstView x, View out) {
  if (x.rows == 1 && !row_layers_.empty()) return predict_one(x.data, out.data);
  check_numbers(x);
  heads_.begin();
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
  check_numbers(x);
  heads_.begin();
  // Without a step: numbers from the other end of the range, which no training step reaches.
  // A step has a loss, which the caller computes: penalties of outputs are a part of it.
  const std::uint64_t number = step < 0 ? ~open_passes++ : static_cast<std::uint64_t>(step);
  start({training, seed, number, 0, step < 0 ? 0 : x.rows});
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
  std::swap(couples_in_pass_, tape.coupled);
  for (std::size_t l = 0; l < layers_.size(); ++l) layers_[l]->exchange(tape.layers[l]);
}

template <class T>
void Network<T>::backward(Executor& executor, ConstView x, ConstView grad_output, View dx,
                          bool accumulate) {
  check_numbers(x);
  if (!accumulate) begin_tables();
  if (x.rows == 0) {
    if (!accumulate) std::fill_n(gradients_->data(), parameter_count_, T(0));
    return;
  }
  const std::size_t last = layers_.size() - 1;
  heads_.begin();
  if (dx && plan_.x_uses > 1)
    for (index_t i = 0; i < dx.rows; ++i) std::fill_n(dx.row(i), dx.cols, T(0));
  const bool shared = !small(x.rows) && shares_leaf(x.rows);
  const SeparateGradients<T> all(workspace_, layers_, shared, x.rows);
  copy_rows(grad_output, small(x.rows) ? workspace_.near_gradient(last, x.rows)
                                       : workspace_.gradient(last, 0, x.rows));
  if (!accumulate) {
    backward_all(executor, x, dx, shared);
    return end_tables(executor, x, small(x.rows));
  }
  // Added at the end, so that the bits of the sum do not depend on the cut into leaves. Only arrays
  // that are trained have a gradient.
  densecore::reserve(earlier_gradients_, parameter_count_);
  T* const gradients = gradients_->data();
  const auto each_block = [&](auto&& body) {
    for (const ParameterBlock& block : trained_)
      if (block.used == nullptr)
        body(block.size(), earlier_gradients_.data() + block.offset, gradients + block.offset);
  };
  each_block([](index_t size, T* kept, const T* g) { std::copy_n(g, size, kept); });
  try {
    backward_all(executor, x, dx, shared);
  } catch (...) {
    each_block([](index_t size, const T* kept, T* g) { std::copy_n(kept, size, g); });
    throw;
  }
  each_block([&](index_t size, const T* kept, T* g) { table_->add(size, kept, g); });
  end_tables(executor, x, small(x.rows));
}

#define DENSECORE_INSTANTIATE(T, ...) template class Network<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
