// Views: row-major matrices in memory that they do not own.
#pragma once

#include <cstddef>

namespace densecore {

using index_t = std::ptrdiff_t;

// How many parts of `part` make up `whole`, the last of which may be smaller.
constexpr index_t divide_up(index_t whole, index_t part) { return (whole + part - 1) / part; }

// body(begin, end) for the fewest blocks of nearly equal size, none above `most` > 0.
template <class Body>
void for_each_block(index_t begin, index_t end, index_t most, Body body) {
  const index_t rows = end - begin, blocks = divide_up(rows, most);
  for (index_t i = 0; i < blocks; ++i)
    body(begin + rows * i / blocks, begin + rows * (i + 1) / blocks);
}

// Columns begin .. end-1.
struct Range {
  index_t begin, end;
  index_t size() const { return end - begin; }
};

// Element (i, j) is data[i * stride + j]; stride >= cols, in elements.
template <class T>
struct MatrixView {
  T* data = nullptr;
  index_t rows = 0;
  index_t cols = 0;
  index_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, index_t rows_, index_t cols_, index_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  MatrixView(T* data_, index_t rows_, index_t cols_) : MatrixView(data_, rows_, cols_, cols_) {}
  // A view of T reads as a view of const T.
  template <class U>
  MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data, other.rows, other.cols, other.stride) {}

  T* row(index_t i) const { return data + i * stride; }
  MatrixView slice(index_t begin, index_t end) const {
    return {data == nullptr ? nullptr : row(begin), end - begin, cols, stride};
  }
  explicit operator bool() const { return data != nullptr; }
};

}  // namespace densecore
