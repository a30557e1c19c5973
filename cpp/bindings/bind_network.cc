// Networks, and steps that are bound to their arrays, as Python sees them.
#include "bindings/bound_step.h"
#include "bindings/py_network.h"
#include "bindings/register.h"
#include "bindings/reservation.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow metrics_rows[] = {
    method("reset()", DENSECORE_MEMBERS(PyRunningMetrics, reset), "Forget the batches so far."),
    method("results()", DENSECORE_MEMBERS(PyRunningMetrics, results),
           "The mean loss, then the metrics in the order of compilation."),
};
constexpr MemberRow tape_rows[] = {
    property("rows", DENSECORE_MEMBERS(PyTape, rows),
             "Rows of the forward pass on it; 0 without one."),
};
constexpr MemberRow network_rows[] = {
    property("isa", DENSECORE_MEMBERS(PyNetwork, isa),
             "The instruction set that the kernels are compiled for."),
    property("inputs", DENSECORE_MEMBERS(PyNetwork, inputs), "Number of features in a row."),
    property("parameter_count", DENSECORE_MEMBERS(PyNetwork, parameter_count),
             "Number of parameters."),
    property("parameters", DENSECORE_MEMBERS(PyNetwork, parameters),
             "A view (parameter_count,) of all parameters, layer by layer."),
    property("gradients", DENSECORE_MEMBERS(PyNetwork, gradients),
             "A view (parameter_count,) of the gradients of the last backward pass."),
    property("gradient_slots", DENSECORE_MEMBERS(PyNetwork, gradient_slots),
             "A view of the four numbers behind the gradients: weight and loss of the "
             "batch, and two that are free for a reduction over processes."),
    method("layer_views(layer)", DENSECORE_MEMBERS(PyNetwork, layer_views),
           "Of the core's layer: (parameters, gradients, states), each a dictionary of "
           "views by name."),
    property("seed", DENSECORE_MEMBERS(PyNetwork, seed), DENSECORE_MEMBERS(PyNetwork, set_seed),
             "Seed of dropout masks and of the orders of rows."),
    property("open_passes", DENSECORE_MEMBERS(PyNetwork, open_passes),
             DENSECORE_MEMBERS(PyNetwork, set_open_passes),
             "Number of forward passes so far that were not part of a training step: "
             "each has dropout masks of its own."),
    method("set_trainable(layer, trainable)", DENSECORE_MEMBERS(PyNetwork, set_trainable),
           "Set whether training changes a layer; pending forward passes are discarded."),
    method("set_penalty(layer, l1, l2)", DENSECORE_MEMBERS(PyNetwork, set_penalty),
           "Set the factors of |w| and of w ** 2 of a layer's weights."),
    method("random_numbers(layer, step, rows)", DENSECORE_MEMBERS(PyNetwork, random_numbers),
           "The factors or numbers (rows, units) that a layer draws in a training step."),
    method("set_function(layer, forward, derivative)", DENSECORE_MEMBERS(PyNetwork, set_function),
           "Set the functions of a layer of kind 'function': forward(x) and "
           "derivative(x, a), on copies (rows, units)."),
    method(
        "compile(loss, reduction, optimizer, metrics, seed, from_logits=False, loss_parameters=())",
        DENSECORE_MEMBERS(PyNetwork, compile),
        "Choose loss, optimizer and metrics; the optimizer's state starts anew."),
    method("compile_heads(heads, optimizer, metrics, seed)",
           DENSECORE_MEMBERS(PyNetwork, compile_heads),
           "Choose a loss for each output, as a dictionary; see `compile`."),
    method("optimizer_states()", DENSECORE_MEMBERS(PyNetwork, optimizer_states),
           "Views (parameter_count,) of the arrays that the optimizer keeps, by name."),
    property("steps", DENSECORE_MEMBERS(PyNetwork, steps), DENSECORE_MEMBERS(PyNetwork, set_steps),
             "Training steps since compilation."),
    property("epochs", DENSECORE_MEMBERS(PyNetwork, epochs),
             DENSECORE_MEMBERS(PyNetwork, set_epochs), "Epochs of training since compilation."),
    method("penalty()", DENSECORE_MEMBERS(PyNetwork, penalty), "The sum of the layers' penalties."),
    method("output_penalty()", DENSECORE_MEMBERS(PyNetwork, output_penalty),
           "The penalties of layers' outputs in the last forward pass, a mean over its rows."),
    method("make_tape()", DENSECORE_MEMBERS(PyNetwork, make_tape),
           "A place for a forward pass that is kept until its backward pass."),
    method(
        "loss_and_gradients(x, y, sample_weight=None)",
        DENSECORE_MEMBERS(PyNetwork, loss_and_gradients),
        "The mean loss of a batch, penalties included; fills the gradients and updates nothing."),
    method("layer_outputs()", DENSECORE_MEMBERS(PyNetwork, layer_outputs),
           "Copies of the outputs (rows, units) of each of the core's layers in the last forward "
           "pass."),
    method("finish_training()", DENSECORE_MEMBERS(PyNetwork, finish_training),
           "Replace the parameters by their average, where the optimizer keeps one."),
    method(
        "fit(x, y, sample_weight, validation, epochs, batch_size, shuffle, results, "
        "epoch_begin=None, epoch_end=None, row_order=None, penalty_weight=0.0, rows_done=None)",
        DENSECORE_MEMBERS(PyNetwork, fit),
        "Train for a number of epochs. Appends to `results` a list for the loss and each metric, "
        "then for those of the validation rows: its value in every epoch. Calls epoch_begin() and "
        "epoch_end(training, validation), which returns whether to go on. Rows come in the order "
        "`row_order` (rows,), read when an epoch begins, or else in one that follows from the "
        "seed. With a `penalty_weight` > 0 a batch's penalties are multiplied by it over the "
        "batch's weight. `rows_done` says how far the present epoch is."),
    reserved_method<PyNetwork>(),
    method("running_metrics()", DENSECORE_MEMBERS(PyNetwork, running_metrics),
           "New running metrics, for a loop over batches."),
    method("train_batch(x, y, sample_weight, running_metrics, penalty_weight=0.0)",
           DENSECORE_MEMBERS(PyNetwork, train_batch),
           "One training step, added to running metrics. The gradients are not kept."),
    method("evaluate_batch(x, y, sample_weight, running_metrics)",
           DENSECORE_MEMBERS(PyNetwork, evaluate_batch),
           "Add the loss and the metrics of a batch to running metrics."),
    method("add_to_metrics(outputs, y, loss, running_metrics, sample_weight=None)",
           DENSECORE_MEMBERS(PyNetwork, add_to_metrics),
           "Add a batch to running metrics whose mean loss the caller has computed."),
    method("evaluate(x, y, sample_weight)", DENSECORE_MEMBERS(PyNetwork, evaluate),
           "The mean loss and the metrics of all rows."),
};
constexpr MemberRow rows_done_rows[] = {
    property<&RowsDone::count>("rows",
                               "Their number, which may be read in any thread at any time."),
};
constexpr MemberRow reservation_rows[] = {
    method<&PyReservation::enter>("__enter__()", "Refuse other threads' calls from now on."),
    method_by(
        "__exit__(kind=None, error=None, traceback=None)",
        [](PyObject* self, const Given&) {
          self_of<PyReservation>(self).exit();
          return py::none().release().ptr();
        },
        "Let other threads call again."),
};

template <class T>
void register_network_of(const py::module_& module, const std::string& dtype) {
  add_rows(core_class<PyRunningMetrics<T>>(module, "RunningMetrics" + dtype,
                                           "Loss and metrics of the batches so far."),
           table_of_rows<metrics_rows>());
  add_rows(core_class<PyTape<T>>(module, "TapeNetwork" + dtype, "A place for one forward pass."),
           table_of_rows<tape_rows>());
  static constexpr MemberRow made =
      constructor<PyNetwork<T>, index_t, const std::vector<py::dict>&, const py::object&>(
          "Network(inputs, layers, isa=None)");
  const py::handle type =
      core_class<PyNetwork<T>>(module, "Network" + dtype,
                               "A network with its optimizer and metrics, on NumPy arrays.", &made);
  register_bound<T>(module, dtype);
  add_hot_calls<T>(type);
  register_derivatives<T>(type);
  register_parts(type);
  add_rows(type, table_of_rows<network_rows>());
}

}  // namespace

void register_network(py::module_& module) {
  static constexpr MemberRow made = constructor<RowsDone>("RowsDone()");
  add_rows(core_class<RowsDone>(module, "RowsDone",
                                "How many rows of an epoch `fit` has trained on.", &made),
           table_of_rows<rows_done_rows>());
  add_rows(
      core_class<PyReservation>(module, "Reservation", "See `reserved` of networks and ensembles."),
      table_of_rows<reservation_rows>());
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_network_of<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
}

}  // namespace densecore::bindings
