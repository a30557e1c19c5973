// What a training loop in Python calls once per step. It has a file of its own because it is
// compiled for speed, and all other bindings for space.
#include <pybind11/stl.h>

#include "bindings/bound_step.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {

template <class T>
void register_bound(py::module_& module, const std::string& network) {
  static const std::string step_name = "Step" + network, predict_name = "Prediction" + network,
                           part_name = "Part" + network;
  core_class<BoundStep<T>>(module, step_name.c_str(),
                           "A training step that is bound to its arrays.",
                           called_as<BoundStep<T>::call>())
      .def(py::init<py::object, py::object, py::object, py::object>(), py::arg("network"),
           py::arg("x"), py::arg("y"), py::arg("sample_weight"))
      .def(
          "run",
          [](BoundStep<T>& self, const py::object& steps) {
            return self.run(integer_of("run: steps", steps, 1));
          },
          py::arg("steps"), "Make a number of steps, and return the loss before the last one.");
  core_class<BoundPart<T>>(module, part_name.c_str(),
                           "Steps on a part of batches that several processes share.")
      .def(py::init<py::object, std::vector<index_t>, index_t, index_t, std::vector<double>>(),
           py::arg("network"), py::arg("cuts"), py::arg("leaf"), py::arg("rows"),
           py::arg("weights"))
      .def("gradient", &BoundPart<T>::gradient, py::arg("x"), py::arg("y"),
           "Leave the part's gradient and loss in the network's `reduced`.")
      .def("update", &BoundPart<T>::update,
           "With those of all parts there: the loss before the update; None for no update.");
  core_class<BoundPrediction<T>>(module, predict_name.c_str(),
                                 "A prediction that is bound to its arrays.",
                                 called_as<BoundPrediction<T>::call>())
      .def(py::init<py::object, py::object, py::object>(), py::arg("network"), py::arg("x"),
           py::arg("out"));
}

template void register_bound<float>(py::module_&, const std::string&);
template void register_bound<double>(py::module_&, const std::string&);
template void add_hot_calls<float>(const py::handle&);
template void add_hot_calls<double>(const py::handle&);

}  // namespace densecore::bindings
