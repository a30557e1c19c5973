#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/register.h"
#include "bindings/row_source.h"

namespace densecore::bindings {
namespace {

NumberType number_type(const py::array& array) {
  const py::dtype dtype = array.dtype();
  if (dtype.byteorder() != '>') {
    const struct {
      char kind;
      index_t bytes;
      NumberType type;
    } known[] = {{'b', 1, NumberType::b1},  {'i', 1, NumberType::i8},  {'u', 1, NumberType::u8},
                 {'i', 2, NumberType::i16}, {'u', 2, NumberType::u16}, {'i', 4, NumberType::i32},
                 {'u', 4, NumberType::u32}, {'i', 8, NumberType::i64}, {'u', 8, NumberType::u64},
                 {'f', 2, NumberType::f16}, {'f', 4, NumberType::f32}, {'f', 8, NumberType::f64}};
    for (const auto& row : known)
      if (dtype.kind() == row.kind && dtype.itemsize() == row.bytes) return row.type;
  }
  wrong_type("x", dtype, "real numbers of native byte order");
}

template <class T>
PyRows<T> strided(const py::array& array) {
  if (array.ndim() != 2) wrong_shape("x", array, {any, any});
  return {rows_of_array<T>({static_cast<const char*>(array.data()), number_type(array),
                            array.shape(0), array.shape(1), array.strides(0), array.strides(1)}),
          std::vector<py::object>{array}};
}

template <class T, class Index>
std::unique_ptr<RowSource<T>> csr_of(const py::object& data, const py::object& indices,
                                     const py::object& indptr, index_t cols) {
  const index_t stored = checked<Index>("indices", indices, {any}).size();
  const index_t starts = checked<Index>("indptr", indptr, {any}).size();
  if (starts == 0) throw std::invalid_argument("indptr: found no elements, wanted rows + 1");
  return rows_of_csr<T, Index>({starts - 1, cols, stored, input_vector<T>("data", data, stored),
                                input_vector<Index>("indices", indices, stored),
                                input_vector<Index>("indptr", indptr, starts)});
}

template <class T>
PyRows<T> csr(const py::object& data, const py::object& indices, const py::object& indptr,
              index_t cols) {
  const bool small = py::isinstance<py::array>(indptr) &&
                     py::reinterpret_borrow<py::array>(indptr).itemsize() == 4;
  return {small ? csr_of<T, std::int32_t>(data, indices, indptr, cols)
                : csr_of<T, std::int64_t>(data, indices, indptr, cols),
          std::vector<py::object>{data}};
}

void check_range(index_t begin, index_t end, index_t rows) {
  if (begin < 0 || end < begin || end > rows)
    throw std::out_of_range("rows: found " + std::to_string(begin) + " to " + std::to_string(end) +
                            ", wanted a part of " + std::to_string(rows));
}

void check_row(index_t row, index_t rows) {
  if (row < 0 || row >= rows)
    throw std::out_of_range("order: found row " + std::to_string(row) + ", wanted 0 to " +
                            std::to_string(rows - 1));
}

template <class T>
void register_for(py::module_& module, const char* name) {
  using Rows = PyRows<T>;
  core_class<Rows>(module, name, "Rows that are made when they are read: (rows, columns).")
      .def_static("strided", &strided<T>, py::arg("array"),
                  "Rows of an array of any dtype and strides.")
      .def_static("csr", &csr<T>, py::arg("data"), py::arg("indices"), py::arg("indptr"),
                  py::arg("columns"),
                  "Rows of a sparse matrix in CSR format; `indices` and `indptr` are copied.")
      .def_property_readonly(
          "shape", [](const Rows& self) { return py::make_tuple(self.size(), self.cols()); },
          "(rows, columns).")
      .def(
          "__len__", [](const Rows& self) { return self.size(); }, "Number of rows.")
      .def(
          "slice",
          [](const Rows& self, index_t begin, index_t end) {
            check_range(begin, end, self.size());
            return self.slice(begin, end);
          },
          py::arg("begin"), py::arg("end"), "The rows from `begin` to `end`, without a copy.")
      .def(
          "read",
          [](const Rows& self, index_t begin, index_t end) {
            check_range(begin, end, self.size());
            py::array_t<T> out({end - begin, self.cols()});
            self.source().read(nullptr, begin, end - begin, out.mutable_data());
            return out;
          },
          py::arg("begin"), py::arg("end"), "The rows from `begin` to `end` as an array.")
      .def(
          "take",
          [](const Rows& self, const py::object& order) {
            const auto numbers = checked<std::int64_t>("order", order, {any});
            const auto* from = static_cast<const std::int64_t*>(numbers.data());
            const index_t count = numbers.shape(0);
            const std::vector<index_t> rows(from, from + count);
            for (const index_t row : rows) check_row(row, self.size());
            py::array_t<T> out({count, self.cols()});
            self.source().read(rows.data(), 0, count, out.mutable_data());
            return out;
          },
          py::arg("order"), "The rows of these numbers as an array.");
}

}  // namespace

void register_rows(py::module_& module) {
  register_for<float>(module, "RowsF32");
  register_for<double>(module, "RowsF64");
}

}  // namespace densecore::bindings
