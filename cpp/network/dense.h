// One dense layer: A = f(X W + b) and its three gradients, on row ranges of a batch.
//
// Its parameters lie in the network's flat buffer as W, row-major (inputs, units), then b. That is
// Keras's kernel, so that X W needs no packing; PyTorch's (units, inputs) is the transposed view.
#pragma once

#include <string>

#include "base/view.h"
#include "kernels/table.h"
#include "network/spec.h"

namespace densecore {

template <class T>
class Dense {
 public:
  // `offset`: where the layer's parameters start in the flat buffer.
  Dense(const KernelTable<T>& table, index_t inputs, const DenseSpec& spec, index_t offset);

  index_t inputs() const { return inputs_; }
  index_t units() const { return units_; }
  index_t weight_offset() const { return offset_; }
  index_t weight_count() const { return inputs_ * units_; }
  index_t bias_offset() const { return offset_ + weight_count(); }
  bool use_bias() const { return use_bias_; }
  index_t parameter_count() const { return weight_count() + (use_bias_ ? units_ : 0); }
  const ActivationEntry<T>& activation() const { return *activation_; }

  // z = x W + b, all views over the same rows.
  void affine(const T* parameters, MatrixView<const T> x, MatrixView<T> z) const;
  // a = f(x W + b). z keeps f's input where the derivative needs it; else z is a itself.
  void forward(const T* parameters, MatrixView<const T> x, MatrixView<T> z, MatrixView<T> a) const;
  // delta = dC/dz from dC/da, in place: the note's (dC/da)(da/dz).
  void delta(MatrixView<const T> z, MatrixView<const T> a, MatrixView<T> gradient) const;
  // dW = X^T delta for the inputs [first, last), and db where first is 0. `gradients` is the flat
  // buffer; the rows' contribution is added to it when `accumulate`.
  void weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, index_t first,
                       index_t last, bool accumulate, T* gradients) const;
  // dC/dx = delta W^T, with `transposed` = W^T (units, inputs), made by `transpose_weight`.
  void input_gradient(const T* transposed, MatrixView<const T> delta, MatrixView<T> dx) const;
  // Writes the columns of W^T that belong to the inputs [first, last).
  void transpose_weight(const T* parameters, index_t first, index_t last, T* transposed) const;

 private:
  const KernelTable<T>* table_;
  const ActivationEntry<T>* activation_;
  index_t inputs_, units_, offset_;
  bool use_bias_;
};

}  // namespace densecore
