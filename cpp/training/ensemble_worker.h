// The memory with which a thread trains members of an ensemble, one by one or a vector of them at a
// time.
#pragma once

#include <memory>
#include <vector>

#include "training/trainer.h"

namespace densecore {

// The members in the lanes, as arrays (count, lanes).
template <class T>
struct LaneArrays {
  AlignedBuffer<T> parameters, states[lane_states];
};

template <class T>
struct EnsembleWorker {
  std::shared_ptr<Network<T>> network;
  std::unique_ptr<Trainer<T>> trainer;  // null before the ensemble is compiled
  // Copies of the rows that a member's row numbers select, for training and for validation.
  struct Copies {
    AlignedBuffer<T> x, values, weight;
    AlignedBuffer<std::int32_t> labels;
  } copies[2];
  // Further memory of their steps.
  struct {
    LaneArrays<T> members;
    AlignedBuffer<T> scalars, x, values, scratch;
    AlignedBuffer<std::int32_t> labels;
    AlignedBuffer<double> losses;
    std::vector<std::vector<index_t>> orders;
    std::vector<index_t> group;  // numbers of members
  } lanes;
};

}  // namespace densecore
