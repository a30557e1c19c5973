// Forward passes that wait for their backward pass: one on the network itself, others on tapes.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "network/network.h"

namespace densecore::bindings {

// The input of a forward pass, whose memory the backward pass reads again.
struct OpenPass {
  py::object x = py::none();
  index_t rows = 0;
  std::uint64_t updates = 0;  // of the network's parameters before it
};

template <class T>
class PyTape : public TypedObject<T> {
 public:
  explicit PyTape(std::shared_ptr<Network<T>> network)
      : network_(std::move(network)), tape_(network_->make_tape()) {}

  bool belongs_to(const std::shared_ptr<Network<T>>& network) const { return network_ == network; }
  // Rows of the pass on it, 0 without one.
  index_t rows() const { return pass.x.is_none() ? 0 : pass.rows; }

  // In the network's place for the life of the object, while the network is in use.
  class InPlace {
   public:
    explicit InPlace(PyTape* tape) : tape_(tape) { exchange(); }
    ~InPlace() { exchange(); }
    InPlace(const InPlace&) = delete;
    InPlace& operator=(const InPlace&) = delete;

   private:
    void exchange() noexcept {
      if (tape_ != nullptr) tape_->network_->exchange(tape_->tape_);
    }
    PyTape* tape_;
  };

  OpenPass pass;

 private:
  std::shared_ptr<Network<T>> network_;
  Tape<T> tape_;
};

// A network with its forward passes; any other use of the network discards the one on itself.
template <class T>
class OpenPasses {
 public:
  std::unique_ptr<PyTape<T>> make_tape() const {
    mark_.check_readable();
    return std::make_unique<PyTape<T>>(network_);
  }

  py::object forward(const py::object& x, const py::object& out, bool training,
                     const py::object& tape, std::int64_t step) {
    PyTape<T>* const on = tape_of("forward", tape);
    const auto x_view = input_matrix<T>("x", x, any, network_->inputs());
    const py::object result = output(out, x_view.rows, network_->outputs());
    const auto out_view = output_matrix<T>("out", result, x_view.rows, network_->outputs());
    if (!out.is_none()) {
      refuse_overlap("out", out_view, "x", x_view);
      refuse_parameters(out_view, *network_->parameters());
    }
    const InUse in_use(mark_);
    OpenPass& pass = on == nullptr ? own_ : on->pass;
    pass.x = py::none();
    {
      const typename PyTape<T>::InPlace in_place(on);
      run(network_->forward_work(x_view.rows), [&](Executor& executor) {
        network_->forward(executor, x_view, out_view, training, step);
      });
    }
    pass = {x, x_view.rows, updates_};
    return result;
  }

  py::object backward(const py::object& grad_output, bool input_gradient, bool accumulate,
                      const py::object& tape) {
    PyTape<T>* const on = tape_of("backward", tape);
    const InUse in_use(mark_);
    const OpenPass& pass = on == nullptr ? own_ : on->pass;
    if (pass.x.is_none())
      throw std::runtime_error(
          on == nullptr
              ? "backward: found no forward pass, wanted a call of forward first (training and "
                "prediction discard it)"
              : "backward: found a tape without a forward pass, wanted a call of forward with it "
                "first");
    if (pass.updates != updates_)
      throw std::runtime_error(
          "backward: found a forward pass with other parameters, which training has changed since; "
          "wanted a call of forward after that");
    // The caller may have changed the array that forward was given.
    const auto x = input_matrix<T>("x", pass.x, pass.rows, network_->inputs());
    const auto g = input_matrix<T>("grad_output", grad_output, x.rows, network_->outputs());
    const py::object dx = input_gradient ? output(py::none(), x.rows, x.cols) : py::none();
    const auto dx_view =
        input_gradient ? output_matrix<T>("dx", dx, x.rows, x.cols) : MatrixView<T>();
    const typename PyTape<T>::InPlace in_place(on);
    run(3 * network_->forward_work(x.rows),
        [&](Executor& executor) { network_->backward(executor, x, g, dx_view, accumulate); });
    return dx;
  }

  // The penalties of layers' outputs in the last call of `forward`, a mean over its rows.
  double output_penalty() {
    const InUse in_use(mark_);
    if (own_.x.is_none())
      throw std::runtime_error("output_penalty: found no forward pass, wanted forward before it");
    return network_->output_penalty(own_.rows);
  }

  // Copies of the outputs of the core's layers in the last call of `forward`.
  py::list layer_outputs() {
    const InUse in_use(mark_);
    if (own_.x.is_none())
      throw std::runtime_error("layer_outputs: found no forward pass, wanted forward before it");
    py::list outputs;
    for (std::size_t l = 0; l < network_->layers().size(); ++l) {
      const MatrixView<const T> a = network_->output_of(l, own_.rows);
      py::array_t<T> copy({a.rows, a.cols});
      copy_rows(a, MatrixView<T>(copy.mutable_data(), a.rows, a.cols));
      outputs.append(copy);
    }
    return outputs;
  }

 protected:
  // Invalidates the pass on the network itself.
  void discard_pass() {
    if (!own_.x.is_none()) own_.x = py::none();
  }
  // Invalidates every pending forward pass: the parameters, or which of them are trainable, have
  // changed.
  void discard_passes() {
    discard_pass();
    ++updates_;
  }

  static py::object output(const py::object& out, index_t rows, index_t cols) {
    return out.is_none() ? py::object(py::array_t<T>({rows, cols})) : out;
  }

  // Runs `body`, without the GIL when it is long enough for that to matter.
  template <class Body>
  static void run(double work, Body&& body) {
    if (work < released_work)
      run_held(body);
    else
      run_released(body);
  }

  std::shared_ptr<Network<T>> network_;
  UseMark mark_;

 private:
  PyTape<T>* tape_of(const char* function, const py::object& tape) const {
    if (tape.is_none()) return nullptr;
    if (!is_instance<PyTape<T>>(tape))
      wrong_type((std::string(function) + ": tape").c_str(), tape,
                 "a tape of this model's make_tape()");
    auto* const found = &self_of<PyTape<T>>(tape.ptr());
    if (!found->belongs_to(network_))
      throw std::invalid_argument(
          std::string(function) +
          ": found a tape of another model (or of this one before its layers changed), wanted one "
          "of this model's make_tape()");
    return found;
  }

  OpenPass own_;
  std::uint64_t updates_ = 0;
};

}  // namespace densecore::bindings
