// Checks of targets, weights and labels: the same error texts for every call that takes such
// arrays.
#pragma once

#include <cstdint>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore {

// All throw std::invalid_argument, naming the value, its row and what is wanted.

// Targets must be in the range of the loss: some losses have no minimum for others.
template <class T>
void check_targets(const LossEntry<T>& loss, MatrixView<const T> values);
// Whether there is neither a NaN nor an infinity.
template <class T>
bool all_finite(const T* values, index_t n);
// Weights of rows must be finite and not negative.
template <class T>
void check_weights(const T* weights, index_t rows);
// Class numbers must be whole and below `classes`, of which there are at most 2^31. They are copied
// to `labels` (rows,), as another thread may change the array while they are used. `distance`:
// between two rows, in elements. Number: float, double, int32 or int64.
template <class Number>
void copy_labels(const char* name, const Number* from, index_t distance, index_t rows,
                 index_t classes, std::int32_t* labels);

}  // namespace densecore
