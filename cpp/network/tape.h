// What a forward pass leaves for its way back. A network has one of its own; others take its place
// while a pass is theirs (Network::exchange), so that several passes can wait for their way back.
#pragma once

#include <vector>

#include "base/aligned_buffer.h"
#include "layers/layer.h"
#include "network/workspace.h"

namespace densecore {

template <class T>
struct Tape {
  Workspace<T> workspace;
  Pass pass;
  bool coupled = false;                  // whether a layer couples the rows of the batch in `pass`
  std::vector<AlignedBuffer<T>> layers;  // see Layer::exchange
};

}  // namespace densecore
