// Several calls of a thread that belong together (reading all weights, a training loop in Python):
// `with network.reserved():`. Other threads are refused meanwhile.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "bindings/core_class.h"
#include "bindings/gil.h"

namespace densecore::bindings {

// `reading`: in the middle of a call of its own the thread may read, but not change anything.
class PyReservation : public CoreObject {
 public:
  PyReservation(py::object owner, UseMark& mark, bool reading)
      : owner_(std::move(owner)), mark_(mark), reading_(reading) {}
  ~PyReservation() override { exit(); }

  void enter() {
    if (entered_) throw std::runtime_error("reserved: found a reservation that is entered already");
    before_ = mark_.reserve(reading_);
    entered_ = true;
  }
  void exit() {
    if (std::exchange(entered_, false)) mark_.leave(before_);
  }

 private:
  py::object owner_;  // whose mark it is
  UseMark& mark_;
  bool reading_;
  UseMark::Value before_ = UseMark::no_one;
  bool entered_ = false;
};

// The method `reserved` of a class with a mark.
template <template <class> class Class>
consteval MemberRow reserved_method() {
  return method_by(
      "reserved(reading=False)",
      [](PyObject* self, const Given& given) {
        return with_dtype<Class>(self_of<CoreObject>(self), [&](auto& object) {
          return wrapped(std::make_unique<PyReservation>(py::reinterpret_borrow<py::object>(self),
                                                         object.mark(), given.flag(0)));
        });
      },
      "A context manager: until it ends, calls of other threads are refused.");
}

}  // namespace densecore::bindings
