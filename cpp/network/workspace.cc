#include "network/workspace.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void Workspace<T>::reserve(const Layers<T>& layers, index_t rows) {
  if (rows <= rows_) return;
  Workspace<T> larger;
  for (const auto& layer : layers) {
    larger.widest_ = std::max(larger.widest_, padded(layer->units()));
    larger.units_.push_back(layer->units());
    larger.kept_cols_.push_back(layer->kept());
    larger.a_.emplace_back(static_cast<std::size_t>(rows * padded(layer->units())));
    larger.kept_.push_back(layer->kept() == 0 ? AlignedBuffer<T>()
                                              : AlignedBuffer<T>(static_cast<std::size_t>(
                                                    rows * padded(layer->kept()))));
  }
  for (AlignedBuffer<T>& buffer : larger.gradient_)
    buffer = AlignedBuffer<T>(static_cast<std::size_t>(rows * larger.widest_));
  // The old buffers stay until all allocations have succeeded.
  units_ = std::move(larger.units_);
  kept_cols_ = std::move(larger.kept_cols_);
  a_ = std::move(larger.a_);
  kept_ = std::move(larger.kept_);
  std::swap(gradient_, larger.gradient_);
  widest_ = larger.widest_;
  rows_ = rows;
}

template <class T>
void Workspace<T>::reserve_partials(int count, index_t parameters) {
  const index_t stride = padded(parameters);
  if (static_cast<std::size_t>(count * stride) > partials_.size())
    partials_ = AlignedBuffer<T>(static_cast<std::size_t>(count * stride));
  partial_stride_ = stride;
}

template <class T>
void Workspace<T>::reserve_transposed(const Layers<T>& layers) {
  if (transposed_.data() != nullptr) return;
  std::vector<index_t> offsets;
  index_t total = 0;
  for (const auto& layer : layers) {
    offsets.push_back(total);
    if (layer->dense() != nullptr) total += padded(layer->dense()->weight_count());
  }
  transposed_ = AlignedBuffer<T>(static_cast<std::size_t>(total));
  transposed_offset_ = std::move(offsets);
}

#define DENSECORE_INSTANTIATE(T, ...) template class Workspace<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
