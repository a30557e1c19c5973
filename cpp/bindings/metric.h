// Metrics as Python describes them: (name, options) is one of the core's; (function, options) gets
// all targets and outputs of a pass.
#pragma once

#include <pybind11/numpy.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "objectives/metric.h"
#include "objectives/objective.h"

namespace densecore::bindings {

namespace py = pybind11;

MetricSpec metric_spec(const std::string& name, const py::dict& options);

// Keeps what a pass shows it; the function is called once, when the result is wanted.
template <class T>
class FunctionOfPass : public Accumulator<T> {
 public:
  FunctionOfPass(py::function function, index_t outputs)
      : function_(std::move(function)), outputs_(outputs) {}
  FunctionOfPass(const FunctionOfPass&) = default;
  // A copy may end where nobody holds the GIL.
  ~FunctionOfPass() override {
    const py::gil_scoped_acquire gil;
    function_.release().dec_ref();
  }

  // Runs without the GIL: no Python in here.
  void reset() override {
    seen_.clear();
    values_.clear();
    labels_.clear();
    weights_.clear();
  }
  void add(MatrixView<const T> a, const Targets<T>& y) override {
    for (index_t i = 0; i < a.rows; ++i) {
      seen_.insert(seen_.end(), a.row(i), a.row(i) + a.cols);
      if (y.labels != nullptr)
        labels_.push_back(y.labels[i]);
      else
        values_.insert(values_.end(), y.values.row(i), y.values.row(i) + a.cols);
      if (y.weight != nullptr) weights_.push_back(y.weight[i]);
    }
  }
  std::unique_ptr<Accumulator<T>> copy() const override {
    const py::gil_scoped_acquire gil;
    return std::make_unique<FunctionOfPass>(*this);
  }
  double result() const override {
    const py::gil_scoped_acquire gil;
    const auto rows = static_cast<index_t>(seen_.size()) / outputs_;
    const auto matrix = [&](const std::vector<T>& from) -> py::object {
      return py::array_t<T>({rows, outputs_}, from.data());
    };
    const py::object truth = labels_.empty()
                                 ? matrix(values_)
                                 : py::object(py::array_t<std::int32_t>(rows, labels_.data()));
    const py::object weight = weights_.empty() ? py::object(py::none())
                                               : py::object(py::array_t<T>(rows, weights_.data()));
    return function_(truth, matrix(seen_), weight).template cast<double>();
  }

 private:
  py::function function_;
  index_t outputs_;
  std::vector<T> seen_, values_, weights_;  // (rows, outputs), the same, (rows,)
  std::vector<std::int32_t> labels_;        // (rows,), instead of values
};

template <class T>
Metric<T> metric_of(const py::handle& description, const KernelTable<T>& table, index_t outputs,
                    bool labels) {
  const auto [what, options] = description.cast<std::pair<py::object, py::dict>>();
  if (py::isinstance<py::str>(what))
    return Metric<T>(table, metric_spec(what.cast<std::string>(), options), outputs, labels);
  return Metric<T>(std::make_unique<FunctionOfPass<T>>(what.cast<py::function>(), outputs),
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

}  // namespace densecore::bindings
