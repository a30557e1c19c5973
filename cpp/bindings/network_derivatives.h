// A network's derivatives besides the gradient of its loss: row by row, along
// directions, of second order. A base of PyNetwork, which is `Self`.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "derivatives/jets.h"
#include "derivatives/sample_gradients.h"
#include "training/trainer.h"

namespace densecore::bindings {

template <class T, class Self>
class NetworkDerivatives {
 public:
  // (start, end, l1, l2) of each array of parameters that is trained.
  py::list trained() {
    py::list blocks;
    for (const ParameterBlock& block : self().network().trained())
      blocks.append(py::make_tuple(block.offset, block.offset + block.size(), block.penalty.l1,
                                   block.penalty.l2));
    return blocks;
  }

  // Whether the loss is taken of the last layer's z.
  bool fused() { return self().bound_trainer()->objective().fused(); }

  // f', f'' and f''' at z (n,) of an activation; None when it has no higher ones than f'.
  static py::object activation_derivatives(const std::string& name,
                                           const std::vector<double>& parameters,
                                           const py::object& z) {
    const KernelTable<T>& table = table_of<T>(active_kernels());
    const ActivationFunction<T> function(table, {name, parameters});
    const auto derivatives = find_activation_derivatives<T>(name);
    if (derivatives == nullptr) return py::none();
    const index_t n = checked<T>("z", z, {any}).size();
    py::array_t<T> a(n), first(n), second(n), third(n);
    const T* const from = input_vector<T>("z", z, n);
    function.forward({from, 1, n}, {a.mutable_data(), 1, n});
    derivatives(table, function.entry(), n, from, a.data(), function.parameters(),
                first.mutable_data(), second.mutable_data(), third.mutable_data());
    return py::make_tuple(first, second, third);
  }

  // Each row's gradient of its own loss, into `out` (rows, parameters).
  void sample_gradients(const py::object& x, const py::object& y, const py::object& out) {
    const Objective<T>& objective = one_loss("sample_gradients");
    std::vector<std::int32_t> labels;
    const Data<T> data = self().batch_of(x, y, py::none(), labels);
    const auto to = output_matrix<T>("out", out, data.x.rows, self().parameter_count());
    self().use(8 * work(data.x.rows, 1), [&](Executor& executor) {
      densecore::sample_gradients(executor, self().network(), objective, data.x, data.targets, to);
    });
  }

  // d outputs / d parameters, into `out` (rows * outputs, parameters).
  void parameter_jacobian(const py::object& x, const py::object& out) {
    const auto from = input_matrix<T>("x", x, any, self().inputs());
    const auto to =
        output_matrix<T>("out", out, from.rows * self().outputs(), self().parameter_count());
    self().use(8 * work(from.rows, self().outputs()), [&](Executor& executor) {
      densecore::parameter_jacobian(executor, self().network(), from, to);
    });
  }

  double normal_equations(const py::object& x, const py::object& y, const py::object& weight,
                          const py::object& matrix, const py::object& vector) {
    one_loss("normal_equations");
    std::vector<std::int32_t> labels;
    const Data<T> data = self().batch_of(x, y, weight, labels);
    const index_t columns = trained_columns(self().network());
    const auto to = output_matrix<double>("matrix", matrix, columns, columns);
    double* const right = output_vector<double>("vector", vector, columns);
    double sum = 0;
    self().use(work(data.x.rows, self().outputs()), [&](Executor& executor) {
      sum = densecore::normal_equations(executor, self().network(), data.x, data.targets, to.data,
                                        right);
    });
    return sum;
  }

  // Outputs with their derivatives; see Jets.
  py::list jets_forward(const py::object& x, const py::object& direction, const py::object& tangent,
                        int order, bool stop_at_z) {
    const auto from = input_matrix<T>("x", x, any, self().inputs());
    MatrixView<const T> along;
    if (!direction.is_none()) along = input_matrix<T>("direction", direction, from.rows, from.cols);
    const T* line =
        tangent.is_none() ? nullptr : input_vector<T>("vector", tangent, self().parameter_count());
    // A pass along the inputs stays open, whatever goes along the parameters in between.
    Jets<T>& jets = line == nullptr ? jets_ : parameter_jets_;
    self().use(work(from.rows, order + 1), [&](Executor& executor) {
      jets.forward(executor, self().network(), order, from, along, line, stop_at_z);
    });
    py::list found;
    for (int k = 0; k <= order; ++k) {
      const MatrixView<const T> v = jets.output(k);
      py::array_t<T> copy({v.rows, v.cols});
      copy_rows(v, MatrixView<T>(copy.mutable_data(), v.rows, v.cols));
      found.append(copy);
    }
    return found;
  }

  // From the gradients by those, each an array or None, into `out` (parameters).
  py::object jets_backward(const std::vector<py::object>& given, const py::object& out,
                           bool input_gradient, bool of_parameters) {
    Jets<T>& jets = of_parameters ? parameter_jets_ : jets_;
    if (!jets.has_pass())
      throw std::runtime_error(
          "backward_derivatives: found no forward pass, wanted a call of input_derivatives first");
    if (given.size() > Jets<T>::max_order + 1)
      throw std::invalid_argument("gradients: found " + std::to_string(given.size()) +
                                  ", wanted at most 3");
    static constexpr const char* names[] = {"grad_u", "grad_du", "grad_d2u"};
    typename Jets<T>::ConstViews grad;
    for (std::size_t k = 0; k < given.size(); ++k) {
      if (given[k].is_none()) continue;
      if (static_cast<int>(k) > jets.order())
        throw std::invalid_argument(std::string(names[k]) +
                                    ": found an array, wanted None after a pass of order " +
                                    std::to_string(jets.order()));
      grad[k] = input_matrix<T>(names[k], given[k], jets.rows(), self().outputs());
    }
    T* const gradients = output_vector<T>("out", out, self().parameter_count());
    py::object dx = py::none();
    MatrixView<T> dx_view;
    if (input_gradient) {
      dx = py::array_t<T>({jets.rows(), self().inputs()});
      dx_view = output_matrix<T>("dx", dx, jets.rows(), self().inputs());
    }
    self().use(work(jets.rows(), 6), [&](Executor& executor) {
      jets.backward(executor, self().network(), grad, gradients, dx_view);
    });
    return dx;
  }

 private:
  const Objective<T>& one_loss(const char* function) {
    const Objective<T>& objective = self().bound_trainer()->objective();
    if (objective.has_heads())
      throw std::invalid_argument(std::string(function) +
                                  ": found a model with a loss for each of its outputs, wanted "
                                  "one with one loss");
    return objective;
  }
  Self& self() { return static_cast<Self&>(*this); }
  double work(index_t rows, index_t passes) {
    return static_cast<double>(passes) * self().network().forward_work(rows);
  }

  Jets<T> jets_, parameter_jets_;
};

}  // namespace densecore::bindings
