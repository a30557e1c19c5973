// A source of rows for Python, with the arrays that it reads.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings/array_snapshot.h"
#include "bindings/core_class.h"
#include "training/row_source.h"

namespace densecore::bindings {

namespace py = pybind11;

template <class T>
class PyRows : public TypedObject<T> {
 public:
  // `arrays` are those whose memory the source reads.
  PyRows(std::shared_ptr<RowSource<T>> source, std::vector<py::object> arrays)
      : source_(std::move(source)) {
    for (const py::object& array : arrays) arrays_.emplace_back(array);
  }
  // The rows from `begin` to `end`.
  std::unique_ptr<PyRows> slice(index_t begin, index_t end) const {
    check_range(begin, end);
    return std::unique_ptr<PyRows>(new PyRows(source().slice(begin, end), arrays_));
  }

  py::tuple shape() const { return py::make_tuple(size(), cols()); }
  // Copies, as arrays (rows, columns).
  py::array read(index_t begin, index_t end) const {
    check_range(begin, end);
    py::array_t<T> out({end - begin, cols()});
    source().read(nullptr, begin, end - begin, out.mutable_data());
    return out;
  }
  py::array take(const py::object& order) const {
    const auto numbers = checked<std::int64_t>("order", order, {any});
    const auto* from = static_cast<const std::int64_t*>(numbers.data());
    const index_t count = numbers.shape(0);
    const std::vector<index_t> rows(from, from + count);
    for (const index_t row : rows)
      if (row < 0 || row >= size())
        throw std::out_of_range("order: found row " + std::to_string(row) + ", wanted 0 to " +
                                std::to_string(size() - 1));
    py::array_t<T> out({count, cols()});
    source().read(rows.data(), 0, count, out.mutable_data());
    return out;
  }

  index_t size() const { return source_->rows(); }
  index_t cols() const { return source_->cols(); }
  // Throws std::runtime_error when an array is no longer where it was.
  const RowSource<T>& source() const {
    for (const ArraySnapshot& array : arrays_)
      if (array.moved())
        throw std::runtime_error(
            "x: found an array that was resized since, wanted one that keeps its memory and shape");
    return *source_;
  }
  const std::vector<ArraySnapshot>& arrays() const { return arrays_; }

 private:
  PyRows(std::shared_ptr<RowSource<T>> source, std::vector<ArraySnapshot> arrays)
      : source_(std::move(source)), arrays_(std::move(arrays)) {}

  void check_range(index_t begin, index_t end) const {
    if (begin < 0 || end < begin || end > size())
      throw std::out_of_range("rows: found " + std::to_string(begin) + " to " +
                              std::to_string(end) + ", wanted a part of " + std::to_string(size()));
  }

  std::shared_ptr<RowSource<T>> source_;
  std::vector<ArraySnapshot> arrays_;
};

// Null for anything else; an array, the usual case, costs one look.
template <class T>
const PyRows<T>* rows_of(const py::object& x) {
  // The exact type first: the other questions take a tenth of a small network's prediction.
  if (Py_TYPE(x.ptr()) == py::detail::npy_api::get().PyArray_Type_) return nullptr;
  if (py::isinstance<py::array>(x) || !is_instance<PyRows<T>>(x)) return nullptr;
  return &self_of<PyRows<T>>(x.ptr());
}
template <class T>
const RowSource<T>* row_source(const py::object& x) {
  const PyRows<T>* const rows = rows_of<T>(x);
  return rows == nullptr ? nullptr : &rows->source();
}

// Adds x, or the arrays that its rows are made of.
template <class T>
void borrow_rows(BorrowedArrays& arrays, const py::object& x) {
  if (const PyRows<T>* const rows = rows_of<T>(x)) {
    for (const ArraySnapshot& array : rows->arrays()) arrays.add("x", array.array());
  } else {
    arrays.add("x", x);
  }
}

}  // namespace densecore::bindings
