#include "layers/spec.h"

#include <algorithm>
#include <stdexcept>

namespace densecore {
namespace {

void check_size(const std::string& what, index_t found, index_t largest) {
  if (found < 1 || found > largest)
    throw std::invalid_argument(what + ": found " + std::to_string(found) + ", wanted 1 to " +
                                std::to_string(largest));
}

[[noreturn]] void refuse(const std::string& what, double found, const std::string& wanted) {
  throw std::invalid_argument(what + ": found " + std::to_string(found) + ", wanted " + wanted);
}

// What each kind is, besides its numbers of inputs and outputs.
void check_numbers(const std::string& where, const LayerSpec& layer) {
  if (!(layer.rate >= 0 && layer.rate < 1)) refuse(where + "rate", layer.rate, "0 <= rate < 1");
  if (!(layer.epsilon >= 0 && layer.epsilon < 1e30))
    refuse(where + "epsilon", layer.epsilon, "a finite number >= 0");
  if (!(layer.momentum >= 0 && layer.momentum <= 1))
    refuse(where + "momentum", layer.momentum, "0 <= momentum <= 1");
  for (const Penalty& penalty : layer.penalties)
    for (const double factor : {penalty.l1, penalty.l2})
      if (!(factor >= 0 && factor < 1e30))
        refuse(where + "regularizer", factor, "a finite number >= 0");
}

}  // namespace

std::vector<std::string> layer_kinds() {
  return {"dense",         "activation", "dropout", "layer_normalization", "batch_normalization",
          "normalization", "add",        "function"};
}

void NetworkSpec::check() const {
  check_size("number of inputs", inputs, max_width);
  check_size("number of layers", static_cast<index_t>(layers.size()), max_layers);
  const std::vector<std::string> kinds = layer_kinds();
  std::vector<index_t> widths = {inputs};
  index_t total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    const std::string where = "layer " + std::to_string(i) + ": ";
    if (std::find(kinds.begin(), kinds.end(), layer.kind) == kinds.end()) {
      std::string known;
      for (const std::string& kind : kinds) known += (known.empty() ? "" : ", ") + kind;
      throw std::invalid_argument(where + "unknown kind '" + layer.kind + "'; known: " + known);
    }
    check_numbers(where, layer);
    const index_t width = widths.back();
    if (layer.kind == "dense") {
      check_size(where + "units", layer.units, max_width);
      // At most 2^24 * 2^24 each: the sum of a thousand still fits.
      total += (width + (layer.use_bias ? 1 : 0)) * layer.units;
      widths.push_back(layer.units);
    } else {
      total += 2 * width;
      widths.push_back(width);
    }
    if (layer.kind == "add") {
      if (layer.from < -1 || layer.from >= static_cast<index_t>(i))
        throw std::invalid_argument(where + "found an addition of layer " +
                                    std::to_string(layer.from) + ", wanted one before it");
      const index_t other = widths[static_cast<std::size_t>(layer.from + 1)];
      if (other != width)
        throw std::invalid_argument(where + "found a residual block from " + std::to_string(other) +
                                    " to " + std::to_string(width) +
                                    " units, wanted as many outputs as inputs");
    }
  }
  check_size("number of parameters", std::max<index_t>(total, 1), max_parameters);
}

index_t NetworkSpec::outputs() const {
  for (std::size_t i = layers.size(); i-- > 0;)
    if (layers[i].kind == "dense") return layers[i].units;
  return inputs;
}

std::string NetworkSpec::last_activation() const {
  const LayerSpec& last = layers.back();
  // Others end with what no loss can take on, and are not left out.
  return last.kind == "dense" || last.kind == "activation" ? last.activation.name : "none";
}

}  // namespace densecore
