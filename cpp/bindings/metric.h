// Metrics as Python describes them: (name, options) is a metric of the core, (function, options) a
// function of the user.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/user_function.h"
#include "objectives/metric.h"
#include "objectives/metric_function.h"
#include "objectives/objective.h"

namespace densecore::bindings {

namespace py = pybind11;

// The two of a description. Throws TypeError for anything else.
std::pair<py::object, py::dict> described(const py::handle& description);
MetricSpec metric_spec(const std::string& name, const py::dict& options);

// A metric that is a Python function of (y_true, y_pred, sample_weight or None), with copies of all
// rows of a pass.
template <class T>
std::unique_ptr<Accumulator<T>> function_metric(py::object function, index_t outputs) {
  const SharedObject shared(std::move(function));
  const auto call = [shared](const PassRows<T>& pass) {
    const AcquiredGil gil;
    const index_t rows = pass.rows();
    const auto vector = [rows](const auto& from) -> py::object {
      using Element = typename std::decay_t<decltype(from)>::value_type;
      return from.empty() ? py::object(py::none()) : py::array_t<Element>(rows, from.data());
    };
    const auto matrix = [&](const std::vector<T>& from) -> py::object {
      return py::array_t<T>({rows, pass.cols}, from.data());
    };
    return call_user(shared.get(), pass.labels.empty() ? matrix(pass.values) : vector(pass.labels),
                     matrix(pass.outputs), vector(pass.weights))
        .template cast<double>();
  };
  return std::make_unique<FunctionMetric<T>>(call, outputs);
}

template <class T>
Metric<T> metric_of(const py::handle& description, const KernelTable<T>& table, index_t outputs,
                    bool labels) {
  const auto [what, options] = described(description);
  if (py::isinstance<py::str>(what))
    return Metric<T>(table, metric_spec(what.cast<std::string>(), options), outputs, labels);
  return Metric<T>(function_metric<T>(what.cast<py::function>(), outputs),
                   metric_spec("", options).weighted);
}

// The metrics of a model that is compiled with `objective`.
template <class T>
std::vector<Metric<T>> metrics_of(const py::list& descriptions, const KernelTable<T>& table,
                                  const Objective<T>& objective, index_t outputs) {
  if (!descriptions.empty() && objective.target_columns() != outputs)
    throw std::invalid_argument("metrics: found " + std::to_string(descriptions.size()) +
                                ", wanted none with the loss '" + objective.loss().name +
                                "', whose outputs are not one per target");
  std::vector<Metric<T>> metrics;
  for (const py::handle description : descriptions)
    metrics.push_back(metric_of(description, table, outputs, objective.sparse()));
  return metrics;
}

// A metric of one of several outputs, by its `options["head"]`.
template <class T>
Metric<T> metric_of_head(const py::handle& description, const KernelTable<T>& table,
                         const std::vector<Head<T>>& heads) {
  auto [what, options] = described(description);
  options = py::dict(**options);
  const auto number = options.contains("head") ? options["head"].template cast<index_t>() : -1;
  if (number < 0 || number >= static_cast<index_t>(heads.size()))
    throw std::invalid_argument("metrics: head: found " + std::to_string(number) +
                                ", wanted the number of an output, 0 to " +
                                std::to_string(heads.size() - 1));
  const Head<T>& head = heads[static_cast<std::size_t>(number)];
  if (head.objective == nullptr)
    throw std::invalid_argument("metrics: found one of head " + std::to_string(number) +
                                ", which has no loss; wanted one with a loss");
  PyDict_DelItemString(options.ptr(), "head");
  py::list alone;
  alone.append(py::make_tuple(what, options));
  Metric<T> metric = std::move(metrics_of(alone, table, *head.objective, head.columns).front());
  metric.set_head(head);
  return metric;
}

}  // namespace densecore::bindings
