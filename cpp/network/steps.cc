// Training steps, and the loss of a batch: one pass forward, the objective, one pass back.
#include <algorithm>

#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {
namespace {

// A backward pass of less work than this (about 20 ms) updates the weights as it goes. It is not
// interrupted: some parameters would be those of the next step.
constexpr double uninterrupted_work = 1e9;

}  // namespace

template <class T>
double Network<T>::output_penalty(index_t rows) {
  double sum = 0;
  for (const std::size_t l : activities_)
    sum += layers_[l]->output_penalty(workspace_.a(l, 0, rows));
  return rows == 0 ? 0 : sum / static_cast<double>(rows);
}

template <class T>
LossSum Network<T>::train(Executor& executor, const Objective<T>& objective, ConstView x,
                          const Targets<T>& targets, OptimizerState<T>& optimizer,
                          bool keep_gradients, bool keep_outputs) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  if (x.rows == 1 && trains_single_row(objective, targets, optimizer)) {
    reserve(1);
    return train_row(objective, x, targets, optimizer, workspace_.a(last, 0, 1).data);
  }
  start({true, seed, static_cast<std::uint64_t>(optimizer.steps), 0, x.rows});
  reserve(x.rows);
  if (trains_small(x.rows, objective, optimizer))
    return train_small(executor, objective, x, targets, x.rows, optimizer, nullptr);
  workspace_.slopes = true;
  check_numbers(x);
  begin_tables();
  heads_.begin(objective, targets, x.rows);
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  // Whether the whole gradient is wanted before any parameter is updated.
  // A moving average takes all rows of a table; an update during the pass only those it uses.
  const bool averaged = !embedding_tables_.empty() && !optimizer.simple();
  // Parameters become their averages after the last update of a step.
  const bool whole = array_steps_ || shared_ || averaged || optimizer.wants_whole_gradient() ||
                     optimizer.settings()->gradient_steps().ema_overwrite > 0;
  const bool descent = !keep_gradients && optimizer.descends() && !array_steps_ && !shared_;
  const double factor = penalty_factor(sum.weight);
  const double penalized = penalized_ ? factor * penalty() : 0;
  bool updated = !whole;
  // With more rows a chained pass adds up the weights' gradients in the buffer, block by block.
  const bool at_once = descent && x.rows <= (chained() ? block_rows_ : gemm_depth);
  if (shares_leaf(x.rows)) {
    const SeparateGradients<T> all(workspace_, layers_, true, x.rows);
    sum.loss = train_leaf(executor, x, objective, targets, scale);
    if (updated) {
      const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
      Executor uninterrupted;
      backward_leaf(uninterrupted, x, objective.fused(), View(), &update, at_once);
    } else {
      backward_leaf(executor, x, objective.fused(), View(), nullptr, false);
    }
    executor.check(2 * forward_work(x.rows));
  } else if (chained() && at_once && leaf_count(x.rows) == 1) {
    transpose_weights(executor, x.rows, false);
    const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
    sum.loss = train_block(x, 0, x.rows, objective, targets, scale, false, gradients_->data(),
                           executor.scratch(), &update, heads_.sums().data());
    end_tables(executor, x, false, &update);
    executor.check(3 * forward_work(x.rows));
  } else if (chained()) {
    sum.loss = train_leaves(executor, x, objective, targets, scale, keep_outputs);
    updated = optimizer.simple() && !array_steps_ && embedding_tables_.empty();
    if (updated) {
      const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
      Executor uninterrupted;
      sum_leaves(uninterrupted, leaf_count(x.rows), &update);
      executor.check(static_cast<double>(summed_count_));
    } else {
      sum_leaves(executor, leaf_count(x.rows), nullptr);
      end_tables(executor, x, false);
    }
  } else {
    const bool from_z = objective.fused();
    forward_layers(executor, x, View(), from_z);
    sum.loss = heads_.loss_rows(objective, workspace_.a(last, 0, x.rows), targets, scale,
                                workspace_.gradient(last, 0, x.rows), heads_.sums().data());
    updated = updated && 2 * forward_work(x.rows) < uninterrupted_work;
    if (updated) {
      const Update<T> update = optimizer.next_update(parameters_->data(), gradients_->data());
      Executor uninterrupted;
      backward_layers(uninterrupted, x, from_z, View(), &update, at_once, keep_gradients);
      end_tables(uninterrupted, x, false, &update);
      executor.check(2 * forward_work(x.rows));
    } else {
      backward_layers(executor, x, from_z, View(), nullptr, false);
      end_tables(executor, x, false);
    }
  }
  sum.loss = heads_.end(objective, x.rows, sum.loss);
  set_loss_slots(sum);
  if (!updated)
    optimizer.update(executor, parameters_->data(), gradients_->data(), trained_,
                     penalized_ ? factor : 0);
  for (Layer<T>* const layer : others_) layer->commit(pass_);
  sum.loss += (penalized + output_penalty(x.rows)) * objective.divisor(sum.weight);
  return sum;
}

template <class T>
LossSum Network<T>::gradient(Executor& executor, const Objective<T>& objective, ConstView x,
                             const Targets<T>& targets, std::uint64_t number) {
  const std::size_t last = layers_.size() - 1;
  LossSum sum;
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  check_numbers(x);
  begin_tables();
  start({true, seed, number, 0, x.rows});
  reserve(x.rows);
  workspace_.slopes = true;
  heads_.begin(objective, targets, x.rows);
  if (small(x.rows)) {
    forward_small(x, View(), objective.fused(), true);
    sum.loss = heads_.loss_rows(objective, workspace_.a(last, 0, x.rows), targets, scale,
                                workspace_.near_gradient(last, x.rows), heads_.sums().data());
    backward_small(x, objective.fused());
  } else if (shares_leaf(x.rows)) {
    const SeparateGradients<T> all(workspace_, layers_, true, x.rows);
    sum.loss = train_leaf(executor, x, objective, targets, scale);
    backward_leaf(executor, x, objective.fused(), View(), nullptr, false);
  } else if (chained()) {
    sum.loss = train_leaves(executor, x, objective, targets, scale, true);
    sum_leaves(executor, leaf_count(x.rows), nullptr);
  } else {
    const bool from_z = objective.fused();
    forward_layers(executor, x, View(), from_z);
    sum.loss = heads_.loss_rows(objective, workspace_.a(last, 0, x.rows), targets, scale,
                                workspace_.gradient(last, 0, x.rows), heads_.sums().data());
    backward_layers(executor, x, from_z, View(), nullptr, false);
  }
  end_tables(executor, x, small(x.rows));
  sum.loss = heads_.end(objective, x.rows, sum.loss);
  set_loss_slots(sum);
  const double factor = penalty_factor(sum.weight);
  add_penalties(table_->gradients, trained_, factor, parameters_->data(), gradients_->data());
  if (penalized_) sum.loss += factor * penalty() * objective.divisor(sum.weight);
  sum.loss += output_penalty(x.rows) * objective.divisor(sum.weight);
  return sum;
}

template <class T>
LossSum Network<T>::loss(Executor& executor, const Objective<T>& objective, ConstView x,
                         const Targets<T>& targets) {
  check_numbers(x);
  start({});
  reserve(x.rows);
  heads_.begin(objective, targets, x.rows);
  forward_all(executor, x, View(), objective.fused(), false);
  LossSum sum;
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  sum.loss = heads_.loss_rows(objective, workspace_.a(layers_.size() - 1, 0, x.rows), targets, 1,
                              MatrixView<T>(), heads_.sums().data());
  sum.loss = heads_.end(objective, x.rows, sum.loss);
  if (penalized_) sum.loss += penalty() * objective.divisor(sum.weight);
  sum.loss += output_penalty(x.rows) * objective.divisor(sum.weight);
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
  heads_.finish(objective, a);
}

#define DENSECORE_INSTANTIATE(T, ...)                                                        \
  template double Network<T>::output_penalty(index_t);                                       \
  template LossSum Network<T>::train(Executor&, const Objective<T>&, MatrixView<const T>,    \
                                     const Targets<T>&, OptimizerState<T>&, bool, bool);     \
  template LossSum Network<T>::gradient(Executor&, const Objective<T>&, MatrixView<const T>, \
                                        const Targets<T>&, std::uint64_t);                   \
  template LossSum Network<T>::loss(Executor&, const Objective<T>&, MatrixView<const T>,     \
                                    const Targets<T>&);                                      \
  template MatrixView<const T> Network<T>::outputs(const Objective<T>&, index_t);            \
  template void Network<T>::finish_outputs(const Objective<T>&, MatrixView<T>) const;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
