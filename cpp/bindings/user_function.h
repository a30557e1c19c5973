// Python functions of the user, called from the core: their arguments and their results.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/schedule.h"
#include "bindings/array_snapshot.h"
#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "layers/rowwise.h"
#include "network/network.h"

namespace densecore::bindings {

// Calls `function`; the GIL is held.
template <class... Arguments>
py::object call_user(const py::object& function, const Arguments&... arguments) {
  const py::tuple packed = py::make_tuple(arguments...);
  PyObject* result = nullptr;
  wait_instead_of_unwinding([&] { result = PyObject_CallObject(function.ptr(), packed.ptr()); });
  if (result == nullptr) throw py::error_already_set();
  auto found = py::reinterpret_steal<py::object>(result);
  BorrowedArrays::check_all();
  return found;
}

// A Python object for threads that may not hold the GIL where it is copied or ends.
class SharedObject {
 public:
  explicit SharedObject(py::object object)
      : object_(new py::object(std::move(object)), [](const py::object* old) {
          const AcquiredGil gil;
          delete old;
        }) {}
  const py::object& get() const { return *object_; }

 private:
  std::shared_ptr<const py::object> object_;
};

// numbers(first, count): an array of float64 (count,); None: no schedule.
inline Schedule schedule_of(const py::handle& numbers) {
  if (numbers.is_none()) return {};
  const SharedObject function(py::reinterpret_borrow<py::object>(numbers));
  return [function](std::int64_t first, index_t count, double* out) {
    const AcquiredGil gil;
    const py::object found = call_user(function.get(), py::int_(first), py::int_(count));
    const double* from = input_vector<double>("schedule", found, count);
    std::copy_n(from, count, out);
  };
}

// A copy: the function may keep it, and the core's memory changes and ends.
template <class T, class U = std::remove_const_t<T>>
py::array_t<U> copy_of(MatrixView<T> m) {
  py::array_t<U> copy({m.rows, m.cols});
  copy_rows(MatrixView<const U>(m), MatrixView<U>(copy.mutable_data(), m.rows, m.cols));
  return copy;
}

// Copies a function's result into `out`, which has the same shape.
template <class T>
void copy_result(const char* what, const py::object& found, MatrixView<T> out) {
  const auto array = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(found);
  if (!array) throw py::error_already_set();
  if (array.ndim() != 2 || array.shape(0) != out.rows || array.shape(1) != out.cols)
    wrong_shape(what, array, {out.rows, out.cols});
  copy_rows(MatrixView<const T>(array.data(), out.rows, out.cols), out);
}

// forward(x) -> a (rows, units), and derivative(x, a) -> da/dx, of the same shape, for a layer of
// kind "function"; of one of whole batches, derivative(x, dC/da) -> dC/dx.
template <class T>
void set_function(Network<T>& network, std::size_t l, py::function forward,
                  py::function derivative) {
  const SharedObject f(std::move(forward)), df(std::move(derivative));
  UserFunction<T> function;
  function.forward = [f](MatrixView<const T> x, MatrixView<T> a) {
    const AcquiredGil gil;
    copy_result("activation", call_user(f.get(), copy_of(x)), a);
  };
  function.derivative = [df](MatrixView<const T> x, MatrixView<const T> other, MatrixView<T> out) {
    const AcquiredGil gil;
    copy_result("derivative", call_user(df.get(), copy_of(x), copy_of(other)), out);
  };
  network.set_function(l, std::move(function));
}

}  // namespace densecore::bindings
