// The functions that a training loop in Python calls once per step. It has a file of its own
// because it is compiled for speed, and all other bindings for space.
#include "bindings/bound_step.h"
#include "bindings/vectorcall_methods.h"

namespace densecore::bindings {
namespace {

template <class T>
constexpr MemberRow hot_rows[] = {
    method_at("predict(x, out=None)", HotCalls<T>::predict,
              "The outputs (rows, units) for x (rows, features), in `out`."),
    method_at("train_on_batch(x, y, sample_weight=None)", HotCalls<T>::train_on_batch,
              "One training step; returns the loss before it. What cannot be used where it lies "
              "goes to the method of that name of `by_model`."),
    method_at("forward(x, out=None, training=True, tape=None, step=-1)", HotCalls<T>::forward,
              "The outputs for x, and what `backward` needs. Dropout masks are those of training "
              "step `step`, or (-1) of this call's own."),
    method_at("backward(grad_output, input_gradient=False, accumulate=False, tape=None)",
              HotCalls<T>::backward,
              "Fill the gradients from dC/d(output) of the last `forward`; returns dC/dx if "
              "asked."),
    method_at("apply_gradients()", HotCalls<T>::apply_gradients,
              "One optimizer step with the gradients."),
    method_at("predict_or_convert(x, out=None)", HotCalls<T>::predict_or_convert,
              "As `predict`; what it refuses goes to the model's `predict_on_batch`."),
};

constexpr MemberRow step_rows[] = {
    method("run(steps)", DENSECORE_MEMBERS(BoundStep, run_steps),
           "Make a number of steps, and return the loss before the last one."),
};

}  // namespace

template <class T>
void add_hot_calls(const py::handle& network) {
  add_rows(network, table_of_rows<hot_rows<T>>());
}

template <class T>
void register_bound(const py::handle& module, const std::string& dtype) {
  static constexpr MemberRow step =
      constructor<BoundStep<T>, const py::object&, const py::object&, const py::object&,
                  const py::object&>("StepNetwork(network, x, y, sample_weight)");
  add_rows(core_class<BoundStep<T>>(module, "StepNetwork" + dtype,
                                    "A training step that is bound to its arrays.", &step),
           table_of_rows<step_rows>());
  static constexpr MemberRow prediction =
      constructor<BoundPrediction<T>, const py::object&, const py::object&, const py::object&>(
          "PredictionNetwork(network, x, out)");
  core_class<BoundPrediction<T>>(module, "PredictionNetwork" + dtype,
                                 "A prediction that is bound to its arrays.", &prediction);
}

#define DENSECORE_INSTANTIATE(T, NAME, field, dtype) \
  template void add_hot_calls<T>(const py::handle&); \
  template void register_bound<T>(const py::handle&, const std::string&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore::bindings
