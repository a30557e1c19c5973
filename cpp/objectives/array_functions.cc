#include "objectives/array_functions.h"

#include <sstream>
#include <stdexcept>

#include "base/dtypes.h"
#include "layers/lookup.h"

namespace densecore {

ArrayFunctions::ArrayFunctions(const KernelTables& tables) {
  const KernelTable<double>& table = table_of<double>(tables);
  const auto find = [&](const char* name) {
    return find_entry(table.functions, table.function_count, "function", name).apply;
  };
  exp_ = find("exp");
  expm1_ = find("expm1");
  log_ = find("log");
  log1p_ = find("log1p");
  tanh_ = find("tanh");
}

template <class T>
Numbers numbers_of(MatrixView<const T> from) {
  Numbers numbers(static_cast<std::size_t>(from.rows * from.cols));
  double* to = numbers.data();
  for (index_t i = 0; i < from.rows; ++i)
    for (index_t j = 0; j < from.cols; ++j) *to++ = static_cast<double>(from.row(i)[j]);
  return numbers;
}

template <class T>
void write(const Numbers& from, MatrixView<T> to) {
  const double* next = from.data();
  for (index_t i = 0; i < to.rows; ++i)
    for (index_t j = 0; j < to.cols; ++j) to.row(i)[j] = static_cast<T>(*next++);
}

void add(Numbers& sum, const Numbers& other) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
}

double mean_of(const Numbers& x) {
  double sum = 0;
  for (const double each : x) sum += each;
  return sum / static_cast<double>(x.size());
}

void check_range(const char* name, const Numbers& x, index_t cols, double lowest, double highest,
                 const char* wanted) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] >= lowest && x[i] <= highest) continue;
    std::ostringstream text;
    text << name << ": found " << x[i] << " in row " << static_cast<index_t>(i) / cols
         << ", wanted " << wanted;
    throw std::invalid_argument(text.str());
  }
}

#define DENSECORE_INSTANTIATE(T, ...)               \
  template Numbers numbers_of(MatrixView<const T>); \
  template void write(const Numbers&, MatrixView<T>);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
