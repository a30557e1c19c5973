#include "bindings/usual_step.h"

namespace densecore::bindings {
namespace {

// For the life of the process: to make a name anew at each call would cost a tenth of the step.
PyObject* name(const char* text) {
  PyObject* const found = PyUnicode_InternFromString(text);
  if (found == nullptr) throw py::error_already_set();
  return found;
}
py::object checked(PyObject* made) {
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(made);
}

}  // namespace

py::object Ranks::of(const py::object& comm) const {
  static PyObject* const given = name("given");
  py::object group = py::reinterpret_borrow<py::object>(PyWeakref_GetObject(group_.ptr()));
  if (group.is_none() || !comm.is(checked(PyObject_GetAttr(group.ptr(), given)))) return py::none();
  return group;
}

void Ranks::sum(const py::object& group, const py::object& array) const {
  static PyObject *const call = name("call"), *const train = name("train_on_batch"),
                         *const sum = name("sum_");
  if (PyObject_SetAttr(noted_.ptr(), call, train) != 0) throw py::error_already_set();
  checked(PyObject_CallMethodOneArg(group.ptr(), sum, array.ptr()));
}

}  // namespace densecore::bindings
