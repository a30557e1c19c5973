// The GIL, signals, and the mark of a model that is in use.
#pragma once

#include <pybind11/pybind11.h>

#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/executor.h"

namespace densecore::bindings {

namespace py = pybind11;

// Computations of fewer multiply-adds keep the GIL: releasing and taking it costs about 70 ns, and
// another thread could not use so short a time anyway.
constexpr double released_work = 1 << 20;

inline bool interpreter_ends() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing() != 0 || Py_IsInitialized() == 0;
#else
  return _Py_IsFinalizing() != 0 || Py_IsInitialized() == 0;
#endif
}

[[noreturn]] inline void wait_for_ever() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Runs `body`, in which Python may end this thread. When the interpreter ends, CPython up to 3.13
// ends a daemon thread that waits for the GIL, or runs Python code, by unwinding its stack. C++
// frames on that stack cannot be unwound (destructors must not throw, objects are released without
// the GIL): the process would abort. The thread waits here instead until the process has ended, as
// CPython itself does it from 3.14 on. Nothing that has a destructor may be made in `body`.
template <class Body>
void wait_instead_of_unwinding(Body&& body) {
#if defined(__GLIBCXX__)
  try {
    body();
  } catch (abi::__forced_unwind&) {
    wait_for_ever();
  }
#else
  body();
#endif
}

// The GIL is not held for the life of the object. As py::gil_scoped_release, but a daemon thread
// survives the end of the interpreter.
class ReleasedGil {
 public:
  ReleasedGil() : ends_here_(interpreter_ends()), state_(PyEval_SaveThread()) {}
  ~ReleasedGil() {
    if (!ends_here_ && interpreter_ends()) wait_for_ever();
    wait_instead_of_unwinding([this] { PyEval_RestoreThread(state_); });
  }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  bool ends_here_;  // this thread is the one that ends the interpreter
  PyThreadState* state_;
};

// The GIL is held for the life of the object, in any thread. As py::gil_scoped_acquire, but a
// daemon thread survives the end of the interpreter.
class AcquiredGil {
 public:
  AcquiredGil() {
    // The thread that ends the interpreter holds the GIL until the end, and must not wait.
    const bool held = PyGILState_GetThisThreadState() != nullptr && PyGILState_Check() != 0;
    if (!held && interpreter_ends()) wait_for_ever();
    wait_instead_of_unwinding([this] { state_ = PyGILState_Ensure(); });
  }
  ~AcquiredGil() { PyGILState_Release(state_); }
  AcquiredGil(const AcquiredGil&) = delete;
  AcquiredGil& operator=(const AcquiredGil&) = delete;

 private:
  PyGILState_STATE state_{};
};

// Asks Python for pending signals; Ctrl-C becomes KeyboardInterrupt here.
class SignalCheck : public Interrupt {
 public:
  // Throws nothing: it is asked in the middle of a region, whose other threads use the caller's
  // stack. A signal that has waited ends whatever Python code runs first, `in_main_thread` too.
  bool requested() noexcept override {
    if (asks_ == Asks::no) return false;
    const AcquiredGil gil;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      // Not before: a call that ends at once would spend more on this than on its own work.
      if (asks_ == Asks::unknown) asks_ = in_main_thread() ? Asks::yes : Asks::no;
      return false;
    } catch (...) {
      error_ = std::current_exception();
      return true;
    }
  }
  // Turns the core's Interrupted into the Python exception that caused it.
  [[noreturn]] void rethrow() { std::rethrow_exception(error_); }

 private:
  // Python handles signals in its main thread only.
  static bool in_main_thread() {
    const auto main = py::module_::import("threading").attr("main_thread")().attr("ident");
    return main.cast<unsigned long>() == PyThread_get_thread_ident();
  }

  enum class Asks { unknown, yes, no } asks_ = Asks::unknown;
  std::exception_ptr error_;
};

// Who uses a model: no thread, or one. With the GIL released another Python thread could call the
// model; it must not find the workspace half written, nor parameters of two steps. While a thread
// is in a call of the core, the model is closed to all; while that call runs a callback, or Python
// code of the library makes several calls (see PyReservation), it is reserved: open to this thread.
class UseMark {
 public:
  using Value = std::uintptr_t;
  static constexpr Value no_one = 0;

  // Before reading, also by this thread's own code in the middle of a call (a metric that looks at
  // the parameters). Throws std::runtime_error when another thread uses the model.
  void check_readable() const {
    const Value user = user_.load(std::memory_order_acquire);
    if (user != no_one && (user & ~in_call) != this_thread()) refuse(user);
  }
  // Before a change, which must not happen in the middle of a call of this thread either.
  void check_free() const {
    const Value user = user_.load(std::memory_order_acquire);
    if (user != no_one && user != this_thread()) refuse(user);
  }
  // Both return the value that `leave` restores. Throw std::runtime_error when the model is in use.
  Value enter_call() { return enter(this_thread() | in_call); }
  // `reading`: also in the middle of a call of this thread.
  Value reserve(bool reading) {
    const Value user = user_.load(std::memory_order_acquire);
    if (reading && user == (this_thread() | in_call)) return user;
    return enter(this_thread());
  }
  void leave(Value before) { user_.store(before, std::memory_order_release); }
  // For a thread that has entered a call: it is no longer in it, or is again.
  void open() { user_.store(this_thread(), std::memory_order_release); }
  void close() { user_.store(this_thread() | in_call, std::memory_order_release); }

 private:
  static constexpr Value in_call = 1;

  // An even number that no other running thread has.
  static Value this_thread() {
#if defined(__linux__) && defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
    return reinterpret_cast<Value>(__builtin_thread_pointer());
#else
    return static_cast<Value>(PyThread_get_thread_ident()) << 1;
#endif
  }

  Value enter(Value user) {
#ifdef Py_GIL_DISABLED
    Value before = no_one;
    if (user_.compare_exchange_strong(before, user, std::memory_order_acquire)) return before;
    if (before != this_thread()) refuse(before);
#else
    // Who holds the GIL is alone here, and spares the processor a locked instruction.
    const Value before = user_.load(std::memory_order_relaxed);
    if (before != no_one && before != this_thread()) refuse(before);
#endif
    user_.store(user, std::memory_order_relaxed);
    return before;
  }

  [[noreturn]] static void refuse(Value user) {
    if ((user & ~in_call) == this_thread())
      throw std::runtime_error(
          "the model is in use by the call that runs this function: a metric, a schedule or an "
          "activation cannot call the model, a callback can");
    throw std::runtime_error(
        "the model is in use by another thread; give each thread a model of its own");
  }

  std::atomic<Value> user_{no_one};
};

// A call of the core, for the life of the object. What a call checks into the model's own memory
// (class numbers) is written within it, too.
class InUse {
 public:
  explicit InUse(UseMark& mark) : mark_(mark), before_(mark.enter_call()) {}
  ~InUse() { mark_.leave(before_); }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  // Around a callback, which may call the model.
  void open() { mark_.open(); }
  void close() { mark_.close(); }

 private:
  UseMark& mark_;
  UseMark::Value before_;
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

// Runs `body`, which is given the interrupt, without the GIL; Ctrl-C ends it.
template <class Body>
void run_interruptible(Body&& body) {
  SignalCheck signals;
  try {
    // Nothing below touches a Python object's reference count: arrays are held by the caller.
    const ReleasedGil release;
    body(static_cast<Interrupt*>(&signals));
  } catch (const Interrupted&) {
    signals.rethrow();
  }
}

template <class Body>
void run_released(Body&& body) {
  run_interruptible([&](Interrupt* interrupt) {
    Executor executor(interrupt);
    body(executor);
  });
}

}  // namespace densecore::bindings
