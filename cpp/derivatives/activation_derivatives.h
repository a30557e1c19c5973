// Second and third derivatives of the activations: what derivatives of derivatives are made of.
//
// They are not kernels: a training step never needs them, and one copy for each instruction set
// would cost more space than the time is worth. What is dear, exp and its kin, comes from the
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

// Null for an activation that has none.
template <class T>
ActivationDerivatives<T> find_activation_derivatives(const std::string& name);
std::vector<std::string> activations_with_derivatives();

}  // namespace densecore
