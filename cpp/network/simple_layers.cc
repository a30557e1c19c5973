#include "network/simple_layers.h"

#include <cmath>
#include <cstring>

#include "base/random.h"

namespace densecore {
namespace {

constexpr double resolution = 65536;  // of a mask's 16 random bits

}  // namespace

template <class T>
Dropout<T>::Dropout(const KernelTable<T>& table, index_t inputs, const LayerSpec& spec,
                    index_t offset, index_t number)
    : Layer<T>(table, inputs, inputs, offset),
      number_(number),
      threshold_(
          static_cast<std::uint32_t>(std::max(1.0, std::nearbyint((1 - spec.rate) * resolution)))) {
}

template <class T>
void Dropout<T>::factors(const Pass& pass, index_t row, T* out) const {
  const T factor = static_cast<T>(resolution / threshold_);
  // As in base/random.h: what the numbers are for stands in the key, which of them in the counter.
  const std::uint64_t key[2] = {pass.seed, static_cast<std::uint64_t>(Stream::dropout)};
  std::uint64_t counter[4] = {0, static_cast<std::uint64_t>(row),
                              static_cast<std::uint64_t>(number_), pass.number};
  constexpr index_t at_once = 16;
  for (index_t j = 0; j < this->units(); j += at_once, ++counter[0]) {
    const PhiloxBlock block = philox(key, counter);
    std::uint16_t random[at_once];
    static_assert(sizeof random == sizeof block.word);
    // Word by word, low bits first: the same numbers whatever the byte order.
    for (int i = 0; i < at_once; ++i)
      random[i] = static_cast<std::uint16_t>(block.word[i / 4] >> (16 * (i % 4)));
    this->table_->normalization.drop(std::min(at_once, this->units() - j), random, threshold_,
                                     factor, out + j);
  }
}

template <class T>
void Dropout<T>::forward(const Pass& pass, const T*, const LayerRows<T>& rows) const {
  if (!pass.training) return copy_rows(rows.x, rows.a);
  for (index_t i = 0; i < rows.x.rows; ++i) factors(pass, rows.begin + i, rows.kept.row(i));
  this->table_->normalization.multiply(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride,
                                       rows.kept.data, rows.kept.stride, rows.a.data,
                                       rows.a.stride);
}

template <class T>
void Dropout<T>::input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows,
                                MatrixView<const T> g, MatrixView<T> dx) const {
  if (!pass.training) return copy_rows(g, dx);
  this->table_->normalization.multiply(g.rows, g.cols, g.data, g.stride, rows.kept.data,
                                       rows.kept.stride, dx.data, dx.stride);
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace densecore
