#include "training/row_source.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

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
      // With a constant distance the compiler uses vectors.
      if (array_.col_bytes == static_cast<index_t>(sizeof(From)))
        convert(from, static_cast<index_t>(sizeof(From)), to);
      else
        convert(from, array_.col_bytes, to);
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

  void convert(const char* from, index_t distance, T* to) const {
    for (index_t j = 0; j < array_.cols; ++j) to[j] = static_cast<T>(load(from + j * distance));
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

template <class T, class Index>
class CsrRows : public RowSource<T> {
 public:
  explicit CsrRows(const Csr<T, Index>& matrix)
      : RowSource<T>(matrix.rows, matrix.cols), matrix_(matrix) {}

  void read(const index_t* order, index_t begin, index_t count, T* to) const override {
    for (index_t i = 0; i < count; ++i, to += matrix_.cols) {
      const index_t row = order == nullptr ? begin + i : order[i];
      std::fill(to, to + matrix_.cols, T(0));
      for (Index k = matrix_.starts[row]; k < matrix_.starts[row + 1]; ++k)
        to[matrix_.columns[k]] += matrix_.values[k];
    }
  }

  std::unique_ptr<RowSource<T>> slice(index_t begin, index_t end) const override {
    Csr<T, Index> part = matrix_;
    part.starts += begin;
    part.rows = end - begin;
    return std::make_unique<CsrRows>(part);
  }

 private:
  Csr<T, Index> matrix_;
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
  bool inside = matrix.starts[0] >= 0;
  for (index_t i = 0; i < matrix.rows; ++i)
    inside = inside && matrix.starts[i] <= matrix.starts[i + 1];
  if (!inside || matrix.starts[matrix.rows] > matrix.stored)
    throw std::invalid_argument("x: found a sparse matrix whose indptr leads outside its data");
  for (index_t k = 0; k < matrix.stored; ++k)
    if (matrix.columns[k] < 0 || matrix.columns[k] >= matrix.cols)
      throw std::invalid_argument("x: found a sparse matrix with column " +
                                  std::to_string(matrix.columns[k]) + ", wanted 0 to " +
                                  std::to_string(matrix.cols - 1));
  return std::make_unique<CsrRows<T, Index>>(matrix);
}

#define DENSECORE_INSTANTIATE(T, ...)                                              \
  template std::unique_ptr<RowSource<T>> rows_of_array(const Strided&);            \
  template std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, std::int32_t>&); \
  template std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, std::int64_t>&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
