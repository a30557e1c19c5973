#include "bindings/head_arrays.h"

#include <utility>

#include "bindings/arrays.h"

namespace densecore::bindings {
namespace {

// f of a number of the caller's precision: float32 or float64, as the heads' limits are stated for
// these two.
template <class F>
auto of_precision(bool single, F&& f) {
  return single ? f(float()) : f(double());
}

template <class T>
MatrixView<const T> row_view(const char* name, const py::object& object) {
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.dtype().num() != py::dtype::num_of<T>() || array.dtype().byteorder() == '>')
    wrong_type(name, array.dtype(), dtype_name<T>);
  if (array.ndim() != 2 || array.shape(1) == 0) wrong_shape(name, array, {any, any});
  if (array.shape(0) == 0) return {nullptr, 0, array.shape(1), 0};
  const auto size = static_cast<index_t>(sizeof(T));
  if ((array.shape(1) > 1 && array.strides(1) != size) || array.strides(0) % size != 0 ||
      reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) != 0)
    wrong_layout(name, array, alignof(T));
  const index_t stride = array.shape(0) > 1 ? array.strides(0) / size : array.shape(1);
  return {static_cast<const T*>(array.data()), array.shape(0), array.shape(1), stride};
}

}  // namespace

bool is_single(const char* name, const py::object& object) {
  if (!py::isinstance<py::array>(object)) wrong_type(name, object, "a numpy.ndarray");
  return py::reinterpret_borrow<py::array>(object).dtype().num() == py::dtype::num_of<float>();
}

HeadRows rows_of(const char* name, const py::object& object, bool single) {
  return of_precision(single, [&](auto zero) -> HeadRows {
    const auto view = row_view<decltype(zero)>(name, object);
    return {view.rows, view.cols, numbers_of(view)};
  });
}
Numbers matrix_numbers(const char* name, const py::object& object, index_t rows, index_t cols,
                       bool single) {
  return of_precision(single, [&](auto zero) {
    return numbers_of(input_matrix<decltype(zero)>(name, object, rows, cols));
  });
}
Numbers vector_numbers(const char* name, const py::object& object, index_t rows, bool single) {
  Numbers found = of_precision(single, [&](auto zero) {
    using T = decltype(zero);
    return numbers_of(MatrixView<const T>(input_vector<T>(name, object, rows), 1, rows));
  });
  check_range(name, found, 1, -largest_number, largest_number, "finite numbers");
  return found;
}

py::array new_array(std::vector<py::ssize_t> shape, bool single) {
  const py::dtype dtype =
      of_precision(single, [](auto zero) { return py::dtype::of<decltype(zero)>(); });
  return {dtype, std::move(shape)};
}
void fill(py::array& to, index_t first, const Numbers& from, index_t rows, index_t cols,
          bool single) {
  const index_t stride = to.ndim() == 2 ? to.shape(1) : cols;
  of_precision(single, [&](auto zero) {
    using T = decltype(zero);
    write(from, MatrixView<T>(static_cast<T*>(to.mutable_data()) + first, rows, cols, stride));
  });
}
py::array matrix_of(const Numbers& from, index_t rows, index_t cols, bool single) {
  py::array to = new_array({rows, cols}, single);
  fill(to, 0, from, rows, cols, single);
  return to;
}
py::array vector_of(const Numbers& from, bool single) {
  const auto n = static_cast<index_t>(from.size());
  py::array to = new_array({n}, single);
  fill(to, 0, from, 1, n, single);
  return to;
}

}  // namespace densecore::bindings
