// What a network is made of, checked once before anything is allocated.
#pragma once

#include <string>
#include <vector>

#include "base/view.h"

namespace densecore {

// Bounds that keep every size below within 64 bits, and refuse absurd model files early.
constexpr index_t max_width = index_t{1} << 24;
constexpr index_t max_layers = 1000;
constexpr index_t max_parameters = index_t{1} << 36;

struct DenseSpec {
  index_t units = 0;
  std::string activation = "linear";
  std::vector<double> activation_parameters = {};  // none: their initial values
  bool use_bias = true;
};

struct NetworkSpec {
  index_t inputs = 0;
  std::vector<DenseSpec> layers;

  // Throws std::invalid_argument naming what was found and what is wanted.
  void check() const;
  index_t outputs() const { return layers.back().units; }
};

}  // namespace densecore
