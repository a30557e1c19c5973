// The kernel tables that an argument `isa` names.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "kernels/dispatch.h"

namespace densecore::bindings {

// None: the level in use.
inline const KernelTables& kernels_of(const pybind11::object& isa) {
  return isa.is_none() ? active_kernels() : kernels_for(isa.cast<std::string>());
}

}  // namespace densecore::bindings
