// Classes of the extension module, whose objects come from their constructor or not at all.
//
// pybind11 lets `cls.__new__(cls)` make an object without a C++ object in it, as copy, pickle and
// other serializers do, and gives its methods uninitialised memory. A core class has no such
// objects: `__new__` and pickling raise TypeError, and Python cannot derive from it.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace densecore::bindings {

namespace py = pybind11;

// In the type's slot stands a function of our own instead of pybind11's: Python compares the slots
// of the classes and then refuses `pybind11_object.__new__(cls)`, too.
inline void set_allocation(PyHeapTypeObject* heap) {
  heap->ht_type.tp_new = [](PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
    return type->tp_base->tp_new(type, arguments, keywords);
  };
}

inline PyObject* refuse_new(PyObject*, PyObject* arguments, PyObject*) {
  PyObject* const type = PyTuple_GET_SIZE(arguments) > 0 ? PyTuple_GET_ITEM(arguments, 0) : nullptr;
  PyErr_Format(PyExc_TypeError, "%s: found a call of __new__, wanted one of the class itself",
               type != nullptr && PyType_Check(type)
                   ? reinterpret_cast<PyTypeObject*>(type)->tp_name
                   : "densecore._core");
  return nullptr;
}

// Sets `cls.__new__`. A call of the class does not use it: that goes through the slot.
inline void replace_new(const py::handle& type) {
  static PyMethodDef definition = {
      "__new__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(refuse_new)),
      METH_VARARGS | METH_KEYWORDS, "Raises TypeError: objects come from a call of the class."};
  auto* const object = reinterpret_cast<PyTypeObject*>(type.ptr());
  const auto function = py::reinterpret_steal<py::object>(PyCFunction_New(&definition, nullptr));
  if (!function || PyDict_SetItemString(object->tp_dict, "__new__", function.ptr()) != 0)
    throw py::error_already_set();
  PyType_Modified(object);
}

// pybind11's base class refuses to make objects by throwing a C++ exception out of a C function,
// which ends the process. copyreg calls it for pickle's protocols 0 and 1.
inline void refuse_base_objects(const py::handle& type) {
  auto* const base = reinterpret_cast<PyTypeObject*>(type.ptr())->tp_base;
  static const newfunc guarded = [](PyTypeObject* of, PyObject*, PyObject*) -> PyObject* {
    if (!py::detail::all_type_info(of).empty()) return py::detail::make_new_instance(of);
    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", of->tp_name);
    return nullptr;
  };
  base->tp_new = guarded;
}

// As py::class_, with the docstring.
template <class Type, class... Options, class... Extra>
py::class_<Type, Options...> core_class(const py::handle& module, const char* name, const char* doc,
                                        const Extra&... extra) {
  py::class_<Type, Options...> type(module, name, doc, py::is_final(),
                                    py::custom_type_setup(set_allocation), extra...);
  replace_new(type);
  refuse_base_objects(type);
  type.def("__reduce__", [](const py::object& self) -> py::object {
    throw py::type_error("cannot pickle or copy '" +
                         py::str(py::type::of(self).attr("__name__")).cast<std::string>() +
                         "', a part of a model: pickle or copy the model");
  });
  return type;
}

}  // namespace densecore::bindings
