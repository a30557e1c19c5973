// An array as it was when it was checked. Its owner may resize, move or retype it in place: those
// who use it again and again look each time whether it is still the same.
#pragma once

#include <array>

#include "bindings/arrays.h"

namespace densecore::bindings {

class SeenArray {
 public:
  SeenArray() = default;
  // Of an array that has passed `checked`.
  explicit SeenArray(const py::object& array) : array_(array) { look(); }

  // False also for what is no array (None for weights), which never changes.
  bool changed() const {
    if (dtype_.ptr() == nullptr) return false;
    const auto* now = py::detail::array_proxy(array_.ptr());
    if (now->data != data_ || now->nd != dimensions_ || now->descr != dtype_.ptr() ||
        now->flags != flags_)
      return true;
    for (int i = 0; i < dimensions_; ++i)
      if (now->dimensions[i] != shape_[static_cast<std::size_t>(i)]) return true;
    return false;
  }
  const py::object& array() const { return array_; }
  // After another check.
  void look() {
    if (!py::isinstance<py::array>(array_)) return;
    const auto* now = py::detail::array_proxy(array_.ptr());
    data_ = now->data;
    dimensions_ = now->nd;
    flags_ = now->flags;
    dtype_ = py::reinterpret_borrow<py::object>(now->descr);
    for (int i = 0; i < dimensions_; ++i) shape_[static_cast<std::size_t>(i)] = now->dimensions[i];
  }

 private:
  py::object array_, dtype_;
  char* data_ = nullptr;
  int dimensions_ = 0, flags_ = 0;
  std::array<Py_ssize_t, 2> shape_{};
};

}  // namespace densecore::bindings
