// The memory that a batch needs besides the parameters, allocated once for the largest batch so
// far.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/view.h"
#include "kernels/table.h"
#include "layers/dense.h"
#include "layers/layer.h"
#include "network/gradient_plan.h"

namespace densecore {

template <class T>
using Layers = std::vector<std::unique_ptr<Layer<T>>>;

template <class T>
class Workspace {
 public:
  // Whether the pass that filled it has one back: dense layers may then keep f'(z) in place of z.
  bool slopes = false;

  // Makes room for `rows` rows; its contents are lost when it grows.
  void reserve(const KernelTable<T>& table, const Layers<T>& layers, const GradientPlaces& places,
               index_t rows);
  // Makes room for the gradients of `count` leaves of `parameters` elements.
  void reserve_partials(int count, index_t parameters);
  // From here on the gradients by the layers' outputs have a buffer each, of `rows` rows, so that
  // all are there at once; their contents are lost.
  void keep_apart(const Layers<T>& layers, index_t rows);
  void share_again() { apart_ = false; }
  // Makes room for the transposed weights of all layers.
  void reserve_transposed(const Layers<T>& layers);

  index_t rows() const { return rows_; }
  // Changes whenever pointers into the arrays of rows do; no two workspaces have the same.
  std::uint64_t version() const { return version_; }
  // Rows [begin, end) of layer l's output, of what it keeps besides (a dense layer keeps z, unless
  // the derivative needs the output only), and of the gradient with respect to its output.
  MatrixView<T> a(std::size_t l, index_t begin, index_t end) {
    return view(a_[l], begin, end, units_[l], stride_[l]);
  }
  MatrixView<T> kept(std::size_t l, index_t begin, index_t end) {
    return kept_[l].data() == nullptr ? a(l, begin, end)
                                      : view(kept_[l], begin, end, kept_cols_[l], kept_stride_[l]);
  }
  // All gradients in a buffer have the same distance between rows, so that threads that have
  // reached other layers use other memory.
  MatrixView<T> gradient(std::size_t l, index_t begin, index_t end) {
    if (apart_) return view(apart_gradient_[l], begin, end, units_[l], padded(units_[l]));
    const index_t stride = gradient_stride_[l];
    return {gradient_[place_[l]].data() + begin * stride, end - begin, units_[l], stride};
  }
  // The same buffers with rows as near to each other as those of `a`: for one thread, which has
  // done with a layer before it goes on to the next.
  MatrixView<T> near_gradient(std::size_t l, index_t rows) {
    return view(gradient_[place_[l]], 0, rows, units_[l], stride_[l]);
  }
  // A leaf that begins at row r has its own near gradients r of these behind the buffer's begin.
  index_t gradient_stride(std::size_t l) const { return gradient_stride_[l]; }
  // For a gradient that is then added to another one, with the distances of either.
  MatrixView<T> spare(index_t begin, index_t end, index_t cols) {
    return {gradient_.back().data() + begin * spare_stride_, end - begin, cols, spare_stride_};
  }
  MatrixView<T> near_spare(index_t rows, index_t cols, index_t stride) {
    return view(gradient_.back(), 0, rows, cols, stride);
  }
  // Rows start where a vector of the length that `elements` take (see SmallLayer) is aligned: none
  // straddles two cache lines.
  static index_t stride_of(const KernelTable<T>& table, index_t elements) {
    return elements <= table.short_lanes ? table.short_lanes
                                         : divide_up(elements, table.lanes) * table.lanes;
  }
  T* partial(int leaf) { return partials_.data() + leaf * partial_stride_; }
  T* transposed(std::size_t l) { return transposed_.data() + transposed_offset_[l]; }

 private:
  static index_t padded(index_t elements) {
    constexpr index_t line = 64 / sizeof(T);
    return divide_up(elements, line) * line;
  }
  static MatrixView<T> view(AlignedBuffer<T>& buffer, index_t begin, index_t end, index_t cols,
                            index_t stride) {
    return {buffer.data() + begin * stride, end - begin, cols, stride};
  }

  index_t rows_ = -1;  // none, until there are buffers
  index_t spare_stride_ = 0, partial_stride_ = 0;
  std::uint64_t version_ = 0;
  std::vector<index_t> units_, stride_, kept_cols_, kept_stride_, transposed_offset_;
  std::vector<std::size_t> place_;
  std::vector<index_t> gradient_stride_;
  std::vector<AlignedBuffer<T>> a_, kept_, gradient_;  // the last one is spare, if one is wanted
  AlignedBuffer<T> partials_, transposed_;
  bool apart_ = false;
  index_t apart_rows_ = 0;
  std::vector<AlignedBuffer<T>> apart_gradient_;  // of each layer
};

// While one exists and `wanted`, each layer's gradient has a buffer of its own, of `rows` rows.
template <class T>
class SeparateGradients {
 public:
  SeparateGradients(Workspace<T>& workspace, const Layers<T>& layers, bool wanted, index_t rows)
      : workspace_(workspace) {
    if (wanted) workspace.keep_apart(layers, rows);
  }
  ~SeparateGradients() { workspace_.share_again(); }
  SeparateGradients(const SeparateGradients&) = delete;
  SeparateGradients& operator=(const SeparateGradients&) = delete;

 private:
  Workspace<T>& workspace_;
};

}  // namespace densecore
