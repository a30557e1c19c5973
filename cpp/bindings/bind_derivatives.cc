// What a network says of its derivatives, as Python sees it. A file of its own, compiled for size:
// none of it is called for every step.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {

template <class T>
void register_derivatives(py::class_<PyNetwork<T>>& type) {
  using N = PyNetwork<T>;
  type.def("trained", &N::trained)
      .def("fused", &N::fused)
      .def_static("activation_derivatives", &N::activation_derivatives, py::arg("name"),
                  py::arg("parameters"), py::arg("z"))
      .def("sample_gradients", &N::sample_gradients, py::arg("x"), py::arg("y"), py::arg("out"))
      .def("parameter_jacobian", &N::parameter_jacobian, py::arg("x"), py::arg("out"))
      .def("normal_equations", &N::normal_equations, py::arg("x"), py::arg("y"),
           py::arg("sample_weight"), py::arg("matrix"), py::arg("vector"))
      .def("jets_forward", &N::jets_forward, py::arg("x"), py::arg("direction"), py::arg("vector"),
           py::arg("order"), py::arg("stop_at_z") = false)
      .def("jets_backward", &N::jets_backward, py::arg("gradients"), py::arg("out"),
           py::arg("input_gradient"), py::arg("of_parameters") = false);
}

template void register_derivatives<float>(py::class_<PyNetwork<float>>&);
template void register_derivatives<double>(py::class_<PyNetwork<double>>&);

}  // namespace densecore::bindings
