#include "layers/transposed.h"

#include <algorithm>

#include "base/dtypes.h"
#include "base/thread_pool.h"

namespace densecore {

static_assert(gemm_scratch_bytes <= thread_scratch_bytes);

template <class T>
TransposedDense<T>::TransposedDense(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec) {
  this->add_parameters("kernel", this->units(), this->inputs(), spec, 0);
  if (spec.flag("use_bias")) this->add_parameters("bias", 0, this->inputs(), spec, 1);
}

template <class T>
void TransposedDense<T>::forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const {
  // B is W^T, by its strides.
  this->table_->gemm({rows.x.rows, this->units(), this->inputs(), rows.x.data, rows.x.stride, 1,
                      parameters + this->parameter_offset(), 1, this->inputs(), nullptr, false,
                      rows.a.data, rows.a.stride, static_cast<T*>(thread_scratch())});
}

template <class T>
void TransposedDense<T>::parameter_gradient(const Pass&, const LayerRows<T>& rows,
                                            MatrixView<const T> g, bool accumulate, T* gradients) {
  T* const to = gradients + this->parameter_offset();
  const index_t size = this->units() * this->inputs();
  // The dense layer, whose turn comes later, adds its bias's.
  if (!accumulate) std::fill(to + size, to + this->parameter_count(), T(0));
  // dW = g^T X.
  this->table_->gemm({this->units(), this->inputs(), g.rows, g.data, 1, g.stride, rows.x.data,
                      rows.x.stride, 1, nullptr, accumulate, to, this->inputs(),
                      static_cast<T*>(thread_scratch())});
}

template <class T>
void TransposedDense<T>::input_gradient(const Pass&, const T* parameters, const LayerRows<T>&,
                                        MatrixView<const T> g, MatrixView<T> dx) const {
  this->table_->gemm({g.rows, this->inputs(), this->units(), g.data, g.stride, 1,
                      parameters + this->parameter_offset(), this->inputs(), 1, nullptr, false,
                      dx.data, dx.stride, static_cast<T*>(thread_scratch())});
}

#define DENSECORE_INSTANTIATE(T, ...) template class TransposedDense<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
