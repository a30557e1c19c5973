#include "layers/embedding.h"

#include <algorithm>
#include <sstream>
#include <string>

#include "base/dtypes.h"

namespace densecore {

template <class T>
Embedding<T>::Embedding(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      categories_(spec.whole_number("categories")),
      row_units_(spec.whole_number("units")),
      missing_(spec.flag("missing")) {
  this->add_parameters("embeddings", categories_, row_units_, spec, 0);
}

template <class T>
void Embedding<T>::check_numbers(MatrixView<const T> x, index_t first) const {
  if (missing_) return;
  for (index_t i = 0; i < x.rows; ++i)
    for (index_t j = 0; j < x.cols; ++j) {
      const T value = x.row(i)[j];
      // Row 0 also stands for values that have no row of their own.
      if (row_of(value) != 0 || value == 0) continue;
      std::ostringstream text;
      text.precision(17);
      text << "x: found " << value << " in row " << i << " of column " << first + j
           << ", wanted whole numbers 0 to " << categories_ - 1
           << ", the rows of the embedding of layer " << this->number();
      throw std::invalid_argument(text.str());
    }
}

template <class T>
void Embedding<T>::forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const {
  const T* const table = parameters + this->parameter_offset();
  const index_t units = row_units_;
  for (index_t i = 0; i < rows.x.rows; ++i) {
    const T* const ids = rows.x.row(i);
    T* to = rows.a.row(i);
    for (index_t j = 0; j < rows.x.cols; ++j, to += units)
      copy_row(units, table + row_of(ids[j]) * units, to);
  }
}

template <class T>
void Embedding<T>::input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T>,
                                  MatrixView<T> dx) const {
  for (index_t i = 0; i < dx.rows; ++i) std::fill_n(dx.row(i), dx.cols, T(0));
}

#define DENSECORE_INSTANTIATE(T, ...) template class Embedding<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
