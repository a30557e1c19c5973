#include "network/dense.h"

#include <algorithm>

#include "network/lookup.h"

namespace densecore {
namespace {

// Rows whose activation follows their product at once, while they are in the first-level cache.
// Layers whose weights exceed the second-level cache take all rows at once instead, so that each
// strip of weights is read once.
constexpr index_t rows_in_cache = 48;
constexpr index_t weights_in_cache = index_t{1} << 16;

}  // namespace

template <class T>
Dense<T>::Dense(const KernelTable<T>& table, index_t inputs, const DenseSpec& spec, index_t offset)
    : table_(&table),
      activation_(&find_activation(table, spec.activation)),
      inputs_(inputs),
      units_(spec.units),
      offset_(offset),
      use_bias_(spec.use_bias) {}

template <class T>
void Dense<T>::affine(const T* parameters, MatrixView<const T> x, MatrixView<T> z) const {
  table_->gemm({x.rows, units_, inputs_, x.data, x.stride, 1, parameters + weight_offset(), units_,
                use_bias_ ? parameters + bias_offset() : nullptr, false, z.data, z.stride});
}

template <class T>
void Dense<T>::forward(const T* parameters, MatrixView<const T> x, MatrixView<T> z,
                       MatrixView<T> a) const {
  const index_t block = weight_count() <= weights_in_cache ? rows_in_cache : x.rows;
  for (index_t begin = 0; begin < x.rows; begin += block) {
    const index_t end = std::min(begin + block, x.rows);
    const MatrixView<T> z_block = z.slice(begin, end), a_block = a.slice(begin, end);
    affine(parameters, x.slice(begin, end), z_block);
    activation_->forward(end - begin, units_, z_block.data, z_block.stride, a_block.data,
                         a_block.stride);
  }
}

template <class T>
void Dense<T>::delta(MatrixView<const T> z, MatrixView<const T> a, MatrixView<T> gradient) const {
  activation_->backward(gradient.rows, units_, z.data, z.stride, a.data, a.stride, gradient.data,
                        gradient.stride, gradient.data, gradient.stride);
}

template <class T>
void Dense<T>::weight_gradient(MatrixView<const T> x, MatrixView<const T> delta, index_t first,
                               index_t last, bool accumulate, T* gradients) const {
  // A is X^T, by its strides: row i of A is column first + i of X.
  table_->gemm({last - first, units_, x.rows, x.data + first, 1, x.stride, delta.data, delta.stride,
                nullptr, accumulate, gradients + weight_offset() + first * units_, units_});
  if (first == 0 && use_bias_)
    table_->column_sum(delta.rows, units_, delta.data, delta.stride, accumulate,
                       gradients + bias_offset());
}

template <class T>
void Dense<T>::input_gradient(const T* transposed, MatrixView<const T> delta,
                              MatrixView<T> dx) const {
  table_->gemm({delta.rows, inputs_, units_, delta.data, delta.stride, 1, transposed, inputs_,
                nullptr, false, dx.data, dx.stride});
}

template <class T>
void Dense<T>::transpose_weight(const T* parameters, index_t first, index_t last,
                                T* transposed) const {
  table_->transpose(last - first, units_, parameters + weight_offset() + first * units_, units_,
                    transposed + first, inputs_);
}

template class Dense<float>;
template class Dense<double>;

}  // namespace densecore
