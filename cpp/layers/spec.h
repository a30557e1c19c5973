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

struct ActivationSpec {
  std::string name = "linear";
  std::vector<double> parameters;  // empty: the activation's own defaults
};

// loss += l1 * sum |w| + l2 * sum w^2
struct Penalty {
  double l1 = 0, l2 = 0;
  bool any() const { return l1 != 0 || l2 != 0; }
};

// One layer of any kind; a kind reads the entries that it has.
struct LayerSpec {
  std::string kind = "dense";        // a name of layer_kinds()
  index_t units = 0;                 // dense; the others have as many outputs as inputs
  ActivationSpec activation;         // dense, activation
  bool use_bias = true;              // dense
  double rate = 0;                   // dropout: the share of inputs that become 0
  double epsilon = 1e-3;             // the normalisations: added to a variance
  double momentum = 0.99;            // batch_normalization: of the moving averages
  bool scale = true, center = true;  // whether there are gamma and beta
  bool invert = false;               // normalization: from normalised numbers back
  index_t from = -1;  // add: the layer whose output is added, -1 for the network's input
  bool trainable = true;
  Penalty penalties[2];  // of the layer's first and second array of parameters
};

struct NetworkSpec {
  index_t inputs = 0;
  std::vector<LayerSpec> layers;

  // Throws std::invalid_argument naming what was found and what is wanted.
  void check() const;
  index_t outputs() const;
  // The activation that the last layer ends with.
  std::string last_activation() const;
};

std::vector<std::string> layer_kinds();

}  // namespace densecore
