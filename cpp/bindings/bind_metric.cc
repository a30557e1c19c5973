// A metric by itself, on NumPy arrays of float64.
#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/metric.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"

namespace densecore::bindings {
namespace {

class PyMetric {
 public:
  PyMetric(const std::string& name, const py::dict& options, index_t outputs, bool labels)
      : outputs_(outputs),
        labels_(labels),
        metric_(*active_kernels().f64, metric_spec(name, options), outputs, labels) {}

  void update(const py::object& outputs, const py::object& targets, const py::object& weight) {
    const auto a = input_matrix<double>("y_pred", outputs, any, outputs_);
    Targets<double> y;
    if (labels_) {
      y.labels = input_vector<std::int32_t>("y_true", targets, a.rows);
      for (index_t i = 0; i < a.rows; ++i)
        if (y.labels[i] < 0 || y.labels[i] >= outputs_)
          throw std::invalid_argument("y_true: found class " + std::to_string(y.labels[i]) +
                                      " in row " + std::to_string(i) + ", wanted 0 to " +
                                      std::to_string(outputs_ - 1));
    } else {
      y.values = input_matrix<double>("y_true", targets, a.rows, outputs_);
    }
    if (!weight.is_none()) y.weight = input_vector<double>("sample_weight", weight, a.rows);
    metric_.add(a, y);
  }
  void reset() { metric_.reset(); }
  double result() const { return metric_.result(); }

 private:
  index_t outputs_;
  bool labels_;
  Metric<double> metric_;
};

}  // namespace

MetricSpec metric_spec(const std::string& name, const py::dict& options) {
  MetricSpec spec;
  spec.name = name;
  for (const auto& [key, value] : options) {
    const auto option = key.cast<std::string>();
    if (value.is_none()) continue;
    if (option == "weighted")
      spec.weighted = value.cast<bool>();
    else if (option == "threshold")
      spec.threshold = value.cast<double>();
    else if (option == "top_k")
      spec.top_k = value.cast<index_t>();
    else if (option == "class_id")
      spec.class_id = value.cast<index_t>();
    else if (option == "average")
      spec.average = value.cast<std::string>();
    else if (option == "curve")
      spec.curve = value.cast<std::string>();
    else if (option == "link")
      spec.link = value.cast<std::string>();
    else
      throw std::invalid_argument("metric '" + name + "': found the option '" + option +
                                  "', wanted weighted, threshold, top_k, class_id, average, "
                                  "curve or link");
  }
  return spec;
}

void register_metric(py::module_& module) {
  py::class_<PyMetric>(module, "Metric")
      .def(py::init<const std::string&, const py::dict&, index_t, bool>(), py::arg("name"),
           py::arg("options"), py::arg("outputs"), py::arg("labels"))
      .def("update", &PyMetric::update, py::arg("outputs"), py::arg("targets"), py::arg("weight"))
      .def("reset", &PyMetric::reset)
      .def("result", &PyMetric::result);
  module.def("metric_names", &metric_names);
}

}  // namespace densecore::bindings
