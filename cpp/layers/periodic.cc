#include "layers/periodic.h"

#include "base/dtypes.h"

namespace densecore {

template <class T>
void PeriodicEmbedding<T>::check(const LayerSpec& spec, const Widths& inputs) {
  check_embedding(spec, inputs.front(), units_of(spec, inputs));
}

template <class T>
PeriodicEmbedding<T>::PeriodicEmbedding(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec), shape_(shape_of(spec, place.inputs)) {
  const index_t further = shape_.units - 1;
  this->add_parameters("frequencies", shape_.columns, shape_.frequencies, spec, 0);
  this->add_parameters("phases", shape_.columns, shape_.frequencies, spec, 1);
  this->add_parameters("kernel", shape_.columns * further, shape_.frequencies, spec, 2);
  this->add_parameters("bias", shape_.columns, further, spec, 3);
}

template <class T>
void PeriodicEmbedding<T>::forward(const Pass&, const T* parameters,
                                   const LayerRows<T>& rows) const {
  this->table_->periodic.forward(rows.x.rows, shape_, rows.x.data, rows.x.stride,
                                 arrays(parameters).data(), rows.kept.data, rows.kept.stride,
                                 rows.a.data, rows.a.stride);
  const index_t rest = this->inputs() - shape_.columns;
  copy_rows<T>({rows.x.data + shape_.columns, rows.x.rows, rest, rows.x.stride},
               {rows.a.data + shape_.columns * shape_.units, rows.x.rows, rest, rows.a.stride});
}

template <class T>
void PeriodicEmbedding<T>::parameter_gradient(const Pass&, const LayerRows<T>& rows,
                                              MatrixView<const T> g, bool accumulate,
                                              T* gradients) {
  this->table_->periodic.gradient(rows.x.rows, shape_, rows.x.data, rows.x.stride,
                                  arrays(trained_).data(), rows.kept.data, rows.kept.stride, g.data,
                                  g.stride, accumulate, arrays(gradients).data());
}

template <class T>
void PeriodicEmbedding<T>::input_gradient(const Pass&, const T* parameters,
                                          const LayerRows<T>& rows, MatrixView<const T> g,
                                          MatrixView<T> dx) const {
  this->table_->periodic.input_gradient(g.rows, shape_, arrays(parameters).data(), rows.kept.data,
                                        rows.kept.stride, g.data, g.stride, dx.data, dx.stride);
  const index_t rest = this->inputs() - shape_.columns;
  copy_rows<T>({g.data + shape_.columns * shape_.units, g.rows, rest, g.stride},
               {dx.data + shape_.columns, g.rows, rest, dx.stride});
}

#define DENSECORE_INSTANTIATE(T, ...) template class PeriodicEmbedding<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
