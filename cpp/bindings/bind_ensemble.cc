// Many networks at once, as Python sees them.
#include "bindings/core_class.h"
#include "bindings/py_ensemble.h"
#include "bindings/register.h"
#include "bindings/reservation.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow rows[] = {
    property<PyEnsemble>("parameters", DENSECORE_MEMBER(parameters),
                         "A view (members, parameters)."),
    property<PyEnsemble>("states", DENSECORE_MEMBER(states),
                         "A view (members, numbers) of what layers keep besides parameters."),
    property<PyEnsemble>("seeds", DENSECORE_MEMBER(seeds), DENSECORE_MEMBER(set_seeds),
                         "Seeds of the members' shuffles and dropout masks."),
    method<PyEnsemble>(
        "compile(loss, reduction, optimizers, metrics, from_logits, loss_parameters)",
        DENSECORE_MEMBER(compile),
        "Choose loss and metrics of all members, and an optimizer for each; their states start "
        "anew."),
    method<PyEnsemble>("compile_heads(heads, optimizers, metrics)", DENSECORE_MEMBER(compile_heads),
                       "Choose a loss for each output, as a dictionary; see `compile`."),
    method<PyEnsemble>(
        "optimizer_states(member)", DENSECORE_MEMBER(optimizer_states),
        "Views (parameters,) of the arrays that a member's optimizer keeps, by name."),
    method<PyEnsemble>("progress()", DENSECORE_MEMBER(progress),
                       "(steps, epochs) of training since compilation, a number for each member."),
    method<PyEnsemble>("set_progress(member, steps, epochs)", DENSECORE_MEMBER(set_progress),
                       "Set a member's counters."),
    method<PyEnsemble>(
        "fit(data, validation, epochs, batch_size, shuffle, report, best=None)",
        DENSECORE_MEMBER(fit),
        "Train all members for a number of epochs. `data`: lists of x, y, weights or None, and row "
        "numbers or None, one for all members or one each. Writes (epochs, values, members) to "
        "`report`. `best`: which epochs' parameters are kept; see the core's BestEpoch."),
    method<PyEnsemble>(
        "evaluate(data, report)", DENSECORE_MEMBER(evaluate),
        "Write the loss and the metrics of all members to `report` (1, values, members)."),
    method<PyEnsemble>("train_on_batch(x, y, sample_weight=None)", DENSECORE_MEMBER(train_on_batch),
                       "One step of each member; returns the losses (members,) before it."),
    method<PyEnsemble>(
        "predict(x, out=None)", DENSECORE_MEMBER(predict),
        "The outputs (members, rows, units) for x (rows, inputs), or (members, rows, inputs)."),
    method<PyEnsemble>("finish_training()", DENSECORE_MEMBER(finish_training),
                       "Replace parameters by their average, where an optimizer keeps one."),
    reserved_method<PyEnsemble>(),
};

template <class T>
void register_for(const py::module_& module, const std::string& dtype) {
  static constexpr MemberRow made =
      constructor<PyEnsemble<T>, index_t, const std::vector<py::dict>&, index_t, const py::object&>(
          "Ensemble(inputs, layers, members, isa=None)");
  add_rows(
      core_class<PyEnsemble<T>>(module, "Ensemble" + dtype,
                                "Many networks of one architecture, trained side by side.", &made),
      table_of_rows<rows>());
}

}  // namespace

void register_ensemble(py::module_& module) {
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_for<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
}

}  // namespace densecore::bindings
