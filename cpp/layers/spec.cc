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

namespace {

std::string name_of(index_t layer) { return layer < 0 ? "x" : "layer " + std::to_string(layer); }

// A source as given, with its number of columns. `widths`: of the layers before.
Source resolved(Source source, index_t inputs, const Widths& widths) {
  const auto before = static_cast<index_t>(widths.size());
  if (source.layer < Source::network || source.layer >= before)
    throw std::invalid_argument(
        "sources: found layer " + std::to_string(source.layer) + ", wanted " +
        (before == 0 ? "-1 for x"
                     : "an earlier one, 0 to " + std::to_string(before - 1) + ", or -1 for x"));
  const index_t width = source.from_x() ? inputs : widths[static_cast<std::size_t>(source.layer)];
  const index_t first = source.first, columns = source.columns == -1 ? width : source.columns;
  if (first < 0 || first >= width || columns < 1 || columns > width - first)
    throw std::invalid_argument("sources: found " + std::to_string(columns) + " columns from " +
                                std::to_string(first) + " of " + name_of(source.layer) +
                                ", which has " + std::to_string(width));
  if (!source.from_x() && columns != width)
    throw std::invalid_argument("sources: found " + std::to_string(columns) + " of the " +
                                std::to_string(width) + " columns of " + name_of(source.layer) +
                                ", wanted all of them: only x is taken in parts");
  return {source.layer, first, columns};
}

// Every column of x, and every layer but the last, must be an input of some layer.
void check_uses(const NetworkSpec& spec, const Graph& graph) {
  const std::size_t count = spec.layers.size();
  std::vector<bool> layers(count);
  // For each column of x: the sources that begin there, minus those that end before it.
  std::vector<index_t> changes(static_cast<std::size_t>(spec.inputs) + 1);
  for (const auto& sources : graph.sources)
    for (const Source& source : sources) {
      if (source.from_x()) {
        ++changes[static_cast<std::size_t>(source.first)];
        --changes[static_cast<std::size_t>(source.first + source.columns)];
      } else {
        layers[static_cast<std::size_t>(source.layer)] = true;
      }
    }
  for (std::size_t l = 0; l + 1 < count; ++l)
    if (spec.layers[l].kind->is_last)
      throw std::invalid_argument("layer " + std::to_string(l) + " (" + spec.layers[l].kind->name +
                                  "): found a layer after it, wanted it at the end");
  for (std::size_t l = 0; l + 1 < count; ++l)
    if (!layers[l])
      throw std::invalid_argument("layer " + std::to_string(l) + " (" + spec.layers[l].kind->name +
                                  ", " + std::to_string(graph.units[l]) +
                                  " units): found no layer that uses it, wanted one");
  index_t users = 0;
  for (std::size_t j = 0; j + 1 < changes.size(); ++j)
    if ((users += changes[j]) == 0)
      throw std::invalid_argument("x: found column " + std::to_string(j) + " of " +
                                  std::to_string(spec.inputs) + " that no layer uses, wanted none");
}

// The layer whose parameters layer number `l` uses.
std::size_t root_of(const NetworkSpec& spec, const Graph& graph, std::size_t l) {
  const LayerSpec& layer = spec.layers[l];
  const char* const transposed = layer.kind->transposes;
  if (layer.shares == -1 && transposed != nullptr)
    throw std::invalid_argument("shares: found none, wanted the layer of kind '" +
                                std::string(transposed) + "' whose matrix it transposes");
  if (layer.shares == -1) return l;
  if (layer.shares < 0 || layer.shares >= static_cast<index_t>(l))
    throw std::invalid_argument("shares: found layer " + std::to_string(layer.shares) +
                                ", wanted an earlier one");
  const std::size_t root = graph.roots[static_cast<std::size_t>(layer.shares)];
  const LayerSpec& first = spec.layers[root];
  // With inputs and units exchanged.
  if (transposed != nullptr && first.kind->name == std::string(transposed) &&
      first.flag("use_bias") == layer.flag("use_bias") &&
      graph.inputs[root].front() == graph.units[l] && graph.units[root] == graph.inputs[l].front())
    return root;
  if (first.kind != layer.kind)
    throw std::invalid_argument("found a layer of kind '" + std::string(layer.kind->name) +
                                "' that shares the parameters of " + name_of(layer.shares) +
                                " of kind '" + first.kind->name + "', wanted one kind");
  // A table serves any number of columns.
  const bool fits = layer.kind->is_table || graph.inputs[root] == graph.inputs[l];
  if (first.numbers != layer.numbers || !fits)
    throw std::invalid_argument(
        "found " + std::to_string(graph.inputs[l].front()) + " inputs and " +
        std::to_string(graph.units[l]) + " units, wanted " +
        std::to_string(graph.inputs[root].front()) + " and " + std::to_string(graph.units[root]) +
        " and the same entries as " + name_of(layer.shares) + ", whose parameters it shares");
  return root;
}

bool continues_stack(const LayerSpec& layer, const std::vector<Source>& sources, std::size_t l) {
  const auto before = static_cast<index_t>(l) - 1;
  const bool previous = sources.front().layer == before;
  if (layer.kind->most_inputs == 1) return previous;
  return layer.kind->is_sum && sources.size() == 2 && sources[0].columns == sources[1].columns &&
         (previous || sources[1].layer == before);
}

}  // namespace

Graph NetworkSpec::graph() const {
  Graph graph;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const LayerSpec& layer = layers[l];
    const LayerKind& kind = *layer.kind;
    try {
      std::vector<Source> sources = layer.sources;
      if (sources.empty()) sources.push_back({static_cast<index_t>(l) - 1});
      const auto count = static_cast<index_t>(sources.size());
      if (count < kind.least_inputs || count > kind.most_inputs)
        throw std::invalid_argument(
            "sources: found " + std::to_string(count) + ", wanted " +
            (kind.least_inputs == kind.most_inputs
                 ? std::to_string(kind.least_inputs)
                 : std::to_string(kind.least_inputs) + " to " + std::to_string(kind.most_inputs)));
      Widths widths;
      for (Source& source : sources) {
        source = resolved(source, inputs, graph.units);
        widths.push_back(source.columns);
      }
      kind.check(layer, widths);
      const index_t units = kind.units(layer, widths);
      check_size("units", units, max_width);
      if (kind.is_table && !sources.front().from_x())
        throw std::invalid_argument("sources: found layer " +
                                    std::to_string(sources.front().layer) +
                                    ", wanted columns of x, which hold numbers of rows");
      // In a stack a layer that takes x takes all of its columns.
      graph.stack = graph.stack && continues_stack(layer, sources, l) && layer.shares == -1;
      for (const Source& source : sources)
        graph.stack = graph.stack && !(source.from_x() && source.columns != inputs);
      graph.sources.push_back(std::move(sources));
      graph.inputs.push_back(std::move(widths));
      graph.units.push_back(units);
      graph.roots.push_back(root_of(*this, graph, l));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("layer " + std::to_string(l) + " (" + kind.name +
                                  "): " + error.what());
    }
  }
  check_uses(*this, graph);
  return graph;
}

void NetworkSpec::check() const {
  check_size("number of inputs", inputs, max_width);
  check_size("number of layers", static_cast<index_t>(layers.size()), max_layers);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    const std::string where = "layer " + std::to_string(i) + ": ";
    for (std::size_t k = 0; k < layer.numbers.size(); ++k)
      check_number(where, layer.kind->numbers[k], layer.numbers[k]);
    for (const Penalty& penalty : layer.penalties) check_penalty(where, penalty);
    for (const Multipliers& each : layer.multipliers) check_multipliers(where, each);
  }
  const Graph found = graph();
  index_t total = 0;
  // At most 2^24 * 2^24 each: the sum of a thousand still fits.
  for (std::size_t i = 0; i < layers.size(); ++i)
    if (found.roots[i] == i) total += layers[i].kind->parameter_count(layers[i], found.inputs[i]);
  check_size("number of parameters", std::max<index_t>(total, 1), max_parameters);
}

index_t NetworkSpec::outputs() const { return graph().units.back(); }

std::string NetworkSpec::last_activation() const {
  const LayerSpec& last = layers.back();
  return last.kind->has_activation ? last.activation.name : "none";
}

void check_embedding(const LayerSpec& spec, index_t width, index_t units) {
  const index_t columns = spec.whole_number("columns");
  if (columns > width)
    throw std::invalid_argument("columns: found " + std::to_string(columns) + ", wanted at most " +
                                std::to_string(width) + ", as the layer has inputs");
  if (units > max_width)
    throw std::invalid_argument("found " + std::to_string(units) + " outputs, wanted at most " +
                                std::to_string(max_width));
}

}  // namespace densecore
