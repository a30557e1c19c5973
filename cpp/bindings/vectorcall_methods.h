// The calls of a network that a training loop makes once per step, by CPython's vector call.
#pragma once

#include "bindings/py_network.h"
#include "bindings/vectorcall.h"

namespace densecore::bindings {

// Each reads its arguments and calls the network's method of the same name.
template <class T>
struct HotCalls {
  using N = PyNetwork<T>;

  static PyObject* predict(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                           PyObject* keywords) {
    return guarded([&] {
      const auto [x, out] =
          arguments("predict_on_batch", {"x", "out"}, 1, given, positional, keywords);
      return self_of<N>(self).predict(borrowed(x), borrowed(out)).release().ptr();
    });
  }
  static PyObject* forward(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                           PyObject* keywords) {
    return guarded([&] {
      const auto [x, out, training, tape, step] = arguments(
          "forward", {"x", "out", "training", "tape", "step"}, 1, given, positional, keywords);
      return self_of<N>(self)
          .forward(borrowed(x), borrowed(out), truth("training", training, true), borrowed(tape),
                   step == nullptr ? -1 : integer_of("step", py::handle(step), -1))
          .release()
          .ptr();
    });
  }
  static PyObject* backward(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                            PyObject* keywords) {
    return guarded([&] {
      const auto [g, input_gradient, accumulate, tape] =
          arguments("backward", {"grad_output", "input_gradient", "accumulate", "tape"}, 1, given,
                    positional, keywords);
      return self_of<N>(self)
          .backward(borrowed(g), truth("input_gradient", input_gradient, false),
                    truth("accumulate", accumulate, false), borrowed(tape))
          .release()
          .ptr();
    });
  }
  static PyObject* apply_gradients(PyObject* self, PyObject* const*, Py_ssize_t positional,
                                   PyObject* keywords) {
    return guarded([&] {
      refuse_arguments("apply_gradients", static_cast<std::size_t>(positional), keywords);
      self_of<N>(self).apply_gradients();
      return py::none().release().ptr();
    });
  }
  // Keras's calls. Arguments that the core cannot use as they are go to the model's own method,
  // which converts them or raises. Arguments are checked before anything is changed, so only their
  // errors are caught here. There is one function that trains: with a second one the compiler would
  // not inline what both call, and a small network's step would take a twentieth longer.
  static bool has_model(PyObject* self) {
    return PyObject_IsTrue(self_of<N>(self).by_model.ptr()) > 0;
  }
  template <class Body>
  static PyObject* or_by_model(PyObject* self, const char* name, PyObject* const* given,
                               Py_ssize_t positional, PyObject* keywords, Body&& body) {
    return guarded([&]() -> PyObject* {
      try {
        return body();
      } catch (const py::type_error&) {
        if (!has_model(self)) throw;
      } catch (const std::invalid_argument&) {
        if (!has_model(self)) throw;
      }
      return call_model(self, name, given, positional, keywords);
    });
  }
  static PyObject* call_model(PyObject* self, const char* name, PyObject* const* given,
                              Py_ssize_t positional, PyObject* keywords) {
    const py::object method = self_of<N>(self).by_model.attr(name);
    return PyObject_Vectorcall(method.ptr(), given, static_cast<std::size_t>(positional), keywords);
  }
  // A step on rows that several processes share.
  static PyObject* train_with_ranks(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                                    PyObject* keywords) {
    return guarded([&]() -> PyObject* {
      if (positional == 2 && PyTuple_GET_SIZE(keywords) == 1) {
        py::object loss = self_of<N>(self).usual_step(borrowed(given[0]), borrowed(given[1]), false,
                                                      borrowed(given[2]), false);
        if (!loss.is_none()) return loss.release().ptr();
      }
      if (!has_model(self))
        throw std::runtime_error(
            "train_on_batch: found a model that nothing refers to any more, wanted one that a "
            "variable holds: the parameters would be lost with it");
      return call_model(self, "train_on_batch", given, positional, keywords);
    });
  }
  // Whether `comm` is the last argument that is given by name, or the only one.
  static bool names_comm(PyObject* keywords) {
    if (keywords == nullptr || PyTuple_GET_SIZE(keywords) == 0) return false;
    PyObject* const last = PyTuple_GET_ITEM(keywords, PyTuple_GET_SIZE(keywords) - 1);
    return PyUnicode_CompareWithASCIIString(last, "comm") == 0;
  }
  static PyObject* train_on_batch(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                                  PyObject* keywords) {
    if (names_comm(keywords)) return train_with_ranks(self, given, positional, keywords);
    return or_by_model(self, "train_on_batch", given, positional, keywords, [&] {
      const auto [x, y, weight] =
          arguments("train_on_batch", {"x", "y", "sample_weight"}, 2, given, positional, keywords);
      return PyFloat_FromDouble(
          self_of<N>(self).train_on_batch(borrowed(x), borrowed(y), borrowed(weight)));
    });
  }
  static PyObject* predict_or_convert(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                                      PyObject* keywords) {
    return or_by_model(self, "predict_on_batch", given, positional, keywords, [&] {
      const auto [x, out] =
          arguments("predict_on_batch", {"x", "out"}, 1, given, positional, keywords);
      return self_of<N>(self).predict(borrowed(x), borrowed(out)).release().ptr();
    });
  }
};

// bind_calls.cc
template <class T>
void add_hot_calls(const py::handle& network);

}  // namespace densecore::bindings
