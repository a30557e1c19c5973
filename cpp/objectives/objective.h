// The objective of training: a loss of the kernel table, its reduction, and its fusion with the
// last activation; or the weighted sum of several, each of some of the outputs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore {

// The targets of some rows, with their weights (null: all 1). Either `values` (rows, target
// columns) or `labels` (class numbers) is set, depending on the loss. For several heads there may
// be both, and several arrays of labels and weights, as many elements apart as the distances say
// (weights without a distance are those of all heads).
template <class T>
struct Targets {
  MatrixView<const T> values;
  const std::int32_t* labels = nullptr;
  const T* weight = nullptr;
  index_t label_arrays = 1, weight_arrays = 1;
  index_t label_distance = 0, weight_distance = 0;

  Targets slice(index_t begin, index_t end) const {
    Targets part = *this;
    if (values) part.values = values.slice(begin, end);
    if (labels != nullptr) part.labels += begin;
    if (weight != nullptr) part.weight += begin;
    return part;
  }
};

// How a batch's loss follows from S, the sum of weight * loss(row) over its rows; Keras's names.
enum class Reduction {
  sum_over_batch_size,      // S / rows
  mean_with_sample_weight,  // S / sum of the weights
  sum,                      // S
  sum_over_outputs,  // S, and where the loss of a row is a mean over the outputs their sum instead:
                     // the note's gradient 2 (a - y)
};

// The number of columns of targets for `outputs` outputs. Throws std::invalid_argument if the
// outputs are not a multiple of those that the loss needs for a target.
template <class T>
index_t target_columns(const LossEntry<T>& loss, index_t outputs, std::size_t parameters);
// The loss's parameters: the given ones after a check, or the initial values if none is given.
template <class T>
std::vector<double> loss_parameters(const LossEntry<T>& loss, const std::vector<double>& given);

// The loss of each row by itself, into out (rows,): p.rows losses of one row.
template <class T>
void loss_of_rows(double (*loss)(const LossArguments<T>&), LossArguments<T> p, double* out);

template <class T>
class Objective;

// One of several outputs, with its loss and where it lies.
template <class T>
struct Head {
  std::shared_ptr<const Objective<T>> objective;  // null: it has no loss
  double weight = 1;
  index_t first = 0, columns = 0;          // of the outputs
  index_t target = 0, target_columns = 0;  // of the targets' values
  index_t labels = -1;                     // number of its array of labels; -1: it has values
  index_t number = 0;                      // of its weights

  MatrixView<const T> outputs(MatrixView<const T> all) const {
    return {all.data + first, all.rows, columns, all.stride};
  }
  Targets<T> targets(const Targets<T>& all) const;
};

template <class T>
class Objective {
 public:
  // The sum of the heads' losses times their weights. Each head's loss takes the output of the
  // layer `Heads`: z where that leaves out the head's function (`left_out`), else a.
  explicit Objective(std::vector<Head<T>> heads);
  // The fused form is used when `last_activation` is the loss's link. With `from_logits` the
  // outputs are logits: the loss applies its link itself, after whatever last activation there is.
  Objective(const KernelTable<T>& table, const std::string& loss, Reduction reduction,
            const std::string& last_activation, index_t outputs, bool from_logits = false,
            const std::vector<double>& parameters = {});

  // Not to be called with several heads, each of which has a loss of its own.
  const LossEntry<T>& loss() const { return *loss_; }
  bool sparse() const { return loss_ != nullptr && loss_->targets == TargetKind::labels; }
  // Empty when there is but one loss.
  const std::vector<Head<T>>& heads() const { return heads_; }
  bool has_heads() const { return !heads_.empty(); }
  // For each head whether its loss takes z.
  const std::vector<char>& left_out() const { return left_out_; }
  index_t label_arrays() const { return label_arrays_; }
  index_t target_columns() const { return target_columns_; }
  const std::vector<double>& parameters() const { return parameters_; }
  Reduction reduction() const { return reduction_; }
  // Whether the loss grows with the batch.
  bool adds_up() const {
    return reduction_ == Reduction::sum || reduction_ == Reduction::sum_over_outputs;
  }
  // Whether `rows` takes the last layer's z instead of a, and gives dC/dz instead of dC/da.
  bool fused() const { return fused_; }

  double (*function() const)(const LossArguments<T>&) {
    return logits_ ? loss_->fused : loss_->plain;
  }

  // The sum of the rows' weights; their number if there are none.
  static double weight_sum(const T* weight, index_t rows);
  // The batch's number of rows or sum of weights, by the reduction; `gradient_scale` and `divisor`
  // take it.
  double batch_weight(const T* weight, index_t rows) const;
  // Whether the loss of many rows depends on how they are cut into batches.
  bool depends_on_batches(bool weighted) const;
  // The factor of a row's gradient, and the divisor of the sum of losses.
  double gradient_scale(double batch_weight) const;
  double divisor(double batch_weight) const;
  // The weighted sum of the rows' losses; dC/da or dC/dz goes to `gradient` unless that is empty.
  double rows(MatrixView<const T> output, const Targets<T>& targets, double scale,
              MatrixView<T> gradient) const {
    return function()(arguments(output, targets, scale, gradient));
  }
  // The same with heads: the sum of each head's losses is added to `sums`. `factors`: of the heads'
  // gradients, as `head_factors` gives them for the batch.
  void head_rows(MatrixView<const T> output, const Targets<T>& targets, const double* factors,
                 MatrixView<T> gradient, double* sums) const;
  // The `batch_weight` of each head for a batch; 0 without a loss.
  void head_weights(const Targets<T>& targets, index_t rows, std::vector<double>& weights) const;
  // From these the factors of each head's loss, and of its gradient: `plain` without the head's
  // weight in the total loss, `weighted` with it.
  void head_factors(const std::vector<double>& weights, std::vector<double>& plain,
                    std::vector<double>& weighted) const;
  LossArguments<T> arguments(MatrixView<const T> output, const Targets<T>& targets, double scale,
                             MatrixView<T> gradient) const;

 private:
  const LossEntry<T>* loss_;
  Reduction reduction_;
  bool logits_;  // whether the loss's function takes logits
  bool fused_;
  std::vector<double> parameters_;
  index_t target_columns_;
  std::vector<Head<T>> heads_;
  std::vector<char> left_out_;
  index_t label_arrays_ = 1;
  double terms_;  // how many terms a row's loss is the mean of, where the reduction sums them; or 1
};

}  // namespace densecore
