// Single rows of small networks: prediction by the kernel of kernels/row.h (layers of a few vector
// registers each), training by that of kernels/tiny.h (layers of one register each), and what these
// need to know of a network.
#include <algorithm>

#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {

template <class T>
std::vector<RowLayer> row_layers_of(const KernelTable<T>& table, const Layers<T>& layers) {
  std::vector<RowLayer> shapes;
  for (const auto& each : layers) {
    const Dense<T>* const layer = each->dense();
    const bool last = each == layers.back();
    if (layer == nullptr || layer->units() > table.row_units ||
        !layer->function().entry().single_rows || (layer->function().row_wise() && !last))
      return {};
    shapes.push_back({layer->inputs(), layer->units(), layer->weight_offset(),
                      layer->use_bias() ? layer->bias_offset() : -1,
                      static_cast<int>(&layer->function().entry() - table.activations)});
  }
  return shapes;
}

template <class T>
bool fits_tiny(const KernelTable<T>& table, const std::vector<RowLayer>& layers) {
  return !layers.empty() && layers.size() <= tiny_layers && layers.front().inputs <= tiny_inputs &&
         std::all_of(layers.begin(), layers.end(),
                     [&](const RowLayer& layer) { return layer.units <= table.lanes; });
}

template <class T>
void Network<T>::predict_one(const T* x, T* out) const {
  const ActivationEntry<T>& last = layers_.back()->activation()->entry();
  table_->predict_row({row_layers_.data(), static_cast<int>(row_layers_.size()),
                       parameters_->data(), x, last.row_wise ? last.forward : nullptr, out});
}

template <class T>
bool Network<T>::trains_rows(const Objective<T>& objective,
                             const OptimizerState<T>& optimizer) const {
  return tiny_ && optimizer.entry().descent && optimizer.plain() &&
         (objective.fused() || !layers_.back()->activation()->row_wise());
}

template <class T>
void Network<T>::train_rows(const Objective<T>& objective, MatrixView<const T> x,
                            const Targets<T>& targets, const index_t* order, index_t steps,
                            OptimizerState<T>& optimizer, LossSum& total, T* outputs) {
  if (steps == 0) return;
  const double rate = optimizer.next_rate(steps);
  TinyTraining<T> p;
  p.layers = row_layers_.data();
  p.layer_count = static_cast<int>(row_layers_.size());
  p.parameters = parameters_->data();
  p.gradients = gradients_->data();
  p.steps = steps;
  p.order = order;
  p.x = x.data;
  p.ldx = x.stride;
  p.values = targets.values.data;
  p.ld_values = targets.values.stride;
  p.labels = targets.labels;
  p.weight = targets.weight;
  p.loss = objective.function();
  p.from_z = objective.fused();
  p.scale = objective.reduction() == Reduction::sum ? objective.gradient_scale(0) : 0;
  p.loss_parameters = objective.parameters().data();
  p.loss_parameter_count = static_cast<int>(objective.parameters().size());
  p.rate = rate;
  p.total_loss = &total.loss;
  p.total_weight = &total.weight;
  p.outputs = outputs;
  p.scratch = static_cast<T*>(thread_scratch());
  table_->tiny_train(p);
}

template <class T>
LossSum Network<T>::train_row(const Objective<T>& objective, MatrixView<const T> x,
                              const Targets<T>& targets, OptimizerState<T>& optimizer, T* outputs) {
  LossSum sum;
  train_rows(objective, x, targets, nullptr, 1, optimizer, sum, outputs);
  set_loss_slots(sum);
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                         \
  template std::vector<RowLayer> row_layers_of(const KernelTable<T>&, const Layers<T>&);      \
  template bool fits_tiny(const KernelTable<T>&, const std::vector<RowLayer>&);               \
  template void Network<T>::predict_one(const T*, T*) const;                                  \
  template bool Network<T>::trains_rows(const Objective<T>&, const OptimizerState<T>&) const; \
  template void Network<T>::train_rows(const Objective<T>&, MatrixView<const T>,              \
                                       const Targets<T>&, const index_t*, index_t,            \
                                       OptimizerState<T>&, LossSum&, T*);                     \
  template LossSum Network<T>::train_row(const Objective<T>&, MatrixView<const T>,            \
                                         const Targets<T>&, OptimizerState<T>&, T*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
