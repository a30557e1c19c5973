// The training loop: shuffle, gather, forward, backward, update, epoch means.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "network/network.h"
#include "objectives/metric.h"
#include "objectives/optimizer.h"
#include "training/row_source.h"

namespace densecore {

template <class T>
struct Data {
  MatrixView<const T> x;  // without data, when `source` makes the rows
  Targets<T> targets;
  const RowSource<T>* source = nullptr;
};

// Keeping the best epoch: the parameters of the epoch whose monitored number of the validation is
// best, of equal ones the last, are those that a training ends with. Ties go to the last because
// an error rate stays the same over many epochs in which the probabilities still improve.
struct BestEpoch {
  std::size_t value = 0;      // number of the monitored one in EpochResult::validation
  bool larger = false;        // whether more is better
  std::int64_t patience = 0;  // stops after so many epochs without a better one; 0: never
};

struct FitOptions {
  std::int64_t epochs = 1;
  index_t batch_size = 32;
  bool shuffle = true;
  // With `shuffle`: each epoch's order of the rows, which the observer writes before it begins.
  // Without, orders follow from the trainer's seed.
  const std::int64_t* order = nullptr;
  // With a validation; null for none.
  const BestEpoch* best = nullptr;
};

// Loss, then the metrics in their order; the same of the validation data, when there are any.
struct EpochResult {
  std::vector<double> training, validation;
};

// Both in the calling thread.
class EpochObserver {
 public:
  virtual ~EpochObserver() = default;
  virtual void epoch_begin() = 0;
  // Returns whether training goes on.
  virtual bool epoch_end(const EpochResult& result) = 0;
};

// What the batches so far amount to. A loop of one's own keeps one as `fit` does: reset, train or
// evaluate batch after batch, read the results.
template <class T>
class Tally {
 public:
  Tally(Objective<T> objective, std::vector<Metric<T>> metrics)
      : objective_(objective), metrics_(std::move(metrics)) {
    reset();
  }

  const Objective<T>& objective() const { return objective_; }
  bool watches_outputs() const { return !metrics_.empty(); }
  void reset();
  LossSum& total() { return total_; }
  void add_loss(const LossSum& sum);
  void add_outputs(MatrixView<const T> outputs, const Targets<T>& targets);
  // Loss, then the metrics.
  std::vector<double> results() const;

 private:
  Objective<T> objective_;
  std::vector<Metric<T>> metrics_;
  LossSum total_;
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
  Tally<T> tally() const { return Tally<T>(objective_, metrics_); }

  // Of the shuffles.
  void set_seed(std::uint64_t seed) { seed_ = seed; }
  // Epochs trained so far, over all calls of `fit`: each has a shuffle of its own.
  std::int64_t epochs = 0;

  // One forward, backward and update, or `steps` of them. Returns the loss before the last update.
  double train_on_batch(Executor& executor, const Data<T>& batch, std::int64_t steps = 1);
  void apply_gradients(Executor& executor);
  // A step of `fit`, which keeps no gradients.
  void train_batch(Executor& executor, const Data<T>& batch, Tally<T>& tally);
  void evaluate_batch(Executor& executor, const Data<T>& batch, Tally<T>& tally);
  // Throws Interrupted; the parameters are then those after the last whole step.
  // Returns the epoch (of this call, from 0) whose parameters are kept: the last one that was
  // trained, unless `options.best` asks for another; -1 when no epoch was trained.
  std::int64_t fit(Executor& executor, const Data<T>& data, const Data<T>* validation,
                   const FitOptions& options, EpochObserver& observer);
  std::vector<double> evaluate(Executor& executor, const Data<T>& data);

 private:
  // Row numbers order[0 .. count) of `data`, copied together; rows [begin, end) where they lie, but
  // those of a source are made. Room for what is copied or made is reserved before.
  Data<T> gather(const Data<T>& data, const index_t* order, index_t count);
  Data<T> slice(const Data<T>& data, index_t begin, index_t end);
  void reserve_batch(const Data<T>& data, index_t rows);
  // An epoch of batches of one row, for networks that have a kernel for that.
  void train_rows(Executor& executor, const Data<T>& data, const index_t* order, Tally<T>& tally);
  void add_outputs(index_t rows, const Targets<T>& targets, Tally<T>& tally);
  // The parameters and the layers' other arrays, one after another.
  void save_to(AlignedBuffer<T>& kept) const;
  void restore_from(const AlignedBuffer<T>& kept);

  std::shared_ptr<Network<T>> network_;
  Objective<T> objective_;
  OptimizerState<T> optimizer_;
  std::vector<Metric<T>> metrics_;
  std::uint64_t seed_;
  AlignedBuffer<T> batch_x_, batch_values_, batch_weight_, outputs_, best_;
  AlignedBuffer<std::int32_t> batch_labels_;
};

}  // namespace densecore
