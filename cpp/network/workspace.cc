#include "network/workspace.h"

#include <algorithm>

namespace densecore {
namespace {

// Rows start at cache lines, so that vectors do not straddle two of them.
template <class T>
index_t padded(index_t elements) {
  constexpr index_t line = 64 / sizeof(T);
  return divide_up(elements, line) * line;
}

}  // namespace

template <class T>
void Workspace<T>::reserve(const std::vector<Dense<T>>& layers, index_t rows) {
  if (rows <= rows_) return;
  Workspace<T> larger;
  for (const Dense<T>& layer : layers) {
    const index_t stride = padded<T>(layer.units());
    const auto size = static_cast<std::size_t>(rows * stride);
    larger.widest_ = std::max(larger.widest_, stride);
    larger.units_.push_back(layer.units());
    larger.stride_.push_back(stride);
    larger.a_.emplace_back(size);
    larger.z_.push_back(layer.activation().needs_input ? AlignedBuffer<T>(size)
                                                       : AlignedBuffer<T>());
  }
  for (AlignedBuffer<T>& buffer : larger.gradient_)
    buffer = AlignedBuffer<T>(static_cast<std::size_t>(rows * larger.widest_));
  // Nothing of the old one changes until all allocations have succeeded.
  units_ = std::move(larger.units_);
  stride_ = std::move(larger.stride_);
  a_ = std::move(larger.a_);
  z_ = std::move(larger.z_);
  std::swap(gradient_, larger.gradient_);
  widest_ = larger.widest_;
  rows_ = rows;
}

template <class T>
void Workspace<T>::reserve_partials(int count, index_t parameters) {
  const index_t stride = padded<T>(parameters);
  if (static_cast<std::size_t>(count * stride) > partials_.size())
    partials_ = AlignedBuffer<T>(static_cast<std::size_t>(count * stride));
  partial_stride_ = stride;
}

template <class T>
void Workspace<T>::reserve_transposed(const std::vector<Dense<T>>& layers) {
  if (transposed_.data() != nullptr) return;
  std::vector<index_t> offsets;
  index_t total = 0;
  for (const Dense<T>& layer : layers) {
    offsets.push_back(total);
    total += padded<T>(layer.weight_count());
  }
  transposed_ = AlignedBuffer<T>(static_cast<std::size_t>(total));
  transposed_offset_ = std::move(offsets);
}

template class Workspace<float>;
template class Workspace<double>;

}  // namespace densecore
