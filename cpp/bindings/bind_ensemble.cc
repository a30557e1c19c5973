// Many networks at once, as Python sees them.
#include "bindings/core_class.h"
#include "bindings/py_ensemble.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

template <class T>
void register_for(py::module_& module, const char* name) {
  using E = PyEnsemble<T>;
  core_class<E>(module, name, "Many networks of one architecture, trained side by side.")
      .def(py::init<index_t, const std::vector<py::dict>&, index_t, const py::object&>(),
           py::arg("inputs"), py::arg("layers"), py::arg("members"), py::arg("isa") = py::none())
      .def_property_readonly("parameters", &E::parameters)
      .def_property_readonly("states", &E::states)
      .def_property("seeds", &E::seeds, &E::set_seeds)
      .def("compile", &E::compile, py::arg("loss"), py::arg("reduction"), py::arg("optimizers"),
           py::arg("metrics"), py::arg("from_logits"), py::arg("loss_parameters"))
      .def("optimizer_states", &E::optimizer_states, py::arg("member"))
      .def("progress", &E::progress)
      .def("set_progress", &E::set_progress, py::arg("member"), py::arg("steps"), py::arg("epochs"))
      .def("fit", &E::fit, py::arg("data"), py::arg("validation"), py::arg("epochs"),
           py::arg("batch_size"), py::arg("shuffle"), py::arg("report"),
           py::arg("best") = py::none())
      .def("evaluate", &E::evaluate, py::arg("data"), py::arg("report"))
      .def("train_on_batch", &E::train_on_batch, py::arg("x"), py::arg("y"),
           py::arg("sample_weight") = py::none())
      .def("predict", &E::predict, py::arg("x"), py::arg("out") = py::none())
      .def("finish_training", &E::finish_training)
      .def(
          "reserved",
          [](const py::object& self) {
            return std::make_unique<PyReservation>(self, self.cast<E&>().mark());
          },
          "A context manager: until it ends, calls of other threads are refused.");
}

}  // namespace

void register_ensemble(py::module_& module) {
  register_for<float>(module, "EnsembleF32");
  register_for<double>(module, "EnsembleF64");
}

}  // namespace densecore::bindings
