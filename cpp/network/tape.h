// The state that a forward pass keeps for its backward pass. A network holds one such state; a
// tape's is swapped in for a pass of that tape (Network::exchange), so that several forward passes
// can wait for their backward pass.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"
#include "layers/layer.h"
#include "network/small_plan.h"
#include "network/workspace.h"

namespace densecore {

template <class T>
struct Tape {
  Workspace<T> workspace;
  SmallPlan<T> small;
  Pass pass;
  bool coupled = false;                  // whether a layer couples the rows of the batch in `pass`
  std::vector<AlignedBuffer<T>> layers;  // see Layer::exchange
};

}  // namespace densecore
