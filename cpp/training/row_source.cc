#include "training/row_source.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/dtypes.h"

namespace densecore {
namespace {

// IEEE 754 binary16, which C++ has no type for.
struct Half {
  std::uint16_t bits;

  explicit operator float() const {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = std::numeric_limits<float>::infinity();
    if (exponent == 0)
      value = std::ldexp(static_cast<float>(fraction), -24);
    else if (exponent < 31)
      value = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
    else if (fraction != 0)
      value = std::numeric_limits<float>::quiet_NaN();
    return (bits >> 15) != 0 ? -value : value;
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

template <class T, class From>
class StridedRows : public RowSource<T> {
 public:
  // `first` is the number of the first row, for error messages.
  explicit StridedRows(const Strided& array, index_t first = 0)
      : RowSource<T>(array.rows, array.cols), array_(array), first_(first) {}

  void read(const index_t* order, index_t begin, index_t count, T* to) const override {
    for (index_t i = 0; i < count; ++i, to += array_.cols) {
      const index_t row = order == nullptr ? begin + i : order[i];
      const char* from = array_.data + row * array_.row_bytes;
      if (array_.col_bytes == static_cast<index_t>(sizeof(From)))
        convert(from, to);
      else
        convert_apart(from, to);
      if constexpr (std::is_same_v<T, float> && std::is_same_v<From, double>)
        check_overflow(from, row, to);
    }
  }

  std::unique_ptr<RowSource<T>> slice(index_t begin, index_t end) const override {
    Strided part = array_;
    part.data += begin * array_.row_bytes;
    part.rows = end - begin;
    return std::make_unique<StridedRows>(part, first_ + begin);
  }

 private:
  static From load(const char* from) {
    From value;
    std::memcpy(&value, from, sizeof(From));
    return value;
  }

  void convert(const char* from, T* to) const {
    constexpr auto distance = static_cast<index_t>(sizeof(From));
    for (index_t j = 0; j < array_.cols; ++j) to[j] = static_cast<T>(load(from + j * distance));
  }

  // Elements that are not next to each other. Vectors of them would be put together one element at
  // a time: cold, so that the compiler makes none, for each pair of types.
  [[gnu::cold]] void convert_apart(const char* from, T* to) const {
    for (index_t j = 0; j < array_.cols; ++j, from += array_.col_bytes)
      to[j] = static_cast<T>(load(from));
  }

  void check_overflow(const char* from, index_t row, const T* to) const {
    for (index_t j = 0; j < array_.cols; ++j) {
      if (!std::isinf(to[j])) continue;
      const auto value = static_cast<double>(load(from + j * array_.col_bytes));
      if (std::isinf(value)) continue;
      char text[32];
      std::snprintf(text, sizeof text, "%g", value);
      throw std::invalid_argument("x: found " + std::string(text) + " in row " +
                                  std::to_string(first_ + row) +
                                  ", which overflows float32; wanted a model with dtype='float64'");
    }
  }

  Strided array_;
  index_t first_;
};

// The positions are copies, and the only ones that are checked: the matrix may be changed while its
// rows are read.
template <class Index>
struct Positions {
  std::vector<Index> columns, starts;
};

template <class T, class Index>
class CsrRows : public RowSource<T> {
 public:
  CsrRows(index_t first, index_t rows, index_t cols, const T* values,
          std::shared_ptr<const Positions<Index>> positions)
      : RowSource<T>(rows, cols),
        first_(first),
        values_(values),
        positions_(std::move(positions)) {}

  void read(const index_t* order, index_t begin, index_t count, T* to) const override {
    const index_t cols = this->cols();
    const Index* const columns = positions_->columns.data();
    for (index_t i = 0; i < count; ++i, to += cols) {
      const Index* const start =
          positions_->starts.data() + first_ + (order == nullptr ? begin + i : order[i]);
      std::fill(to, to + cols, T(0));
      for (Index k = start[0]; k < start[1]; ++k) to[columns[k]] += values_[k];
    }
  }

  std::unique_ptr<RowSource<T>> slice(index_t begin, index_t end) const override {
    return std::make_unique<CsrRows>(first_ + begin, end - begin, this->cols(), values_,
                                     positions_);
  }

 private:
  index_t first_;
  const T* values_;
  std::shared_ptr<const Positions<Index>> positions_;
};

}  // namespace

template <class T>
std::unique_ptr<RowSource<T>> rows_of_array(const Strided& array) {
  switch (array.type) {
    case NumberType::b1:
    case NumberType::u8:
      return std::make_unique<StridedRows<T, std::uint8_t>>(array);
    case NumberType::i8:
      return std::make_unique<StridedRows<T, std::int8_t>>(array);
    case NumberType::i16:
      return std::make_unique<StridedRows<T, std::int16_t>>(array);
    case NumberType::u16:
      return std::make_unique<StridedRows<T, std::uint16_t>>(array);
    case NumberType::i32:
      return std::make_unique<StridedRows<T, std::int32_t>>(array);
    case NumberType::u32:
      return std::make_unique<StridedRows<T, std::uint32_t>>(array);
    case NumberType::i64:
      return std::make_unique<StridedRows<T, std::int64_t>>(array);
    case NumberType::u64:
      return std::make_unique<StridedRows<T, std::uint64_t>>(array);
    case NumberType::f16:
      return std::make_unique<StridedRows<T, Half>>(array);
    case NumberType::f32:
      return std::make_unique<StridedRows<T, float>>(array);
    case NumberType::f64:
      return std::make_unique<StridedRows<T, double>>(array);
  }
  throw std::logic_error("rows_of_array: no such type of number");
}

template <class T, class Index>
std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, Index>& matrix) {
  auto positions = std::make_shared<Positions<Index>>();
  positions->columns.assign(matrix.columns, matrix.columns + matrix.stored);
  positions->starts.assign(matrix.starts, matrix.starts + matrix.rows + 1);
  const std::vector<Index>& starts = positions->starts;
  if (starts.front() < 0 || starts.back() > matrix.stored ||
      !std::is_sorted(starts.begin(), starts.end()))
    throw std::invalid_argument("x: found a sparse matrix whose indptr leads outside its data");
  for (const Index column : positions->columns)
    if (column < 0 || column >= matrix.cols)
      throw std::invalid_argument("x: found a sparse matrix with column " + std::to_string(column) +
                                  ", wanted 0 to " + std::to_string(matrix.cols - 1));
  return std::make_unique<CsrRows<T, Index>>(0, matrix.rows, matrix.cols, matrix.values,
                                             std::move(positions));
}

#define DENSECORE_INSTANTIATE(T, ...)                                              \
  template std::unique_ptr<RowSource<T>> rows_of_array(const Strided&);            \
  template std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, std::int32_t>&); \
  template std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, std::int64_t>&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
