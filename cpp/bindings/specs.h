// Specifications from the names and dictionaries that Python gives.
#pragma once

#include <pybind11/pybind11.h>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "layers/kinds.h"
#include "layers/spec.h"
#include "objectives/objective.h"

namespace densecore::bindings {

namespace py = pybind11;

Reduction reduction_of(const std::string& name);

// A layer from a dictionary: its `kind`, the entries that all kinds have, and the numbers of the
// kind's row in the table (layers/kinds.h).
LayerSpec layer_spec_of(const py::dict& given);
NetworkSpec network_spec_of(index_t inputs, const std::vector<py::dict>& layers);

struct HeadEntries {
  std::string loss, reduction = "sum_over_batch_size";  // no loss: empty
  bool from_logits = false;
  std::vector<double> parameters;
  double weight = 1;
};
HeadEntries head_entries_of(const py::dict& given);

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
