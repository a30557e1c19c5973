#include "training/running_metrics.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void RunningMetrics<T>::reset() {
  total_ = LossSum();
  std::fill(head_totals_.begin(), head_totals_.end(), 0);
  for (Metric<T>& metric : metrics_) metric.reset();
}

template <class T>
void RunningMetrics<T>::add_loss(const LossSum& sum, index_t rows) {
  const auto count = static_cast<double>(rows);
  if (objective_.adds_up())
    total_.loss += count * sum.loss;
  else if (sum.weight == count)
    total_.loss += sum.loss;
  else
    total_.loss += count * (sum.loss / objective_.divisor(sum.weight));
  total_.weight += count;
}

template <class T>
void RunningMetrics<T>::add_head_losses(const std::vector<double>& losses, index_t rows) {
  head_totals_.resize(losses.size());
  for (std::size_t h = 0; h < losses.size(); ++h)
    head_totals_[h] += static_cast<double>(rows) * losses[h];
}

template <class T>
void RunningMetrics<T>::add_outputs(MatrixView<const T> outputs, const Targets<T>& targets) {
  for (Metric<T>& metric : metrics_) metric.add(outputs, targets);
}

template <class T>
std::vector<double> RunningMetrics<T>::results() const {
  const double rows = total_.weight == 0 ? 1 : total_.weight;
  std::vector<double> values = {total_.loss / rows / objective_.divisor(1)};
  const auto& heads = objective_.heads();
  for (std::size_t h = 0; h < heads.size() && heads.size() > 1; ++h)
    if (heads[h].objective != nullptr)
      values.push_back(h < head_totals_.size() ? head_totals_[h] / rows : 0);
  for (const Metric<T>& metric : metrics_) values.push_back(metric.result());
  return values;
}

#define DENSECORE_INSTANTIATE(T, ...) template class RunningMetrics<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
