#include "network/workspace.h"

#include <algorithm>
#include <atomic>

#include "base/dtypes.h"

namespace densecore {

namespace {

std::atomic<std::uint64_t> last_version{0};

}  // namespace

template <class T>
void Workspace<T>::reserve(const KernelTable<T>& table, const Layers<T>& layers,
                           const GradientPlaces& places, index_t rows) {
  if (rows <= rows_) return;
  Workspace<T> larger;
  const auto room = [rows](index_t stride) {
    return AlignedBuffer<T>(static_cast<std::size_t>(rows * stride));
  };
  for (const auto& layer : layers) {
    const index_t stride = stride_of(table, layer->units());
    larger.units_.push_back(layer->units());
    larger.stride_.push_back(stride);
    larger.a_.push_back(room(stride));
    larger.kept_cols_.push_back(layer->kept());
    larger.kept_stride_.push_back(stride_of(table, layer->kept()));
    larger.kept_.push_back(layer->kept() == 0 ? AlignedBuffer<T>()
                                              : room(larger.kept_stride_.back()));
  }
  for (const std::size_t buffer : places.buffer)
    larger.gradient_stride_.push_back(padded(places.columns[buffer]));
  for (const index_t columns : places.columns) larger.gradient_.push_back(room(padded(columns)));
  larger.spare_stride_ = padded(places.spare);
  if (places.spare > 0) larger.gradient_.push_back(room(larger.spare_stride_));
  larger.place_ = places.buffer;
  // The old buffers stay until all allocations have succeeded.
  std::swap(units_, larger.units_);
  std::swap(stride_, larger.stride_);
  std::swap(kept_cols_, larger.kept_cols_);
  std::swap(kept_stride_, larger.kept_stride_);
  std::swap(a_, larger.a_);
  std::swap(kept_, larger.kept_);
  std::swap(gradient_, larger.gradient_);
  std::swap(place_, larger.place_);
  std::swap(gradient_stride_, larger.gradient_stride_);
  spare_stride_ = larger.spare_stride_;
  rows_ = rows;
  version_ = ++last_version;
}

template <class T>
void Workspace<T>::reserve_partials(int count, index_t parameters) {
  const index_t stride = padded(parameters);
  if (static_cast<std::size_t>(count * stride) > partials_.size())
    partials_ = AlignedBuffer<T>(static_cast<std::size_t>(count * stride));
  partial_stride_ = stride;
}

template <class T>
void Workspace<T>::keep_apart(const Layers<T>& layers, index_t rows) {
  if (rows > apart_rows_) {
    std::vector<AlignedBuffer<T>> larger;
    for (const auto& layer : layers)
      larger.emplace_back(static_cast<std::size_t>(rows * padded(layer->units())));
    std::swap(apart_gradient_, larger);
    apart_rows_ = rows;
  }
  apart_ = true;
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
