// The description of a network, checked once before anything is allocated.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/schedule.h"
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

// The factors of the optimizer's learning rate and weight decay for an array.
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

// An input of a layer: columns of an earlier layer's output, or of the network's x.
struct Source {
  static constexpr index_t network = -1;
  index_t layer = network;
  index_t first = 0, columns = -1;  // -1: all columns

  bool from_x() const { return layer == network; }
};

// Columns of each input of a layer.
using Widths = std::vector<index_t>;

struct LayerSpec;

// A kind of layer as a specification sees it: a row of the table in kinds.cc, made of the static
// members of the layer's class.
struct LayerKind {
  const char* name;
  std::span<const LayerNumber> numbers;
  // Whether it ends with an activation, which the loss may compute instead.
  bool has_activation;
  // Whether it has an activation within, which no loss computes.
  bool has_function;
  // How many inputs it takes: one, or from `least_inputs` to `most_inputs`.
  index_t least_inputs, most_inputs;
  // Number of outputs, and of parameters, for such inputs.
  index_t (*units)(const LayerSpec&, const Widths& inputs);
  index_t (*parameter_count)(const LayerSpec&, const Widths& inputs);
  // Throws std::invalid_argument for numbers that do not fit each other or the inputs.
  void (*check)(const LayerSpec&, const Widths& inputs);
  // Whether its parameters are a table, of which a batch uses some rows.
  bool is_table;
  // Whether no layer may take its outputs.
  bool is_last;
  // Whether it adds its inputs, as a residual block does.
  bool is_sum;
  // The kind whose matrix it uses transposed: a layer of that kind must share its parameters. Null:
  // it has parameters of its own, or shares those of its own kind.
  const char* transposes;
  // Whether the outputs are the inputs, outside training.
  bool (*is_identity)(const LayerSpec&);
  // Its number that may change from step to step, or null.
  const char* scheduled;
};

// One layer of some kind.
struct LayerSpec {
  explicit LayerSpec(const LayerKind& kind);

  const LayerKind* kind;
  std::vector<double> numbers;              // in the order of kind->numbers
  ActivationSpec activation;                // of a kind that has one, at its end or within
  std::vector<ActivationSpec> activations;  // of the kind `heads`: one for each input
  std::vector<Source> sources;              // empty: all outputs of the layer before
  index_t shares = -1;  // the earlier layer whose parameters are also this one's; -1: none
  bool trainable = true;
  // Of the kind's `scheduled` number, in training steps; null: the number stays.
  std::shared_ptr<ScheduledNumber> schedule;
  // Indexed as the layer's arrays of parameters.
  Penalty penalties[2];
  Multipliers multipliers[4];

  double number(const std::string& name) const { return numbers[place_of(name)]; }
  bool flag(const std::string& name) const { return number(name) != 0; }
  index_t whole_number(const std::string& name) const { return static_cast<index_t>(number(name)); }
  // The number itself, to be set; NetworkSpec::check checks its value. Throws std::invalid_argument
  // for a name that the kind does not have.
  double& entry(const std::string& name) { return numbers[place_of(name)]; }

 private:
  std::size_t place_of(const std::string& name) const;
};

// The layers' connections, with every default resolved.
struct Graph {
  std::vector<std::vector<Source>> sources;  // of each layer
  std::vector<Widths> inputs;                // of each layer
  Widths units;                              // of each layer
  std::vector<std::size_t> roots;  // for each layer the one whose parameters it uses: itself, else
                                   // an earlier one
  // Whether each layer takes the output of the one before, an addition (of a residual block) also
  // that of an earlier one, and none shares its parameters.
  bool stack = true;
};

struct NetworkSpec {
  index_t inputs = 0;
  std::vector<LayerSpec> layers;

  // Throws std::invalid_argument as `check` does.
  Graph graph() const;

  // Throws std::invalid_argument naming what was found and what is wanted.
  void check() const;
  index_t outputs() const;
  // The activation that the last layer ends with; "none", with which no loss is fused, for a kind
  // without one.
  std::string last_activation() const;
};

// Of a layer that embeds its first `columns` columns in `units` outputs; throws for more columns
// than its input has, or too many outputs.
void check_embedding(const LayerSpec& spec, index_t width, index_t units);

}  // namespace densecore
