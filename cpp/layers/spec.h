// What a network is made of, checked once before anything is allocated.
#pragma once

#include <span>
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

// What the optimizer's learning rate and weight decay are multiplied with for an array.
struct Multipliers {
  double rate = 1, decay = 1;
  bool any() const { return rate != 1 || decay != 1; }
  bool operator==(const Multipliers&) const = default;
};

// A number that describes a layer: minimum <= value <= maximum, or value < maximum when `open`.
struct LayerNumber {
  const char* name;
  double initial, minimum, maximum;
  bool open = false;
  bool whole = false;
};
constexpr LayerNumber flag(const char* name, bool initial) {
  return {name, initial ? 1.0 : 0.0, 0, 1, false, true};
}
constexpr LayerNumber whole_number(const char* name, index_t initial, index_t minimum,
                                   index_t maximum) {
  return {name,
          static_cast<double>(initial),
          static_cast<double>(minimum),
          static_cast<double>(maximum),
          false,
          true};
}

struct LayerSpec;

// A kind of layer as a specification sees it: a row of the table in kinds.cc, where a class of
// layers gives the entries.
struct LayerKind {
  const char* name;
  std::span<const LayerNumber> numbers;
  // Whether it ends with an activation, which the loss may compute instead.
  bool has_activation;
  // Number of outputs, and of parameters, for so many inputs.
  index_t (*units)(const LayerSpec&, index_t inputs);
  index_t (*parameter_count)(const LayerSpec&, index_t inputs);
  // Throws std::invalid_argument for what the ranges of single numbers do not exclude. `widths`:
  // the number of the network's inputs, then of the outputs of each layer before this one.
  void (*check)(const LayerSpec&, const std::vector<index_t>& widths);
  // Whether the outputs are the inputs, outside training.
  bool (*is_identity)(const LayerSpec&);
};

// One layer of some kind.
struct LayerSpec {
  explicit LayerSpec(const LayerKind& kind);

  const LayerKind* kind;
  std::vector<double> numbers;  // in the order of kind->numbers
  ActivationSpec activation;    // of a kind that has one
  bool trainable = true;
  // Of the layer's arrays of parameters, by their places.
  Penalty penalties[2];
  Multipliers multipliers[4];

  double number(const std::string& name) const { return numbers[place_of(name)]; }
  bool flag(const std::string& name) const { return number(name) != 0; }
  index_t whole_number(const std::string& name) const { return static_cast<index_t>(number(name)); }
  // To be written to; NetworkSpec::check looks at the value. Throws std::invalid_argument for a
  // name that the kind does not have.
  double& entry(const std::string& name) { return numbers[place_of(name)]; }

 private:
  std::size_t place_of(const std::string& name) const;
};

struct NetworkSpec {
  index_t inputs = 0;
  std::vector<LayerSpec> layers;

  // Throws std::invalid_argument naming what was found and what is wanted.
  void check() const;
  index_t outputs() const;
  // The activation that the last layer ends with; "none" for a kind that has none, which no loss
  // is computed together with.
  std::string last_activation() const;
};

}  // namespace densecore
