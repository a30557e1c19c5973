#include "layers/spec.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace densecore {
namespace {

void check_size(const std::string& what, index_t found, index_t largest) {
  if (found < 1 || found > largest)
    throw std::invalid_argument(what + ": found " + std::to_string(found) + ", wanted 1 to " +
                                std::to_string(largest));
}

void check_number(const std::string& where, const LayerNumber& number, double found) {
  const bool whole = !number.whole || found == std::floor(found);
  const bool inside =
      found >= number.minimum && (number.open ? found < number.maximum : found <= number.maximum);
  if (whole && inside) return;
  std::ostringstream text;
  text.precision(17);
  text << where << number.name << ": found " << found << ", wanted ";
  if (number.whole)
    text << (whole ? "" : "a whole number from ") << number.minimum << " to " << number.maximum;
  else
    text << number.minimum << " <= " << number.name << (number.open ? " < " : " <= ")
         << number.maximum;
  throw std::invalid_argument(text.str());
}

void check_penalty(const std::string& where, const Penalty& penalty) {
  for (const double factor : {penalty.l1, penalty.l2})
    if (!(factor >= 0 && factor < 1e30))
      throw std::invalid_argument(where + "regularizer: found " + std::to_string(factor) +
                                  ", wanted a finite number >= 0");
}

void check_multipliers(const std::string& where, const Multipliers& found) {
  if (!(found.rate > 0 && found.rate < 1e30))
    throw std::invalid_argument(where + "learning_rate_multiplier: found " +
                                std::to_string(found.rate) + ", wanted a finite number > 0");
  if (!(found.decay >= 0 && found.decay < 1e30))
    throw std::invalid_argument(where + "weight_decay_multiplier: found " +
                                std::to_string(found.decay) + ", wanted a finite number >= 0");
}

}  // namespace

LayerSpec::LayerSpec(const LayerKind& given) : kind(&given) {
  for (const LayerNumber& entry : kind->numbers) numbers.push_back(entry.initial);
}

std::size_t LayerSpec::place_of(const std::string& name) const {
  std::string known;
  for (std::size_t i = 0; i < kind->numbers.size(); ++i) {
    if (name == kind->numbers[i].name) return i;
    known += (i == 0 ? "" : ", ") + std::string(kind->numbers[i].name);
  }
  throw std::invalid_argument("layer of kind '" + std::string(kind->name) +
                              "': found an unknown entry '" + name +
                              "'; known: " + (known.empty() ? "none" : known));
}

void NetworkSpec::check() const {
  check_size("number of inputs", inputs, max_width);
  check_size("number of layers", static_cast<index_t>(layers.size()), max_layers);
  std::vector<index_t> widths = {inputs};
  index_t total = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    const std::string where = "layer " + std::to_string(i) + ": ";
    for (std::size_t k = 0; k < layer.numbers.size(); ++k)
      check_number(where, layer.kind->numbers[k], layer.numbers[k]);
    for (const Penalty& penalty : layer.penalties) check_penalty(where, penalty);
    for (const Multipliers& each : layer.multipliers) check_multipliers(where, each);
    try {
      layer.kind->check(layer, widths);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(where + error.what());
    }
    // At most 2^24 * 2^24 each: the sum of a thousand still fits.
    total += layer.kind->parameter_count(layer, widths.back());
    widths.push_back(layer.kind->units(layer, widths.back()));
  }
  check_size("number of parameters", std::max<index_t>(total, 1), max_parameters);
}

index_t NetworkSpec::outputs() const {
  index_t width = inputs;
  for (const LayerSpec& layer : layers) width = layer.kind->units(layer, width);
  return width;
}

std::string NetworkSpec::last_activation() const {
  const LayerSpec& last = layers.back();
  return last.kind->has_activation ? last.activation.name : "none";
}

}  // namespace densecore
