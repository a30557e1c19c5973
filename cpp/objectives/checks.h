// Checks of targets, weights and labels: the same error texts for every call that takes such
// arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore {

// All throw std::invalid_argument, naming the value, its row and what is wanted.

// Targets must be in the range of the loss: some losses have no minimum for others.
template <class T>
void check_targets(const LossEntry<T>& loss, MatrixView<const T> values);
// Weights of rows must be finite and not negative.
template <class T>
void check_weights(const T* weights, index_t rows);
// Class numbers must be below `classes`. They are copied to `labels`, as another thread may change
// the array while they are used.
// The same of numbers of another type, one of each row of a matrix of one column, to `labels`
// (rows,).
template <class T>
void copy_labels(MatrixView<const T> from, index_t classes, std::int32_t* labels);
template <class Integer>
void copy_labels(const char* name, const Integer* from, index_t rows, index_t classes,
                 std::vector<std::int32_t>& labels);

}  // namespace densecore
