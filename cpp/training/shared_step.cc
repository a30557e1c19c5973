#include "training/shared_step.h"

#include "base/dtypes.h"
#include "network/parts.h"

namespace densecore {

namespace {

// The divisor of penalties: of several heads the rows.
template <class T>
double weight_of(const Trainer<T>& trainer, const WholeBatch& batch) {
  return trainer.objective().has_heads() ? static_cast<double>(batch.rows) : batch.weights.front();
}

}  // namespace

template <class T>
std::vector<double> part_gradient(Executor& executor, Trainer<T>& trainer, const Data<T>& rows,
                                  const BatchPart<T>& part, MatrixView<T> outputs) {
  Network<T>& network = trainer.network();
  std::vector<double> sums = PartGradients<T>(network).gradient(
      executor, trainer.objective(), rows.x, rows.targets,
      static_cast<std::uint64_t>(trainer.optimizer().steps), part, outputs);
  T* const slots = network.gradients()->data() + network.parameter_count();
  slots[0] = static_cast<T>(trainer.objective().batch_weight(rows.targets.weight, rows.x.rows));
  slots[1] = static_cast<T>(sums.front());
  slots[2] = slots[3] = 0;
  return sums;
}

template <class T>
double shared_update(Executor& executor, Trainer<T>& trainer, const WholeBatch& batch) {
  Network<T>& network = trainer.network();
  const double factor = network.penalty_factor(weight_of(trainer, batch));
  const double penalty = network.penalized() ? factor * network.penalty() : 0;
  trainer.optimizer().update(executor, network.parameters()->data(), network.gradients()->data(),
                             network.trained(), network.penalized() ? factor : 0);
  network.commit();
  return penalty;
}

template <class T>
double add_penalties(Trainer<T>& trainer, const WholeBatch& batch) {
  Network<T>& network = trainer.network();
  if (!network.penalized()) return 0;
  const double factor = network.penalty_factor(weight_of(trainer, batch));
  add_penalties(network.table().gradients, network.trained(), factor, network.parameters()->data(),
                network.gradients()->data());
  return factor * network.penalty();
}

template <class T>
LossSum batch_loss(Trainer<T>& trainer, const WholeBatch& batch, const std::vector<double>& sums,
                   double penalty) {
  LossSum sum = PartGradients<T>(trainer.network()).sum(trainer.objective(), batch, sums);
  sum.loss += penalty * trainer.objective().divisor(sum.weight);
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                \
  template std::vector<double> part_gradient(Executor&, Trainer<T>&, const Data<T>&, \
                                             const BatchPart<T>&, MatrixView<T>);    \
  template double shared_update(Executor&, Trainer<T>&, const WholeBatch&);          \
  template double add_penalties(Trainer<T>&, const WholeBatch&);                     \
  template LossSum batch_loss(Trainer<T>&, const WholeBatch&, const std::vector<double>&, double);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
