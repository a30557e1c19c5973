#include "network/head_losses.h"

#include "base/dtypes.h"

namespace densecore {

template <class T>
void HeadLosses<T>::begin(const Objective<T>& objective, const Targets<T>& targets, index_t rows) {
  if (!objective.has_heads()) return begin();
  objective.head_weights(targets, rows, weights_);
  begin(objective, weights_);
}

template <class T>
void HeadLosses<T>::begin(const Objective<T>& objective, const std::vector<double>& weights) {
  layer_->leave_out(&objective.left_out());
  objective.head_factors(weights, factors_, weighted_factors_);
  sums_.assign(objective.heads().size(), 0);
  losses_.resize(objective.heads().size());
}

template <class T>
double HeadLosses<T>::end(const Objective<T>& objective, index_t rows, double sum) {
  if (!objective.has_heads()) return sum;
  double loss = 0;
  for (std::size_t h = 0; h < losses_.size(); ++h) {
    losses_[h] = factors_[h] * sums_[h];
    loss += weighted_factors_[h] * sums_[h];
  }
  return static_cast<double>(rows) * loss;
}

#define DENSECORE_INSTANTIATE(T, ...) template class HeadLosses<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
