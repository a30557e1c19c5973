// Many networks at once, as Python sees them.
#include "bindings/core_class.h"
#include "bindings/py_ensemble.h"
#include "bindings/register.h"
#include "bindings/reservation.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow ensemble_rows[] = {
    property("parameters", DENSECORE_MEMBERS(PyEnsemble, parameters),
             "A view (members, parameters)."),
    property("states", DENSECORE_MEMBERS(PyEnsemble, states),
             "A view (members, numbers) of what layers keep besides parameters."),
    property("seeds", DENSECORE_MEMBERS(PyEnsemble, seeds),
             DENSECORE_MEMBERS(PyEnsemble, set_seeds),
             "Seeds of the members' shuffles and dropout masks."),
    method("compile(loss, reduction, optimizers, metrics, from_logits, loss_parameters)",
           DENSECORE_MEMBERS(PyEnsemble, compile),
           "Choose loss and metrics of all members, and an optimizer for each; their states start "
           "anew."),
    method("compile_heads(heads, optimizers, metrics)",
           DENSECORE_MEMBERS(PyEnsemble, compile_heads),
           "Choose a loss for each output, as a dictionary; see `compile`."),
    method("optimizer_states(member)", DENSECORE_MEMBERS(PyEnsemble, optimizer_states),
           "Views (parameters,) of the arrays that a member's optimizer keeps, by name."),
    method("progress()", DENSECORE_MEMBERS(PyEnsemble, progress),
           "(steps, epochs) of training since compilation, a number for each member."),
    method("set_progress(member, steps, epochs)", DENSECORE_MEMBERS(PyEnsemble, set_progress),
           "Set a member's counters."),
    method(
        "fit(data, validation, epochs, batch_size, shuffle, report, best=None)",
        DENSECORE_MEMBERS(PyEnsemble, fit),
        "Train all members for a number of epochs. `data`: lists of x, y, weights or None, and row "
        "numbers or None, one for all members or one each. Writes (epochs, values, members) to "
        "`report`. `best`: which epochs' parameters are kept; see the core's BestEpoch."),
    method("evaluate(data, report)", DENSECORE_MEMBERS(PyEnsemble, evaluate),
           "Write the loss and the metrics of all members to `report` (1, values, members)."),
    method("train_on_batch(x, y, sample_weight=None)",
           DENSECORE_MEMBERS(PyEnsemble, train_on_batch),
           "One step of each member; returns the losses (members,) before it."),
    method("predict(x, out=None)", DENSECORE_MEMBERS(PyEnsemble, predict),
           "The outputs (members, rows, units) for x (rows, inputs), or (members, rows, inputs)."),
    method("finish_training()", DENSECORE_MEMBERS(PyEnsemble, finish_training),
           "Replace parameters by their average, where an optimizer keeps one."),
    reserved_method<PyEnsemble>(),
};

template <class T>
void register_ensemble_of(const py::module_& module, const std::string& dtype) {
  static constexpr MemberRow made =
      constructor<PyEnsemble<T>, index_t, const std::vector<py::dict>&, index_t, const py::object&>(
          "Ensemble(inputs, layers, members, isa=None)");
  add_rows(
      core_class<PyEnsemble<T>>(module, "Ensemble" + dtype,
                                "Many networks of one architecture, trained side by side.", &made),
      table_of_rows<ensemble_rows>());
}

}  // namespace

void register_ensemble(py::module_& module) {
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_ensemble_of<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
}

}  // namespace densecore::bindings
