#include "network/spec.h"

#include <stdexcept>

namespace densecore {
namespace {

void check_size(const std::string& what, index_t found, index_t largest) {
  if (found < 1 || found > largest)
    throw std::invalid_argument(what + ": found " + std::to_string(found) + ", wanted 1 to " +
                                std::to_string(largest));
}

}  // namespace

void NetworkSpec::check() const {
  check_size("number of inputs", inputs, max_width);
  check_size("number of layers", static_cast<index_t>(layers.size()), max_layers);
  index_t total = 0, width = inputs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    check_size("layer " + std::to_string(i) + ": units", layers[i].units, max_width);
    // At most 2^24 * 2^24 each: the sum of a thousand still fits.
    total += (width + (layers[i].use_bias ? 1 : 0)) * layers[i].units;
    width = layers[i].units;
  }
  check_size("number of parameters", total, max_parameters);
}

}  // namespace densecore
