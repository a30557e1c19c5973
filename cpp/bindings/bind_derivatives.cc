// What a network says of its derivatives, as Python sees it. A file of its own, compiled for size:
// none of it is called for every step.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow rows[] = {
    method<PyNetwork>("trained()", DENSECORE_MEMBER(trained),
                      "(begin, end, l1, l2) of each array of parameters that is trained."),
    method<PyNetwork>("fused()", DENSECORE_MEMBER(fused),
                      "Whether the loss takes the last layer's z, before its activation."),
    method<PyNetwork>("sample_gradients(x, y, out)", DENSECORE_MEMBER(sample_gradients),
                      "The gradient of each row's loss, into `out` (rows, parameters)."),
    method<PyNetwork>("parameter_jacobian(x, out)", DENSECORE_MEMBER(parameter_jacobian),
                      "d outputs / d parameters, into `out` (rows * outputs, parameters)."),
    method<PyNetwork>("normal_equations(x, y, sample_weight, matrix, vector)",
                      DENSECORE_MEMBER(normal_equations),
                      "J' W J into `matrix` and J' W r into `vector` for r = output - y, J its "
                      "Jacobian by what is trained; returns the sum of w * r ** 2."),
    method<PyNetwork>("jets_forward(x, direction, vector, order, stop_at_z=False)",
                      DENSECORE_MEMBER(jets_forward),
                      "Outputs, and their first and second derivatives along a direction of the "
                      "inputs or the parameters (`vector`)."),
    method<PyNetwork>(
        "jets_backward(gradients, out, input_gradient, of_parameters=False)",
        DENSECORE_MEMBER(jets_backward),
        "From the gradients by those to the gradients by the parameters, in `out`, and by x."),
};
template <class T>
constexpr MemberRow functions[] = {
    function<&PyNetwork<T>::activation_derivatives>(
        "activation_derivatives(name, parameters, z)",
        "f', f'' and f''' at z (n,) of an activation; None when only f' is known."),
};

}  // namespace

template <class T>
void register_derivatives(const py::handle& network) {
  add_rows(network, table_of_rows<rows>());
  add_rows(network, table_of_rows<functions<T>>());
}

#define DENSECORE_INSTANTIATE(T, NAME, field, dtype) \
  template void register_derivatives<T>(const py::handle&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore::bindings
