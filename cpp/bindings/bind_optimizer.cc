// The settings of an optimizer, shared between the Python object and the networks that use it.
#include <pybind11/stl.h>

#include "bindings/register.h"
#include "network/optimizer.h"

namespace densecore::bindings {

namespace py = pybind11;

void register_optimizer(py::module_& module) {
  py::class_<OptimizerSettings, std::shared_ptr<OptimizerSettings>>(module, "OptimizerSettings")
      .def(py::init<const std::string&>(), py::arg("name"))
      .def_property_readonly("name", &OptimizerSettings::name)
      .def("get", &OptimizerSettings::get, py::arg("hyperparameter"))
      .def("set", &OptimizerSettings::set, py::arg("hyperparameter"), py::arg("value"))
      .def("values", [](const OptimizerSettings& settings) {
        py::dict values;
        for (const Hyperparameter& h : settings.hyperparameters())
          values[h.name] = settings.get(h.name);
        return values;
      });
  module.def("optimizer_names", &optimizer_names);
  module.def("optimizer_states", &optimizer_state_names, py::arg("name"));
}

}  // namespace densecore::bindings
