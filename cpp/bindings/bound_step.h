// Steps and predictions that are bound to their arrays: checked once, kept alive, and then called
// without arguments. The arrays' contents are read anew at each call.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bindings/array_snapshot.h"
#include "bindings/py_network.h"
#include "bindings/vectorcall.h"

namespace densecore::bindings {

template <class T>
class BoundStep : public TypedObject<T> {
 public:
  BoundStep(py::object network, const py::object& x, const py::object& y, const py::object& weight)
      : owner_(std::move(network)),
        network_(object_of<PyNetwork<T>>("network", owner_)),
        trainer_(network_.bound_trainer()),
        batch_(network_.batch_of(x, y, weight, labels_)),
        x_(x),
        y_(y),
        weight_(weight) {}

  double run(std::int64_t steps) {
    if (steps < 1)
      throw std::invalid_argument("run: found " + std::to_string(steps) +
                                  " steps, wanted at least 1");
    const InUse in_use(network_.mark());
    if (network_.bound_trainer() != trainer_)
      throw std::runtime_error(
          "the model was compiled again after this step was made: call make_train_step again");
    if (x_.changed() || y_.changed() || weight_.changed()) {
      batch_ = network_.batch_of(x_.array(), y_.array(), weight_.array(), labels_);
      for (ArraySnapshot* array : {&x_, &y_, &weight_}) array->look();
    } else {
      check_contents(network_.network(), trainer_->objective(), batch_, y_.array(), labels_);
    }
    return network_.train_on(in_use, batch_, steps);
  }

  double run_steps(const py::object& steps) { return run(integer_of("run: steps", steps, 1)); }
  static PyObject* call(PyObject* self, PyObject* const*, std::size_t count, PyObject* keywords) {
    return guarded([&] {
      refuse_arguments("step", count, keywords);
      return PyFloat_FromDouble(self_of<BoundStep>(self).run(1));
    });
  }

 private:
  py::object owner_;
  PyNetwork<T>& network_;
  std::shared_ptr<Trainer<T>> trainer_;
  std::vector<std::int32_t> labels_;
  Data<T> batch_;
  ArraySnapshot x_, y_, weight_;
};

template <class T>
class BoundPrediction : public TypedObject<T> {
 public:
  BoundPrediction(py::object network, const py::object& x, const py::object& out)
      : owner_(std::move(network)),
        network_(object_of<PyNetwork<T>>("network", owner_)),
        x_(x),
        out_(out) {
    check();
  }

  static PyObject* call(PyObject* self, PyObject* const*, std::size_t count, PyObject* keywords) {
    return guarded([&] {
      refuse_arguments("predict", count, keywords);
      BoundPrediction& bound = self_of<BoundPrediction>(self);
      const InUse in_use(bound.network_.mark());
      if (bound.x_.changed() || bound.out_.changed()) bound.check();
      bound.network_.predict_into(in_use, bound.in_view_, bound.out_view_);
      return py::object(bound.out_.array()).release().ptr();
    });
  }

 private:
  void check() {
    const auto in = input_matrix<T>("x", x_.array(), any, network_.inputs());
    const auto out = output_matrix<T>("out", out_.array(), in.rows, network_.outputs());
    refuse_overlap("out", out, "x", in);
    refuse_parameters(out, *network_.network().parameters());
    in_view_ = in;
    out_view_ = out;
    x_.look();
    out_.look();
  }

  py::object owner_;
  PyNetwork<T>& network_;
  ArraySnapshot x_, out_;
  MatrixView<const T> in_view_;
  MatrixView<T> out_view_;
};

// bind_calls.cc
template <class T>
void register_bound(const py::handle& module, const std::string& dtype);

}  // namespace densecore::bindings
