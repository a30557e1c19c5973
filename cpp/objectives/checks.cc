#include "objectives/checks.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "base/dtypes.h"
#include "kernels/dispatch.h"

namespace densecore {
namespace {

// The number of the first element that is not in lowest .. highest, a NaN among them, or n.
template <class T>
index_t first_outside(const T* values, index_t n, T lowest, T highest) {
  if (table_of<T>(active_kernels()).elementwise.all_inside(n, values, lowest, highest)) return n;
  index_t i = 0;
  while (i < n && values[i] >= lowest && values[i] <= highest) ++i;
  return i;
}

// labels[i] = the class number from[i * distance], or -1 for what is none. Whether all are class
// numbers. Each is read once, as another thread may change it.
template <class Number>
[[gnu::always_inline]] inline bool copy_each(const Number* from, index_t distance, index_t rows,
                                             index_t classes, std::int32_t* labels) {
  std::uint32_t bad = 0;
  if constexpr (std::is_integral_v<Number>) {
    // Without branches, for vectors; numbers of 64 bits by halves, since those of x86-64's first
    // level are not compared by its vectors.
    const auto end = static_cast<std::uint32_t>(classes);
    for (index_t i = 0; i < rows; ++i) {
      const auto bits = static_cast<std::uint64_t>(from[i * distance]);
      const auto low = static_cast<std::uint32_t>(bits);
      std::uint32_t unknown = -std::uint32_t{low >= end};
      if constexpr (sizeof(Number) > sizeof(low))
        unknown |= -std::uint32_t{static_cast<std::uint32_t>(bits >> 32) != 0};
      labels[i] = static_cast<std::int32_t>(low | unknown);
      bad |= unknown;
    }
  } else {
    const auto end = static_cast<Number>(classes);
    for (index_t i = 0; i < rows; ++i) {
      const Number value = from[i * distance];
      const bool inside = value >= 0 && value < end;  // false for a NaN
      const auto label = static_cast<std::int32_t>(inside ? value : Number(0));
      const bool known = inside && static_cast<Number>(label) == value;
      labels[i] = known ? label : -1;
      bad |= known ? 0 : 1;
    }
  }
  return bad == 0;
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
  // A number that rounding has moved beyond a limit is meant to be the limit.
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
bool all_finite(const T* values, index_t n) {
  constexpr T most = std::numeric_limits<T>::max();
  return first_outside(values, n, -most, most) == n;
}

template <class T>
void check_weights(const T* weights, index_t rows) {
  const index_t i = first_outside(weights, rows, T(0), std::numeric_limits<T>::max());
  if (i < rows) refuse("sample_weight: found ", weights[i], i, "finite numbers >= 0");
}

template <class Number>
void copy_labels(const char* name, const Number* from, index_t distance, index_t rows,
                 index_t classes, std::int32_t* labels) {
  // With a constant distance the compiler uses vectors.
  if (distance == 1 ? copy_each(from, 1, rows, classes, labels)
                    : copy_each(from, distance, rows, classes, labels))
    return;
  const index_t i = std::find(labels, labels + rows, -1) - labels;
  refuse(std::string(name) + ": found class ", from[i * distance], i,
         "class numbers 0 to " + std::to_string(classes - 1) + ", one per output");
}

#define DENSECORE_INSTANTIATE(T, ...)                                    \
  template void check_targets(const LossEntry<T>&, MatrixView<const T>); \
  template bool all_finite(const T*, index_t);                           \
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
