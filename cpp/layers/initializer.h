// The distributions that parameters start from.
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

// Every initializer: the one list that names, error texts and tests come from.
const std::vector<InitializerInfo>& initializers();

// Fills `n` values. `tensor` numbers the tensors of a model: equal seeds give unequal tensors.
// Values are computed in double precision and rounded, so float32 and float64 models agree.
// Throws std::invalid_argument for an unknown name or bad arguments.
template <class T>
void initialize(const std::string& name, const std::vector<double>& arguments, index_t fan_in,
                index_t fan_out, std::uint64_t seed, std::uint64_t tensor, index_t n, T* out);

}  // namespace densecore
