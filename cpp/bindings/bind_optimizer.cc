// The settings of an optimizer, shared between the Python object and the networks that use it.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/register.h"
#include "bindings/user_function.h"
#include "objectives/optimizer.h"

namespace densecore::bindings {

namespace py = pybind11;

void register_optimizer(py::module_& module) {
  core_class<OptimizerSettings, std::shared_ptr<OptimizerSettings>>(
      module, "OptimizerSettings", "An optimizer's name and hyperparameters.")
      .def(py::init<const std::string&>(), py::arg("name"))
      .def_property_readonly("name", &OptimizerSettings::name, "The update rule.")
      .def("get", &OptimizerSettings::get, py::arg("hyperparameter"), "A hyperparameter's value.")
      .def("set", &OptimizerSettings::set, py::arg("hyperparameter"), py::arg("value"),
           "Set a hyperparameter, from the next step on.")
      .def(
          "values",
          [](const OptimizerSettings& settings) {
            py::dict values;
            for (const Hyperparameter& h : settings.hyperparameters())
              values[h.name] = settings.get(h.name);
            return values;
          },
          "All hyperparameters.")
      .def(
          "set_gradient_steps",
          [](OptimizerSettings& settings, double weight_decay, double clipvalue, double clipnorm,
             double global_clipnorm, std::int64_t accumulation, bool ema, double ema_momentum,
             std::int64_t ema_overwrite) {
            settings.set_gradient_steps({weight_decay, clipvalue, clipnorm, global_clipnorm,
                                         accumulation, ema_momentum, ema, ema_overwrite});
          },
          py::kw_only(), py::arg("weight_decay"), py::arg("clipvalue"), py::arg("clipnorm"),
          py::arg("global_clipnorm"), py::arg("accumulation"), py::arg("ema"),
          py::arg("ema_momentum"), py::arg("ema_overwrite"),
          "Set what is done with gradients and parameters around the update.")
      // rates(first, count): an array of float64 (count,), or None to end an earlier schedule.
      .def(
          "set_schedule",
          [](OptimizerSettings& settings, const py::object& rates) {
            if (rates.is_none()) return settings.set_schedule({});
            const SharedObject function(rates);
            settings.set_schedule([function](std::int64_t first, index_t count, double* out) {
              const AcquiredGil gil;
              const py::object found = call_user(function.get(), py::int_(first), py::int_(count));
              const double* values = input_vector<double>("learning rates", found, count);
              std::copy_n(values, count, out);
            });
          },
          py::arg("rates"),
          "Take the learning rates of steps first ... first + count from rates(first, count); None "
          "ends that.")
      .def_property_readonly("states", &optimizer_state_names,
                             "Names of the arrays that the optimizer keeps per parameter.");
  module.def("optimizer_names", &optimizer_names, "The names of all update rules.");
}

}  // namespace densecore::bindings
