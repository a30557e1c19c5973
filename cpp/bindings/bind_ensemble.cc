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
      .def_property_readonly("parameters", &E::parameters, "A view (members, parameters).")
      .def_property_readonly("states", &E::states,
                             "A view (members, numbers) of what layers keep besides parameters.")
      .def_property("seeds", &E::seeds, &E::set_seeds,
                    "Seeds of the members' shuffles and dropout masks.")
      .def("compile", &E::compile, py::arg("loss"), py::arg("reduction"), py::arg("optimizers"),
           py::arg("metrics"), py::arg("from_logits"), py::arg("loss_parameters"),
           "Choose loss and metrics of all members, and an optimizer for each; their states start "
           "anew.")
      .def("compile_heads", &E::compile_heads, py::arg("heads"), py::arg("optimizers"),
           py::arg("metrics"), "Choose a loss for each output, as a dictionary; see `compile`.")
      .def("optimizer_states", &E::optimizer_states, py::arg("member"),
           "Views (parameters,) of the arrays that a member's optimizer keeps, by name.")
      .def("progress", &E::progress,
           "(steps, epochs) of training since compilation, a number for each member.")
      .def("set_progress", &E::set_progress, py::arg("member"), py::arg("steps"), py::arg("epochs"),
           "Set a member's counters.")
      .def("fit", &E::fit, py::arg("data"), py::arg("validation"), py::arg("epochs"),
           py::arg("batch_size"), py::arg("shuffle"), py::arg("report"),
           py::arg("best") = py::none(),
           "Train all members for a number of epochs. `data`: lists of x, y, weights or None, and "
           "row numbers or None, one for all members or one each. Writes (epochs, values, members) "
           "to `report`. `best`: which epochs' parameters are kept; see the core's BestEpoch.")
      .def("evaluate", &E::evaluate, py::arg("data"), py::arg("report"),
           "Write the loss and the metrics of all members to `report` (1, values, members).")
      .def("train_on_batch", &E::train_on_batch, py::arg("x"), py::arg("y"),
           py::arg("sample_weight") = py::none(),
           "One step of each member; returns the losses (members,) before it.")
      .def("predict", &E::predict, py::arg("x"), py::arg("out") = py::none(),
           "The outputs (members, rows, units) for x (rows, inputs), or (members, rows, inputs).")
      .def("finish_training", &E::finish_training,
           "Replace parameters by their average, where an optimizer keeps one.")
      .def(
          "reserved",
          [](const py::object& self, bool reading) {
            return std::make_unique<PyReservation>(self, self.cast<E&>().mark(), reading);
          },
          py::arg("reading") = false,
          "A context manager: until it ends, calls of other threads are refused.");
}

}  // namespace

void register_ensemble(py::module_& module) {
  register_for<float>(module, "EnsembleF32");
  register_for<double>(module, "EnsembleF64");
}

}  // namespace densecore::bindings
