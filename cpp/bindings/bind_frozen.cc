// Frozen networks, as Python sees them.
#include "bindings/frozen.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

PyObject* itself(PyObject* self, const Given&) {
  Py_INCREF(self);
  return self;
}

constexpr MemberRow frozen_rows[] = {
    property("input_shape", DENSECORE_MEMBERS(PyFrozen, input_shape), "(None, features)."),
    property("output_shape", DENSECORE_MEMBERS(PyFrozen, output_shape), "(None, units)."),
    property("dtype", DENSECORE_MEMBERS(PyFrozen, dtype), "float32 or float64."),
    method("count_params()", DENSECORE_MEMBERS(PyFrozen, count_params), "Number of parameters."),
    method_by("__copy__()", itself, "Itself: it never changes."),
    method_by("__deepcopy__(memo)", itself, "Itself: it never changes."),
    method("__repr__()", DENSECORE_MEMBERS(PyFrozen, text), "Sizes and dtype."),
    // Replaces that of all core classes, which refuses.
    method_by(
        "__reduce__()",
        [](PyObject* self, const Given&) {
          return with_dtype<PyFrozen>(self_of<CoreObject>(self), [&](const auto& frozen) {
            const py::handle type(reinterpret_cast<PyObject*>(Py_TYPE(self)));
            return py::make_tuple(type, frozen.recipe()).release().ptr();
          });
        },
        "What pickle makes another one of."),
};
template <class T>
constexpr MemberRow frozen_hot_rows[] = {
    method_at("predict_on_batch(x, out=None)", PyFrozen<T>::call_predict,
              "The outputs (rows, units) for x (rows, features), in `out`."),
};

bool is_identity_layer(const py::dict& layer) {
  const LayerSpec spec = layer_spec_of(layer);
  return spec.kind->is_identity(spec);
}
constexpr MemberRow frozen_functions[] = {
    function<&is_identity_layer>("is_identity_layer(layer)",
                                 "Whether a layer's output is its input, in prediction."),
};

template <class T>
void register_frozen_of(const py::module_& module, const std::string& dtype) {
  static constexpr MemberRow made =
      constructor<PyFrozen<T>, index_t, py::list, const py::object&, py::list, py::dict>(
          "Frozen(inputs, layers, parameters, states, functions)");
  const py::handle type = core_class<PyFrozen<T>>(
      module, "Frozen" + dtype, "An immutable network for prediction; see `freeze`.", &made);
  add_rows(type, table_of_rows<frozen_rows>());
  add_rows(type, table_of_rows<frozen_hot_rows<T>>());
}

}  // namespace

void register_frozen(py::module_& module) {
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_frozen_of<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
  add_rows(module, table_of_rows<frozen_functions>());
}

}  // namespace densecore::bindings
