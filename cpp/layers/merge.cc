#include "layers/merge.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {
namespace {

// a = f(a, x), with the only column of x for all columns of a.
template <class T, class Function>
void combine(MatrixView<const T> x, MatrixView<T> a, Function f) {
  for (index_t i = 0; i < a.rows; ++i) {
    const T* const from = x.row(i);
    T* const to = a.row(i);
    if (x.cols == a.cols) {
      for (index_t j = 0; j < a.cols; ++j) to[j] = f(to[j], from[j]);
    } else {
      const T value = from[0];
      for (index_t j = 0; j < a.cols; ++j) to[j] = f(to[j], value);
    }
  }
}

template <class T>
void spread(MatrixView<const T> x, MatrixView<T> a) {
  combine(x, a, [](T, T value) { return value; });
}

// An input's element at column j.
template <class T>
T at(const MatrixView<const T>& x, index_t i, index_t j) {
  return x.row(i)[x.cols == 1 ? 0 : j];
}

// dx[j] = value(i, j), summed over the columns for an input of one.
template <class T, class Value>
void fill(index_t cols, MatrixView<T> dx, Value value) {
  for (index_t i = 0; i < dx.rows; ++i) {
    T* const to = dx.row(i);
    if (dx.cols == cols) {
      for (index_t j = 0; j < cols; ++j) to[j] = value(i, j);
    } else {
      T sum = 0;
      for (index_t j = 0; j < cols; ++j) sum += value(i, j);
      to[0] = sum;
    }
  }
}

// The scalar product of `n` elements, `along` from one to the next. In eight sums, which do
// not wait for each other.
template <class T>
T dot(index_t n, const T* a, index_t a_along, const T* b, index_t b_along) {
  constexpr index_t parts = 8;
  T sum[parts] = {};
  index_t k = 0;
  for (; k + parts <= n; k += parts)
    for (index_t j = 0; j < parts; ++j) sum[j] += a[(k + j) * a_along] * b[(k + j) * b_along];
  for (index_t j = 0; k < n; ++k, ++j) sum[j] += a[k * a_along] * b[k * b_along];
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

}  // namespace

template <class T>
index_t Concatenate<T>::units_of(const LayerSpec&, const Widths& inputs) {
  index_t sum = 0;
  for (const index_t width : inputs) sum += width;
  return sum;
}

template <class T>
Concatenate<T>::Concatenate(const LayerPlace<T>& place, const LayerSpec& spec)
    : MergeLayer<T>(place, spec) {
  index_t first = 0;
  for (const index_t width : place.inputs) {
    first_.push_back(first);
    first += width;
  }
}

template <class T>
void Concatenate<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  for (std::size_t i = 0; i < this->count(); ++i) copy_rows(rows.inputs[i], columns(i, rows.a));
}

template <class T>
void Concatenate<T>::input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                                       MatrixView<T> dx) const {
  copy_rows(columns(i, g), dx);
}

template <class T>
void First<T>::input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                                 MatrixView<T> dx) const {
  if (i == 0) return copy_rows(g, dx);
  for (index_t row = 0; row < dx.rows; ++row) std::fill_n(dx.row(row), dx.cols, T(0));
}

template <class T>
void Heads<T>::check(const LayerSpec& spec, const Widths& inputs) {
  if (spec.activations.size() != inputs.size())
    throw std::invalid_argument("activations: found " + std::to_string(spec.activations.size()) +
                                ", wanted " + std::to_string(inputs.size()) +
                                ", one for each source");
}

template <class T>
Heads<T>::Heads(const LayerPlace<T>& place, const LayerSpec& spec) : Concatenate<T>(place, spec) {
  for (const ActivationSpec& activation : spec.activations)
    functions_.emplace_back(place.table, activation);
}

template <class T>
void Heads<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  for (std::size_t i = 0; i < this->count(); ++i) {
    const MatrixView<T> a = this->columns(i, rows.a);
    if (copies(i))
      copy_rows(rows.inputs[i], a);
    else
      functions_[i].forward(rows.inputs[i], a);
  }
}

template <class T>
void Heads<T>::input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                                 MatrixView<T> dx) const {
  const MatrixView<const T> own = this->columns(i, g);
  if (copies(i)) return copy_rows(own, dx);
  const MatrixView<const T> a = this->columns(i, MatrixView<const T>(rows.a));
  functions_[i].backward(rows.inputs[i], a, own, dx, 0, own.cols);
}

template <class T>
void Heads<T>::finish(const std::vector<char>& left_out, MatrixView<T> a) const {
  for (std::size_t i = 0; i < this->count(); ++i) {
    const MatrixView<T> own = this->columns(i, a);
    if (left_out[i] != 0) functions_[i].forward(own, own);
  }
}

template <class T>
index_t Elementwise<T>::units_of(const LayerSpec&, const Widths& inputs) {
  return *std::max_element(inputs.begin(), inputs.end());
}

template <class T>
void Elementwise<T>::check(const LayerSpec&, const Widths& inputs) {
  const index_t widest = *std::max_element(inputs.begin(), inputs.end());
  std::string found;
  bool fits = true;
  for (const index_t width : inputs) {
    fits = fits && (width == widest || width == 1);
    found += (found.empty() ? "" : ", ") + std::to_string(width);
  }
  if (!fits)
    throw std::invalid_argument("found inputs of " + found +
                                " columns, wanted all of one width, or of one column");
}

template <class T>
void Elementwise<T>::pass_on(MatrixView<const T> g, MatrixView<T> dx) const {
  if (dx.cols == g.cols) return copy_rows(g, dx);
  fill(g.cols, dx, [&](index_t i, index_t j) { return g.row(i)[j]; });
}

template <class T>
void Add<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  const MatrixView<T> a = rows.a;
  MatrixView<const T> sum = rows.inputs[0];
  if (this->count() == 1 || sum.cols != a.cols) {
    spread(sum, a);
    sum = a;
  }
  for (std::size_t i = 1; i < this->count(); ++i) {
    const MatrixView<const T>& x = rows.inputs[i];
    if (x.cols == a.cols) {
      this->table_->elementwise.sum(a.rows, a.cols, sum.data, sum.stride, x.data, x.stride, a.data,
                                    a.stride);
    } else {
      if (sum.data != a.data) copy_rows(sum, a);
      combine(x, a, [](T one, T other) { return one + other; });
    }
    sum = a;
  }
}

template <class T>
void Average<T>::forward(const Pass& pass, const T* parameters, const LayerRows<T>& rows) const {
  Add<T>::forward(pass, parameters, rows);
  const auto number = static_cast<T>(this->count());
  combine(MatrixView<const T>(rows.a), rows.a, [number](T sum, T) { return sum / number; });
}

template <class T>
void Average<T>::input_gradient_of(std::size_t, const LayerRows<T>&, MatrixView<const T> g,
                                   MatrixView<T> dx) const {
  this->pass_on(g, dx);
  const auto number = static_cast<T>(this->count());
  combine(MatrixView<const T>(dx), dx, [number](T sum, T) { return sum / number; });
}

template <class T>
void Subtract<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  spread(rows.inputs[0], rows.a);
  combine(rows.inputs[1], rows.a, [](T one, T other) { return one - other; });
}

template <class T>
void Subtract<T>::input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                                    MatrixView<T> dx) const {
  this->pass_on(g, dx);
  if (i == 1) combine(MatrixView<const T>(dx), dx, [](T, T value) { return -value; });
}

template <class T>
void Multiply<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  spread(rows.inputs[0], rows.a);
  for (std::size_t i = 1; i < this->count(); ++i)
    combine(rows.inputs[i], rows.a, [](T one, T other) { return one * other; });
}

template <class T>
void Multiply<T>::input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                                    MatrixView<T> dx) const {
  if (dx.cols == g.cols) {
    copy_rows(g, dx);
    for (std::size_t k = 0; k < this->count(); ++k)
      if (k != i) combine(rows.inputs[k], dx, [](T one, T other) { return one * other; });
    return;
  }
  fill(g.cols, dx, [&](index_t row, index_t j) {
    T value = g.row(row)[j];
    for (std::size_t k = 0; k < this->count(); ++k)
      if (k != i) value *= at(rows.inputs[k], row, j);
    return value;
  });
}

template <class T>
void Extremum<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  spread(rows.inputs[0], rows.a);
  for (std::size_t i = 1; i < this->count(); ++i) {
    if (largest_)
      combine(rows.inputs[i], rows.a, [](T one, T other) { return other > one ? other : one; });
    else
      combine(rows.inputs[i], rows.a, [](T one, T other) { return other < one ? other : one; });
  }
}

template <class T>
void Extremum<T>::input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                                    MatrixView<T> dx) const {
  fill(g.cols, dx, [&](index_t row, index_t j) {
    const T found = rows.a.row(row)[j];
    bool taken = at(rows.inputs[i], row, j) == found;
    for (std::size_t k = 0; k < i; ++k) taken = taken && at(rows.inputs[k], row, j) != found;
    return taken ? g.row(row)[j] : T(0);
  });
}

template <class T>
void Dot<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t rows[2] = {spec.whole_number("first_rows"), spec.whole_number("second_rows")};
  for (std::size_t i = 0; i < 2; ++i)
    if (inputs[i] % rows[i] != 0)
      throw std::invalid_argument("found an input of " + std::to_string(inputs[i]) +
                                  " columns, wanted " + std::to_string(rows[i]) +
                                  " rows of some length");
  if (inputs[0] / rows[0] != inputs[1] / rows[1])
    throw std::invalid_argument("found rows of " + std::to_string(inputs[0] / rows[0]) + " and " +
                                std::to_string(inputs[1] / rows[1]) +
                                " elements, wanted as many in both inputs");
}

template <class T>
Dot<T>::Dot(const LayerPlace<T>& place, const LayerSpec& spec) : MergeLayer<T>(place, spec) {
  const index_t rows[2] = {spec.whole_number("first_rows"), spec.whole_number("second_rows")};
  const bool across[2] = {spec.flag("first_across"), spec.flag("second_across")};
  terms_ = place.inputs[0] / rows[0];
  for (std::size_t i = 0; i < 2; ++i)
    sides_[i] = across[i] ? Side{rows[i], 1, rows[i]} : Side{rows[i], terms_, 1};
}

template <class T>
void Dot<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  const auto [x, y] = sides_;
  for (index_t i = 0; i < rows.a.rows; ++i) {
    T* out = rows.a.row(i);
    for (index_t p = 0; p < x.rows; ++p)
      for (index_t q = 0; q < y.rows; ++q)
        *out++ = dot(terms_, rows.inputs[0].row(i) + p * x.step, x.along,
                     rows.inputs[1].row(i) + q * y.step, y.along);
  }
}

template <class T>
void Dot<T>::input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                               MatrixView<T> dx) const {
  const Side own = sides_[i], other = sides_[1 - i];
  // g[p][q], from the side of this input.
  const index_t by_own = i == 0 ? other.rows : 1, by_other = i == 0 ? 1 : own.rows;
  for (index_t row = 0; row < g.rows; ++row) {
    const T *const from = g.row(row), *const values = rows.inputs[1 - i].row(row);
    T* const to = dx.row(row);
    for (index_t p = 0; p < own.rows; ++p)
      for (index_t k = 0; k < terms_; ++k) {
        T sum = 0;
        for (index_t q = 0; q < other.rows; ++q)
          sum += from[p * by_own + q * by_other] * values[q * other.step + k * other.along];
        to[p * own.step + k * own.along] = sum;
      }
  }
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template class Concatenate<T>;      \
  template class Heads<T>;            \
  template class Elementwise<T>;      \
  template class Add<T>;              \
  template class Average<T>;          \
  template class First<T>;            \
  template class Subtract<T>;         \
  template class Multiply<T>;         \
  template class Extremum<T>;         \
  template class Maximum<T>;          \
  template class Minimum<T>;          \
  template class Dot<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
