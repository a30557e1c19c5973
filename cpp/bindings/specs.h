// What a network's methods need of Python: signals, the mark of being in use, hooks of epochs,
// layers from dictionaries, arrays for a function of the user's.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "layers/kinds.h"
#include "training/trainer.h"

namespace densecore::bindings {

// Computations of fewer multiply-adds keep the GIL: releasing and taking it costs about 70 ns, and
// another thread could not use so short a time anyway.
constexpr double released_work = 1 << 20;

inline bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// A daemon thread must not come back to an interpreter that ends: CPython would unwind its stack
// through frames that cannot be unwound, and abort. As of Python 3.14 it waits for ever instead.
inline void wait_if_interpreter_ends() {
  while (interpreter_ends()) std::this_thread::sleep_for(std::chrono::seconds(1));
}

// As py::gil_scoped_release, for any thread.
class ReleasedGil {
 public:
  ReleasedGil() : state_(PyEval_SaveThread()) {}
  ~ReleasedGil() {
    wait_if_interpreter_ends();
    PyEval_RestoreThread(state_);
  }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  PyThreadState* state_;
};

// Asks Python for pending signals; Ctrl-C becomes KeyboardInterrupt here.
class SignalCheck : public Interrupt {
 public:
  // Made with the GIL.
  SignalCheck() {
    const auto main = py::module_::import("threading").attr("main_thread")().attr("ident");
    asks_ = main.cast<unsigned long>() == PyThread_get_thread_ident();
  }
  bool requested() override {
    // Python handles signals in its main thread only.
    if (!asks_) return false;
    py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() == 0) return false;
    error_ = std::make_exception_ptr(py::error_already_set());
    return true;
  }
  // Turns the core's Interrupted into the Python exception that caused it.
  [[noreturn]] void rethrow() { std::rethrow_exception(error_); }

 private:
  bool asks_;
  std::exception_ptr error_;
};

// Marks a network as in use for the life of the object. With the GIL released a second Python
// thread could get here; it must not find the workspace half written. What a call checks into the
// model's own memory (class numbers) is written under the mark, too.
class InUse {
 public:
  explicit InUse(std::atomic<bool>& flag) : flag_(flag) { take(); }
  ~InUse() {
    if (taken_) flag_.store(false, std::memory_order_release);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  // While a callback of the user runs, the model is free.
  void pause() {
    taken_ = false;
    flag_.store(false, std::memory_order_release);
  }
  void take() {
#ifdef Py_GIL_DISABLED
    const bool used = flag_.exchange(true, std::memory_order_acquire);
#else
    // Who holds the GIL is alone here, and spares the processor a locked instruction.
    const bool used = flag_.load(std::memory_order_relaxed);
    flag_.store(true, std::memory_order_relaxed);
#endif
    if (used)
      throw std::runtime_error(
          "the model is in use by another thread; give each thread a model of its own");
    taken_ = true;
  }

 private:
  std::atomic<bool>& flag_;
  bool taken_ = false;
};

// Runs `body`, which is too short for others to make use of the time.
template <class Body>
void run_held(Body&& body) {
  Executor executor;
  body(executor);
}

// Runs `body` without the GIL, but too short to be interrupted.
template <class Body>
void run_shared(Body&& body) {
  const ReleasedGil release;
  Executor executor;
  body(executor);
}

// Runs `body` without the GIL; Ctrl-C ends it.
template <class Body>
void run_released(Body&& body) {
  SignalCheck signals;
  try {
    // Nothing below touches a Python object's reference count: arrays are held by the caller.
    const ReleasedGil release;
    Executor executor(&signals);
    body(executor);
  } catch (const Interrupted&) {
    signals.rethrow();
  }
}

struct EpochHooks {
  // Either may be empty.
  std::function<void()> begin;
  std::function<bool(const std::vector<double>&, const std::vector<double>&)> end;
  // Whether `end` is to hear of every epoch, or only of those whose loss is not finite.
  bool every_epoch;
};

// Calls Python at the beginning and the end of each epoch, where somebody listens.
class PythonObserver : public EpochObserver {
 public:
  PythonObserver(EpochHooks hooks, InUse& in_use) : hooks_(std::move(hooks)), in_use_(in_use) {}
  void epoch_begin() override {
    if (hooks_.begin) call([&] { hooks_.begin(); });
  }
  bool epoch_end(const EpochResult& result) override {
    results.push_back(result);
    bool go_on = true;
    if (hooks_.end && (hooks_.every_epoch || !finite(result)))
      call([&] { go_on = hooks_.end(result.training, result.validation); });
    return go_on;
  }
  std::vector<EpochResult> results;

 private:
  static bool finite(const EpochResult& result) {
    return std::isfinite(result.training[0]) &&
           (result.validation.empty() || std::isfinite(result.validation[0]));
  }
  template <class Call>
  void call(Call&& function) {
    wait_if_interpreter_ends();
    py::gil_scoped_acquire gil;
    in_use_.pause();
    function();
    in_use_.take();
  }

  EpochHooks hooks_;
  InUse& in_use_;
};

// None for an argument that was not given.
inline py::object borrowed(PyObject* argument) {
  return argument == nullptr ? py::object(py::none())
                             : py::reinterpret_borrow<py::object>(argument);
}

inline bool truth(PyObject* argument, bool otherwise) {
  if (argument == nullptr) return otherwise;
  const int found = PyObject_IsTrue(argument);
  if (found < 0) throw py::error_already_set();
  return found == 1;
}

// The type that a PyMethodDef wants, whatever the calling convention.
template <class Function>
PyCFunction as_function(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

inline Reduction reduction_of(const std::string& name) {
  if (name == "sum_over_batch_size") return Reduction::sum_over_batch_size;
  if (name == "mean_with_sample_weight") return Reduction::mean_with_sample_weight;
  if (name == "sum") return Reduction::sum;
  if (name == "sum_over_outputs") return Reduction::sum_over_outputs;
  throw std::invalid_argument("unknown reduction '" + name +
                              "'; known: sum_over_batch_size, mean_with_sample_weight, sum, "
                              "sum_over_outputs");
}

// A layer from a dictionary: its `kind`, the entries that all kinds have, and the numbers of the
// kind's row in the table (layers/kinds.h).
inline LayerSpec layer_spec_of(const py::dict& given) {
  if (!given.contains("kind")) throw std::invalid_argument("layer: found no kind, wanted one");
  LayerSpec spec(find_layer_kind(given["kind"].cast<std::string>()));
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (name == "trainable") {
      spec.trainable = value.cast<bool>();
    } else if (name == "penalties") {
      const auto pairs = value.cast<std::array<std::array<double, 2>, 2>>();
      for (std::size_t i = 0; i < 2; ++i) spec.penalties[i] = {pairs[i][0], pairs[i][1]};
    } else if (spec.kind->has_activation && name == "activation") {
      spec.activation.name = value.cast<std::string>();
    } else if (spec.kind->has_activation && name == "activation_parameters") {
      spec.activation.parameters = value.cast<std::vector<double>>();
    } else if (name != "kind") {
      double& number = spec.entry(name);
      number = PyFloat_AsDouble(value.ptr());
      if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    }
  }
  return spec;
}

template <class T>
MatrixView<const T> matrix_of(const py::array_t<T>& array) {
  return {array.data(), array.shape(0), array.shape(1)};
}

// A view of a matrix that lives for one call of Python.
template <class T, class U = std::remove_const_t<T>>
py::array_t<U> matrix_view(MatrixView<T> m) {
  constexpr auto size = static_cast<py::ssize_t>(sizeof(T));
  py::array_t<U> array({m.rows, m.cols}, {m.stride * size, size}, m.data, py::capsule(m.data));
  if constexpr (std::is_const_v<T>)
    py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return array;
}

// What a user's function has returned, of the shape of x.
template <class T>
py::array_t<T> result_of(const char* what, const py::object& found, MatrixView<const T> x) {
  auto array = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(found);
  if (!array) throw py::error_already_set();
  if (array.ndim() != 2 || array.shape(0) != x.rows || array.shape(1) != x.cols)
    wrong_shape(what, array, {x.rows, x.cols});
  return array;
}

// forward(x) -> a and derivative(x, a) -> da/dx, both (rows, units), for a layer of kind
// "function".
template <class T>
void set_function(Network<T>& network, std::size_t l, py::function forward,
                  py::function derivative) {
  UserFunction<T> function;
  function.forward = [forward](MatrixView<const T> x, MatrixView<T> a) {
    py::gil_scoped_acquire gil;
    const py::array_t<T> result = result_of("activation", forward(matrix_view(x)), x);
    copy_rows(matrix_of(result), a);
  };
  function.derivative = [derivative](MatrixView<const T> x, MatrixView<const T> a,
                                     MatrixView<T> out) {
    py::gil_scoped_acquire gil;
    const py::array_t<T> slope =
        result_of("derivative", derivative(matrix_view(x), matrix_view(a)), x);
    copy_rows(matrix_of(slope), out);
  };
  network.set_function(l, std::move(function));
}

}  // namespace densecore::bindings
