#include "training/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/dtypes.h"
#include "base/random.h"

namespace densecore {
namespace {

// Throws std::invalid_argument for a number that is not that of a row.
void copy_order(const std::int64_t* from, std::vector<index_t>& order) {
  const auto rows = static_cast<std::int64_t>(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (from[i] < 0 || from[i] >= rows)
      throw std::invalid_argument("row_order: found " + std::to_string(from[i]) +
                                  ", wanted numbers of the " + std::to_string(rows) + " rows");
    order[i] = static_cast<index_t>(from[i]);
  }
}

// Rows that steps of few rows are taken from at once: one row each between two looks at the clock,
// and what is gathered stays in the first-level cache.
constexpr index_t rows_at_once = 256, numbers_at_once = 4096;
// Cost of a step besides its multiply-adds, in multiply-adds.
constexpr double row_work = 4096;

}  // namespace

template <class T>
Trainer<T>::Trainer(std::shared_ptr<Network<T>> network, Objective<T> objective,
                    std::shared_ptr<OptimizerSettings> settings, std::vector<Metric<T>> metrics,
                    std::uint64_t seed)
    : network_(std::move(network)),
      objective_(objective),
      optimizer_(network_->table(), std::move(settings), network_->parameters()->data(),
                 network_->parameter_count()),
      metrics_(std::move(metrics)),
      seed_(seed) {}

template <class T>
double Trainer<T>::train_on_batch(Executor& executor, const Data<T>& batch, std::int64_t steps) {
  LossSum sum;
  if (steps > 1 && batch.x.rows == 1 &&
      network_->trains_rows(objective_, batch.targets, optimizer_)) {
    // All but the last, whose loss is wanted, are calls of many steps on the same row.
    static constexpr index_t same_row[rows_at_once] = {};
    while (steps > 1) {
      const index_t count = std::min<index_t>(steps - 1, rows_at_once);
      network_->train_rows(objective_, batch.x, batch.targets, same_row, count, optimizer_, sum,
                           nullptr);
      steps -= count;
      executor.check(row_work * static_cast<double>(count));
    }
  }
  if (batch.x.rows == 1) {
    if (!network_->is_current(row_step_, optimizer_))
      row_step_ = network_->row_step(objective_, optimizer_);
    if (row_step_.fastest && (row_step_.weights || batch.targets.weight == nullptr))
      return network_->train_row(row_step_, batch.x.data, batch.targets, optimizer_) /
             row_step_.divisor;
  }
  for (; steps > 0; --steps)
    sum = network_->train(executor, objective_, batch.x, batch.targets, optimizer_, true, false);
  return sum.loss / objective_.divisor(sum.weight);
}

template <class T>
void Trainer<T>::apply_gradients(Executor& executor) {
  network_->find_used_rows();
  optimizer_.update(executor, network_->parameters()->data(), network_->gradients()->data(),
                    network_->trained());
}

template <class T>
void Trainer<T>::reserve_batch(const Data<T>& data, index_t rows) {
  reserve(batch_x_, rows * data.x.cols);
  reserve(batch_values_, rows * data.targets.values.cols);
  reserve(batch_labels_, rows * data.targets.label_arrays);
  reserve(batch_weight_, rows * data.targets.weight_arrays);
}

template <class T>
Data<T> Trainer<T>::gather(const Data<T>& data, const index_t* order, index_t count) {
  const auto rows_of = [&](MatrixView<const T> from, AlignedBuffer<T>& to) {
    for (index_t i = 0; i < count; ++i)
      std::memcpy(to.data() + i * from.cols, from.row(order[i]),
                  static_cast<std::size_t>(from.cols) * sizeof(T));
    return MatrixView<const T>(to.data(), count, from.cols);
  };
  Data<T> batch;
  if (data.source != nullptr) {
    data.source->read(order, 0, count, batch_x_.data());
    batch.x = {batch_x_.data(), count, data.x.cols};
  } else {
    batch.x = rows_of(data.x, batch_x_);
  }
  if (data.targets.values) batch.targets.values = rows_of(data.targets.values, batch_values_);
  const auto arrays_of = [&](const auto* from, index_t arrays, index_t distance, auto* to) {
    for (index_t k = 0; k < arrays; ++k)
      for (index_t i = 0; i < count; ++i) to[k * count + i] = from[k * distance + order[i]];
    return to;
  };
  batch.targets.label_arrays = data.targets.label_arrays;
  batch.targets.weight_arrays = data.targets.weight_arrays;
  if (data.targets.label_distance != 0) batch.targets.label_distance = count;
  if (data.targets.weight_distance != 0) batch.targets.weight_distance = count;
  if (data.targets.labels != nullptr)
    batch.targets.labels = arrays_of(data.targets.labels, data.targets.label_arrays,
                                     data.targets.label_distance, batch_labels_.data());
  if (data.targets.weight != nullptr)
    batch.targets.weight = arrays_of(data.targets.weight, data.targets.weight_arrays,
                                     data.targets.weight_distance, batch_weight_.data());
  return batch;
}

template <class T>
Data<T> Trainer<T>::slice(const Data<T>& data, index_t begin, index_t end) {
  Data<T> part{data.x.slice(begin, end), data.targets.slice(begin, end)};
  if (data.source != nullptr) {
    data.source->read(nullptr, begin, end - begin, batch_x_.data());
    part.x = {batch_x_.data(), end - begin, data.x.cols};
  }
  return part;
}

// Inlined into the step, also in a file that is compiled for space.
template <class T>
[[gnu::always_inline]] inline void Trainer<T>::add_loss(const LossSum& sum, index_t rows,
                                                        RunningMetrics<T>& running_metrics) {
  running_metrics.add_loss(sum, rows);
  if (objective_.has_heads()) running_metrics.add_head_losses(network_->head_losses(), rows);
}

template <class T>
void Trainer<T>::add_outputs(index_t rows, const Targets<T>& targets,
                             RunningMetrics<T>& running_metrics) {
  if (running_metrics.watches_outputs())
    running_metrics.add_outputs(network_->outputs(objective_, rows), targets);
}

template <class T>
void Trainer<T>::train_batch(Executor& executor, const Data<T>& batch,
                             RunningMetrics<T>& running_metrics, double penalty_weight) {
  const PenaltyWeight<T> weight(*network_, penalty_weight);
  step(executor, batch, running_metrics);
}

template <class T>
void Trainer<T>::step(Executor& executor, const Data<T>& batch,
                      RunningMetrics<T>& running_metrics) {
  add_loss(network_->train(executor, objective_, batch.x, batch.targets, optimizer_, false,
                           running_metrics.watches_outputs()),
           batch.x.rows, running_metrics);
  add_outputs(batch.x.rows, batch.targets, running_metrics);
}

template <class T>
void Trainer<T>::save_to(AlignedBuffer<T>& kept) const {
  std::size_t size = network_->parameters()->size();
  for (const auto& layer : network_->layers())
    for (const StateBlock<T>& block : layer->states()) size += block.values->size();
  reserve(kept, static_cast<index_t>(size));
  T* to = std::copy_n(network_->parameters()->data(), network_->parameters()->size(), kept.data());
  for (const auto& layer : network_->layers())
    for (const StateBlock<T>& block : layer->states())
      to = std::copy_n(block.values->data(), block.values->size(), to);
}

template <class T>
void Trainer<T>::restore_from(const AlignedBuffer<T>& kept) {
  const T* from = kept.data();
  std::copy_n(from, network_->parameters()->size(), network_->parameters()->data());
  from += network_->parameters()->size();
  for (const auto& layer : network_->layers())
    for (const StateBlock<T>& block : layer->states()) {
      std::copy_n(from, block.values->size(), block.values->data());
      from += block.values->size();
    }
}

template <class T>
std::int64_t Trainer<T>::fit(Executor& executor, const Data<T>& data, const Data<T>* validation,
                             const FitOptions& options, EpochObserver& observer) {
  const index_t rows = data.x.rows, batch_size = std::min(options.batch_size, rows);
  const PenaltyWeight<T> weight(*network_, options.penalty_weight);
  network_->reserve(batch_size);
  if (options.shuffle || data.source != nullptr) reserve_batch(data, batch_size);
  std::vector<index_t> order(options.shuffle ? static_cast<std::size_t>(rows) : 0);
  RunningMetrics<T> trained = running_metrics(), held_out = running_metrics();
  std::int64_t kept_epoch = -1;
  double best_value = 0;
  bool ended = false;
  for (std::int64_t epoch = 0; epoch < options.epochs && !ended; ++epoch) {
    observer.epoch_begin();
    rows_done_ = options.rows_done;  // after the hook, which may train, too
    tell(0);
    if (options.shuffle && options.order != nullptr) {
      copy_order(options.order, order);
    } else if (options.shuffle) {
      Random random(seed_, Stream::shuffle, static_cast<std::uint64_t>(epochs));
      permutation(random, rows, order.data());
    }
    trained.reset();
    const bool by_row =
        batch_size == 1 && network_->trains_rows(objective_, data.targets, optimizer_);
    if (by_row) train_rows(executor, data, options.shuffle ? order.data() : nullptr, trained);
    const bool small = !by_row && network_->trains_small(batch_size, objective_, optimizer_);
    if (small)
      train_small(executor, data, options.shuffle ? order.data() : nullptr, batch_size, trained);
    for (index_t begin = 0; begin < rows && !by_row && !small; begin += batch_size) {
      const index_t end = std::min(begin + batch_size, rows);
      step(executor,
           options.shuffle ? gather(data, order.data() + begin, end - begin)
                           : slice(data, begin, end),
           trained);
      tell(end);
    }
    ++epochs;
    EpochResult result;
    result.training = trained.results();
    if (validation != nullptr) {
      held_out.reset();
      evaluate_batch(executor, *validation, held_out, options.batch_size);
      result.validation = held_out.results();
    }
    if (options.best == nullptr) {
      kept_epoch = epoch;
    } else {
      const double value = result.validation.at(options.best->value);
      // A number that is not finite is better than nothing only.
      if (kept_epoch < 0 || !std::isfinite(best_value) ||
          (options.best->larger ? value >= best_value : value <= best_value)) {
        kept_epoch = epoch;
        best_value = value;
        save_to(best_);
      }
      ended = options.best->patience > 0 && epoch - kept_epoch >= options.best->patience;
    }
    ended |= !observer.epoch_end(result);
  }
  if (options.best != nullptr && kept_epoch >= 0) restore_from(best_);
  return kept_epoch;
}

template <class T>
void Trainer<T>::train_small(Executor& executor, const Data<T>& data, const index_t* order,
                             index_t batch_size, RunningMetrics<T>& running_metrics) {
  struct Watcher : StepObserver {
    Trainer& trainer;
    RunningMetrics<T>& running_metrics;
    const Data<T>* rows = nullptr;
    Watcher(Trainer& owner, RunningMetrics<T>& seen) : trainer(owner), running_metrics(seen) {}
    void step(const LossSum& sum, index_t begin, index_t end) override {
      trainer.add_loss(sum, end - begin, running_metrics);
      if (running_metrics.watches_outputs())
        trainer.add_outputs(end - begin, rows->targets.slice(begin, end), running_metrics);
    }
  } watcher(*this, running_metrics);
  const index_t most = std::min(rows_at_once, numbers_at_once / data.x.cols);
  const index_t together = std::max<index_t>(1, most / batch_size) * batch_size;
  if (order != nullptr || data.source != nullptr) reserve_batch(data, together);
  for (index_t begin = 0; begin < data.x.rows; begin += together) {
    const index_t end = std::min(begin + together, data.x.rows);
    const Data<T> rows =
        order == nullptr ? slice(data, begin, end) : gather(data, order + begin, end - begin);
    watcher.rows = &rows;
    network_->train_small(executor, objective_, rows.x, rows.targets, batch_size, optimizer_,
                          &watcher);
    tell(end);
  }
}

template <class T>
void Trainer<T>::train_rows(Executor& executor, const Data<T>& data, const index_t* order,
                            RunningMetrics<T>& running_metrics) {
  const index_t outputs = network_->outputs();
  const bool watched = running_metrics.watches_outputs(),
             copied = watched || data.source != nullptr;
  if (copied) reserve_batch(data, rows_at_once);
  if (watched) reserve(outputs_, rows_at_once * outputs);
  for (index_t begin = 0; begin < data.x.rows; begin += rows_at_once) {
    const index_t end = std::min(begin + rows_at_once, data.x.rows);
    const index_t* rest = order == nullptr ? nullptr : order + begin;
    const Data<T> rows = rest == nullptr ? slice(data, begin, end)
                         : copied        ? gather(data, rest, end - begin)
                                         : data;
    network_->train_rows(objective_, rows.x, rows.targets, copied ? nullptr : rest, end - begin,
                         optimizer_, running_metrics.total(), watched ? outputs_.data() : nullptr);
    if (watched) {
      const MatrixView<T> seen(outputs_.data(), end - begin, outputs);
      network_->finish_outputs(objective_, seen);
      // Row by row, as batches of one row: the same bits as `train_batch` in a loop.
      for (index_t i = 0; i < end - begin; ++i)
        running_metrics.add_outputs(seen.slice(i, i + 1), rows.targets.slice(i, i + 1));
    }
    tell(end);
    executor.check(3 * network_->forward_work(end - begin) + row_work * rows_at_once);
  }
}

template <class T>
void Trainer<T>::evaluate_batch(Executor& executor, const Data<T>& batch,
                                RunningMetrics<T>& running_metrics, index_t batch_size) {
  // Else blocks of a constant size: the result of a whole data set depends on no batch size.
  const index_t block = objective_.depends_on_batches(batch.targets.weight != nullptr)
                            ? std::min(batch_size, batch.x.rows)
                            : Network<T>::evaluation_rows;
  if (batch.source != nullptr) reserve_batch(batch, block);
  for (index_t begin = 0; begin < batch.x.rows; begin += block) {
    const index_t end = std::min(begin + block, batch.x.rows);
    const Data<T> rows = slice(batch, begin, end);
    add_loss(network_->loss(executor, objective_, rows.x, rows.targets), end - begin,
             running_metrics);
    add_outputs(end - begin, rows.targets, running_metrics);
  }
}

template <class T>
std::vector<double> Trainer<T>::evaluate(Executor& executor, const Data<T>& data,
                                         index_t batch_size) {
  RunningMetrics<T> held_out = running_metrics();
  evaluate_batch(executor, data, held_out, batch_size);
  return held_out.results();
}

#define DENSECORE_INSTANTIATE(T, ...) template class Trainer<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
