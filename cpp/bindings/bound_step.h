// Steps and predictions that are bound to their arrays: checked once, kept alive, and then called
// without arguments. The arrays' contents are read anew at each call.
#pragma once

#include <vector>

#include "bindings/py_network.h"

namespace densecore::bindings {

template <class T>
class BoundStep {
 public:
  BoundStep(py::object network, py::object x, py::object y, py::object weight)
      : owner_(std::move(network)),
        x_(std::move(x)),
        y_(std::move(y)),
        weight_(std::move(weight)),
        network_(owner_.cast<PyNetwork<T>&>()),
        trainer_(network_.bound_trainer()),
        batch_(network_.bound_batch(x_, y_, weight_, labels_)) {}

  double run(std::int64_t steps) {
    if (steps < 1)
      throw std::invalid_argument("run: found " + std::to_string(steps) +
                                  " steps, wanted at least 1");
    if (network_.bound_trainer() != trainer_)
      throw std::runtime_error(
          "the model was compiled again after this step was made: call make_train_step again");
    // Class numbers are checked and copied: they may have changed.
    if (network_.sparse()) batch_ = network_.bound_batch(x_, y_, weight_, labels_);
    return network_.train_on(batch_, steps);
  }

  static PyObject* call(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                        PyObject* keywords) {
    return guarded([&] {
      arguments<1>("step", {""}, 0, given, positional, keywords);
      if (positional > 0) throw py::type_error("step: found an argument, wanted none");
      return PyFloat_FromDouble(self_of<BoundStep>(self).run(1));
    });
  }

 private:
  py::object owner_, x_, y_, weight_;
  PyNetwork<T>& network_;
  std::shared_ptr<Trainer<T>> trainer_;
  std::vector<std::int32_t> labels_;
  Data<T> batch_;
};

template <class T>
class BoundPrediction {
 public:
  BoundPrediction(py::object network, py::object x, py::object out)
      : owner_(std::move(network)),
        x_(std::move(x)),
        out_(std::move(out)),
        network_(owner_.cast<PyNetwork<T>&>()),
        in_view_(input_matrix<T>("x", x_, any, network_.inputs())),
        out_view_(output_matrix<T>("out", out_, in_view_.rows, network_.outputs())) {
    refuse_overlap("out", out_view_, "x", in_view_);
  }

  static PyObject* call(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                        PyObject* keywords) {
    return guarded([&] {
      arguments<1>("predict", {""}, 0, given, positional, keywords);
      if (positional > 0) throw py::type_error("predict: found an argument, wanted none");
      BoundPrediction& bound = self_of<BoundPrediction>(self);
      bound.network_.predict_into(bound.in_view_, bound.out_view_);
      return bound.out_.inc_ref().ptr();
    });
  }

 private:
  py::object owner_, x_, out_;
  PyNetwork<T>& network_;
  MatrixView<const T> in_view_;
  MatrixView<T> out_view_;
};

}  // namespace densecore::bindings
