#include "layers/rowwise.h"

#include <algorithm>
#include <cmath>

#include "base/dtypes.h"
#include "base/random.h"

namespace densecore {
namespace {

constexpr double resolution =
    65536;  // 16 random bits for each element of a mask, see kernels/dropout.h

std::uint32_t kept_of(double rate) {
  return static_cast<std::uint32_t>(std::max(1.0, std::nearbyint((1 - rate) * resolution)));
}

}  // namespace

template <class T>
Dropout<T>::Dropout(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      rate_(spec.number("rate")),
      schedule_(spec.schedule),
      kept_of_2_16_(kept_of(rate_)),
      vectors_(spec.whole_number("vectors")) {}

template <class T>
std::uint32_t Dropout<T>::kept_in(const Pass& pass) const {
  if (schedule_ == nullptr) return kept_of(rate_);
  const auto number = static_cast<std::int64_t>(pass.number);
  double rate = rate_;
  return kept_of(schedule_->at(std::max<std::int64_t>(number, 0), rate));
}

template <class T>
void Dropout<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t vectors = spec.whole_number("vectors");
  if (inputs.front() % vectors != 0)
    throw std::invalid_argument("vectors: found " + std::to_string(vectors) + " in a row of " +
                                std::to_string(inputs.front()) + ", wanted a divisor");
}

template <class T>
void Dropout<T>::random_numbers(const Pass& pass, index_t row, T* out) const {
  factors(pass, row, kept_in(pass), {out, 1, this->units(), this->units()});
}

template <class T>
void Dropout<T>::factors(const Pass& pass, index_t row, std::uint32_t kept_of_2_16,
                         MatrixView<T> out) const {
  // The key holds the seed and the stream, the counter the place of 16 elements: their number in
  // the row, and the row, layer and pass, see Pass.
  const DropNumbers drawn = {
      {pass.seed, static_cast<std::uint64_t>(Stream::dropout)},
      {0, static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(this->number()), pass.number},
      kept_of_2_16};
  const index_t size = this->units() / vectors_;
  this->table_->elementwise.drop(drawn, out.rows, size, static_cast<T>(resolution / kept_of_2_16),
                                 out.data, out.stride);
  if (vectors_ == 1) return;
  for (index_t i = 0; i < out.rows; ++i)
    for (index_t k = 1; k < vectors_; ++k) std::copy_n(out.row(i), size, out.row(i) + k * size);
}

template <class T>
void Dropout<T>::forward(const Pass& pass, const T*, const LayerRows<T>& rows) const {
  if (!pass.training) return copy_rows(rows.x, rows.a);
  factors(pass, pass.first + rows.begin, kept_of_2_16_, rows.kept);
  this->table_->elementwise.multiply(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride,
                                     rows.kept.data, rows.kept.stride, rows.a.data, rows.a.stride);
}

template <class T>
void Dropout<T>::input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows,
                                MatrixView<const T> g, MatrixView<T> dx) const {
  if (!pass.training) return copy_rows(g, dx);
  this->table_->elementwise.multiply(g.rows, g.cols, g.data, g.stride, rows.kept.data,
                                     rows.kept.stride, dx.data, dx.stride);
}

template <class T>
void GaussianNoise<T>::random_numbers(const Pass& pass, index_t row, T* out) const {
  const std::uint64_t key[2] = {pass.seed, static_cast<std::uint64_t>(Stream::noise)};
  std::uint64_t counter[4] = {0, static_cast<std::uint64_t>(row),
                              static_cast<std::uint64_t>(this->number()), pass.number};
  for (index_t j = 0; j < this->units(); ++counter[0])
    for (const std::uint64_t word : philox(key, counter).word)
      if (j < this->units())
        out[j++] = static_cast<T>(deviation_ * normal_quantile(uniform_of(word)));
}

template <class T>
void GaussianNoise<T>::forward(const Pass& pass, const T*, const LayerRows<T>& rows) const {
  if (!pass.training) return copy_rows(rows.x, rows.a);
  for (index_t i = 0; i < rows.x.rows; ++i)
    random_numbers(pass, pass.first + rows.begin + i, rows.a.row(i));
  this->table_->elementwise.sum(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride, rows.a.data,
                                rows.a.stride, rows.a.data, rows.a.stride);
}

template <class T>
void ActivityRegularization<T>::input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows,
                                               MatrixView<const T> g, MatrixView<T> dx) const {
  copy_rows(g, dx);
  if (pass.rows == 0) return;
  const double number = whole_ ? 1 : static_cast<double>(pass.rows);
  const auto slope = static_cast<T>(linear_ / number);
  for (index_t i = 0; i < dx.rows; ++i) {
    if (l1_ != 0 || l2_ != 0)
      this->table_->gradients.add_penalty(dx.cols, rows.x.row(i), l1_ / number, l2_ / number,
                                          dx.row(i));
    if (linear_ != 0)
      for (index_t j = 0; j < dx.cols; ++j) dx.row(i)[j] += slope;
  }
}

template <class T>
double ActivityRegularization<T>::output_penalty(MatrixView<const T> a) const {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i) {
    if (l1_ != 0) sum += l1_ * this->table_->gradients.sum_of_magnitudes(a.cols, a.row(i));
    if (l2_ != 0) sum += l2_ * this->table_->gradients.sum_of_squares(a.cols, a.row(i));
    if (linear_ != 0)
      for (index_t j = 0; j < a.cols; ++j) sum += linear_ * static_cast<double>(a.row(i)[j]);
  }
  return whole_ ? sum * static_cast<double>(a.rows) : sum;
}

template <class T>
void Columns<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t end = spec.whole_number("first") + spec.whole_number("count");
  if (end > inputs.front())
    throw std::invalid_argument("columns: found columns up to " + std::to_string(end) + " of " +
                                std::to_string(inputs.front()));
}

template <class T>
void Columns<T>::input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T> g,
                                MatrixView<T> dx) const {
  for (index_t i = 0; i < dx.rows; ++i) std::fill_n(dx.row(i), dx.cols, T(0));
  copy_rows(g, {dx.data + first_, dx.rows, this->units(), dx.stride});
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template class Columns<T>;          \
  template class Dropout<T>;          \
  template class GaussianNoise<T>;    \
  template class ActivityRegularization<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
