#include "layers/parametric.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void ParametricActivation<T>::forward(const Pass&, const T* parameters,
                                      const LayerRows<T>& rows) const {
  const MatrixView<T> values = part(rows, 0);
  function_.forward(rows.x, values);
  const T* const alpha = parameters + this->parameter_offset();
  for (index_t i = 0; i < rows.x.rows; ++i) {
    const T *const x = rows.x.row(i), *const f = values.row(i);
    T* const a = rows.a.row(i);
    for (index_t j = 0; j < rows.x.cols; ++j) a[j] = x[j] + alpha[j] * (f[j] - x[j]);
  }
}

template <class T>
void ParametricActivation<T>::parameter_gradient(const Pass&, const LayerRows<T>& rows,
                                                 MatrixView<const T> g, bool accumulate,
                                                 T* gradients) {
  T* const sum = gradients + this->parameter_offset();
  if (!accumulate) std::fill_n(sum, g.cols, T(0));
  const MatrixView<T> values = part(rows, 0);
  for (index_t i = 0; i < g.rows; ++i) {
    const T *const x = rows.x.row(i), *const f = values.row(i), *const from = g.row(i);
    for (index_t j = 0; j < g.cols; ++j) sum[j] += from[j] * (f[j] - x[j]);
  }
}

template <class T>
void ParametricActivation<T>::input_gradient(const Pass&, const T* parameters,
                                             const LayerRows<T>& rows, MatrixView<const T> g,
                                             MatrixView<T> dx) const {
  const MatrixView<T> values = part(rows, 0), shares = part(rows, 1);
  const T* const alpha = parameters + this->parameter_offset();
  for (index_t i = 0; i < g.rows; ++i)
    for (index_t j = 0; j < g.cols; ++j) shares.row(i)[j] = alpha[j] * g.row(i)[j];
  function_.backward(rows.x, values, shares, dx, 0, g.cols);
  for (index_t i = 0; i < g.rows; ++i)
    for (index_t j = 0; j < g.cols; ++j) dx.row(i)[j] += g.row(i)[j] - shares.row(i)[j];
}

#define DENSECORE_INSTANTIATE(T, ...) template class ParametricActivation<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
