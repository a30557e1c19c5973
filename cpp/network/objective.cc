#include "network/objective.h"

#include "network/lookup.h"

namespace densecore {

template <class T>
Objective<T>::Objective(const KernelTable<T>& table, const std::string& loss, Reduction reduction,
                        const std::string& last_activation, index_t outputs)
    : loss_(&find_loss(table, loss)),
      reduction_(reduction),
      fused_(loss_->link != nullptr && last_activation == loss_->link),
      outputs_(static_cast<double>(outputs)) {}

template <class T>
double Objective<T>::weight_sum(const T* weight, index_t rows) {
  if (weight == nullptr) return static_cast<double>(rows);
  double sum = 0;
  for (index_t i = 0; i < rows; ++i) sum += static_cast<double>(weight[i]);
  return sum;
}

template <class T>
double Objective<T>::gradient_scale(double weight_sum) const {
  if (reduction_ == Reduction::sum) return outputs_;
  return weight_sum == 0 ? 0 : 1 / weight_sum;
}

template <class T>
double Objective<T>::divisor(double weight_sum) const {
  if (reduction_ == Reduction::sum) return 1 / outputs_;
  return weight_sum == 0 ? 1 : weight_sum;
}

template <class T>
double Objective<T>::rows(MatrixView<const T> output, const Targets<T>& targets, double scale,
                          MatrixView<T> gradient) const {
  return function()({output.rows, output.cols, output.data, output.stride, targets.values.data,
                     targets.values.stride, targets.labels, targets.weight, scale, gradient.data,
                     gradient.stride});
}

template class Objective<float>;
template class Objective<double>;

}  // namespace densecore
