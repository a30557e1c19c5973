// Parts of a network's step, as Python sees them: on a part of a batch, whose other parts are those
// of other processes, and on all parameters or gradients at once.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {

template <class T>
void register_parts(py::class_<PyNetwork<T>>& type) {
  using N = PyNetwork<T>;
  type.def("leaves_of", &N::leaves_of, py::arg("rows"),
           "Of how many leaves a step adds up the gradient of so many rows; 0: of none.")
      .def("couples_rows", &N::couples_rows,
           "Whether a layer uses statistics of the batch in training.")
      .def("batch_weight", &N::batch_weight, py::arg("sample_weight"), py::arg("rows"),
           "What a batch's sum of losses is divided by: its rows, or the sum of their weights.")
      .def("part_gradient", &N::part_gradient, py::arg("x"), py::arg("y"), py::arg("sample_weight"),
           py::arg("cuts"), py::arg("leaf"), py::arg("weight"), py::arg("outputs") = py::none(),
           "The gradient of rows cuts[0] .. cuts[-1] of a batch of this weight, which are leaves "
           "`leaf`, `leaf` + 1, ... of it; returns the sum of their losses.")
      .def("neutral_gradient", &N::neutral_gradient,
           "Fill the gradients and the slots behind them with -0, which changes no sum.")
      .def("shared_update", &N::shared_update, py::arg("weight"), py::arg("penalty_weight") = 0.0,
           "The optimizer's step with the gradients of a whole batch; returns the penalty.")
      .def("add_penalties", &N::add_penalties, py::arg("weight"),
           "Add the penalties to the gradients of a whole batch; returns the penalty.")
      .def("mean_loss", &N::mean_loss, py::arg("loss"), py::arg("weight"), py::arg("penalty"),
           "The loss of a batch, from the sum of its rows' losses.")
      .def("add_batch", &N::add_batch, py::arg("outputs"), py::arg("y"), py::arg("sample_weight"),
           py::arg("loss"), py::arg("weight"), py::arg("penalty"), py::arg("rows"),
           py::arg("running_metrics"),
           "Add a whole batch to running metrics: the sum of its losses, and its outputs unless "
           "None.")
      .def("blend", &N::blend, py::arg("other"), py::arg("tau"),
           "parameters += tau (other's - parameters), also what no gradient changes; False where "
           "the other network has other arrays.")
      .def("add_noise", &N::add_noise, py::arg("deviation"), py::arg("seed"),
           "Add normal numbers to the parameters that are trained.")
      .def("clip_gradients", &N::clip_gradients, py::arg("most_norm"), py::arg("most"),
           "Scale the gradients to at most this norm, then limit each; returns the norm before.")
      .def_readwrite("by_model", &N::by_model,
                     "None, or an object whose methods get what `train_on_batch` and "
                     "`predict_or_convert` refuse, while it is true.")
      .def_property_readonly("reduced", &N::reduced,
                             "A view of the gradients and the four slots behind them.");
}

template void register_parts<float>(py::class_<PyNetwork<float>>&);
template void register_parts<double>(py::class_<PyNetwork<double>>&);

}  // namespace densecore::bindings
