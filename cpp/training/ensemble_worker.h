// What a thread needs to work on the members of an ensemble, one after another or a vector of them
// at a time. For ensemble.cc and lanes.cc.
#pragma once

#include <memory>
#include <vector>

#include "training/ensemble.h"

namespace densecore {

template <class T>
struct Ensemble<T>::Workplace {
  std::shared_ptr<Network<T>> network;
  std::unique_ptr<Trainer<T>> trainer;  // null before the ensemble is compiled
  // Numbered rows of x, of the targets and of the weights, for training and for validation.
  struct Copies {
    AlignedBuffer<T> x, values, weight;
    AlignedBuffer<std::int32_t> labels;
  } copies[2];
  // Of the members in the lanes: arrays (count, lanes).
  struct {
    AlignedBuffer<T> parameters, states[lane_states], scalars, x, values, scratch;
    AlignedBuffer<std::int32_t> labels;
    AlignedBuffer<double> losses;
    std::vector<std::vector<index_t>> orders;
    Numbers group;
  } lanes;
};

template <class T>
template <class Body>
void Ensemble<T>::visit(Workplace& place, index_t member, bool trains, Body&& body) {
  enter(place, member, trains);
  try {
    body();
  } catch (...) {
    leave(place, member, trains);
    throw;
  }
  leave(place, member, trains);
}

}  // namespace densecore
