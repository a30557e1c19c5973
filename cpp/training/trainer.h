// The training loop: shuffle, gather, forward, backward, update, epoch means.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "network/network.h"
#include "objectives/metric.h"
#include "objectives/optimizer.h"
#include "training/row_source.h"
#include "training/running_metrics.h"

namespace densecore {

template <class T>
struct Data {
  MatrixView<const T> x;  // has a shape but no data when `source` makes the rows
  Targets<T> targets;
  const RowSource<T>* source = nullptr;
};

// A training with it ends with the parameters of its best epoch by a number of the validation. Of
// equal epochs the last is the best: an error rate stays the same over many epochs in which the
// probabilities still improve. Only ensembles set it: a single model's callbacks do the same.
struct BestEpoch {
  std::size_t value = 0;      // index of the number in EpochResult::validation
  bool larger = false;        // whether more is better
  std::int64_t patience = 0;  // stops after so many epochs without a better one; 0: never
};

// The network's penalty weight, for the life of the object.
template <class T>
class PenaltyWeight {
 public:
  PenaltyWeight(Network<T>& network, double weight)
      : network_(network), before_(std::exchange(network.penalty_weight, weight)) {}
  ~PenaltyWeight() { network_.penalty_weight = before_; }
  PenaltyWeight(const PenaltyWeight&) = delete;
  PenaltyWeight& operator=(const PenaltyWeight&) = delete;

 private:
  Network<T>& network_;
  double before_;  // put back at the end: a hook of a running `fit` may train, too
};

struct FitOptions {
  std::int64_t epochs = 1;
  index_t batch_size = 32;
  bool shuffle = true;
  // With `shuffle`: the order of the rows, which the observer writes before each epoch begins.
  // Null: orders follow from the trainer's seed.
  const std::int64_t* order = nullptr;
  // When > 0, a batch's penalties are multiplied by this over the batch's weight, so that they
  // count the same for a batch of fewer rows (scikit-learn's rule).
  double penalty_weight = 0;
  // Null: the last epoch is kept. Else there must be a validation.
  const BestEpoch* best = nullptr;
  // Gets the number of rows of the present epoch that are done, for another thread to read.
  std::atomic<index_t>* rows_done = nullptr;
};

// The loss, then the metrics in their order; the same for the validation data, if there are any.
struct EpochResult {
  std::vector<double> training, validation;
};

// Called in the thread that calls `fit`.
class EpochObserver {
 public:
  virtual ~EpochObserver() = default;
  virtual void epoch_begin() = 0;
  // Returns whether training goes on.
  virtual bool epoch_end(const EpochResult& result) = 0;
};

template <class T>
class Trainer {
 public:
  Trainer(std::shared_ptr<Network<T>> network, Objective<T> objective,
          std::shared_ptr<OptimizerSettings> settings, std::vector<Metric<T>> metrics,
          std::uint64_t seed);

  Network<T>& network() { return *network_; }
  const Objective<T>& objective() const { return objective_; }
  OptimizerState<T>& optimizer() { return optimizer_; }
  const std::vector<Metric<T>>& metrics() const { return metrics_; }
  RunningMetrics<T> running_metrics() const { return RunningMetrics<T>(objective_, metrics_); }

  // The seed of the shuffles.
  void set_seed(std::uint64_t seed) { seed_ = seed; }
  // Number of epochs trained in all calls of `fit`: each epoch has another shuffle.
  std::int64_t epochs = 0;

  // One forward, backward and update, or `steps` of them. Returns the loss before the last update.
  double train_on_batch(Executor& executor, const Data<T>& batch, std::int64_t steps = 1);
  void apply_gradients(Executor& executor);
  // A step of `fit`; the gradients are not kept.
  void train_batch(Executor& executor, const Data<T>& batch, RunningMetrics<T>& running_metrics,
                   double penalty_weight = 0);
  // In batches of `batch_size` rows where the loss depends on them.
  void evaluate_batch(Executor& executor, const Data<T>& batch, RunningMetrics<T>& running_metrics,
                      index_t batch_size);
  // Throws Interrupted; the parameters are then those after the last whole step.
  // Returns the epoch (of this call, from 0) whose parameters are kept: the last one that was
  // trained, unless `options.best` asks for another; -1 when no epoch was trained.
  std::int64_t fit(Executor& executor, const Data<T>& data, const Data<T>* validation,
                   const FitOptions& options, EpochObserver& observer);
  std::vector<double> evaluate(Executor& executor, const Data<T>& data, index_t batch_size = 32);

 private:
  // `gather` copies rows order[0 .. count) of `data`; `slice` gives views of rows [begin, end), and
  // makes the rows of a source. `reserve_batch` must have made room for the copies.
  Data<T> gather(const Data<T>& data, const index_t* order, index_t count);
  Data<T> slice(const Data<T>& data, index_t begin, index_t end);
  void reserve_batch(const Data<T>& data, index_t rows);
  // An epoch of batches of one row, for networks that the kernels for single rows support.
  void train_rows(Executor& executor, const Data<T>& data, const index_t* order,
                  RunningMetrics<T>& running_metrics);
  // The same of batches of few rows through narrow layers.
  void train_small(Executor& executor, const Data<T>& data, const index_t* order,
                   index_t batch_size, RunningMetrics<T>& running_metrics);
  // Results of the network's last batch.
  void add_loss(const LossSum& sum, index_t rows, RunningMetrics<T>& running_metrics);
  void step(Executor& executor, const Data<T>& batch, RunningMetrics<T>& running_metrics);
  void add_outputs(index_t rows, const Targets<T>& targets, RunningMetrics<T>& running_metrics);
  void tell(index_t rows) {
    if (rows_done_ != nullptr) rows_done_->store(rows, std::memory_order_relaxed);
  }
  // The parameters and the layers' other arrays, one after another.
  void save_to(AlignedBuffer<T>& kept) const;
  void restore_from(const AlignedBuffer<T>& kept);

  std::shared_ptr<Network<T>> network_;
  Objective<T> objective_;
  OptimizerState<T> optimizer_;
  std::vector<Metric<T>> metrics_;
  std::uint64_t seed_;
  RowStep<T> row_step_;
  AlignedBuffer<T> batch_x_, batch_values_, batch_weight_, outputs_, best_;
  AlignedBuffer<std::int32_t> batch_labels_;
  std::atomic<index_t>* rows_done_ = nullptr;  // of the running `fit`
};

}  // namespace densecore
