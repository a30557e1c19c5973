// Views of NumPy memory. Never a copy: an array that cannot be used where it lies is refused, with
// its name, what was found and what is wanted.
//
// Arguments come as py::object and are checked by hand: py::array_t would build a dtype and call
// PyArray_FromAny for every argument, several times the cost of these checks.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/dtypes.h"
#include "base/view.h"
#include "objectives/checks.h"

namespace densecore::bindings {

namespace py = pybind11;

constexpr index_t any = -1;  // a dimension of any size

// A row for each type that arrays have.
template <class T>
constexpr const char* dtype_name = [] {
  static_assert(sizeof(T) == 0, "this type has no row");
  return "";
}();
#define DENSECORE_NAME(T, suffix, field, name) \
  template <>                                  \
  inline constexpr const char* dtype_name<T> = name;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_NAME)
#undef DENSECORE_NAME
template <>
inline constexpr const char* dtype_name<bool> = "bool";
template <>
inline constexpr const char* dtype_name<std::int32_t> = "int32";
template <>
inline constexpr const char* dtype_name<std::int64_t> = "int64";

[[noreturn]] void wrong_type(const char* name, const py::handle& found, const char* wanted);
// Of anything but numpy.ndarray itself: another class of arrays is accepted, unless a mask hides
// some of its numbers, which the core would read all the same.
void check_class(const char* name, const py::object& object);
[[noreturn]] void wrong_shape(const char* name, const py::array& found,
                              const std::vector<index_t>& wanted);
[[noreturn]] void wrong_layout(const char* name, const py::array& found, std::size_t itemsize);

// f(T()) for the dtype T of an array, one of the core's; with a double for any other, which
// `checked` then refuses.
template <class F>
auto visit_dtype(const py::object& array, F&& f) {
  const int number = py::reinterpret_borrow<py::array>(array).dtype().num();
#define DENSECORE_VISIT(T, ...) \
  if (number == py::dtype::num_of<T>()) return f(T());
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_VISIT)
#undef DENSECORE_VISIT
  return f(double());
}

// An array of exactly this dtype, native byte order, aligned, C-contiguous, of `wanted` dimensions.
template <class T>
py::array checked(const char* name, const py::object& object, std::initializer_list<index_t> wanted,
                  bool writeable = false) {
  if (Py_TYPE(object.ptr()) != py::detail::npy_api::get().PyArray_Type_) check_class(name, object);
  auto array = py::reinterpret_borrow<py::array>(object);
  const py::dtype dtype = array.dtype();
  if (dtype.num() != py::dtype::num_of<T>() || dtype.byteorder() == '>')
    wrong_type(name, dtype, dtype_name<T>);
  bool fits = static_cast<std::size_t>(array.ndim()) == wanted.size();
  index_t axis = 0;
  for (const index_t size : wanted) {
    fits = fits && (size == any || array.shape(axis) == size);
    ++axis;
  }
  if (!fits) wrong_shape(name, array, wanted);
  if ((array.flags() & py::array::c_style) == 0 ||
      reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) != 0 ||
      (writeable && !array.writeable()))
    wrong_layout(name, array, alignof(T));
  return array;
}

template <class T>
MatrixView<const T> input_matrix(const char* name, const py::object& object, index_t rows,
                                 index_t cols) {
  const py::array array = checked<T>(name, object, {rows, cols});
  return {static_cast<const T*>(array.data()), array.shape(0), array.shape(1)};
}

template <class T>
MatrixView<T> output_matrix(const char* name, const py::object& object, index_t rows,
                            index_t cols) {
  py::array array = checked<T>(name, object, {rows, cols}, true);
  return {static_cast<T*>(array.mutable_data()), array.shape(0), array.shape(1)};
}

// A vector of `size` elements (or `any`).
template <class T>
const T* input_vector(const char* name, const py::object& object, index_t size) {
  return static_cast<const T*>(checked<T>(name, object, {size}).data());
}
template <class T>
T* output_vector(const char* name, const py::object& object, index_t size) {
  return static_cast<T*>(checked<T>(name, object, {size}, true).mutable_data());
}

// `rows` class numbers of int32 or int64, each below `classes`: checked, and copied to `labels`, as
// the array may change while they are used.
void read_labels(const char* name, const py::object& array, index_t rows, index_t classes,
                 std::vector<std::int32_t>& labels);

// The same of any number of rows, also of whole numbers of float32 or float64, as int32.
py::object class_numbers(const char* name, const py::object& array, index_t classes);

// The weights of rows, checked.
template <class T>
const T* input_weights(const py::object& array, index_t rows) {
  const py::array weights = checked<T>("sample_weight", array, {rows});
  const auto* const data = static_cast<const T*>(weights.data());
  check_weights(data, weights.size());
  return data;
}

// Refuses memory that both are used for writing and reading.
void refuse_overlap(const char* name, const void* out, std::size_t out_bytes,
                    const char* other_name, const void* other, std::size_t other_bytes);

template <class T, class U>
void refuse_overlap(const char* name, MatrixView<T> out, const char* other_name,
                    MatrixView<U> other) {
  refuse_overlap(name, out.data, static_cast<std::size_t>(out.rows * out.stride) * sizeof(T),
                 other_name, other.data,
                 static_cast<std::size_t>(other.rows * other.stride) * sizeof(U));
}

// The same, for an `out` of the caller's and a network's parameters, of which the caller has views.
template <class T>
void refuse_parameters(MatrixView<T> out, const AlignedBuffer<T>& parameters) {
  refuse_overlap("out", out.data, static_cast<std::size_t>(out.rows * out.stride) * sizeof(T),
                 "the model's parameters", parameters.data(), parameters.size() * sizeof(T));
}

// A NumPy view of the library's own memory, which it keeps alive.
template <class T>
py::array view_of(const std::shared_ptr<AlignedBuffer<T>>& buffer, index_t offset,
                  std::vector<py::ssize_t> shape, std::vector<py::ssize_t> strides = {}) {
  using Owner = std::shared_ptr<AlignedBuffer<T>>;
  auto owner = std::make_unique<Owner>(buffer);
  py::capsule base(owner.get(), [](void* p) { delete static_cast<Owner*>(p); });
  owner.release();
  for (py::ssize_t& stride : strides) stride *= static_cast<py::ssize_t>(sizeof(T));
  return py::array_t<T>(std::move(shape), std::move(strides), buffer->data() + offset, base);
}

}  // namespace densecore::bindings
