// Networks too large for the second-level cache run layer by layer. Each product is cut into blocks
// of its result, which the threads share. The sum of an element is never cut, so that the result
// has the same bits for any number of blocks and threads.
#include <algorithm>

#include "base/dtypes.h"
#include "base/thread_pool.h"
#include "network/network.h"

namespace densecore {
namespace {

// Largest block of rows: the kernel packs each strip of W once per block.
constexpr index_t most_rows = 1024;
// Smallest block of rows that pays for its call.
constexpr index_t least_rows = 24;
// Weight gradients: a block has at most this many inputs and, from `packed_units` on, at least this
// many units. X and the layer's gradient are packed once per block.
constexpr index_t most_inputs = 504, least_units = 256, packed_units = 1024;
// Weights of few rows take longer to come from memory than their arithmetic. So the backward pass
// goes through them once, a block at a time that half of the second-level cache holds with its
// gradient: its columns of dX, its gradient, which stays in the thread's scratch memory, and its
// update. Blocks of fewer inputs would spend their time on edges.
constexpr index_t update_rows = 128, least_inputs = 16;
constexpr std::size_t update_bytes = 256 * 1024;
static_assert(gemm_scratch_bytes + update_bytes <= thread_scratch_bytes);

// Inputs of such a block.
template <class T>
index_t update_block(index_t units) {
  return static_cast<index_t>(update_bytes / sizeof(T)) / units;
}

// Columns are cut at multiples of a tile's width.
constexpr index_t strip = 64;
// Enough blocks for the threads to end at about the same time; more blocks would read and pack the
// same rows more often. Results do not depend on their number.
constexpr index_t blocks_per_thread = 4, enough_blocks = 16, least_per_thread = 2;

index_t wanted_blocks() {
  const index_t threads = thread_count();
  return std::min(blocks_per_thread * threads, std::max(enough_blocks, least_per_thread * threads));
}

// The blocks of a matrix (rows, cols).
class Grid {
 public:
  // For results with a row per row of the batch: cuts the columns first. Few columns are cheap to
  // pack again and again, and then the rows are cut.
  static Grid of_rows(index_t rows, index_t cols) {
    const bool narrow = cols < 4 * strip;
    const index_t row_blocks = narrow ? std::clamp(wanted_blocks(), divide_up(rows, most_rows),
                                                   divide_up(rows, least_rows))
                                      : divide_up(rows, most_rows);
    // A single row reads its weights once: long pieces of them.
    const index_t most_blocks = rows == 1 ? divide_up(cols, 16 * strip) : wanted_blocks();
    return {rows, cols, row_blocks, divide_up(most_blocks, row_blocks)};
  }
  // For weights: blocks as square as their number allows, since X and the gradient are packed once
  // per block; whole rows where the gradient is not packed.
  static Grid of_weights(index_t rows, index_t cols) {
    const index_t row_blocks = divide_up(rows, most_inputs);
    const index_t col_blocks =
        cols < packed_units
            ? 1
            : std::clamp<index_t>(cols / least_units, 1,
                                  divide_up(std::max(enough_blocks, wanted_blocks()), row_blocks));
    return {
        rows, cols,
        std::clamp(divide_up(wanted_blocks(), col_blocks), row_blocks, divide_up(rows, least_rows)),
        col_blocks};
  }
  // For weights with their update: whole rows, at most so many.
  static Grid of_inputs(index_t rows, index_t most) {
    const index_t blocks = divide_up(rows, most);
    if (thread_count() == 1) return {rows, 1, blocks, 1};
    return {rows, 1, std::max(blocks, std::min(wanted_blocks(), divide_up(rows, least_inputs))), 1};
  }
  // For functions of rows, which have nothing to share.
  static Grid of_functions(index_t rows) {
    return {rows, 1, std::clamp<index_t>(wanted_blocks(), 1, divide_up(rows, least_rows)), 1};
  }
  // In one piece.
  static Grid whole(index_t rows) { return {rows, 1, 1, 1}; }
  int size() const { return static_cast<int>(row_blocks_ * col_blocks_); }
  // Consecutive blocks share their columns, whose weights cost most to fetch.
  Range rows(int block) const {
    const index_t i = block % row_blocks_;
    return {rows_ * i / row_blocks_, rows_ * (i + 1) / row_blocks_};
  }
  Range cols(int block) const {
    const index_t j = block / row_blocks_;
    return {strips_ * j / col_blocks_ * strip,
            std::min(strips_ * (j + 1) / col_blocks_ * strip, cols_)};
  }

 private:
  Grid(index_t rows, index_t cols, index_t row_blocks, index_t col_blocks)
      : rows_(rows),
        cols_(cols),
        strips_(divide_up(cols, strip)),
        row_blocks_(std::max<index_t>(1, row_blocks)),
        col_blocks_(std::clamp<index_t>(col_blocks, 1, strips_)) {}

  index_t rows_, cols_, strips_, row_blocks_, col_blocks_;
};

// An element of a layer without products costs about as much as eight multiply-adds.
double function_work(index_t rows, index_t cols) {
  return 8.0 * static_cast<double>(rows) * static_cast<double>(cols);
}

}  // namespace

template <class T>
void Network<T>::forward_layers(Executor& executor, ConstView x, View out, bool stop_at_z) {
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const bool coupled = layers_[l]->couples_rows(pass_);
    if (x.rows == 0 && !coupled) continue;  // of a batch that processes share
    const View a = l == last && out ? out : workspace_.a(l, 0, x.rows);
    const bool only_z = l == last && stop_at_z;
    const ConstView input = input_of(l, x, 0, x.rows);
    if (const Dense<T>* const layer = layers_[l]->dense()) {
      forward_layer(executor, *layer, l, input, a, only_z);
      continue;
    }
    if (coupled && shared_rows_ != nullptr)
      layers_[l]->begin_shared(pass_, parameters_->data(), input, *shared_rows_);
    else
      layers_[l]->begin(pass_, parameters_->data(), input);
    if (x.rows == 0) continue;
    const Grid grid = coupled ? Grid::whole(x.rows) : Grid::of_functions(x.rows);
    executor.run(grid.size(), function_work(x.rows, a.cols), [&](int block, void*) {
      const Range r = grid.rows(block);
      forward_other(l, x, r.begin, r.end, a.slice(r.begin, r.end), only_z);
    });
  }
}

template <class T>
void Network<T>::forward_layer(Executor& executor, const Dense<T>& layer, std::size_t l,
                               ConstView x, View a, bool stop_at_z) {
  const index_t rows = x.rows;
  const View z = stop_at_z ? a : z_of(layer, l, 0, rows, a);
  const bool row_wise = layer.function().row_wise();
  const Grid grid = Grid::of_rows(rows, layer.units());
  executor.run(grid.size(), static_cast<double>(rows) * static_cast<double>(layer.weight_count()),
               [&](int block, void* scratch) {
                 const Range r = grid.rows(block), units = grid.cols(block);
                 const View z_rows = z.slice(r.begin, r.end);
                 layer.affine(parameters_->data(), x.slice(r.begin, r.end), units, z_rows, scratch);
                 if (!stop_at_z && !row_wise)
                   layer.activate(z_rows, units, a.slice(r.begin, r.end), workspace_.slopes);
               });
  if (stop_at_z || !row_wise) return;
  const Grid row_grid = Grid::of_functions(rows);
  executor.run(row_grid.size(), function_work(rows, layer.units()), [&](int block, void*) {
    const Range r = row_grid.rows(block);
    layer.activate(z.slice(r.begin, r.end), layer.all_units(), a.slice(r.begin, r.end), false);
  });
}

template <class T>
void Network<T>::delta_rows(Executor& executor, std::size_t l, index_t rows) {
  const Dense<T>& layer = *layers_[l]->dense();
  const Grid grid = Grid::of_functions(rows);
  executor.run(grid.size(), function_work(rows, layer.units()), [&](int block, void*) {
    const Range r = grid.rows(block);
    layer.delta(workspace_.kept(l, r.begin, r.end), workspace_.a(l, r.begin, r.end),
                layer.all_units(), workspace_.gradient(l, r.begin, r.end), workspace_.slopes);
  });
}

template <class T>
bool Network<T>::delta_at_once(std::size_t l) const {
  const Dense<T>* const layer = layers_[l]->dense();
  return layer != nullptr && !layer->function().row_wise() && plan_.uses[l] == 1;
}

template <class T>
void Network<T>::backward_layers(Executor& executor, ConstView x, bool from_z, View dx,
                                 const Update<T>* update, bool descend, bool keep) {
  const index_t rows = x.rows;
  const std::size_t end_layer = dx ? 0 : lowest_;
  for (std::size_t l = layers_.size(); l-- > end_layer;) {
    if (!visited(l, static_cast<bool>(dx))) continue;
    const bool from_here = from_z && l + 1 == layers_.size();
    if (rows == 0 && !layers_[l]->couples_rows(pass_)) continue;
    if (const Dense<T>* const layer = layers_[l]->dense()) {
      // Unless the gradient is dC/dz already.
      if (!from_here && !delta_at_once(l)) delta_rows(executor, l, rows);
      backward_dense(executor, *layer, l, x, dx, update, descend, keep);
      continue;
    }
    Layer<T>& simple = *layers_[l];
    if (simple.trainable && !from_here) simple_gradient(l, x);
    if (rows == 0) continue;
    index_t columns = 0;
    for (const Edge& edge : plan_.edges[l])
      if (below_of(edge, dx, 0, rows, false)) columns += edge.source.columns;
    if (columns > 0) {
      const Grid grid = simple.couples_rows(pass_) ? Grid::whole(rows) : Grid::of_functions(rows);
      executor.run(grid.size(), function_work(rows, columns), [&](int block, void*) {
        const Range r = grid.rows(block);
        input_gradient_other(l, x, r.begin, r.end, from_here, dx);
      });
      for (const Edge& edge : plan_.edges[l]) {
        const auto from = static_cast<std::size_t>(edge.source.layer);
        if (!edge.source.from_x() && visited(from, static_cast<bool>(dx)) && delta_at_once(from))
          delta_rows(executor, from, rows);
      }
    }
    if (update != nullptr && simple.trainable && simple.table() == nullptr)
      update->apply(simple.parameter_offset(), simple.parameter_count());
  }
}

template <class T>
void Network<T>::simple_gradient(std::size_t l, ConstView x) {
  Layer<T>& layer = *layers_[l];
  const View gradient = workspace_.gradient(l, 0, x.rows);
  if (shared_rows_ == nullptr) {
    // In one piece: a sum over all rows, of few elements.
    layer.parameter_gradient(pass_, rows_of(l, x, 0, x.rows), gradient, plan_.follows[l],
                             gradients_->data());
  } else if (layer.couples_rows(pass_)) {
    layer.gradient_shared(pass_, rows_of(l, x, 0, x.rows), gradient, plan_.follows[l],
                          *shared_rows_);
  } else {
    for (index_t i = 0; i < shared_rows_->leaves(); ++i) {
      const Range r = shared_rows_->rows_of(i);
      if (r.size() > 0)
        layer.parameter_gradient(pass_, rows_of(l, x, r.begin, r.end),
                                 gradient.slice(r.begin, r.end), plan_.follows[l],
                                 shared_rows_->gradients(i));
    }
  }
}

template <class T>
void Network<T>::input_gradient_block(const Dense<T>& layer, std::size_t l, View below, Range rows,
                                      Range inputs, void* scratch) {
  const Edge& edge = plan_.edges[l].front();
  const auto from = static_cast<std::size_t>(edge.source.layer);
  const ConstView delta = workspace_.gradient(l, rows.begin, rows.end);
  const View out = below.slice(rows.begin, rows.end);
  const View to = edge.adds ? workspace_.spare(rows.begin, rows.end, out.cols) : out;
  layer.input_gradient(parameters_->data(), delta, inputs, to, scratch);
  if (edge.adds)
    table_->elementwise.sum(out.rows, inputs.size(), out.data + inputs.begin, out.stride,
                            to.data + inputs.begin, to.stride, out.data + inputs.begin, out.stride);
  if (!edge.source.from_x() && delta_at_once(from))
    layers_[from]->dense()->delta(workspace_.kept(from, rows.begin, rows.end),
                                  workspace_.a(from, rows.begin, rows.end), inputs, out,
                                  workspace_.slopes);
}

template <class T>
void Network<T>::backward_block(const Dense<T>& layer, std::size_t l, ConstView x, View dx,
                                Range inputs, const Update<T>& update, bool descend, bool keep,
                                void* scratch) {
  const index_t rows = x.rows;
  if (const View below = below_of(plan_.edges[l].front(), dx, 0, rows, false))
    input_gradient_block(layer, l, below, {0, rows}, inputs, scratch);
  if (descend || keep)
    return block_gradient(layer, l, x, inputs, layer.all_units(), rows, &update, descend, scratch);
  const ConstView delta = workspace_.gradient(l, 0, rows);
  T* const gradient = reinterpret_cast<T*>(static_cast<char*>(scratch) + gemm_scratch_bytes);
  layer.weight_gradient(input_of(l, x, 0, rows), delta, inputs, gradient, scratch);
  update.apply(layer.weight_offset() + inputs.begin * layer.units(), inputs.size() * layer.units(),
               gradient);
  if (inputs.begin > 0 || !layer.use_bias()) return;
  layer.bias_gradient(delta, layer.all_units(), false, gradients_->data());
  update.apply(layer.bias_offset(), layer.units());
}

template <class T>
void Network<T>::backward_dense(Executor& executor, const Dense<T>& layer, std::size_t l,
                                ConstView x, View dx, const Update<T>* update, bool descend,
                                bool keep) {
  const index_t rows = x.rows;
  const double work = static_cast<double>(rows) * static_cast<double>(layer.weight_count());
  const View below = below_of(plan_.edges[l].front(), dx, 0, rows, false);
  const index_t most = update_block<T>(layer.units());
  const bool enough =
      divide_up(layer.inputs(), least_inputs) >= std::min<index_t>(thread_count(), enough_blocks);
  if (update != nullptr && layer.trainable && rows <= update_rows && most >= least_inputs &&
      enough) {
    const Grid grid = Grid::of_inputs(layer.inputs(), most);
    executor.run(grid.size(), below ? 2 * work : work, [&](int block, void* scratch) {
      backward_block(layer, l, x, dx, grid.rows(block), *update, descend, keep, scratch);
    });
    return;
  }
  if (below) {
    const Grid grid = Grid::of_rows(rows, layer.inputs());
    executor.run(grid.size(), work, [&](int block, void* scratch) {
      input_gradient_block(layer, l, below, grid.rows(block), grid.cols(block), scratch);
    });
  }
  if (!layer.trainable) return;
  const Grid grid = Grid::of_weights(layer.inputs(), layer.units());
  executor.run(grid.size(), work, [&](int block, void* scratch) {
    if (shared_rows_ == nullptr)
      return block_gradient(layer, l, x, grid.rows(block), grid.cols(block), rows, update, descend,
                            scratch);
    for (index_t i = 0; i < shared_rows_->leaves(); ++i) {
      const Range r = shared_rows_->rows_of(i);
      if (r.size() > 0)
        block_gradient(layer, l, x, r, grid.rows(block), grid.cols(block), rows, nullptr, false,
                       shared_rows_->gradients(i), scratch);
    }
  });
}

template <class T>
void Network<T>::block_gradient(const Dense<T>& layer, std::size_t l, ConstView x, Range rows,
                                Range inputs, Range units, index_t bias_rows,
                                const Update<T>* update, bool descend, T* gradients,
                                void* scratch) {
  const ConstView input = input_of(l, x, rows.begin, rows.end);
  const ConstView delta = workspace_.gradient(l, rows.begin, rows.end);
  if (descend)
    layer.descend(input, delta, inputs, units, update->rate(), parameters_->data(), scratch);
  else
    layer.weight_gradient(input, delta, inputs, units, plan_.follows[l], gradients, scratch);
  if (inputs.begin == 0)
    for_each_block(0, rows.size(), bias_rows, [&](index_t begin, index_t end) {
      layer.bias_gradient(delta.slice(begin, end), units, begin > 0 || plan_.follows[l], gradients);
    });
  if (update == nullptr) return;
  if (inputs.begin == 0 && layer.use_bias())
    update->apply(layer.bias_offset() + units.begin, units.size());
  if (descend) return;
  // While the block is in cache.
  if (units.size() == layer.units()) {
    update->apply(layer.weight_offset() + inputs.begin * layer.units(),
                  inputs.size() * layer.units());
  } else {
    for (index_t i = inputs.begin; i < inputs.end; ++i)
      update->apply(layer.weight_offset() + i * layer.units() + units.begin, units.size());
  }
}

#define DENSECORE_INSTANTIATE(T, ...)                                                            \
  template void Network<T>::forward_layers(Executor&, MatrixView<const T>, MatrixView<T>, bool); \
  template void Network<T>::backward_layers(Executor&, MatrixView<const T>, bool, MatrixView<T>, \
                                            const Update<T>*, bool, bool);                       \
  template void Network<T>::block_gradient(const Dense<T>&, std::size_t, MatrixView<const T>,    \
                                           Range, Range, Range, index_t, const Update<T>*, bool, \
                                           T*, void*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
