#include "bindings/specs.h"

#include <pybind11/stl.h>

#include <array>
#include <iterator>
#include <tuple>

#include "bindings/user_function.h"

namespace densecore::bindings {

Reduction reduction_of(const std::string& name) {
  if (name == "sum_over_batch_size") return Reduction::sum_over_batch_size;
  if (name == "mean_with_sample_weight") return Reduction::mean_with_sample_weight;
  if (name == "sum") return Reduction::sum;
  if (name == "sum_over_outputs") return Reduction::sum_over_outputs;
  throw std::invalid_argument("unknown reduction '" + name +
                              "'; known: sum_over_batch_size, mean_with_sample_weight, sum, "
                              "sum_over_outputs");
}

LayerSpec layer_spec_of(const py::dict& given) {
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
    } else if (name == "schedule" && spec.kind->scheduled != nullptr) {
      spec.schedule = std::make_shared<ScheduledNumber>(schedule_of(value));
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
    } else if (spec.kind->has_function && name == "function") {
      spec.activation.name = value.cast<std::string>();
    } else if (spec.kind->has_function && name == "function_parameters") {
      spec.activation.parameters = value.cast<std::vector<double>>();
    } else if (name != "kind") {
      double& number = spec.entry(name);
      number = PyFloat_AsDouble(value.ptr());
      if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    }
  }
  return spec;
}

NetworkSpec network_spec_of(index_t inputs, const std::vector<py::dict>& layers) {
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

HeadEntries head_entries_of(const py::dict& given) {
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

}  // namespace densecore::bindings
