// The loss and the metrics of the batches so far, as a loop over batches reports them.
#pragma once

#include <utility>
#include <vector>

#include "network/network.h"
#include "objectives/metric.h"

namespace densecore {

// The loss and the metrics of the batches so far; in between, with several heads, their losses. As
// in Keras the loss is the mean of the batches' losses, weighted by their rows. A custom loop
// keeps one as `fit` does: reset, train or evaluate batch after batch, read the results.
template <class T>
class RunningMetrics {
 public:
  RunningMetrics(Objective<T> objective, std::vector<Metric<T>> metrics)
      : objective_(objective), metrics_(std::move(metrics)) {
    reset();
  }

  const Objective<T>& objective() const { return objective_; }
  bool watches_outputs() const { return !metrics_.empty(); }
  void reset();
  // For batches of one row, whose losses and numbers of rows are added to it.
  LossSum& total() { return total_; }
  void add_loss(const LossSum& sum, index_t rows);
  // With several heads, the losses of each, besides `add_loss`.
  void add_head_losses(const std::vector<double>& losses, index_t rows);
  void add_outputs(MatrixView<const T> outputs, const Targets<T>& targets);
  // Loss, then the metrics.
  std::vector<double> results() const;

 private:
  Objective<T> objective_;
  std::vector<Metric<T>> metrics_;
  std::vector<double> head_totals_;  // as total_.loss, of each head
  LossSum total_;                    // the sum of rows * loss of the batch, and of the rows
};

}  // namespace densecore
