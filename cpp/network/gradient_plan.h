// The gradients by the outputs of a graph's layers: in which order the backward pass adds them up,
// and in which buffers it keeps them. Found once, when a network is made.
#pragma once

#include <vector>

#include "layers/spec.h"

namespace densecore {

// An input of a layer, as the backward pass sees it.
struct Edge {
  Source source;
  // Whether the gradient by this input is added to what later layers have written; else it is the
  // first one there.
  bool adds;
};

// Buffers for the gradients by the layers' outputs. Gradients that are never needed at the same
// time share one. A stack needs two: layer l+1 reads one and writes the other.
struct GradientPlaces {
  std::vector<std::size_t> buffer;  // of each layer
  std::vector<index_t> columns;     // of each buffer
  // Columns of the widest gradient that is added to another one; 0: there is none.
  index_t spare = 0;
};

struct GradientPlan {
  std::vector<std::vector<Edge>> edges;  // of each layer: its inputs
  std::vector<index_t> uses;             // of each layer: how many inputs its output is
  index_t x_uses = 0;                    // the same of the network's input
  // Of each layer: whether a later one with the same parameters has written their gradient before.
  std::vector<char> follows;
  GradientPlaces places;
};

// `graph` is `spec.graph()`.
GradientPlan plan_gradients(const NetworkSpec& spec, const Graph& graph);

}  // namespace densecore
