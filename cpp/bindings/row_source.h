// A source of rows for Python, with the arrays that it reads.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <vector>

#include "training/row_source.h"

namespace densecore::bindings {

namespace py = pybind11;

template <class T>
struct PyRows {
  std::shared_ptr<RowSource<T>> source;
  std::vector<py::object> kept;
};

// Null for anything else; an array, the usual case, costs one look.
template <class T>
const RowSource<T>* row_source(const py::object& x) {
  // The exact type first: the other questions take a tenth of a small network's prediction.
  if (Py_TYPE(x.ptr()) == py::detail::npy_api::get().PyArray_Type_) return nullptr;
  if (py::isinstance<py::array>(x) || !py::isinstance<PyRows<T>>(x)) return nullptr;
  return x.cast<const PyRows<T>&>().source.get();
}

}  // namespace densecore::bindings
