#include "layers/dense.h"

#include "base/dtypes.h"
#include "base/thread_pool.h"

namespace densecore {

static_assert(gemm_scratch_bytes <= thread_scratch_bytes);

template <class T>
Dense<T>::Dense(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      function_(place.table, spec.activation),
      use_bias_(spec.flag("use_bias")) {
  this->add_parameters("kernel", this->inputs(), this->units(), spec, 0);
  if (use_bias_) this->add_parameters("bias", 0, this->units(), spec, 1);
}

template <class T>
void Dense<T>::affine(const T* parameters, MatrixView<const T> x, Range units, MatrixView<T> z,
                      void* scratch) const {
  const index_t j = units.begin;
  this->table_->gemm({x.rows, units.size(), this->inputs(), x.data, x.stride, 1,
                      parameters + weight_offset() + j, this->units(), 1,
                      use_bias_ ? parameters + bias_offset() + j : nullptr, false, z.data + j,
                      z.stride, static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, Range inputs,
                               Range units, bool accumulate, T* gradients, void* scratch) const {
  const index_t i = inputs.begin, j = units.begin;
  // A is X^T, by its strides: row i of A is column i of X.
  this->table_->gemm({inputs.size(), units.size(), x.rows, x.data + i, 1, x.stride, delta.data + j,
                      delta.stride, 1, nullptr, accumulate,
                      gradients + weight_offset() + i * this->units() + j, this->units(),
                      static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, Range inputs,
                               T* out, void* scratch) const {
  this->table_->gemm({inputs.size(), this->units(), x.rows, x.data + inputs.begin, 1, x.stride,
                      delta.data, delta.stride, 1, nullptr, false, out, this->units(),
                      static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::descend(MatrixView<const T> x, MatrixView<const T> delta, Range inputs, Range units,
                       T rate, T* parameters, void* scratch) const {
  const index_t i = inputs.begin, j = units.begin;
  this->table_->gemm({inputs.size(), units.size(), x.rows, x.data + i, 1, x.stride, delta.data + j,
                      delta.stride, 1, nullptr, false,
                      parameters + weight_offset() + i * this->units() + j, this->units(),
                      static_cast<T*>(scratch), &rate});
}

template <class T>
void Dense<T>::bias_gradient(MatrixView<const T> delta, Range units, bool accumulate,
                             T* gradients) const {
  const index_t j = units.begin;
  if (use_bias_)
    this->table_->column_sum(delta.rows, units.size(), delta.data + j, delta.stride, accumulate,
                             gradients + bias_offset() + j);
}

template <class T>
void Dense<T>::input_gradient(const T* parameters, MatrixView<const T> delta, Range inputs,
                              MatrixView<T> dx, void* scratch) const {
  const index_t i = inputs.begin;
  // B is W^T, by its strides: column i of B is row i of W.
  this->table_->gemm({delta.rows, inputs.size(), this->units(), delta.data, delta.stride, 1,
                      parameters + weight_offset() + i * this->units(), 1, this->units(), nullptr,
                      false, dx.data + i, dx.stride, static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::input_gradient(const T* transposed, MatrixView<const T> delta, MatrixView<T> dx,
                              void* scratch) const {
  this->table_->gemm({delta.rows, this->inputs(), this->units(), delta.data, delta.stride, 1,
                      transposed, this->inputs(), 1, nullptr, false, dx.data, dx.stride,
                      static_cast<T*>(scratch)});
}

template <class T>
void Dense<T>::transpose_weight(const T* parameters, Range inputs, T* transposed) const {
  this->table_->transpose(inputs.size(), this->units(),
                          parameters + weight_offset() + inputs.begin * this->units(),
                          this->units(), transposed + inputs.begin, this->inputs());
}

#define DENSECORE_INSTANTIATE(T, ...) template class Dense<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
