// What a training loop in Python calls once per step. It has a file of its own because it is
// compiled for speed, and all other bindings for space.
#include "bindings/bound_step.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {

namespace {

// An integer as Python counts: 2.5, True and "3" are none.
std::int64_t integer_of(const char* name, const py::object& value) {
  const auto wanted = [&](const std::string& found) {
    return std::string(name) + ": found " + found + ", wanted an integer from 1 to 2^63 - 1";
  };
  if (PyBool_Check(value.ptr()) || !PyIndex_Check(value.ptr()))
    throw py::type_error(wanted(py::repr(value).cast<std::string>()));
  const std::int64_t found = PyNumber_AsSsize_t(value.ptr(), PyExc_OverflowError);
  if (found == -1 && PyErr_Occurred() != nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) throw py::error_already_set();
    PyErr_Clear();
    throw py::value_error(wanted(py::str(value).cast<std::string>()));
  }
  if (found < 1) throw py::value_error(wanted(std::to_string(found)));
  return found;
}

}  // namespace

template <class T>
void register_bound(py::module_& module, const std::string& network) {
  static const std::string step_name = "Step" + network, predict_name = "Prediction" + network;
  core_class<BoundStep<T>>(module, step_name.c_str(),
                           "A training step that is bound to its arrays.",
                           called_as<BoundStep<T>::call>())
      .def(py::init<py::object, py::object, py::object, py::object>(), py::arg("network"),
           py::arg("x"), py::arg("y"), py::arg("sample_weight"))
      .def(
          "run",
          [](BoundStep<T>& self, const py::object& steps) {
            return self.run(integer_of("run: steps", steps));
          },
          py::arg("steps"), "Make a number of steps, and return the loss before the last one.");
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
