// An array as it was when it was checked. Its owner may resize, move or retype it in place: code
// that reads its memory again looks whether it is still the same.
#pragma once

#include <algorithm>
#include <array>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/arrays.h"

namespace densecore::bindings {

class ArraySnapshot {
 public:
  ArraySnapshot() = default;
  // The array has passed `checked`.
  explicit ArraySnapshot(const py::object& array) : array_(array) { look(); }

  // False also for an object that is no array (None for weights), which never changes.
  bool changed() const {
    if (dtype_.ptr() == nullptr) return false;
    const auto* now = py::detail::array_proxy(array_.ptr());
    return moved() || now->descr != dtype_.ptr() || now->flags != flags_;
  }
  // Whether its memory or its shape has changed since the check, so that it must be checked again.
  bool moved() const {
    if (dtype_.ptr() == nullptr) return false;
    const auto* now = py::detail::array_proxy(array_.ptr());
    if (now->data != data_ || now->nd != dimensions_) return true;
    const int known = std::min(dimensions_, most_dimensions);
    for (int i = 0; i < known; ++i)
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
    const int known = std::min(dimensions_, most_dimensions);
    for (int i = 0; i < known; ++i) shape_[static_cast<std::size_t>(i)] = now->dimensions[i];
  }

 private:
  static constexpr int most_dimensions = 3;  // that a checked array has

  py::object array_, dtype_;
  char* data_ = nullptr;
  int dimensions_ = 0, flags_ = 0;
  std::array<Py_ssize_t, most_dimensions> shape_{};
};

// The arrays that a call reads while Python code of the user runs in between: callbacks, metrics,
// schedules, activations. Such code can resize an array in place (`ndarray.resize(refcheck=False)`)
// and so free memory that the call goes on to read. `check_all`, which is called after each such
// code, then raises an error. Made and destroyed with the GIL.
class BorrowedArrays {
 public:
  BorrowedArrays() {
    const std::lock_guard<std::mutex> lock(mutex());
    all().push_back(this);
  }
  ~BorrowedArrays() {
    const std::lock_guard<std::mutex> lock(mutex());
    all().erase(std::find(all().begin(), all().end(), this));
  }
  BorrowedArrays(const BorrowedArrays&) = delete;
  BorrowedArrays& operator=(const BorrowedArrays&) = delete;

  // The array, and those that it is a view of. `name` must outlive the object. Anything but an
  // array is ignored.
  void add(const char* name, py::object array) {
    const std::lock_guard<std::mutex> lock(mutex());
    while (py::isinstance<py::array>(array)) {
      arrays_.emplace_back(name, ArraySnapshot(array));
      array = py::reinterpret_borrow<py::array>(array).base();
    }
  }

  // Checks the arrays of all calls that are running, in any thread.
  static void check_all() {
    const std::lock_guard<std::mutex> lock(mutex());
    for (const BorrowedArrays* call : all())
      for (const auto& [name, array] : call->arrays_)
        if (array.moved())
          throw std::runtime_error(std::string(name) +
                                   ": found the array resized while it was used, wanted an array "
                                   "that keeps its memory and shape");
  }

 private:
  static std::vector<const BorrowedArrays*>& all() {
    static std::vector<const BorrowedArrays*> calls;
    return calls;
  }
  static std::mutex& mutex() {
    static std::mutex of_all;
    return of_all;
  }

  std::vector<std::pair<const char*, ArraySnapshot>> arrays_;
};

}  // namespace densecore::bindings
