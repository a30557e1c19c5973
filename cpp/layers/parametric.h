// A mix of the identity and an activation, learnt for each unit.
#pragma once

#include <array>
#include <stdexcept>

#include "layers/layer.h"

namespace densecore {

// a = x + alpha (f(x) - x), with an alpha of each column (Holzmueller, Grinsztajn & Steinwart,
// Better by default, 2024).
template <class T>
class ParametricActivation : public Layer<T> {
 public:
  static constexpr char kind_name[] = "parametric_activation";
  static constexpr bool has_function = true;
  static index_t parameter_count_of(const LayerSpec&, const Widths& inputs) {
    return inputs.front();
  }

  ParametricActivation(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), function_(place.table, spec.activation) {
    this->add_parameters("alpha", 0, this->units(), spec, 0);
  }

  index_t kept() const override { return 2 * this->units(); }  // f(x), and alpha times a gradient
  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'parametric_activation', of which only the first derivatives are "
        "known");
  }

 private:
  MatrixView<T> part(const LayerRows<T>& rows, index_t number) const {
    return {rows.kept.data + number * this->units(), rows.kept.rows, this->units(),
            rows.kept.stride};
  }

  ActivationFunction<T> function_;
};

}  // namespace densecore
