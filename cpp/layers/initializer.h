// The distributions of initial parameters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/view.h"

namespace densecore {

struct InitializerInfo {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<double> defaults;
};

// All initializers. Names, error texts and tests come from this list.
const std::vector<InitializerInfo>& initializers();

// Writes `n` values. Tensors of a model have different numbers `tensor`, and hence different values
// for the same seed. Values are computed in double precision and rounded, so that float32 and
// float64 models agree.
// Throws std::invalid_argument for an unknown name or bad arguments.
template <class T>
void initialize(const std::string& name, const std::vector<double>& arguments, index_t fan_in,
                index_t fan_out, std::uint64_t seed, std::uint64_t tensor, index_t n, T* out);

}  // namespace densecore
