// Parts of a network's step, as Python sees them: on a part of a batch, whose other parts are those
// of other processes, and on all parameters or gradients at once.
#include "bindings/py_network.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

constexpr MemberRow network_part_rows[] = {
    method("leaves_of(rows)", DENSECORE_MEMBERS(PyNetwork, leaves_of),
           "Of how many leaves a step adds up the gradient of so many rows; 0: of none."),
    method("couples_rows()", DENSECORE_MEMBERS(PyNetwork, couples_rows),
           "Whether a layer uses statistics of the batch in training."),
    method("batch_weights(sample_weight, rows)", DENSECORE_MEMBERS(PyNetwork, batch_weights),
           "What a batch's sum of losses is divided by, its rows or the sum of their "
           "weights: a list of one, of several outputs with one for each."),
    method(
        "part_gradient(x, y, sample_weight, cuts, leaf, rows, weights, outputs=None, add_up=None)",
        DENSECORE_MEMBERS(PyNetwork, part_gradient),
        "The gradient of rows cuts[0] .. cuts[-1] of a batch of so many rows and these weights, "
        "which are leaves `leaf`, `leaf` + 1, ... of it. Returns a list: the sum of their losses, "
        "of several outputs of each, and of the penalties of layers' outputs if there are such. "
        "`add_up` replaces an array by its sum over the processes, see sums_of_pass."),
    method("neutral_gradient()", DENSECORE_MEMBERS(PyNetwork, neutral_gradient),
           "Fill the gradients and the slots behind them with -0, which changes no sum."),
    method("sums_of_pass()", DENSECORE_MEMBERS(PyNetwork, sums_of_pass),
           "How many numbers `part_gradient` adds up between the processes, call by call."),
    property("summed_count", DENSECORE_MEMBERS(PyNetwork, summed_count),
             "Parameters whose gradients processes add up: all but tables."),
    property("sums_of_part", DENSECORE_MEMBERS(PyNetwork, sums_of_part),
             "How many sums `part_gradient` returns."),
    property("table_columns", DENSECORE_MEMBERS(PyNetwork, table_columns),
             "Numbers of a row that the tables' gradients are made of."),
    method("take_table_rows(to)", DENSECORE_MEMBERS(PyNetwork, take_table_rows),
           "Write those of the last part to (rows, table_columns)."),
    method("add_table_rows(rows)", DENSECORE_MEMBERS(PyNetwork, add_table_rows),
           "The gradients of the tables from those of a whole batch."),
    method("expect(group, reduced, cuts, leaf, rows, weights, steps_between_checks)",
           DENSECORE_MEMBERS(PyNetwork, expect),
           "Expect that `train_on_batch` is called with this part of a batch next."),
    method("expect_nothing()", DENSECORE_MEMBERS(PyNetwork, expect_nothing), "The opposite."),
    method("usual_step(x, y, other, comm, at_last)", DENSECORE_MEMBERS(PyNetwork, usual_step),
           "A step on the expected part, and its loss; None when it is another one."),
    method("shared_update(rows, weights, penalty_weight=0.0)",
           DENSECORE_MEMBERS(PyNetwork, shared_update),
           "The optimizer's step with the gradients of a whole batch; returns the penalty."),
    method("add_penalties(rows, weights)", DENSECORE_MEMBERS(PyNetwork, add_penalties),
           "Add the penalties to the gradients of a whole batch; returns the penalty."),
    method("mean_loss(sums, rows, weights, penalty)", DENSECORE_MEMBERS(PyNetwork, mean_loss),
           "The loss of a batch, from the sums of its parts."),
    method("add_batch(outputs, y, sample_weight, sums, rows, weights, penalty, running_metrics)",
           DENSECORE_MEMBERS(PyNetwork, add_batch),
           "Add a whole batch to running metrics: the sums of its parts, and its outputs unless "
           "None."),
    method("blend(other, tau)", DENSECORE_MEMBERS(PyNetwork, blend),
           "parameters += tau (other's - parameters), also what no gradient changes; "
           "False where the other network has other arrays."),
    method("add_noise(deviation, seed)", DENSECORE_MEMBERS(PyNetwork, add_noise),
           "Add normal numbers to the parameters that are trained."),
    method("clip_gradients(most_norm, most)", DENSECORE_MEMBERS(PyNetwork, clip_gradients),
           "Scale the gradients to at most this norm, then limit each; returns the norm before."),
    property("by_model", DENSECORE_MEMBERS(PyNetwork, get_model),
             DENSECORE_MEMBERS(PyNetwork, set_model),
             "None, or an object whose methods get what `train_on_batch` and "
             "`predict_or_convert` refuse, while it is true."),
    property("reduced", DENSECORE_MEMBERS(PyNetwork, reduced),
             "A view of the gradients and the four slots behind them."),
};

}  // namespace

void register_parts(const py::handle& network) {
  add_rows(network, table_of_rows<network_part_rows>());
}

}  // namespace densecore::bindings
