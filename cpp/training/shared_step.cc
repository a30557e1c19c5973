#include "training/shared_step.h"

#include "base/dtypes.h"

namespace densecore {

template <class T>
LossSum part_gradient(Executor& executor, Trainer<T>& trainer, const Data<T>& rows,
                      const BatchPart& part, MatrixView<T> outputs) {
  Network<T>& network = trainer.network();
  const LossSum sum = network.gradient_of_part(
      executor, trainer.objective(), rows.x, rows.targets,
      static_cast<std::uint64_t>(trainer.optimizer().steps), part, outputs);
  T* const slots = network.gradients()->data() + network.parameter_count();
  slots[0] = static_cast<T>(sum.weight);
  slots[1] = static_cast<T>(sum.loss);
  slots[2] = slots[3] = 0;
  return sum;
}

template <class T>
double shared_update(Executor& executor, Trainer<T>& trainer, double weight) {
  Network<T>& network = trainer.network();
  const double factor = network.penalty_factor(weight);
  const double penalty = network.penalized() ? factor * network.penalty() : 0;
  trainer.optimizer().update(executor, network.parameters()->data(), network.gradients()->data(),
                             network.trained(), network.penalized() ? factor : 0);
  return penalty;
}

template <class T>
double add_penalties(Trainer<T>& trainer, double weight) {
  Network<T>& network = trainer.network();
  if (!network.penalized()) return 0;
  const double factor = network.penalty_factor(weight);
  add_penalties(network.table().gradients, network.trained(), factor, network.parameters()->data(),
                network.gradients()->data());
  return factor * network.penalty();
}

#define DENSECORE_INSTANTIATE(T, ...)                                                      \
  template LossSum part_gradient(Executor&, Trainer<T>&, const Data<T>&, const BatchPart&, \
                                 MatrixView<T>);                                           \
  template double shared_update(Executor&, Trainer<T>&, double);                           \
  template double add_penalties(Trainer<T>&, double);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
