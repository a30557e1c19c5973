// Single rows of small networks: prediction by the kernel of kernels/predict_row.h (layers of a few
// vector registers each), training by that of kernels/train_tiny.h (layers of one register each),
// and what these need to know of a network.
#include <algorithm>

#include "base/dtypes.h"
#include "layers/rowwise.h"
#include "network/network.h"

namespace densecore {
namespace {

template <class T>
RowLayer row_layer_of(const KernelTable<T>& table, const Dense<T>& layer) {
  return {layer.inputs(), layer.units(), layer.weight_offset(),
          layer.use_bias() ? layer.bias_offset() : -1,
          static_cast<int>(&layer.function().entry() - table.activations)};
}

}  // namespace

template <class T>
std::vector<RowLayer> row_layers_of(const KernelTable<T>& table, const Layers<T>& layers) {
  std::vector<RowLayer> shapes;
  for (const auto& each : layers) {
    const Dense<T>* const layer = each->dense();
    const bool last = each == layers.back();
    if (layer == nullptr || layer->units() > table.row_units ||
        !layer->function().entry().single_rows || (layer->function().row_wise() && !last))
      return {};
    shapes.push_back(row_layer_of(table, *layer));
  }
  return shapes;
}

template <class T>
TinyLayers<T> tiny_layers_of(const KernelTable<T>& table, const Layers<T>& layers) {
  TinyLayers<T> found;
  for (const auto& each : layers) {
    const bool last = each == layers.back();
    if (const Dense<T>* const layer = each->dense()) {
      const ActivationFunction<T>& function = layer->function();
      const ActivationEntry<T>& entry = function.entry();
      if (layer->units() > table.lanes || (entry.row_wise && !last)) return {};
      found.rows.push_back(row_layer_of(table, *layer));
      TinyExtra<T> extra{};
      if (!entry.single_rows) extra.activation = &entry;
      extra.parameters = function.parameters();
      for (std::size_t a = 0; a < layer->parameters().size(); ++a) {
        extra.l1[a] = layer->parameters()[a].penalty.l1;
        extra.l2[a] = layer->parameters()[a].penalty.l2;
      }
      found.extras.push_back(extra);
      found.dropouts.push_back(nullptr);
    } else {
      // Dropout between two dense layers.
      const auto* const dropout = dynamic_cast<const Dropout<T>*>(each.get());
      if (dropout == nullptr || last || found.rows.empty() || found.dropouts.back() != nullptr)
        return {};
      found.dropouts.back() = dropout;
    }
  }
  if (found.rows.size() > tiny_layers || found.rows.front().inputs > tiny_inputs) return {};
  return found;
}

template <class T>
void Network<T>::predict_one(const T* x, T* out) const {
  const ActivationEntry<T>& last = layers_.back()->activation()->entry();
  table_->predict_row({row_layers_.data(), static_cast<int>(row_layers_.size()),
                       parameters_->data(), x, last.row_wise ? last.forward : nullptr, out});
}

template <class T>
bool Network<T>::trains_rows(const Objective<T>& objective, const Targets<T>& targets,
                             const OptimizerState<T>& optimizer) const {
  // A row's scale must be the same for all of them.
  if (targets.weight != nullptr && objective.reduction() == Reduction::mean_with_sample_weight)
    return false;
  return !tiny_.rows.empty() && optimizer.by_rows() &&
         (objective.fused() || !layers_.back()->activation()->row_wise());
}

template <class T>
RowStep<T> Network<T>::row_step(const Objective<T>& objective, const OptimizerState<T>& optimizer) {
  RowStep<T> step;
  step.layers_version = layers_version_;
  step.settings_version = optimizer.settings()->version();
  step.fastest = trains_single_row(objective, Targets<T>(), optimizer);
  if (!step.fastest) return step;
  step.weights = objective.reduction() != Reduction::mean_with_sample_weight;
  step.divisor = objective.divisor(1);
  step.kernel = tiny_training(objective);
  step.kernel.steps = 1;
  return step;
}

template <class T>
double Network<T>::train_row(RowStep<T>& step, const T* x, const Targets<T>& targets,
                             OptimizerState<T>& optimizer) {
  TinyTraining<T>& p = step.kernel;
  double loss = 0;
  const double rate = optimizer.next_rate();
  p.x = x;
  p.values = targets.values.data;
  p.labels = targets.labels;
  p.weight = targets.weight;
  p.rates = &rate;
  p.total_loss = &loss;
  p.scratch = static_cast<T*>(thread_scratch());
  table_->tiny_train(p);
  set_loss_slots({loss, 1});
  return loss;
}

// The arguments that all rows share, of a descent with inlined activations.
template <class T>
TinyTraining<T> Network<T>::tiny_training(const Objective<T>& objective) const {
  TinyTraining<T> p{};
  p.layers = tiny_.rows.data();
  p.layer_count = static_cast<int>(tiny_.rows.size());
  p.parameters = parameters_->data();
  p.gradients = gradients_->data();
  p.loss = objective.function();
  p.from_z = objective.fused();
  p.scale = objective.gradient_scale(1);
  p.loss_parameters = objective.parameters().data();
  p.loss_parameter_count = static_cast<int>(objective.parameters().size());
  return p;
}

template <class T>
void Network<T>::train_rows(const Objective<T>& objective, MatrixView<const T> x,
                            const Targets<T>& targets, const index_t* order, index_t steps,
                            OptimizerState<T>& optimizer, LossSum& total, T* outputs) {
  if (steps == 0) return;
  const bool descends = optimizer.descends() && !penalized_;
  tiny_.rates.resize(static_cast<std::size_t>(steps));
  if (tiny_.drops) draw_factors(optimizer.steps, steps);
  TinyUpdate<T> update = optimizer.next_rows(steps, tiny_.rates.data());
  update.penalized = penalized_;
  update.penalty_factor = penalized_ ? penalty_factor(1) : 0;
  update.penalty_share = objective.divisor(1);
  TinyTraining<T> p = tiny_training(objective);
  p.extras = descends && tiny_.inlined ? nullptr : tiny_.extras.data();
  p.steps = steps;
  p.order = order;
  p.x = x.data;
  p.ldx = x.stride;
  p.values = targets.values.data;
  p.ld_values = targets.values.stride;
  p.labels = targets.labels;
  p.weight = targets.weight;
  p.rates = tiny_.rates.data();
  p.update = descends ? nullptr : &update;
  p.total_loss = &total.loss;
  p.outputs = outputs;
  p.scratch = static_cast<T*>(thread_scratch());
  table_->tiny_train(p);
  total.weight += static_cast<double>(steps);
}

template <class T>
void Network<T>::draw_factors(std::int64_t first, index_t steps) {
  index_t units = 0;
  for (std::size_t l = 0; l < tiny_.rows.size(); ++l)
    if (tiny_.dropouts[l] != nullptr) units += tiny_.rows[l].units;
  densecore::reserve(tiny_.factors, steps * units);
  T* to = tiny_.factors.data();
  for (std::size_t l = 0; l < tiny_.rows.size(); ++l) {
    if (tiny_.dropouts[l] == nullptr) continue;
    tiny_.extras[l].factors = to;
    for (index_t i = 0; i < steps; ++i, to += tiny_.rows[l].units)
      tiny_.dropouts[l]->random_numbers({true, seed, static_cast<std::uint64_t>(first + i)}, 0, to);
  }
}

template <class T>
LossSum Network<T>::train_row(const Objective<T>& objective, MatrixView<const T> x,
                              const Targets<T>& targets, OptimizerState<T>& optimizer, T* outputs) {
  LossSum sum;
  train_rows(objective, x, targets, nullptr, 1, optimizer, sum, outputs);
  set_loss_slots(sum);
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                      \
  template std::vector<RowLayer> row_layers_of(const KernelTable<T>&, const Layers<T>&);   \
  template TinyLayers<T> tiny_layers_of(const KernelTable<T>&, const Layers<T>&);          \
  template void Network<T>::predict_one(const T*, T*) const;                               \
  template bool Network<T>::trains_rows(const Objective<T>&, const Targets<T>&,            \
                                        const OptimizerState<T>&) const;                   \
  template RowStep<T> Network<T>::row_step(const Objective<T>&, const OptimizerState<T>&); \
  template double Network<T>::train_row(RowStep<T>&, const T*, const Targets<T>&,          \
                                        OptimizerState<T>&);                               \
  template void Network<T>::train_rows(const Objective<T>&, MatrixView<const T>,           \
                                       const Targets<T>&, const index_t*, index_t,         \
                                       OptimizerState<T>&, LossSum&, T*);                  \
  template void Network<T>::draw_factors(std::int64_t, index_t);                           \
  template LossSum Network<T>::train_row(const Objective<T>&, MatrixView<const T>,         \
                                         const Targets<T>&, OptimizerState<T>&, T*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
