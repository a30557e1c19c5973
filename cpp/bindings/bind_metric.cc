// A metric by itself, on NumPy arrays of float64.
#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "bindings/metric.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"

namespace densecore::bindings {
namespace {

class PyMetric : public CoreObject {
 public:
  PyMetric(const std::string& name, const py::dict& options, index_t outputs, bool labels)
      : outputs_(outputs),
        labels_(labels),
        metric_(*active_kernels().f64, metric_spec(name, options), outputs, labels) {}

  void update(const py::object& outputs, const py::object& targets, const py::object& weight) {
    const InUse in_use(mark_);
    const auto a = input_matrix<double>("y_pred", outputs, any, outputs_);
    Targets<double> y;
    std::vector<std::int32_t> labels;
    if (labels_) {
      read_labels("y_true", targets, a.rows, outputs_, labels);
      y.labels = labels.data();
    } else {
      y.values = input_matrix<double>("y_true", targets, a.rows, outputs_);
    }
    if (!weight.is_none()) y.weight = input_weights<double>(weight, a.rows);
    metric_.add(a, y);
  }
  void reset() {
    const InUse in_use(mark_);
    metric_.reset();
  }
  double result() {
    const InUse in_use(mark_);
    return metric_.result();
  }

 private:
  index_t outputs_;
  bool labels_;
  Metric<double> metric_;
  UseMark mark_;
};

}  // namespace

std::pair<py::object, py::dict> described(const py::handle& description) {
  if (!py::isinstance<py::sequence>(description) || py::len(description) != 2)
    throw py::type_error("metrics: found something else than (metric, options)");
  const auto pair = py::reinterpret_borrow<py::sequence>(description);
  const py::object options = pair[1];
  if (!py::isinstance<py::dict>(options))
    throw py::type_error("metrics: found options that are no dictionary");
  return {pair[0], py::reinterpret_borrow<py::dict>(options)};
}

MetricSpec metric_spec(const std::string& name, const py::dict& options) {
  MetricSpec spec;
  spec.name = name;
  for (const auto& [key, value] : options) {
    const auto option = key.cast<std::string>();
    const bool given = !value.is_none();
    if (option == "weighted") {
      if (given) spec.weighted = value.cast<bool>();
    } else if (option == "threshold") {
      if (given) spec.threshold = value.cast<double>();
    } else if (option == "top_k") {
      if (given) spec.top_k = value.cast<index_t>();
    } else if (option == "class_id") {
      if (given) spec.class_id = value.cast<index_t>();
    } else if (option == "average") {
      if (given) spec.average = value.cast<std::string>();
    } else if (option == "curve") {
      if (given) spec.curve = value.cast<std::string>();
    } else if (option == "link") {
      if (given) spec.link = value.cast<std::string>();
    } else {
      throw std::invalid_argument(
          "metric '" + name + "': found an unknown option '" + option +
          "'; known: average, class_id, curve, link, threshold, top_k, weighted");
    }
  }
  return spec;
}

namespace {

constexpr MemberRow made_metric =
    constructor<PyMetric, const std::string&, const py::dict&, index_t, bool>(
        "Metric(name, options, outputs, labels)");
constexpr MemberRow metric_rows[] = {
    method<&PyMetric::update>("update(outputs, targets, weight)",
                              "Add a batch: y_pred (rows, outputs), y_true of that shape or "
                              "(rows,), weights (rows,) or None."),
    method<&PyMetric::reset>("reset()", "Forget the batches so far."),
    method<&PyMetric::result>("result()", "The metric of all batches so far."),
};
constexpr MemberRow metric_functions[] = {
    function<&metric_names>("metric_names()", "The names of all metrics that are not also losses."),
};

}  // namespace

void register_metric(py::module_& module) {
  add_rows(core_class<PyMetric>(module, "Metric", "A metric by itself, fed batch after batch.",
                                &made_metric),
           table_of_rows<metric_rows>());
  add_rows(module, table_of_rows<metric_functions>());
}

}  // namespace densecore::bindings
