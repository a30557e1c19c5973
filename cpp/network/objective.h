// What training minimises: a loss of the table, its reduction, and how it joins the last layer.
#pragma once

#include <cstdint>
#include <string>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore {

// The targets of some rows, with their weights (null: all 1). Either `values` (rows, outputs) or
// `labels` (class numbers) is set, as the loss wants.
template <class T>
struct Targets {
  MatrixView<const T> values;
  const std::int32_t* labels = nullptr;
  const T* weight = nullptr;

  Targets slice(index_t begin, index_t end) const {
    return {values ? values.slice(begin, end) : values,
            labels == nullptr ? nullptr : labels + begin,
            weight == nullptr ? nullptr : weight + begin};
  }
};

// mean: sum of weight * loss(row) / sum of weight, loss(row) a mean over the outputs.
// sum:  sum of weight * loss(row), loss(row) a sum over the outputs (the note's 2 (a - y)).
enum class Reduction { mean, sum };

template <class T>
class Objective {
 public:
  // `last_activation` decides between the fused and the plain form.
  Objective(const KernelTable<T>& table, const std::string& loss, Reduction reduction,
            const std::string& last_activation, index_t outputs);

  const LossEntry<T>& loss() const { return *loss_; }
  bool sparse() const { return loss_->sparse; }
  Reduction reduction() const { return reduction_; }
  // Whether `rows` wants the last layer's z instead of a, and gives dC/dz instead of dC/da.
  bool fused() const { return fused_; }

  double (*function() const)(const LossArguments<T>&) {
    return fused_ ? loss_->fused : loss_->plain;
  }

  // The sum of the weights of rows (their number without weights).
  static double weight_sum(const T* weight, index_t rows);
  // What a row's gradient is multiplied with, and what the sum of losses is divided by.
  double gradient_scale(double weight_sum) const;
  double divisor(double weight_sum) const;
  // The weighted sum of the rows' losses; dC/da or dC/dz goes to `gradient` unless that is empty.
  double rows(MatrixView<const T> output, const Targets<T>& targets, double scale,
              MatrixView<T> gradient) const;

 private:
  const LossEntry<T>* loss_;
  Reduction reduction_;
  bool fused_;
  double outputs_;
};

}  // namespace densecore
