// Second and third derivatives of the activations, for derivatives of derivatives.
//
// They are not kernels: training does not need them, and a copy for each instruction set would take
// more space than the time is worth. The slow part, exp and similar functions, is done by the
// kernels.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace densecore {

// f'(z), f''(z) and f'''(z) of n elements, from z and a = f(z). `third` may be null.
template <class T>
using ActivationDerivatives = void (*)(const KernelTable<T>& table,
                                       const ActivationEntry<T>& activation, index_t n, const T* z,
                                       const T* a, const double* parameters, T* first, T* second,
                                       T* third);

// Null for an activation without them.
template <class T>
ActivationDerivatives<T> find_activation_derivatives(const std::string& name);
std::vector<std::string> activations_with_derivatives();

}  // namespace densecore
