// Compiled for speed, as the calls of every step are.
#include "bindings/vectorcall.h"

namespace densecore::bindings {

bool truth_of(const char* name, PyObject* argument) {
  const int found = PyObject_IsTrue(argument);
  if (found < 0) throw py::error_already_set();
  const std::string type = Py_TYPE(argument)->tp_name;
  if (type != "numpy.bool" && type != "numpy.bool_" && !PyLong_Check(argument))
    throw py::type_error(std::string(name) + ": found " + type + ", wanted True or False");
  return found == 1;
}

std::int64_t integer_of(const char* name, const py::handle& value, std::int64_t least) {
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

void read_arguments(const char* function, const char* const* names, std::size_t count,
                    std::size_t required, PyObject* const* given, Py_ssize_t positional,
                    PyObject* keywords, PyObject** found) {
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
}

}  // namespace densecore::bindings
