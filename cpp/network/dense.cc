#include "network/dense.h"

#include "base/thread_pool.h"
#include "network/lookup.h"

namespace densecore {

static_assert(gemm_scratch_bytes <= thread_scratch_bytes);

template <class T>
Dense<T>::Dense(const KernelTable<T>& table, index_t inputs, const DenseSpec& spec, index_t offset)
    : table_(&table),
      activation_(&find_activation(table, spec.activation)),
      activation_parameters_(resolved_parameters(spec.activation, activation_->parameters,
                                                 activation_->parameter_count,
                                                 spec.activation_parameters)),
      inputs_(inputs),
      units_(spec.units),
      offset_(offset),
      use_bias_(spec.use_bias) {}

template <class T>
void Dense<T>::affine(const T* parameters, MatrixView<const T> x, Range units, MatrixView<T> z,
                      void* scratch) const {
  const index_t j = units.begin;
  table_->gemm({x.rows, units.size(), inputs_, x.data, x.stride, 1,
                parameters + weight_offset() + j, units_, 1,
                use_bias_ ? parameters + bias_offset() + j : nullptr, false, z.data + j, z.stride,
                static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::activate(MatrixView<const T> z, Range units, MatrixView<T> a) const {
  if (activation_->identity && z.data == a.data) return;
  const index_t j = units.begin;
  activation_->forward(z.rows, units.size(), z.data + j, z.stride, a.data + j, a.stride,
                       activation_parameters_.data());
}

template <class T>
void Dense<T>::delta(MatrixView<const T> z, MatrixView<const T> a, Range units,
                     MatrixView<T> gradient) const {
  if (activation_->identity) return;
  const index_t j = units.begin;
  activation_->backward(gradient.rows, units.size(), z.data + j, z.stride, a.data + j, a.stride,
                        gradient.data + j, gradient.stride, gradient.data + j, gradient.stride,
                        activation_parameters_.data());
}

template <class T>
void Dense<T>::weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, Range inputs,
                               Range units, bool accumulate, T* gradients, void* scratch) const {
  const index_t i = inputs.begin, j = units.begin;
  // A is X^T, by its strides: row i of A is column i of X.
  table_->gemm({inputs.size(), units.size(), x.rows, x.data + i, 1, x.stride, delta.data + j,
                delta.stride, 1, nullptr, accumulate, gradients + weight_offset() + i * units_ + j,
                units_, static_cast<T*>(scratch)});
  if (i == 0) bias_gradient(delta, units, accumulate, gradients);
}

template <class T>
void Dense<T>::descend(MatrixView<const T> x, MatrixView<const T> delta, Range inputs, Range units,
                       T rate, T* parameters, T* gradients, void* scratch) const {
  const index_t i = inputs.begin, j = units.begin;
  table_->gemm({inputs.size(), units.size(), x.rows, x.data + i, 1, x.stride, delta.data + j,
                delta.stride, 1, nullptr, false, parameters + weight_offset() + i * units_ + j,
                units_, static_cast<T*>(scratch), &rate});
  if (i == 0) bias_gradient(delta, units, false, gradients);
}

template <class T>
void Dense<T>::bias_gradient(MatrixView<const T> delta, Range units, bool accumulate,
                             T* gradients) const {
  const index_t j = units.begin;
  if (use_bias_)
    table_->column_sum(delta.rows, units.size(), delta.data + j, delta.stride, accumulate,
                       gradients + bias_offset() + j);
}

template <class T>
void Dense<T>::input_gradient(const T* parameters, MatrixView<const T> delta, Range inputs,
                              MatrixView<T> dx, void* scratch) const {
  const index_t i = inputs.begin;
  // B is W^T, by its strides: column i of B is row i of W.
  table_->gemm({delta.rows, inputs.size(), units_, delta.data, delta.stride, 1,
                parameters + weight_offset() + i * units_, 1, units_, nullptr, false, dx.data + i,
                dx.stride, static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::input_gradient(const T* transposed, MatrixView<const T> delta, MatrixView<T> dx,
                              void* scratch) const {
  table_->gemm({delta.rows, inputs_, units_, delta.data, delta.stride, 1, transposed, inputs_, 1,
                nullptr, false, dx.data, dx.stride, static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::transpose_weight(const T* parameters, T* transposed) const {
  table_->transpose(inputs_, units_, parameters + weight_offset(), units_, transposed, inputs_);
}

template class Dense<float>;
template class Dense<double>;

}  // namespace densecore
