#include "kernels/dispatch.h"

#include <cstdlib>
#include <stdexcept>

#include "base/cpu_features.h"

// Written by CMake from isa.cmake: DENSECORE_FOR_EACH_ISA(X) is X(avx512) X(avx2) X(sse2), and
// DENSECORE_LIKE_PORTABLE, unless the portable level is among them, the one that has its bits.
#include "kernels/isa_list.h"

#define DENSECORE_DECLARE(isa) extern "C" const densecore::KernelTables densecore_kernels_##isa;
DENSECORE_FOR_EACH_ISA(DENSECORE_DECLARE)
#undef DENSECORE_DECLARE

namespace densecore {
namespace {

std::vector<const KernelTables*> compiled_kernels() {
#define DENSECORE_ADDRESS(isa) &densecore_kernels_##isa,
  std::vector<const KernelTables*> compiled = {DENSECORE_FOR_EACH_ISA(DENSECORE_ADDRESS)};
#undef DENSECORE_ADDRESS
#ifdef DENSECORE_LIKE_PORTABLE
#define DENSECORE_TABLES_(isa) densecore_kernels_##isa
#define DENSECORE_TABLES(isa) DENSECORE_TABLES_(isa)
  static const KernelTables portable = [] {
    KernelTables tables = DENSECORE_TABLES(DENSECORE_LIKE_PORTABLE);
    tables.isa = "scalar";
    return tables;
  }();
  compiled.push_back(&portable);
#undef DENSECORE_TABLES
#undef DENSECORE_TABLES_
#endif
  return compiled;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<const KernelTables*> available_kernels() {
  std::vector<const KernelTables*> available;
  for (const KernelTables* tables : compiled_kernels())
    if (cpu_supports(tables->isa)) available.push_back(tables);
  return available;
}

std::vector<std::string> compiled_isa_levels() {
  std::vector<std::string> names;
  for (const KernelTables* tables : compiled_kernels()) names.emplace_back(tables->isa);
  return names;
}

const KernelTables& kernels_for(const std::string& isa) {
  std::vector<std::string> names;
  for (const KernelTables* tables : available_kernels()) {
    if (isa == tables->isa) return *tables;
    names.emplace_back(tables->isa);
  }
  for (const std::string& known : compiled_isa_levels())
    if (isa == known)
      throw std::invalid_argument(
          "ISA level '" + isa +
          "' is not supported by this processor; available: " + joined(names));
  throw std::invalid_argument("unknown ISA level '" + isa + "'; available: " + joined(names));
}

const KernelTables& active_kernels() {
  static const KernelTables& active = []() -> const KernelTables& {
    const char* forced = std::getenv("DENSECORE_ISA");
    if (forced == nullptr || *forced == '\0') return *available_kernels().front();
    try {
      return kernels_for(forced);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string("DENSECORE_ISA: ") + error.what());
    }
  }();
  return active;
}

}  // namespace densecore
