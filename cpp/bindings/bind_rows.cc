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
std::unique_ptr<PyRows<T>> strided(const py::object& given) {
  check_class("x", given);
  const auto array = py::reinterpret_borrow<py::array>(given);
  if (array.ndim() != 2) wrong_shape("x", array, {any, any});
  return std::make_unique<PyRows<T>>(
      rows_of_array<T>({static_cast<const char*>(array.data()), number_type(array), array.shape(0),
                        array.shape(1), array.strides(0), array.strides(1)}),
      std::vector<py::object>{array});
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
std::unique_ptr<PyRows<T>> csr(const py::object& data, const py::object& indices,
                               const py::object& indptr, index_t cols) {
  const bool small = py::isinstance<py::array>(indptr) &&
                     py::reinterpret_borrow<py::array>(indptr).itemsize() == 4;
  return std::make_unique<PyRows<T>>(small ? csr_of<T, std::int32_t>(data, indices, indptr, cols)
                                           : csr_of<T, std::int64_t>(data, indices, indptr, cols),
                                     std::vector<py::object>{data});
}

constexpr MemberRow source_rows[] = {
    property("shape", DENSECORE_MEMBERS(PyRows, shape), "(rows, columns)."),
    method("__len__()", DENSECORE_MEMBERS(PyRows, size), "Number of rows."),
    method("slice(begin, end)", DENSECORE_MEMBERS(PyRows, slice),
           "The rows from `begin` to `end`, without a copy."),
    method("read(begin, end)", DENSECORE_MEMBERS(PyRows, read),
           "The rows from `begin` to `end` as an array."),
    method("take(order)", DENSECORE_MEMBERS(PyRows, take),
           "The rows of these numbers as an array."),
};
template <class T>
constexpr MemberRow source_makers[] = {
    function<&strided<T>>("strided(array)", "Rows of an array of any dtype and strides."),
    function<&csr<T>>("csr(data, indices, indptr, columns)",
                      "Rows of a sparse matrix in CSR format; `indices` and `indptr` are copied."),
};

template <class T>
void register_rows_of(const py::module_& module, const char* dtype) {
  const py::handle type =
      core_class<PyRows<T>>(module, std::string("Rows") + dtype,
                            "Rows that are made when they are read: (rows, columns).");
  add_rows(type, table_of_rows<source_rows>());
  add_rows(type, table_of_rows<source_makers<T>>());
}

}  // namespace

void register_rows(py::module_& module) {
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_rows_of<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
}

}  // namespace densecore::bindings
