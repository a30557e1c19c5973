#include "objectives/checks.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "base/dtypes.h"

namespace densecore {
namespace {

// The number of the first element that is not in lowest .. highest, a NaN among them, or n. The
// first loop has no branch, for vectors; the second one runs when there is something to report.
template <class T>
index_t first_outside(const T* values, index_t n, T lowest, T highest) {
  using Count = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr index_t block = 1 << 16;
  for (index_t begin = 0; begin < n; begin += block) {
    const index_t end = std::min(begin + block, n);
    Count outside = 0;
    for (index_t i = begin; i < end; ++i)
      outside += values[i] >= lowest ? (values[i] <= highest ? 0 : 1) : 1;
    if (outside == 0) continue;
    for (index_t i = begin; i < end; ++i)
      if (!(values[i] >= lowest && values[i] <= highest)) return i;
  }
  return n;
}

template <class Number>
[[noreturn]] void refuse(const std::string& found, Number value, index_t row,
                         const std::string& wanted) {
  std::ostringstream text;
  text << found << value << " in row " << row << ", wanted " << wanted;
  throw std::invalid_argument(text.str());
}

}  // namespace

template <class T>
void check_targets(const LossEntry<T>& loss, MatrixView<const T> values) {
  const double unbounded = std::numeric_limits<double>::infinity();
  if (loss.lowest_target == -unbounded && loss.highest_target == unbounded) return;
  // What rounding has left of a limit is meant to be the limit.
  const double rounding = 1e-6;
  // Without gaps between its rows it is one long row.
  const bool gapless = values.stride == values.cols;
  const index_t n = gapless ? values.rows * values.cols : values.cols;
  index_t i = n, row = 0;
  for (; row < (gapless ? std::min<index_t>(values.rows, 1) : values.rows); ++row) {
    i = first_outside(values.row(row), n, static_cast<T>(loss.lowest_target - rounding),
                      static_cast<T>(loss.highest_target + rounding));
    if (i < n) break;
  }
  if (i == n) return;
  if (gapless) {
    row = i / values.cols;
    i %= values.cols;
  }
  std::ostringstream wanted;
  if (loss.highest_target == unbounded)
    wanted << "numbers >= " << loss.lowest_target;
  else
    wanted << loss.lowest_target << " to " << loss.highest_target;
  wanted << " with the loss '" << loss.name << "'";
  refuse("y: found ", values.row(row)[i], row, wanted.str());
}

template <class T>
void check_weights(const T* weights, index_t rows) {
  const index_t i = first_outside(weights, rows, T(0), std::numeric_limits<T>::max());
  if (i < rows) refuse("sample_weight: found ", weights[i], i, "finite numbers >= 0");
}

template <class Number>
void copy_labels(const char* name, const Number* from, index_t distance, index_t rows,
                 index_t classes, std::int32_t* labels) {
  const auto end = static_cast<Number>(classes);
  // -1 for a value that is no class number. Each is read once, as another thread may change it.
  const auto copy = [&](auto value_of) {
    std::int32_t bad = 0;
    for (index_t i = 0; i < rows; ++i) {
      const Number value = value_of(i);
      const bool inside = value >= 0 && value < end;  // false for a NaN
      const auto label = static_cast<std::int32_t>(inside ? value : Number(0));
      const bool known = inside && static_cast<Number>(label) == value;
      labels[i] = known ? label : -1;
      bad |= known ? 0 : 1;
    }
    return bad != 0;
  };
  // With a constant distance the compiler uses vectors.
  if (!(distance == 1 ? copy([&](index_t i) { return from[i]; })
                      : copy([&](index_t i) { return from[i * distance]; })))
    return;
  const index_t i = std::find(labels, labels + rows, -1) - labels;
  refuse(std::string(name) + ": found class ", from[i * distance], i,
         "class numbers 0 to " + std::to_string(classes - 1) + ", one per output");
}

#define DENSECORE_INSTANTIATE(T, ...)                                    \
  template void check_targets(const LossEntry<T>&, MatrixView<const T>); \
  template void check_weights(const T*, index_t);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE
#define DENSECORE_INSTANTIATE(Number) \
  template void copy_labels(const char*, const Number*, index_t, index_t, index_t, std::int32_t*);
DENSECORE_INSTANTIATE(float)
DENSECORE_INSTANTIATE(double)
DENSECORE_INSTANTIATE(std::int32_t)
DENSECORE_INSTANTIATE(std::int64_t)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
