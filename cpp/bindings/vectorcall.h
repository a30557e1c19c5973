// Reads, in nanoseconds, the arguments of methods that a training loop calls once per step.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>
#include <string>

#include "bindings/core_class.h"

namespace densecore::bindings {

namespace py = pybind11;

// None for an argument that was not given.
inline py::object borrowed(PyObject* argument) {
  return argument == nullptr ? py::object(py::none())
                             : py::reinterpret_borrow<py::object>(argument);
}

// True or False, also NumPy's. Other objects are refused: the string "no" counts as true in Python.
bool truth_of(const char* name, PyObject* argument);
inline bool truth(const char* name, PyObject* argument, bool otherwise) {
  if (argument == nullptr) return otherwise;
  if (argument == Py_True || argument == Py_False) return argument == Py_True;
  return truth_of(name, argument);
}

// An integer from `least` to 2^63 - 1; 2.5, True and "3" are refused.
std::int64_t integer_of(const char* name, const py::handle& value, std::int64_t least);

// Arguments by position or by name; those not given are null. Throws TypeError for too many, an
// unknown name, or a missing one of the first `required`.
void read_arguments(const char* function, const char* const* names, std::size_t count,
                    std::size_t required, PyObject* const* given, Py_ssize_t positional,
                    PyObject* keywords, PyObject** found);
template <std::size_t count>
std::array<PyObject*, count> arguments(const char* function, const char* const (&names)[count],
                                       std::size_t required, PyObject* const* given,
                                       Py_ssize_t positional, PyObject* keywords) {
  std::array<PyObject*, count> found{};
  read_arguments(function, names, count, required, given, positional, keywords, found.data());
  return found;
}

inline void refuse_arguments(const char* function, std::size_t count, PyObject* keywords) {
  if (PyVectorcall_NARGS(count) != 0 || (keywords != nullptr && PyTuple_GET_SIZE(keywords) != 0))
    throw py::type_error(std::string(function) + ": found an argument, wanted none");
}

}  // namespace densecore::bindings
