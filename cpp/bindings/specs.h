// Specifications from what Python gives: names and dictionaries.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "layers/kinds.h"
#include "layers/spec.h"
#include "objectives/objective.h"

namespace densecore::bindings {

namespace py = pybind11;

inline Reduction reduction_of(const std::string& name) {
  if (name == "sum_over_batch_size") return Reduction::sum_over_batch_size;
  if (name == "mean_with_sample_weight") return Reduction::mean_with_sample_weight;
  if (name == "sum") return Reduction::sum;
  if (name == "sum_over_outputs") return Reduction::sum_over_outputs;
  throw std::invalid_argument("unknown reduction '" + name +
                              "'; known: sum_over_batch_size, mean_with_sample_weight, sum, "
                              "sum_over_outputs");
}

// A layer from a dictionary: its `kind`, the entries that all kinds have, and the numbers of the
// kind's row in the table (layers/kinds.h).
inline LayerSpec layer_spec_of(const py::dict& given) {
  if (!given.contains("kind")) throw std::invalid_argument("layer: found no kind, wanted one");
  LayerSpec spec(find_layer_kind(given["kind"].cast<std::string>()));
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (name == "trainable") {
      spec.trainable = value.cast<bool>();
    } else if (name == "penalties") {
      const auto pairs = value.cast<std::array<std::array<double, 2>, 2>>();
      for (std::size_t i = 0; i < 2; ++i) spec.penalties[i] = {pairs[i][0], pairs[i][1]};
    } else if (name == "sources") {
      for (const auto& [layer, first, columns] :
           value.cast<std::vector<std::tuple<index_t, index_t, index_t>>>())
        spec.sources.push_back({layer, first, columns});
    } else if (name == "activations") {
      for (auto& [activation, parameters] :
           value.cast<std::vector<std::pair<std::string, std::vector<double>>>>())
        spec.activations.push_back({activation, parameters});
    } else if (name == "shares") {
      spec.shares = value.cast<index_t>();
    } else if (name == "multipliers") {
      const auto pairs = value.cast<std::vector<std::array<double, 2>>>();
      if (pairs.size() > std::size(spec.multipliers))
        throw std::invalid_argument("multipliers: found " + std::to_string(pairs.size()) +
                                    " arrays, wanted at most " +
                                    std::to_string(std::size(spec.multipliers)));
      for (std::size_t i = 0; i < pairs.size(); ++i)
        spec.multipliers[i] = {pairs[i][0], pairs[i][1]};
    } else if (spec.kind->has_activation && name == "activation") {
      spec.activation.name = value.cast<std::string>();
    } else if (spec.kind->has_activation && name == "activation_parameters") {
      spec.activation.parameters = value.cast<std::vector<double>>();
    } else if (name != "kind") {
      double& number = spec.entry(name);
      number = PyFloat_AsDouble(value.ptr());
      if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    }
  }
  return spec;
}

inline NetworkSpec network_spec_of(index_t inputs, const std::vector<py::dict>& layers) {
  NetworkSpec spec;
  spec.inputs = inputs;
  for (py::dict layer : layers) {
    if (layer.contains("from")) {  // the second summand's layer, in a pickle of version 0.1
      layer = py::dict(layer.attr("copy")());
      const index_t before = static_cast<index_t>(spec.layers.size()) - 1;
      layer["sources"] = py::make_tuple(py::make_tuple(before, 0, -1),
                                        py::make_tuple(layer.attr("pop")("from"), 0, -1));
    }
    spec.layers.push_back(layer_spec_of(layer));
  }
  return spec;
}

struct HeadEntries {
  std::string loss, reduction = "sum_over_batch_size";  // no loss: empty
  bool from_logits = false;
  std::vector<double> parameters;
  double weight = 1;
};

inline HeadEntries head_entries_of(const py::dict& given) {
  HeadEntries entries;
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (name == "loss") {
      if (!value.is_none()) entries.loss = value.cast<std::string>();
    } else if (name == "reduction") {
      entries.reduction = value.cast<std::string>();
    } else if (name == "from_logits") {
      entries.from_logits = value.cast<bool>();
    } else if (name == "parameters") {
      entries.parameters = value.cast<std::vector<double>>();
    } else if (name == "weight") {
      entries.weight = value.cast<double>();
    } else {
      throw std::invalid_argument("heads: found an unknown entry '" + name +
                                  "'; known: loss, reduction, from_logits, parameters, weight");
    }
  }
  return entries;
}

// The objective of several outputs from a list of dictionaries, one for each source of the last
// layer, which must be of the kind `heads`.
template <class T>
Objective<T> objective_of_heads(const KernelTable<T>& table, const NetworkSpec& spec,
                                const std::vector<py::dict>& given) {
  const LayerSpec& last = spec.layers.back();
  if (last.activations.empty())
    throw std::invalid_argument("heads: found a last layer of kind '" +
                                std::string(last.kind->name) + "', wanted 'heads'");
  const Widths widths = spec.graph().inputs.back();
  if (given.size() != widths.size())
    throw std::invalid_argument("heads: found " + std::to_string(given.size()) + ", wanted " +
                                std::to_string(widths.size()) + ", one for each output");
  std::vector<Head<T>> heads;
  index_t first = 0, target = 0, labels = 0;
  for (std::size_t h = 0; h < given.size(); ++h) {
    Head<T> head;
    head.first = first;
    head.columns = widths[h];
    head.number = static_cast<index_t>(h);
    first += head.columns;
    const HeadEntries entries = head_entries_of(given[h]);
    head.weight = entries.weight;
    if (!std::isfinite(head.weight))
      throw std::invalid_argument("heads: weight: found " + std::to_string(head.weight) +
                                  ", wanted a finite number");
    if (!entries.loss.empty()) {
      auto objective = std::make_shared<const Objective<T>>(
          table, entries.loss, reduction_of(entries.reduction), last.activations[h].name,
          head.columns, entries.from_logits, entries.parameters);
      head.target = target;
      head.target_columns = objective->sparse() ? 1 : objective->target_columns();
      target += head.target_columns;
      if (objective->sparse()) head.labels = labels++;
      head.objective = std::move(objective);
    }
    heads.push_back(std::move(head));
  }
  if (target == 0) throw std::invalid_argument("heads: found no loss, wanted at least one");
  return Objective<T>(std::move(heads));
}

}  // namespace densecore::bindings
