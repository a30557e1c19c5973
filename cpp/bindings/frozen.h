// A frozen network as Python sees it: made from the contents of a pickle, and called.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/gil.h"
#include "bindings/specs.h"
#include "bindings/user_function.h"
#include "bindings/vectorcall.h"
#include "network/frozen.h"

namespace densecore::bindings {

template <class T>
class PyFrozen : public TypedObject<T> {
 public:
  // `states` are those of each layer by name; `functions` the pair of each layer of the user's.
  PyFrozen(index_t inputs, py::list layers, const py::object& parameters, py::list states,
           py::dict functions)
      : layers_(std::move(layers)), states_(std::move(states)), functions_(std::move(functions)) {
    auto network = std::make_unique<Network<T>>(active_kernels(),
                                                network_spec_of(inputs, dictionaries_of(layers_)));
    const index_t count = network->parameter_count();
    std::copy_n(input_vector<T>("parameters", parameters, count), count,
                network->parameters()->data());
    for (std::size_t l = 0; l < network->layers().size(); ++l) {
      const Layer<T>& layer = *network->layers()[l];
      for (const StateBlock<T>& block : layer.states())
        std::copy_n(input_vector<T>(block.name, states_[l][block.name], layer.units()),
                    layer.units(), block.values->data());
    }
    for (const auto& [number, pair] : functions_) {
      const auto of_layer = pair.template cast<py::tuple>();
      set_function(*network, number.template cast<std::size_t>(), of_layer[0], of_layer[1]);
    }
    frozen_ = std::make_unique<Frozen<T>>(std::move(network));
  }

  py::tuple input_shape() const { return py::make_tuple(py::none(), frozen_->network().inputs()); }
  py::tuple output_shape() const {
    return py::make_tuple(py::none(), frozen_->network().outputs());
  }
  py::str dtype() const { return dtype_name<T>; }
  index_t count_params() const { return frozen_->network().parameter_count(); }

  std::string text() const {
    const Network<T>& network = frozen_->network();
    return "<frozen network " + std::to_string(network.inputs()) + " -> " +
           std::to_string(network.outputs()) + ", " + dtype_name<T> + ", " +
           std::to_string(network.parameter_count()) + " parameters>";
  }

  // The arguments that make another one; they are copies.
  py::tuple recipe() const {
    const Network<T>& network = frozen_->network();
    return py::make_tuple(network.inputs(), layers_,
                          py::array_t<T>(network.parameter_count(), network.parameters()->data()),
                          states_, functions_);
  }

  py::object predict(const py::object& x, const py::object& out) {
    const Network<T>& network = frozen_->network();
    const auto x_view = input_matrix<T>("x", x, any, network.inputs());
    const py::object result =
        out.is_none() ? py::object(py::array_t<T>({x_view.rows, network.outputs()})) : out;
    const auto out_view = output_matrix<T>("out", result, x_view.rows, network.outputs());
    if (!out.is_none()) refuse_overlap("out", out_view, "x", x_view);
    if (frozen_->alone(x_view.rows)) {
      frozen_->predict_alone(x_view.data, out_view.data);
      return result;
    }
    typename Frozen<T>::Place place(*frozen_);
    const auto body = [&](Executor& executor) {
      place.network().predict(executor, x_view, out_view);
    };
    const double work = network.forward_work(x_view.rows);
    if (work >= released_work)
      run_released(body);
    else if (work >= shared_work)
      run_shared(body);
    else
      run_held(body);
    return result;
  }

  static PyObject* call(PyObject* self, PyObject* const* given, std::size_t count,
                        PyObject* keywords) {
    return call_predict(self, given, PyVectorcall_NARGS(count), keywords);
  }
  static PyObject* call_predict(PyObject* self, PyObject* const* given, Py_ssize_t positional,
                                PyObject* keywords) {
    return guarded([&] {
      const auto [x, out] =
          arguments("predict_on_batch", {"x", "out"}, 1, given, positional, keywords);
      return self_of<PyFrozen>(self).predict(borrowed(x), borrowed(out)).release().ptr();
    });
  }

 private:
  // Multiply-adds from which on other threads get the GIL. Passing it on to one that waits takes
  // some microseconds: below this, threads that take turns are faster.
  static constexpr double shared_work = 1 << 17;

  static std::vector<py::dict> dictionaries_of(const py::list& layers) {
    std::vector<py::dict> found;
    for (const py::handle layer : layers) {
      if (!py::isinstance<py::dict>(layer)) wrong_type("layers", layer, "a list of dictionaries");
      found.push_back(py::reinterpret_borrow<py::dict>(layer));
    }
    return found;
  }

  py::list layers_, states_;
  py::dict functions_;
  std::unique_ptr<Frozen<T>> frozen_;
};

}  // namespace densecore::bindings
