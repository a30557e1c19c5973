// Steps of whole arrays: optimizers whose step of a kernel or a bias depends on all of it.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/dtypes.h"
#include "layers/lookup.h"
#include "objectives/optimizer.h"

namespace densecore {
namespace {

template <class T>
T kept_state(double state) {
  return std::abs(state) < static_cast<double>(std::numeric_limits<T>::min())
             ? T(0)
             : static_cast<T>(state);
}

// Adafactor's direction of a matrix g (rows, cols): g / sqrt(r c / mean(r)), with moving averages r
// (rows) and c (cols) of the means of g^2 + epsilon over columns and rows. Both lie in the first
// elements of the state that a vector fills: rows + cols is at most rows * cols, except for a
// matrix of one row or column, of which the product is the mean squares themselves.
template <class T>
void factored_direction(const double* scalars, index_t rows, index_t cols, T* g, T* state) {
  const double added = scalars[0], kept = scalars[1], epsilon = scalars[2];
  std::vector<double> row(static_cast<std::size_t>(rows)), col(static_cast<std::size_t>(cols));
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < cols; ++j) {
      const double value = static_cast<double>(g[i * cols + j]), square = value * value + epsilon;
      row[static_cast<std::size_t>(i)] += square;
      col[static_cast<std::size_t>(j)] += square;
    }
  const auto average = [&](std::vector<double>& sums, index_t count, T* from) {
    double total = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      from[i] = kept_state<T>(kept * static_cast<double>(from[i]) +
                              added * (sums[i] / static_cast<double>(count)));
      sums[i] = static_cast<double>(from[i]);
      total += sums[i];
    }
    return total / static_cast<double>(sums.size());
  };
  const double mean = average(row, cols, state);
  average(col, rows, state + rows);
  constexpr double smallest = std::numeric_limits<T>::min();
  for (double& value : row) value = mean > 0 ? value / mean : 0;
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < cols; ++j) {
      const double square = row[static_cast<std::size_t>(i)] * col[static_cast<std::size_t>(j)];
      T& value = g[i * cols + j];
      value = static_cast<T>(static_cast<double>(value) / std::sqrt(std::max(square, smallest)));
    }
}

}  // namespace

template <class T>
void step_of_array(const Update<T>& update, const ParameterBlock& block, T* gradients) {
  const KernelTable<T>& table = *update.table;
  const index_t size = block.size();
  T *const p = update.parameters + block.offset, *const g = gradients + block.offset;
  T* state[max_optimizer_states];
  for (int i = 0; i < update.entry->state_count; ++i) state[i] = update.states[i] + block.offset;
  const auto length = [&](const T* array) {
    return std::sqrt(table.gradients.sum_of_squares(size, array));
  };
  const auto mean_root = [&](const T* array) {
    return length(array) / std::sqrt(static_cast<double>(size));
  };
  block.writes_all_rows();
  if (update.decay != 1) table.gradients.scale(size, update.decay, p);
  const bool factored = update.entry->array_step == ArrayStep::factored;
  if (factored && block.rows > 1 && block.cols > 1)
    factored_direction(update.scalars, block.rows, block.cols, g, state[0]);
  else
    update.entry->update(size, update.scalars, g, g, state);
  double rate = update.scalars[7];
  if (factored) {
    // The mean root of the direction is at most the threshold; the rate is one of the parameters'.
    rate *= std::max(update.scalars[3], mean_root(p));
    rate /= std::max(1.0, mean_root(g) / update.scalars[4]);
  } else {
    const double own = length(p), direction = length(g);
    if (own > 0 && direction > 0) rate *= own / direction;
  }
  const double scalars[max_optimizer_scalars] = {rate};
  find_optimizer(table, "sgd").update(size, scalars, p, g, nullptr);
  if (update.average != nullptr)
    table.gradients.average(size, update.momentum, p, update.average + block.offset);
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template void step_of_array(const Update<T>&, const ParameterBlock&, T*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
