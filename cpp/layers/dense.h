// One dense layer: A = f(X W + b) and its three gradients, on row ranges of a batch.
//
// Its parameters lie in the network's flat buffer as W, row-major (inputs, units), then b. That is
// Keras's kernel, so that X W needs no packing; PyTorch's (units, inputs) is the transposed view.
#pragma once

#include <array>

#include "layers/layer.h"

namespace densecore {

template <class T>
class Dense : public Layer<T> {
 public:
  static constexpr char kind_name[] = "dense";
  static constexpr auto numbers =
      std::to_array<LayerNumber>({whole_number("units", 0, 1, max_width), flag("use_bias", true)});
  static constexpr bool has_activation = true;
  static index_t units_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("units");
  }
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
    return (inputs.front() + (spec.flag("use_bias") ? 1 : 0)) * spec.whole_number("units");
  }

  Dense(const LayerPlace<T>& place, const LayerSpec& spec);

  const Dense* dense() const override { return this; }
  const ActivationFunction<T>* activation() const override { return &function_; }
  const ActivationFunction<T>& function() const { return function_; }
  index_t kept() const override { return function_.needs_input() ? this->units() : 0; }  // z
  index_t weight_offset() const { return this->parameter_offset(); }
  index_t weight_count() const { return this->inputs() * this->units(); }
  index_t bias_offset() const { return weight_offset() + weight_count(); }
  bool use_bias() const { return use_bias_; }

  // All views below cover the same rows of the batch. `units` and `inputs` are the columns to
  // compute; `scratch` belongs to the calling thread (see GemmArguments).

  // z = x W + b.
  void affine(const T* parameters, MatrixView<const T> x, Range units, MatrixView<T> z,
              void* scratch) const;
  // a = f(z), row by row if f needs whole rows; z may be a itself. With `slopes`, functions that
  // give f and f' at once overwrite z with f'(z), which is all that `delta` needs of it: z and a
  // are rows of the workspace then, and `units` begin where a vector does.
  void activate(MatrixView<T> z, Range units, MatrixView<T> a, bool slopes) const {
    if (slopes && function_.has_slope())
      function_.forward_and_derive(z, a, units.begin, units.size());
    else
      function_.forward(z, a, units.begin, units.size());
  }
  // delta = dC/dz from dC/da, in place: the note's (dC/da)(da/dz). `slopes` as in `activate`.
  void delta(MatrixView<const T> z, MatrixView<const T> a, Range units, MatrixView<T> gradient,
             bool slopes) const {
    const index_t j = units.begin;
    if (slopes && function_.has_slope())
      this->table_->elementwise.multiply(gradient.rows, units.size(), gradient.data + j,
                                         gradient.stride, z.data + j, z.stride, gradient.data + j,
                                         gradient.stride);
    else
      function_.backward(z, a, gradient, gradient, j, units.size());
  }
  // dW = X^T delta, into the flat buffer `gradients`: added to it when `accumulate`.
  void weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, Range inputs, Range units,
                       bool accumulate, T* gradients, void* scratch) const;
  // Rows `inputs` of dW, into `out` (inputs.size(), units).
  void weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, Range inputs, T* out,
                       void* scratch) const;
  // db, the column sums of delta, written or added as dW is. Unlike dW's, its bits depend on how
  // many rows are added at a time.
  void bias_gradient(MatrixView<const T> delta, Range units, bool accumulate, T* gradients) const;
  // W -= rate dW, without storing dW; at most gemm_depth rows.
  void descend(MatrixView<const T> x, MatrixView<const T> delta, Range inputs, Range units, T rate,
               T* parameters, void* scratch) const;
  // dC/dx = delta W^T.
  void input_gradient(const T* parameters, MatrixView<const T> delta, Range inputs,
                      MatrixView<T> dx, void* scratch) const;
  // The same with `transposed` = W^T (units, inputs), which pays when the weights serve many rows.
  void input_gradient(const T* transposed, MatrixView<const T> delta, MatrixView<T> dx,
                      void* scratch) const;
  // Columns `inputs` of `transposed`.
  void transpose_weight(const T* parameters, Range inputs, T* transposed) const;

  Range all_inputs() const { return {0, this->inputs()}; }
  Range all_units() const { return {0, this->units()}; }

  // Never called: the network cuts the products of dense layers into blocks itself.
  void forward(const Pass&, const T*, const LayerRows<T>&) const override {}
  void input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T>,
                      MatrixView<T>) const override {}
  JetRule<T> jet_rule() const override { return {JetKind::product}; }

 private:
  ActivationFunction<T> function_;
  bool use_bias_;
};

}  // namespace densecore
