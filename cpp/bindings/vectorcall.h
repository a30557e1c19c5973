// Methods that a training loop calls once per step: CPython's vector call without pybind11's
// dispatcher, which costs more than a small network's whole step.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "bindings/core_class.h"
#include "bindings/gil.h"

namespace densecore::bindings {

namespace py = pybind11;

// The C++ object in a pybind11 instance of a class with one base. The method's descriptor has
// checked the type; without a call of __init__ there is none.
template <class N>
N& self_of(PyObject* self) {
  auto* instance = reinterpret_cast<py::detail::instance*>(self);
  void* value = instance->simple_layout ? instance->simple_value_holder[0] : nullptr;
  if (value == nullptr) throw std::runtime_error("the object was not initialised");
  return *static_cast<N*>(value);
}

// None for an argument that was not given.
inline py::object borrowed(PyObject* argument) {
  return argument == nullptr ? py::object(py::none())
                             : py::reinterpret_borrow<py::object>(argument);
}

// True or False, also NumPy's. Other objects are refused: the string "no" counts as true in Python.
inline bool truth(const char* name, PyObject* argument, bool otherwise) {
  if (argument == nullptr) return otherwise;
  if (argument == Py_True || argument == Py_False) return argument == Py_True;
  const int found = PyObject_IsTrue(argument);
  if (found < 0) throw py::error_already_set();
  const std::string type = Py_TYPE(argument)->tp_name;
  if (type != "numpy.bool" && type != "numpy.bool_" && !PyLong_Check(argument))
    throw py::type_error(std::string(name) + ": found " + type + ", wanted True or False");
  return found == 1;
}

// An integer from `least` to 2^63 - 1; 2.5, True and "3" are refused.
inline std::int64_t integer_of(const char* name, const py::handle& value, std::int64_t least) {
  const auto wanted = [&](const std::string& found) {
    return std::string(name) + ": found " + found + ", wanted an integer from " +
           std::to_string(least) + " to 2^63 - 1";
  };
  if (PyBool_Check(value.ptr()) || !PyIndex_Check(value.ptr()))
    throw py::type_error(wanted(py::repr(value).cast<std::string>()));
  const std::int64_t found = PyNumber_AsSsize_t(value.ptr(), PyExc_OverflowError);
  if (found == -1 && PyErr_Occurred() != nullptr) {
    const bool large = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
    PyErr_Clear();
    if (large) throw py::value_error(wanted("an integer of more than 63 bits"));
    throw py::type_error(wanted(Py_TYPE(value.ptr())->tp_name));  // an array of one integer
  }
  if (found < least) throw py::value_error(wanted(std::to_string(found)));
  return found;
}

// The type that a PyMethodDef wants, whatever the calling convention.
template <class Function>
PyCFunction as_function(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// Arguments by position or by name; those not given are null. Throws TypeError for too many, an
// unknown name, or a missing one of the first `required`.
template <std::size_t count>
std::array<PyObject*, count> arguments(const char* function, const char* const (&names)[count],
                                       std::size_t required, PyObject* const* given,
                                       Py_ssize_t positional, PyObject* keywords) {
  std::array<PyObject*, count> found{};
  if (positional > static_cast<Py_ssize_t>(count))
    throw py::type_error(std::string(function) + ": found " + std::to_string(positional) +
                         " arguments, wanted at most " + std::to_string(count));
  for (Py_ssize_t i = 0; i < positional; ++i) found[static_cast<std::size_t>(i)] = given[i];
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, k);
    std::size_t i = 0;
    while (i < count && PyUnicode_CompareWithASCIIString(keyword, names[i]) != 0) ++i;
    if (i == count || found[i] != nullptr)
      throw py::type_error(std::string(function) + ": found " +
                           (i == count ? "an unexpected argument '" : "twice the argument '") +
                           py::str(keyword).cast<std::string>() + "'");
    found[i] = given[positional + k];
  }
  for (std::size_t i = 0; i < required; ++i)
    if (found[i] == nullptr)
      throw py::type_error(std::string(function) + ": missing argument '" + names[i] + "'");
  return found;
}

// The C++ exception that is being handled becomes Python's, as pybind11 does it. One function for
// all calls: in each of them it would be most of the code.
[[gnu::noinline]] inline void set_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc& error) {
    PyErr_SetString(PyExc_MemoryError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

// Runs `body`, which returns a new reference.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
#if defined(__GLIBCXX__)
  } catch (abi::__forced_unwind&) {  // see wait_instead_of_unwinding
    wait_for_ever();
#endif
  } catch (...) {
    set_error();
  }
  return nullptr;
}

inline void refuse_arguments(const char* function, std::size_t count, PyObject* keywords) {
  if (PyVectorcall_NARGS(count) != 0 || (keywords != nullptr && PyTuple_GET_SIZE(keywords) != 0))
    throw py::type_error(std::string(function) + ": found an argument, wanted none");
}

// Objects of a core class that are called by CPython's vector call. Its function lies in the
// object, behind what pybind11 keeps there.
template <vectorcallfunc call>
py::custom_type_setup called_as() {
  return py::custom_type_setup([](PyHeapTypeObject* heap) {
    PyTypeObject* const type = &heap->ht_type;
    set_allocation(heap);
    type->tp_vectorcall_offset = type->tp_basicsize;
    type->tp_basicsize += static_cast<Py_ssize_t>(sizeof(vectorcallfunc));
    type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    type->tp_call = PyVectorcall_Call;
    type->tp_alloc = [](PyTypeObject* of, Py_ssize_t items) {
      PyObject* const made = PyType_GenericAlloc(of, items);
      if (made != nullptr) {
        char* const place = reinterpret_cast<char*>(made) + of->tp_vectorcall_offset;
        *reinterpret_cast<vectorcallfunc*>(place) = call;
      }
      return made;
    };
  });
}

// Adds a METH_FASTCALL method. `definition` must live as long as the class.
inline void add_method(const py::handle& type, PyMethodDef* definition) {
  PyObject* method = PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(type.ptr()), definition);
  if (method == nullptr) throw py::error_already_set();
  type.attr(definition->ml_name) = py::reinterpret_steal<py::object>(method);
}

}  // namespace densecore::bindings
