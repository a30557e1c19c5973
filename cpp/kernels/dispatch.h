// Chooses the kernel table of this machine.
#pragma once

#include <string>
#include <vector>

#include "base/dtypes.h"
#include "kernels/table.h"

namespace densecore {

// The levels that are compiled in and that this machine supports, best first.
std::vector<const KernelTables*> available_kernels();

// All levels that are compiled in, best first.
std::vector<std::string> compiled_isa_levels();

// The tables of one level. Throws std::invalid_argument when the level is unknown or unsupported,
// naming those that are available.
const KernelTables& kernels_for(const std::string& isa);

// The level in use: that of the environment variable DENSECORE_ISA, else the best available.
// Decided once, at the first call; throws as kernels_for does.
const KernelTables& active_kernels();

// The table of one dtype.
template <class T>
const KernelTable<T>& table_of(const KernelTables& tables);
#define DENSECORE_TABLE_OF(T, NAME, field, dtype)                        \
  template <>                                                            \
  inline const KernelTable<T>& table_of<T>(const KernelTables& tables) { \
    return *tables.field;                                                \
  }
DENSECORE_FOR_EACH_DTYPE(DENSECORE_TABLE_OF)
#undef DENSECORE_TABLE_OF

}  // namespace densecore
