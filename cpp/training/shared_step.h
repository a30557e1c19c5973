// A training step whose batch several processes share. Each computes the gradient of its part; the
// caller adds the parts up between the processes, in the network's gradient buffer and the slots
// behind it; then each makes the same update.
#pragma once

#include "training/trainer.h"

namespace densecore {

// Leaves the part's gradient in the network's buffer, and (weight, loss, 0, 0) in the slots.
// Changes no parameter. `outputs` may be empty.
template <class T>
LossSum part_gradient(Executor& executor, Trainer<T>& trainer, const Data<T>& rows,
                      const BatchPart& part, MatrixView<T> outputs);

// The optimizer's step with the whole gradient of a batch of this weight, which is in the network's
// buffer. Returns the penalty before it, a part of the batch's mean loss.
template <class T>
double shared_update(Executor& executor, Trainer<T>& trainer, double weight);

// Adds the penalties' gradient to the whole gradient, and makes no step. Returns the penalty.
template <class T>
double add_penalties(Trainer<T>& trainer, double weight);

}  // namespace densecore
