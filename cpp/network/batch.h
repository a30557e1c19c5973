// Batches, whole and in parts, and the sums of their losses.
#pragma once

#include <vector>

#include "base/view.h"
#include "layers/layer.h"

namespace densecore {

// A sum over rows, before the division by its weight.
struct LossSum {
  double loss = 0;
  double weight = 0;
};

// A batch that several processes share: its rows, and what the sum of its losses is divided by
// (apart from the reduction's own factor, see `Objective::batch_weight`), with several heads for
// each.
struct WholeBatch {
  index_t rows = 0;
  std::vector<double> weights;
};

// Some of its rows, by their numbers in the whole batch. They are cut into leaves at `cuts`
// (leaves + 1 ascending numbers), of which the first is number `leaf` in the binary tree over all
// leaves of the batch. `add_up` replaces numbers by their sum over all processes, in the same tree;
// only networks that couple the rows of a batch call it.
template <class T>
struct BatchPart {
  WholeBatch batch;
  std::vector<index_t> cuts;
  index_t leaf = 0;
  AddUp<T> add_up = nullptr;
};

// Called after each of many steps with its sum of losses and the range of its rows.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void step(const LossSum& sum, index_t begin, index_t end) = 0;
};

}  // namespace densecore
