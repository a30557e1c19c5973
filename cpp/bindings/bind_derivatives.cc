// What a network says of its derivatives, as Python sees it. A file of its own, compiled for size:
// none of it is called for every step.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {

template <class T>
void register_derivatives(py::class_<PyNetwork<T>>& type) {
  using N = PyNetwork<T>;
  type.def("trained", &N::trained,
           "(begin, end, l1, l2) of each array of parameters that is trained.")
      .def("fused", &N::fused, "Whether the loss takes the last layer's z, before its activation.")
      .def_static("activation_derivatives", &N::activation_derivatives, py::arg("name"),
                  py::arg("parameters"), py::arg("z"),
                  "f', f'' and f''' at z (n,) of an activation; None when only f' is known.")
      .def("sample_gradients", &N::sample_gradients, py::arg("x"), py::arg("y"), py::arg("out"),
           "The gradient of each row's loss, into `out` (rows, parameters).")
      .def("parameter_jacobian", &N::parameter_jacobian, py::arg("x"), py::arg("out"),
           "d outputs / d parameters, into `out` (rows * outputs, parameters).")
      .def("normal_equations", &N::normal_equations, py::arg("x"), py::arg("y"),
           py::arg("sample_weight"), py::arg("matrix"), py::arg("vector"),
           "J' W J into `matrix` and J' W r into `vector` for r = output - y, J its Jacobian by "
           "what is trained; returns the sum of w * r ** 2.")
      .def("jets_forward", &N::jets_forward, py::arg("x"), py::arg("direction"), py::arg("vector"),
           py::arg("order"), py::arg("stop_at_z") = false,
           "Outputs, and their first and second derivatives along a direction of the inputs or the "
           "parameters (`vector`).")
      .def("jets_backward", &N::jets_backward, py::arg("gradients"), py::arg("out"),
           py::arg("input_gradient"), py::arg("of_parameters") = false,
           "From the gradients by those to the gradients by the parameters, in `out`, and by x.");
}

template void register_derivatives<float>(py::class_<PyNetwork<float>>&);
template void register_derivatives<double>(py::class_<PyNetwork<double>>&);

}  // namespace densecore::bindings
