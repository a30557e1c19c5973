// Checks of what a batch is trained on, each with one sentence for all who read such arrays.
#pragma once

#include <cstdint>
#include <vector>

#include "base/view.h"
#include "kernels/table.h"

namespace densecore {

// All throw std::invalid_argument, naming the value, its row and what is wanted.

// Targets within the range of the loss: outside of it some have no minimum. `values` has no gaps.
template <class T>
void check_targets(const LossEntry<T>& loss, MatrixView<const T> values);
// The weights of rows: finite and not negative.
template <class T>
void check_weights(const T* weights, index_t rows);
// Class numbers below `classes`, copied to `labels`: the array may change while they are used.
template <class Integer>
void copy_labels(const char* name, const Integer* from, index_t rows, index_t classes,
                 std::vector<std::int32_t>& labels);

}  // namespace densecore
