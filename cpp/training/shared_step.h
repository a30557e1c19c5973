// A training step whose batch several processes share. Each computes the gradient of its part; the
// caller adds the parts up between the processes, in the network's gradient buffer and the slots
// behind it; then each makes the same update.
#pragma once

#include "training/trainer.h"

namespace densecore {

// Leaves the part's gradient in the network's buffer, and (weight, loss, 0, 0) in the slots.
// Changes no parameter. `outputs` may be empty. Returns the sums of PartGradients::gradient.
template <class T>
std::vector<double> part_gradient(Executor& executor, Trainer<T>& trainer, const Data<T>& rows,
                                  const BatchPart<T>& part, MatrixView<T> outputs);

// The optimizer's step with the whole gradient of a batch, which is in the network's buffer; moving
// averages take the batch's statistics. Returns the penalty before it, a part of the batch's mean
// loss.
template <class T>
double shared_update(Executor& executor, Trainer<T>& trainer, const WholeBatch& batch);

// Adds the penalties' gradient to the whole gradient, and makes no step. Returns the penalty.
template <class T>
double add_penalties(Trainer<T>& trainer, const WholeBatch& batch);

// The sum of a whole batch's losses, from the sums of its parts, with the penalty.
template <class T>
LossSum batch_loss(Trainer<T>& trainer, const WholeBatch& batch, const std::vector<double>& sums,
                   double penalty);

}  // namespace densecore
