// Batches of few rows through narrow layers: all that a layer's kernels work on is found out when
// the network first sees such a batch, and a step is their calls and little else.
#include <algorithm>
#include <memory>

#include "base/dtypes.h"
#include "base/pairwise.h"
#include "network/network.h"

namespace densecore {
namespace {

// With more multiply-adds forward than `most_work`, or wider layers, the blocks of a chain
// (chained.cc) are as fast: their tiles end in half a vector where columns do. So much work is one
// leaf and one block of it.
constexpr index_t most_work = 1 << 18, most_units = 256, most_parameters = 1 << 16;

// Measured: leaves of networks of more parameters are as fast block by block (chained.cc).
constexpr index_t leaf_parameters = 2048;

// The costs of a layer besides its products, and of an input that comes from memory, per row and
// in multiply-adds: how much a second thread has to do depends on it.
constexpr double layer_work = 100, input_work = 6;

// Gradients of more weights than the first-level cache holds had better never be stored, which a
// descent (Dense::descend) spares.
constexpr std::size_t descent_bytes = 32 * 1024;

// Steps of a network of dense layers alone, by an update alone. The questions that other networks
// ask at each step take as long as a layer.
template <class T>
struct DenseSteps {
  const KernelTable<T>& table;
  std::vector<SmallLayer<T>>& layers;
  const std::vector<Range>& stretches;
  const Objective<T>& objective;
  index_t first_column;

  template <class Advance>
  LossSum train(Executor& executor, LossArguments<T> p, MatrixView<const T> x,
                const Targets<T>& targets, index_t batch, double work, const Update<T>& update,
                Advance advance, StepObserver* observer) const {
    const auto loss = objective.function();
    const auto count = static_cast<index_t>(layers.size());
    LossSum sum;
    p.rows = -1;
    for (index_t begin = 0; begin < x.rows; begin += batch) {
      const index_t rows = std::min(batch, x.rows - begin);
      if (targets.weight != nullptr) p.weight = targets.weight + begin;
      if (targets.weight != nullptr || rows != p.rows) {
        sum.weight = objective.batch_weight(p.weight, rows);
        p.scale = objective.gradient_scale(sum.weight);
      }
      p.rows = rows;
      if (targets.values) p.values = targets.values.row(begin);
      if (targets.labels != nullptr) p.labels = targets.labels + begin;
      layers.front().x = x.row(begin) + first_column;
      advance();
      table.small_forward(layers.data(), count, rows, true);
      sum.loss = loss(p);
      table.small_backward(layers.data(), count, rows);
      for (const Range& stretch : stretches) update.apply(stretch.begin, stretch.size());
      if (observer != nullptr) observer->step(sum, begin, begin + rows);
      executor.check(work);
    }
    return sum;
  }
};

}  // namespace

template <class T>
index_t Network<T>::rows_of_small() const {
  // Its kernels set gradients of parameters, and do not add to them.
  if (summed_count_ > most_parameters || shared_) return 0;
  for (const auto& layer : layers_)
    if (layer->units() > most_units) return 0;
  // A block of a chain: the losses of its rows are summed at once.
  return std::min(block_rows_, most_work / std::max<index_t>(weights_used_, 1));
}

template <class T>
bool Network<T>::leaves_are_small(const Objective<T>& objective, index_t batch) const {
  const int leaves = leaf_count(batch);
  if (summed_count_ > leaf_parameters || small_rows_ == 0 || leaves == 1) return false;
  // One stretch of kernels, and one block per leaf, of this batch and of all smaller ones.
  const auto by_rows = [&](const auto& layer) {
    const bool left_out = layer == layers_.back() && objective.fused();
    return layer->activation()->row_wise() && !left_out;
  };
  return others_.empty() && graph_.stack && reaches_[0] &&
         block_rows_ >= leaf_rows_of_little_work &&
         divide_up(batch, leaves) <= leaf_rows_of_little_work &&
         std::none_of(layers_.begin(), layers_.end(), by_rows);
}

template <class T>
bool Network<T>::trains_small(index_t batch, const Objective<T>& objective,
                              const OptimizerState<T>& optimizer) const {
  const bool large = static_cast<std::size_t>(summed_count_) * sizeof(T) > descent_bytes;
  return (batch <= small_rows_ || leaves_are_small(objective, batch)) && !couples_in_training_ &&
         !(large && optimizer.descends() && !array_steps_);
}

template <class T>
T* Network<T>::small_below(std::size_t l, bool to_x) {
  const auto& [source, adds] = plan_.edges[l].front();
  const index_t rows = workspace_.rows();
  if (source.from_x()) {
    if (!to_x) return nullptr;
    densecore::reserve(small_dx_, rows * Workspace<T>::stride_of(*table_, spec_.inputs));
    return small_dx_.data();
  }
  const auto from = static_cast<std::size_t>(source.layer);
  if (!visited(from, to_x)) return nullptr;
  return adds ? workspace_.near_spare(rows, 0, 0).data : workspace_.near_gradient(from, rows).data;
}

template <class T>
void Network<T>::prepare_small() {
  const KernelTable<T>& table = *table_;
  const index_t rows = workspace_.rows();
  std::vector<SmallLayer<T>> prepared(layers_.size());
  std::vector<index_t> place(layers_.size());
  index_t total = 0;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Dense<T>* const layer = layers_[l]->dense();
    if (layer == nullptr) continue;
    place[l] = total;
    total += divide_up(layer->units(), table.lanes) * table.lanes *
             Workspace<T>::stride_of(table, layer->inputs());
  }
  densecore::reserve(small_transposed_, total);
  std::vector<SmallPart<T>> parts;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Dense<T>* const layer = layers_[l]->dense();
    const Source& source = input_[l];
    const auto from = static_cast<std::size_t>(source.layer);
    // The backward pass ends where a part begins.
    const bool joins = !parts.empty() && parts.back().layer == nullptr &&
                       parts.back().by_rows == nullptr && !source.from_x() && from + 1 == l &&
                       plan_.uses[from] == 1 && reaches_[from] == reaches_[l];
    if (layer == nullptr || !joins) {
      parts.push_back({l, l});
      SmallPart<T>& begun = parts.back();
      if (source.from_x()) begun.x_first = source.first;
      if (!source.from_x() && reaches_[from]) begun.below = workspace_.near_gradient(from, rows);
      begun.joins = layers_[l]->merges() || plan_.edges[l].front().adds;
    }
    SmallPart<T>& part = parts.back();
    part.end = l + 1;
    part.gradient = workspace_.near_gradient(l, rows);
    if (layer == nullptr) {
      part.layer = layers_[l].get();
      if (!part.joins) part.rows = rows_of(l, ConstView(nullptr, rows, spec_.inputs, 0), 0, rows);
      continue;
    }
    const ActivationFunction<T>& function = layer->function();
    if (function.row_wise()) part.by_rows = &function;
    SmallLayer<T>& small = prepared[l];
    small.inputs = layer->inputs();
    small.units = layer->units();
    small.whole_x = !source.from_x();
    if (small.whole_x) {
      small.x = workspace_.a(from, 0, rows).data;
      small.ld_x = workspace_.a(from, 0, rows).stride;
    }
    small.weight = parameters_->data() + layer->weight_offset();
    if (layer->use_bias()) small.bias = parameters_->data() + layer->bias_offset();
    small.a = workspace_.a(l, 0, rows).data;
    small.ld = workspace_.a(l, 0, rows).stride;
    small.z = workspace_.kept(l, 0, rows).data;
    small.delta = workspace_.near_gradient(l, rows).data;
    small.transposed = small_transposed_.data() + place[l];
    small.ld_below = Workspace<T>::stride_of(table, layer->inputs());
    small.below = small_below(l, false);
    if (layer->trainable && gradients_ != nullptr) {
      small.weight_gradient = gradients_->data() + layer->weight_offset();
      if (layer->use_bias()) small.bias_gradient = gradients_->data() + layer->bias_offset();
    }
    if (!function.identity()) {
      const int vectors = layer->units() <= table.short_lanes ? 1 : 0;
      small.activate = function.entry().activate[vectors];
      small.activate_and_derive = function.entry().activate_and_derive[vectors];
      small.derive = function.entry().derive[vectors];
    }
    small.parameters = function.parameters();
    table.small_choose(small);
  }
  const SmallLayer<T> last = prepared.back();
  small_ = {std::move(parts),     std::move(prepared), false, last,
            workspace_.version(), layers_version_};
}

template <class T>
void Network<T>::start_small(ConstView x, bool only_z) {
  if (small_.workspace != workspace_.version() || small_.layers_version != layers_version_)
    prepare_small();
  for (const SmallPart<T>& part : small_.parts) {
    if (part.x_first < 0 || part.layer != nullptr) continue;
    small_.layers[part.begin].x = x.data + part.x_first;
    small_.layers[part.begin].ld_x = x.stride;
  }
  if (only_z == small_.only_z) return;
  SmallLayer<T>& last = small_.layers.back();
  const SmallLayer<T> before = last;
  last = small_.last;
  if (input_.back().from_x()) {
    last.x = before.x;
    last.ld_x = before.ld_x;
  }
  if (only_z) {
    last.z = last.a;
    last.activate = nullptr;
    last.activate_and_derive = nullptr;
    last.derive = nullptr;
  }
  small_.only_z = only_z;
}

template <class T>
void Network<T>::forward_small(ConstView x, View out, bool only_z, bool kept) {
  start_small(x, only_z);
  const std::size_t last = layers_.size() - 1;
  for (SmallPart<T>& part : small_.parts) {
    const bool z_here = only_z && part.end == layers_.size();
    if (part.layer == nullptr) {
      table_->small_forward(&small_.layers[part.begin], static_cast<index_t>(part.end - part.begin),
                            x.rows, kept);
      if (part.by_rows != nullptr && !z_here)
        part.by_rows->forward(workspace_.kept(part.end - 1, 0, x.rows),
                              workspace_.a(part.end - 1, 0, x.rows));
    } else if (z_here || part.joins) {
      forward_other(part.begin, x, 0, x.rows, workspace_.a(part.begin, 0, x.rows), z_here);
    } else {
      part.layer->forward(pass_, parameters_->data(), part.of(x));
    }
  }
  if (out) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), out);
}

template <class T>
void Network<T>::backward_small(ConstView x, bool from_z, const std::vector<index_t>* cuts) {
  for (std::size_t i = small_.parts.size(); i-- > 0 && small_.parts[i].end > lowest_;) {
    SmallPart<T>& part = small_.parts[i];
    if (!reaches_[part.begin]) continue;
    part.gradient.rows = part.below.rows = x.rows;
    backward_part(part, small_.layers.data(), x, from_z && part.end == layers_.size(), View(),
                  cuts);
  }
}

template <class T>
void Network<T>::backward_part(SmallPart<T>& part, const SmallLayer<T>* layers, ConstView x,
                               bool from_z, View dx, const std::vector<index_t>* cuts) {
  if (part.layer == nullptr) {
    const auto count = static_cast<index_t>(part.end - part.begin);
    if (part.by_rows != nullptr && !from_z)
      part.by_rows->backward(workspace_.kept(part.end - 1, 0, x.rows),
                             workspace_.a(part.end - 1, 0, x.rows), part.gradient, part.gradient, 0,
                             part.gradient.cols);
    if (cuts == nullptr)
      table_->small_backward(layers + part.begin, count, x.rows);
    else
      backward_leaves(layers + part.begin, count, x.rows, *cuts);
    if (!part.joins) return;
    const SmallLayer<T>& first = layers[part.begin];
    const Edge& edge = plan_.edges[part.begin].front();
    if (const View below = below_of(edge, dx, 0, x.rows, true))
      table_->elementwise.sum(below.rows, below.cols, below.data, below.stride, first.below,
                              first.ld_below, below.data, below.stride);
  } else if (part.joins) {
    backward_other(part.begin, x, 0, x.rows, from_z, false, gradients_->data(), dx, true);
  } else if (from_z) {
    if (part.below) copy_rows(ConstView(part.gradient), part.below);
  } else {
    const LayerRows<T>& rows = part.of(x);
    if (part.layer->trainable && part.layer->parameter_count() > 0)
      part.layer->parameter_gradient(pass_, rows, part.gradient, false, gradients_->data());
    if (part.below)
      part.layer->input_gradient(pass_, parameters_->data(), rows, part.gradient, part.below);
  }
}

template <class T>
void Network<T>::backward_leaves(const SmallLayer<T>* layers, index_t count, index_t rows,
                                 const std::vector<index_t>& cuts) {
  for (const SmallLayer<T>* p = layers + count; p-- != layers;) {
    if (p->derive != nullptr) p->derive(rows * p->ld, p->z, p->a, p->delta, p->parameters);
    if (p->below != nullptr) p->multiply_back(*p, rows);
    if (p->weight_gradient == nullptr) continue;
    const index_t weights = p->weight_gradient - gradients_->data();
    const index_t biases = weights + p->inputs * p->units;
    for (std::size_t leaf = 0; leaf + 1 < cuts.size(); ++leaf) {
      const index_t begin = cuts[leaf] - cuts.front(), end = cuts[leaf + 1] - cuts.front();
      if (begin == end) continue;
      SmallLayer<T> of_leaf = *p;
      of_leaf.x += begin * p->ld_x;
      of_leaf.delta += begin * p->ld;
      T* const to = leaf_gradient(static_cast<int>(leaf));
      of_leaf.weight_gradient = to + weights;
      if (p->bias_gradient != nullptr) of_leaf.bias_gradient = to + biases;
      p->sum_gradients(of_leaf, end - begin);
    }
  }
}

template <class T>
void Network<T>::backward_small(ConstView x, View dx) {
  const bool to_x = static_cast<bool>(dx);
  start_small(x, false);
  std::vector<SmallLayer<T>> layers = small_.layers;
  for (std::size_t l = to_x ? 0 : lowest_; l < layers.size(); ++l) {
    if (layers_[l]->dense() == nullptr || !visited(l, to_x)) continue;
    SmallLayer<T>& small = layers[l];
    small.below = small_below(l, to_x);
    // Anew: the weights may have changed since the forward pass.
    if (small.below != nullptr && small.transpose != nullptr) small.transpose(small);
  }
  for (std::size_t i = small_.parts.size(); i-- > 0;) {
    SmallPart<T> part = small_.parts[i];
    if (!visited(part.begin, to_x)) continue;
    part.gradient.rows = x.rows;
    const Edge& edge = plan_.edges[part.begin].front();
    part.below = below_of(edge, dx, 0, x.rows, true);
    backward_part(part, layers.data(), x, false, dx);
    // The kernels have written the gradient by x to rows with padding: copied without it.
    const SmallLayer<T>& first = layers[part.begin];
    if (part.layer == nullptr && !part.joins && edge.source.from_x() && to_x)
      copy_rows(ConstView(first.below, x.rows, part.below.cols, first.ld_below), part.below);
  }
}

template <class T>
double Network<T>::gradient_by_leaves(Executor& executor, const LossArguments<T>& p, ConstView x,
                                      bool from_z, double (*loss_of)(const LossArguments<T>&),
                                      const Update<T>* update) {
  double sums[max_leaves] = {};
  const int leaves = leaf_count(x.rows);
  const index_t rows = x.rows, count = static_cast<index_t>(layers_.size());
  workspace_.reserve_partials(leaves - 1, summed_count_);
  start_small(x, from_z);
  for (const SmallLayer<T>& layer : small_.layers)
    if (layer.below != nullptr && layer.transpose != nullptr) layer.transpose(layer);
  const double work = 3 * forward_work(rows) +
                      static_cast<double>(rows) * (layer_work * static_cast<double>(count) +
                                                   input_work * static_cast<double>(x.cols));
  executor.run(leaves, work, [&](int i, void* scratch) {
    const index_t begin = rows * i / leaves, end = rows * (i + 1) / leaves;
    // The plan's layers, at the leaf's own rows.
    static_assert(max_layers * sizeof(SmallLayer<T>) <= gemm_scratch_bytes);
    auto* const layers = static_cast<SmallLayer<T>*>(scratch);
    std::uninitialized_copy(small_.layers.begin(), small_.layers.end(), layers);
    for (std::size_t l = 0; l < small_.layers.size(); ++l) {
      SmallLayer<T>& layer = layers[l];
      layer.x += begin * layer.ld_x;
      layer.z += begin * layer.ld;
      layer.a += begin * layer.ld;
      layer.delta += begin * workspace_.gradient_stride(l);
      if (layer.below != nullptr) layer.below += begin * workspace_.gradient_stride(l - 1);
      layer.transpose = nullptr;
      if (i == 0 || layer.weight_gradient == nullptr) continue;
      const index_t place = layer.weight_gradient - gradients_->data();
      layer.weight_gradient = leaf_gradient(i) + place;
      if (layer.bias_gradient != nullptr)
        layer.bias_gradient = layer.weight_gradient + (layer.inputs * layer.units);
    }
    LossArguments<T> of_leaf = p;
    of_leaf.rows = end - begin;
    of_leaf.output += begin * p.ld_output;
    of_leaf.gradient += begin * workspace_.gradient_stride(layers_.size() - 1);
    if (p.weight != nullptr) of_leaf.weight += begin;
    if (p.values != nullptr) of_leaf.values += begin * p.ld_values;
    if (p.labels != nullptr) of_leaf.labels += begin;
    table_->small_forward(layers, count, of_leaf.rows, true);
    sums[i] = loss_of(of_leaf);
    table_->small_backward(layers, count, of_leaf.rows);
  });
  add_pairwise(leaves, [&](int to, int from) { sums[to] += sums[from]; });
  sum_leaves(executor, leaves, update);
  return sums[0];
}

template <class T>
LossSum Network<T>::train_small(Executor& executor, const Objective<T>& objective, ConstView x,
                                const Targets<T>& targets, index_t batch,
                                OptimizerState<T>& optimizer, StepObserver* observer) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  const bool heads = objective.has_heads();
  const auto loss = heads ? nullptr : objective.function();
  LossArguments<T> p = objective.arguments(workspace_.a(last, 0, batch), targets, 1,
                                           workspace_.near_gradient(last, batch));
  p.whole = true;
  // An update that needs nothing of the gradient is prepared before the passes, whose arithmetic
  // hides the time that it takes.
  const bool simple = optimizer.simple() && !array_steps_;
  Update<T> update = optimizer.make_update(parameters_->data(), gradients_->data());
  LossSum sum;
  start_small({x.data, std::min(batch, x.rows), x.cols, x.stride}, from_z);
  const SmallPart<T>& first = small_.parts.front();
  const bool dense = small_.parts.size() == 1 && first.layer == nullptr && !first.joins &&
                     (from_z || first.by_rows == nullptr) && reaches_[0] && activities_.empty();
  if (dense && simple && leaf_count(batch) == 1) {
    const auto advance = [&] { optimizer.advance(update); };
    const DenseSteps<T> steps{*table_, small_.layers, stretches_, objective, input_.front().first};
    sum = steps.train(executor, p, x, targets, batch, 3 * forward_work(batch), update, advance,
                      observer);
    set_loss_slots(sum);
    return sum;
  }
  check_numbers(x);
  heads_.begin();
  for (index_t begin = 0; begin < x.rows; begin += batch) {
    const index_t rows = std::min(batch, x.rows - begin);
    if (targets.weight != nullptr) p.weight = targets.weight + begin;
    sum.weight = objective.batch_weight(p.weight, rows);
    if (!others_.empty()) start({true, seed, static_cast<std::uint64_t>(optimizer.steps), 0, rows});
    if (simple) optimizer.advance(update);
    begin_tables();
    p.rows = rows;
    p.scale = objective.gradient_scale(sum.weight);
    if (targets.values) p.values = targets.values.row(begin);
    if (targets.labels != nullptr) p.labels = targets.labels + begin;
    const ConstView x_rows(x.row(begin), rows, x.cols, x.stride);
    const bool by_leaves = leaf_count(rows) > 1;
    if (by_leaves) {
      Executor uninterrupted;
      sum.loss =
          gradient_by_leaves(uninterrupted, p, x_rows, from_z, loss, simple ? &update : nullptr);
    } else {
      if (heads) heads_.begin(objective, targets.slice(begin, begin + rows), rows);
      forward_small(x_rows, View(), from_z, true);
      if (heads) {
        heads_.loss_rows(objective, workspace_.a(last, 0, rows), targets.slice(begin, begin + rows),
                         1, workspace_.near_gradient(last, rows), heads_.sums().data());
        sum.loss = heads_.end(objective, rows, 0);
      } else {
        sum.loss = loss(p);
      }
      sum.loss += output_penalty(rows) * objective.divisor(sum.weight);
      backward_small(x_rows, from_z);
      end_tables(executor, x_rows, true, simple ? &update : nullptr);
    }
    if (simple && !by_leaves) {
      for (const Range& stretch : stretches_) update.apply(stretch.begin, stretch.size());
    } else if (!simple) {
      const double factor = penalized_ ? penalty_factor(sum.weight) : 0;
      if (penalized_) sum.loss += factor * penalty() * objective.divisor(sum.weight);
      optimizer.update(executor, parameters_->data(), gradients_->data(), trained_, factor);
    }
    for (Layer<T>* const layer : others_) layer->commit(pass_);
    if (observer != nullptr) observer->step(sum, begin, begin + rows);
    executor.check(3 * forward_work(rows));
  }
  set_loss_slots(sum);
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                            \
  template index_t Network<T>::rows_of_small() const;                                            \
  template bool Network<T>::leaves_are_small(const Objective<T>&, index_t) const;                \
  template bool Network<T>::trains_small(index_t, const Objective<T>&, const OptimizerState<T>&) \
      const;                                                                                     \
  template double Network<T>::gradient_by_leaves(                                                \
      Executor&, const LossArguments<T>&, MatrixView<const T>, bool,                             \
      double (*)(const LossArguments<T>&), const Update<T>*);                                    \
  template void Network<T>::prepare_small();                                                     \
  template void Network<T>::start_small(MatrixView<const T>, bool);                              \
  template void Network<T>::forward_small(MatrixView<const T>, MatrixView<T>, bool, bool);       \
  template void Network<T>::backward_small(MatrixView<const T>, bool,                            \
                                           const std::vector<index_t>*);                         \
  template void Network<T>::backward_small(MatrixView<const T>, MatrixView<T>);                  \
  template LossSum Network<T>::train_small(Executor&, const Objective<T>&, MatrixView<const T>,  \
                                           const Targets<T>&, index_t, OptimizerState<T>&,       \
                                           StepObserver*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
