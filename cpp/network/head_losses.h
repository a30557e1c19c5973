// The loss of a batch's rows: one function of all outputs or, of a network with several outputs
// (heads), one for each of them.
#pragma once

#include <vector>

#include "layers/merge.h"
#include "objectives/objective.h"

namespace densecore {

template <class T>
class HeadLosses {
 public:
  // `last`: the network's last layer, which may be `Heads`.
  explicit HeadLosses(Layer<T>* last = nullptr) : layer_(dynamic_cast<Heads<T>*>(last)) {}

  // Before a pass without an objective: the layer applies the functions of all heads.
  void begin() {
    if (layer_ != nullptr) layer_->leave_out(nullptr);
  }
  // Before a pass with one. With heads, sets the sums of their losses to 0.
  void begin(const Objective<T>& objective, const Targets<T>& targets, index_t rows);
  // The same for a part of a batch, with the `head_weights` of the whole batch.
  void begin(const Objective<T>& objective, const std::vector<double>& weights);
  // Returns the sum of the rows' losses, and writes its gradient (rows, outputs) unless that is
  // empty. With heads returns 0, and adds each head's sum to `sums`.
  double loss_rows(const Objective<T>& objective, MatrixView<const T> output,
                   const Targets<T>& targets, double scale, MatrixView<T> gradient,
                   double* sums) const {
    if (!objective.has_heads()) return objective.rows(output, targets, scale, gradient);
    objective.head_rows(output, targets, weighted_factors_.data(), gradient, sums);
    return 0;
  }
  // The sums of the heads' losses; leaves of a batch may have sums of their own behind them.
  std::vector<double>& sums() { return sums_; }
  // After all rows: the sum of a batch's losses; of heads that of `sums`, weighted, else `sum`.
  double end(const Objective<T>& objective, index_t rows, double sum);
  // The loss of each head in the last batch that has ended.
  const std::vector<double>& losses() const { return losses_; }
  // Applies the heads' functions that the objective's losses had left out.
  void finish(const Objective<T>& objective, MatrixView<T> a) const {
    if (objective.has_heads()) layer_->finish(objective.left_out(), a);
  }

 private:
  Heads<T>* layer_;
  // Of each head, see `Objective::head_factors`.
  std::vector<double> weights_, factors_, weighted_factors_;
  std::vector<double> sums_, losses_;
};

}  // namespace densecore
