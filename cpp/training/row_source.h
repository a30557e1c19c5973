// Rows that are converted batch by batch: of a sparse matrix, or of an array of another dtype or
// layout that would take too much memory to convert as a whole.
#pragma once

#include <cstdint>
#include <memory>

#include "base/view.h"

namespace densecore {

// A view: it does not own the memory that it reads.
template <class T>
class RowSource {
 public:
  RowSource(index_t rows, index_t cols) : rows_(rows), cols_(cols) {}
  virtual ~RowSource() = default;

  index_t rows() const { return rows_; }
  index_t cols() const { return cols_; }

  // Rows order[0 .. count), or begin .. begin + count when `order` is null, to `to` (count, cols),
  // without gaps. Throws std::invalid_argument for a number that T cannot hold.
  virtual void read(const index_t* order, index_t begin, index_t count, T* to) const = 0;
  virtual std::unique_ptr<RowSource> slice(index_t begin, index_t end) const = 0;

 private:
  index_t rows_, cols_;
};

// An array of numbers of any type: distances are in bytes, and need not be aligned.
enum class NumberType { b1, i8, u8, i16, u16, i32, u32, i64, u64, f16, f32, f64 };
struct Strided {
  const char* data;
  NumberType type;
  index_t rows, cols, row_bytes, col_bytes;
};
template <class T>
std::unique_ptr<RowSource<T>> rows_of_array(const Strided& array);

// Compressed sparse rows: row i has the columns columns[starts[i] .. starts[i + 1]) with the values
// at the same places; values of equal columns are added. Throws std::invalid_argument for starts or
// columns out of range.
template <class T, class Index>
struct Csr {
  index_t rows, cols, stored;
  const T* values;
  const Index* columns;
  const Index* starts;
};
template <class T, class Index>
std::unique_ptr<RowSource<T>> rows_of_csr(const Csr<T, Index>& matrix);

}  // namespace densecore
