#include "layers/piecewise.h"

#include <limits>
#include <string>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void PiecewiseLinear<T>::check(const LayerSpec& spec, const Widths& inputs) {
  check_embedding(spec, inputs.front(), units_of(spec, inputs));
}

template <class T>
PiecewiseLinear<T>::PiecewiseLinear(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      columns_(columns_of(spec, place.inputs)),
      bins_(spec.whole_number("bins")),
      clip_(spec.flag("clip")),
      lower_(this->add_state("lower", 0)),
      upper_(this->add_state("upper", 1)),
      factor_(static_cast<std::size_t>(this->units())),
      begin_(static_cast<std::size_t>(this->units())),
      end_(static_cast<std::size_t>(this->units())) {}

template <class T>
void PiecewiseLinear<T>::begin(const Pass&, const T*, MatrixView<const T>) {
  // At each pass, as the user may have written to the states.
  constexpr T infinity = std::numeric_limits<T>::infinity();
  for (index_t j = 0; j < columns_; ++j) {
    index_t first = -1, last = -1;
    for (index_t k = j * bins_; k < (j + 1) * bins_; ++k) {
      const T lower = lower_->data()[k], upper = upper_->data()[k];
      const bool wide = upper > lower;
      factor_.data()[k] = wide ? 1 / (upper - lower) : T(0);
      begin_.data()[k] = wide ? lower : infinity;
      end_.data()[k] = wide ? upper : infinity;
      if (!wide) continue;
      if (first < 0) first = k;
      last = k;
    }
    if (clip_ || first < 0) continue;
    begin_.data()[first] = -infinity;
    end_.data()[last] = infinity;
  }
}

template <class T>
void PiecewiseLinear<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  const index_t rest = this->inputs() - columns_;
  for (index_t i = 0; i < rows.x.rows; ++i) {
    for (index_t j = 0; j < columns_; ++j) {
      const T x = rows.x.row(i)[j];
      const index_t at = j * bins_;
      const T *const lower = lower_->data() + at, *const factor = factor_.data() + at;
      const T *const begin = begin_.data() + at, *const end = end_.data() + at;
      T* const a = rows.a.row(i) + at;
      for (index_t k = 0; k < bins_; ++k) {
        const T inside = (x - lower[k]) * factor[k];
        const T above = x < begin[k] ? T(0) : inside;
        a[k] = x >= end[k] ? T(1) : above;
      }
    }
  }
  copy_rows<T>({rows.x.data + columns_, rows.x.rows, rest, rows.x.stride},
               {rows.a.data + columns_ * bins_, rows.x.rows, rest, rows.a.stride});
}

template <class T>
void PiecewiseLinear<T>::input_gradient(const Pass&, const T*, const LayerRows<T>& rows,
                                        MatrixView<const T> g, MatrixView<T> dx) const {
  const index_t rest = this->inputs() - columns_;
  for (index_t i = 0; i < g.rows; ++i) {
    for (index_t j = 0; j < columns_; ++j) {
      const T x = rows.x.row(i)[j];
      const index_t at = j * bins_;
      T sum = 0;
      for (index_t k = at; k < at + bins_; ++k)
        if (x >= begin_.data()[k] && x < end_.data()[k]) sum += g.row(i)[k] * factor_.data()[k];
      dx.row(i)[j] = sum;
    }
  }
  copy_rows<T>({g.data + columns_ * bins_, g.rows, rest, g.stride},
               {dx.data + columns_, g.rows, rest, dx.stride});
}

#define DENSECORE_INSTANTIATE(T, ...) template class PiecewiseLinear<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
