// C++ exceptions on their way to Python.
#pragma once

#include <pybind11/pybind11.h>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include "base/usual_floats.h"
#include "bindings/gil.h"

namespace densecore::bindings {

// The C++ exception that is being handled becomes Python's, as pybind11 does it. One function for
// all calls: in each of them it would be most of the code.
void set_error() noexcept;

// Runs `body`, which returns a new reference. Every call of the core comes through here.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    const UsualFloats floats;
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

}  // namespace densecore::bindings
