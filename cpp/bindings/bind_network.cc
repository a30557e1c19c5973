// Networks, and steps that are bound to their arrays, as Python sees them.
#include "bindings/bound_step.h"
#include "bindings/py_network.h"
#include "bindings/register.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {
namespace {

template <class T>
void register_for(py::module_& module, const char* name, const char* metrics_name) {
  using N = PyNetwork<T>;
  core_class<PyRunningMetrics<T>>(module, metrics_name, "Loss and metrics of the batches so far.")
      .def("reset", &PyRunningMetrics<T>::reset, "Forget the batches so far.")
      .def("results", &PyRunningMetrics<T>::results,
           "The mean loss, then the metrics in the order of compilation.");
  static const std::string tape_name = std::string("Tape") + name;
  core_class<PyTape<T>>(module, tape_name.c_str(), "A place for one forward pass.")
      .def_property_readonly("rows", &PyTape<T>::rows,
                             "Rows of the forward pass on it; 0 without one.");
  auto type = core_class<N>(module, name, "A network with what it is trained by, on NumPy arrays.");
  register_bound<T>(module, name);
  add_hot_calls<T>(type);
  register_derivatives<T>(type);
  register_parts<T>(type);
  type.def(py::init<index_t, const std::vector<py::dict>&, const py::object&>(), py::arg("inputs"),
           py::arg("layers"), py::arg("isa") = py::none())
      .def_property_readonly("isa", &N::isa,
                             "The instruction set that the kernels are compiled for.")
      .def_property_readonly("inputs", &N::inputs, "Number of features in a row.")
      .def_property_readonly("parameter_count", &N::parameter_count, "Number of parameters.")
      .def_property_readonly("parameters", &N::parameters,
                             "A view (parameter_count,) of all parameters, layer by layer.")
      .def_property_readonly(
          "gradients", &N::gradients,
          "A view (parameter_count,) of the gradients of the last backward pass.")
      .def_property_readonly("gradient_slots", &N::gradient_slots,
                             "A view of the four numbers behind the gradients: weight and loss of "
                             "the batch, and two that are free for a reduction over processes.")
      .def("layer_views", &N::layer_views, py::arg("layer"),
           "Of the core's layer: (parameters, gradients, states), each a dictionary of views by "
           "name.")
      .def_property(
          "seed", [](const N& network) { return network.seed(); },
          [](N& network, std::uint64_t seed) { network.set_seed(seed); },
          "Seed of dropout masks and of the orders of rows.")
      .def_property(
          "open_passes", [](const N& network) { return network.open_passes(); },
          [](N& network, std::uint64_t count) { network.set_open_passes(count); },
          "Number of forward passes so far that were not part of a training step: each has dropout "
          "masks of its own.")
      .def("set_trainable", &N::set_trainable, py::arg("layer"), py::arg("trainable"),
           "Set whether training changes a layer; pending forward passes are discarded.")
      .def("set_penalty", &N::set_penalty, py::arg("layer"), py::arg("l1"), py::arg("l2"),
           "Set the factors of |w| and of w ** 2 of a layer's weights.")
      .def("random_numbers", &N::random_numbers, py::arg("layer"), py::arg("step"), py::arg("rows"),
           "The factors or numbers (rows, units) that a layer draws in a training step.")
      .def("set_function", &N::set_function, py::arg("layer"), py::arg("forward"),
           py::arg("derivative"),
           "Set the functions of a layer of kind 'function': forward(x) and derivative(x, a), on "
           "copies (rows, units); with units, derivative(x, dC/da) is dC/dx.")
      .def("compile", &N::compile, py::arg("loss"), py::arg("reduction"), py::arg("optimizer"),
           py::arg("metrics"), py::arg("seed"), py::arg("from_logits") = false,
           py::arg("loss_parameters") = std::vector<double>(),
           "Choose loss, optimizer and metrics; the optimizer's state starts anew.")
      .def("compile_heads", &N::compile_heads, py::arg("heads"), py::arg("optimizer"),
           py::arg("metrics"), py::arg("seed"),
           "Choose a loss for each output, as a dictionary; see `compile`.")
      .def("optimizer_states", &N::optimizer_states,
           "Views (parameter_count,) of the arrays that the optimizer keeps, by name.")
      .def_property("steps", &N::steps, &N::set_steps, "Training steps since compilation.")
      .def_property("epochs", &N::epochs, &N::set_epochs, "Epochs of training since compilation.")
      .def("penalty", &N::penalty, "The sum of the layers' penalties.")
      .def("make_tape", &N::make_tape,
           "A place for a forward pass that is kept until its backward pass.")
      .def("loss_and_gradients", &N::loss_and_gradients, py::arg("x"), py::arg("y"),
           py::arg("sample_weight") = py::none(),
           "The mean loss of a batch, penalties included; fills the gradients and updates nothing.")
      .def("layer_outputs", &N::layer_outputs,
           "Copies (rows, units) of what each of the core's layers put out in the last forward "
           "pass.")
      .def("finish_training", &N::finish_training,
           "Replace the parameters by their average, where the optimizer keeps one.")
      .def(
          "fit",
          [](N& self, const py::object& x, const py::object& y, const py::object& weight,
             const py::object& validation, std::int64_t epochs, index_t batch_size, bool shuffle,
             py::list results, py::object begin, py::object end, const py::object& row_order,
             double penalty_weight, RowsDone* rows_done) {
            self.fit(x, y, weight, validation, epochs, batch_size, shuffle, std::move(results),
                     {std::move(begin), std::move(end)}, row_order, penalty_weight, rows_done);
          },
          py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("validation"),
          py::arg("epochs"), py::arg("batch_size"), py::arg("shuffle"), py::arg("results"),
          py::arg("epoch_begin") = py::none(), py::arg("epoch_end") = py::none(),
          py::arg("row_order") = py::none(), py::arg("penalty_weight") = 0.0,
          py::arg("rows_done") = py::none(),
          "Train for a number of epochs. Appends to `results` a list for the loss and each metric, "
          "then for those of the validation rows: its value in every epoch. Calls epoch_begin() "
          "and epoch_end(training, "
          "validation), which returns whether to go on. Rows come in the order `row_order` "
          "(rows,), read when an epoch begins, or else in one that follows from the seed. With a "
          "`penalty_weight` > 0 a batch's penalties are multiplied by it over the batch's weight. "
          "`rows_done` says how far the present epoch is.")
      .def(
          "reserved",
          [](const py::object& self, bool reading) {
            return std::make_unique<PyReservation>(self, self.cast<N&>().mark(), reading);
          },
          py::arg("reading") = false,
          "A context manager: until it ends, calls of other threads are refused.")
      .def("running_metrics", &N::running_metrics, "New running metrics, for a loop over batches.")
      .def("train_batch", &N::train_batch, py::arg("x"), py::arg("y"), py::arg("sample_weight"),
           py::arg("running_metrics"), py::arg("penalty_weight") = 0.0,
           "One training step, added to running metrics. The gradients are not kept.")
      .def("evaluate_batch", &N::evaluate_batch, py::arg("x"), py::arg("y"),
           py::arg("sample_weight"), py::arg("running_metrics"),
           "Add the loss and the metrics of a batch to running metrics.")
      .def("add_to_metrics", &N::add_to_metrics, py::arg("outputs"), py::arg("y"), py::arg("loss"),
           py::arg("running_metrics"),
           "Add a batch to running metrics whose mean loss the caller has computed.")
      .def("evaluate", &N::evaluate, py::arg("x"), py::arg("y"), py::arg("sample_weight"),
           "The mean loss and the metrics of all rows.");
}

}  // namespace

void register_network(py::module_& module) {
  core_class<RowsDone>(module, "RowsDone", "How many rows of an epoch `fit` has trained on.")
      .def(py::init<>())
      .def_property_readonly(
          "rows", [](const RowsDone& done) { return done.rows.load(std::memory_order_relaxed); },
          "Their number, which may be read in any thread at any time.");
  core_class<PyReservation>(module, "Reservation", "See `reserved` of networks and ensembles.")
      .def("__enter__", &PyReservation::enter, "Refuse other threads' calls from now on.")
      .def(
          "__exit__", [](PyReservation& self, const py::args&) { self.exit(); },
          "Let other threads call again.");
  register_for<float>(module, "NetworkF32", "RunningMetricsF32");
  register_for<double>(module, "NetworkF64", "RunningMetricsF64");
}

}  // namespace densecore::bindings
