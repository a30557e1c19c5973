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
      .def("batch_weights", &N::batch_weights, py::arg("sample_weight"), py::arg("rows"),
           "What a batch's sum of losses is divided by, its rows or the sum of their weights: a "
           "list of one, of several outputs with one for each.")
      .def("part_gradient", &N::part_gradient, py::arg("x"), py::arg("y"), py::arg("sample_weight"),
           py::arg("cuts"), py::arg("leaf"), py::arg("rows"), py::arg("weights"),
           py::arg("outputs") = py::none(), py::arg("add_up") = py::none(),
           "The gradient of rows cuts[0] .. cuts[-1] of a batch of so many rows and these weights, "
           "which are leaves `leaf`, `leaf` + 1, ... of it. Returns a list: the sum of their "
           "losses, of several outputs of each, and of the penalties of layers' outputs if there "
           "are such. `add_up` replaces an array by its sum over the processes, see sums_of_pass.")
      .def("neutral_gradient", &N::neutral_gradient,
           "Fill the gradients and the slots behind them with -0, which changes no sum.")
      .def("sums_of_pass", &N::sums_of_pass,
           "How many numbers `part_gradient` adds up between the processes, call by call.")
      .def_property_readonly("summed_count", &N::summed_count,
                             "Parameters whose gradients processes add up: all but tables.")
      .def_property_readonly("sums_of_part", &N::sums_of_part,
                             "How many sums `part_gradient` returns.")
      .def_property_readonly("table_columns", &N::table_columns,
                             "Numbers of a row that the tables' gradients are made of.")
      .def("take_table_rows", &N::take_table_rows, py::arg("to"),
           "Write those of the last part to (rows, table_columns).")
      .def("add_table_rows", &N::add_table_rows, py::arg("rows"),
           "The gradients of the tables from those of a whole batch.")
      .def("shared_update", &N::shared_update, py::arg("rows"), py::arg("weights"),
           py::arg("penalty_weight") = 0.0,
           "The optimizer's step with the gradients of a whole batch; returns the penalty.")
      .def("add_penalties", &N::add_penalties, py::arg("rows"), py::arg("weights"),
           "Add the penalties to the gradients of a whole batch; returns the penalty.")
      .def("mean_loss", &N::mean_loss, py::arg("sums"), py::arg("rows"), py::arg("weights"),
           py::arg("penalty"), "The loss of a batch, from the sums of its parts.")
      .def("add_batch", &N::add_batch, py::arg("outputs"), py::arg("y"), py::arg("sample_weight"),
           py::arg("sums"), py::arg("rows"), py::arg("weights"), py::arg("penalty"),
           py::arg("running_metrics"),
           "Add a whole batch to running metrics: the sums of its parts, and its outputs unless "
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
