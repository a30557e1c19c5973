// A network's derivatives, as Python sees them. A file of its own, compiled for size:
// none of it is called for every step.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow derivative_rows[] = {
    method("trained()", DENSECORE_MEMBERS(PyNetwork, trained),
           "(begin, end, l1, l2) of each array of parameters that is trained."),
    method("fused()", DENSECORE_MEMBERS(PyNetwork, fused),
           "Whether the loss takes the last layer's z, before its activation."),
    method("sample_gradients(x, y, out)", DENSECORE_MEMBERS(PyNetwork, sample_gradients),
           "The gradient of each row's loss, into `out` (rows, parameters)."),
    method("parameter_jacobian(x, out)", DENSECORE_MEMBERS(PyNetwork, parameter_jacobian),
           "d outputs / d parameters, into `out` (rows * outputs, parameters)."),
    method("normal_equations(x, y, sample_weight, matrix, vector)",
           DENSECORE_MEMBERS(PyNetwork, normal_equations),
           "J' W J into `matrix` and J' W r into `vector` for r = output - y, J its "
           "Jacobian by what is trained; returns the sum of w * r ** 2."),
    method("jets_forward(x, direction, vector, order, stop_at_z=False)",
           DENSECORE_MEMBERS(PyNetwork, jets_forward),
           "Outputs, and their first and second derivatives along a direction of the "
           "inputs or the parameters (`vector`)."),
    method("jets_backward(gradients, out, input_gradient, of_parameters=False)",
           DENSECORE_MEMBERS(PyNetwork, jets_backward),
           "From the gradients by those to the gradients by the parameters, in `out`, and by x."),
};
template <class T>
constexpr MemberRow derivative_functions[] = {
    function<&PyNetwork<T>::activation_derivatives>(
        "activation_derivatives(name, parameters, z)",
        "f', f'' and f''' at z (n,) of an activation; None when only f' is known."),
};

}  // namespace

template <class T>
void register_derivatives(const py::handle& network) {
  add_rows(network, table_of_rows<derivative_rows>());
  add_rows(network, table_of_rows<derivative_functions<T>>());
}

#define DENSECORE_INSTANTIATE(T, NAME, field, dtype) \
  template void register_derivatives<T>(const py::handle&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore::bindings
