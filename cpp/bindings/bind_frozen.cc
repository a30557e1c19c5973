// Frozen networks, as Python sees them.
#include "bindings/frozen.h"
#include "bindings/register.h"

namespace densecore::bindings {
namespace {

template <class T>
void register_for(py::module_& module, const char* name) {
  using F = PyFrozen<T>;
  static PyMethodDef predict = {"predict_on_batch", as_function(F::call_predict),
                                METH_FASTCALL | METH_KEYWORDS,
                                "predict_on_batch($self, x, out=None)\n--\n\n"
                                "The outputs (rows, units) for x (rows, features), in `out`."};
  auto type = core_class<F>(module, name, "An immutable network for prediction; see `freeze`.",
                            called_as<F::call>());
  add_method(type, &predict);
  type.def(py::init<index_t, py::list, py::object, py::list, py::dict>(), py::arg("inputs"),
           py::arg("layers"), py::arg("parameters"), py::arg("states"), py::arg("functions"))
      .def_property_readonly("input_shape", &F::input_shape, "(None, features).")
      .def_property_readonly("output_shape", &F::output_shape, "(None, units).")
      .def_property_readonly("dtype", &F::dtype, "float32 or float64.")
      .def("count_params", &F::count_params, "Number of parameters.")
      .def(
          "__copy__", [](py::object self) { return self; }, "Itself: it never changes.")
      .def(
          "__deepcopy__", [](py::object self, const py::object&) { return self; },
          "Itself: it never changes.")
      .def(
          "__repr__",
          [](const F& self) {
            return "<frozen network " + py::str(self.input_shape()[1]).cast<std::string>() +
                   " -> " + py::str(self.output_shape()[1]).cast<std::string>() + ", " +
                   dtype_name<T> + ", " + std::to_string(self.count_params()) + " parameters>";
          },
          "Sizes and dtype.");
  // Replaces the __reduce__ of core_class, which refuses.
  const auto reduce = [](const py::object& self) {
    return py::make_tuple(py::type::of(self), self.cast<F&>().recipe());
  };
  type.attr("__reduce__") = py::cpp_function(reduce, py::name("__reduce__"), py::is_method(type));
}

}  // namespace

void register_frozen(py::module_& module) {
  register_for<float>(module, "FrozenF32");
  register_for<double>(module, "FrozenF64");
  module.def(
      "is_identity_layer",
      [](const py::dict& layer) {
        const LayerSpec spec = layer_spec_of(layer);
        return spec.kind->is_identity(spec);
      },
      py::arg("layer"), "Whether a layer's output is its input, in prediction.");
}

}  // namespace densecore::bindings
