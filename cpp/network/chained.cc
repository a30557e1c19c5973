// Networks of at most 65,536 parameters: blocks of rows go through the whole chain of layers, so
// that the activations of a block stay in cache from the forward to the backward pass.
#include <algorithm>

#include "base/dtypes.h"
#include "base/pairwise.h"
#include "network/network.h"

namespace densecore {
namespace {

// The memory that a block keeps for the backward pass fits into a quarter of the second-level
// cache, which the weights share. Larger blocks would save calls, but not time.
constexpr index_t block_bytes = 256 * 1024, least_block_rows = 64, most_block_rows = 256;

// Parameters whose gradients are summed up, and that are updated, at a time; and elements of a
// matrix that are transposed. An element of either costs about as much as eight multiply-adds.
constexpr index_t sum_piece = 2048, transposed_piece = 8192;
constexpr double element_work = 8;

}  // namespace

template <class T>
index_t Network<T>::rows_of_block() const {
  index_t elements = 0;
  for (const auto& layer : layers_) elements += layer->units() + layer->kept();
  elements += plan_.places.spare;
  for (const index_t columns : plan_.places.columns) elements += columns;
  const index_t bytes = elements * index_t{sizeof(T)};
  return std::clamp(block_bytes / std::max<index_t>(bytes, 1), least_block_rows, most_block_rows);
}

template <class T>
int Network<T>::leaf_count(index_t rows) const {
  if (!chained()) return 1;
  const bool little_work = 3 * forward_work(rows) < small_work;
  const index_t most = little_work ? leaf_rows_of_little_work : leaf_rows;
  int count = 1;
  while (count < max_leaves && divide_up(rows, count) > most) count *= 2;
  return count;
}

template <class T>
void Network<T>::forward_rows(ConstView x, index_t begin, index_t end, View out, bool stop_at_z,
                              void* scratch) {
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const View a = l == last && out ? out.slice(begin, end) : workspace_.a(l, begin, end);
    const bool only_z = l == last && stop_at_z;
    const Dense<T>* const layer = layers_[l]->dense();
    if (layer == nullptr) {
      forward_other(l, x, begin, end, a, only_z);
      continue;
    }
    const View z = only_z ? a : z_of(*layer, l, begin, end, a);
    layer->affine(parameters_->data(), input_of(l, x, begin, end), layer->all_units(), z, scratch);
    if (!only_z) layer->activate(z, layer->all_units(), a, workspace_.slopes);
  }
}

template <class T>
void Network<T>::backward_rows(ConstView x, index_t begin, index_t end, bool from_z,
                               bool accumulate, T* gradients, View dx, void* scratch,
                               const Update<T>* descent) {
  const std::size_t end_layer = dx ? 0 : lowest_;
  for (std::size_t l = layers_.size(); l-- > end_layer;) {
    if (!visited(l, static_cast<bool>(dx))) continue;
    const bool from_here = from_z && l + 1 == layers_.size();
    const bool added = accumulate || plan_.follows[l];
    const Dense<T>* const layer = layers_[l]->dense();
    if (layer == nullptr) {
      backward_other(l, x, begin, end, from_here, added, gradients, dx);
      if (descent != nullptr && layers_[l]->trainable && layers_[l]->table() == nullptr)
        descent->apply(layers_[l]->parameter_offset(), layers_[l]->parameter_count());
      continue;
    }
    const View delta = workspace_.gradient(l, begin, end);
    if (!from_here)
      layer->delta(workspace_.kept(l, begin, end), workspace_.a(l, begin, end), layer->all_units(),
                   delta, workspace_.slopes);
    // Before the weights change.
    pass_down_dense(l, delta, begin, end, dx, scratch);
    if (!layer->trainable || gradients == nullptr) continue;
    if (descent != nullptr) {
      layer->descend(input_of(l, x, begin, end), delta, layer->all_inputs(), layer->all_units(),
                     descent->rate(), parameters_->data(), scratch);
      layer->bias_gradient(delta, layer->all_units(), false, gradients);
      if (layer->use_bias()) descent->apply(layer->bias_offset(), layer->units());
    } else {
      layer->weight_gradient(input_of(l, x, begin, end), delta, layer->all_inputs(),
                             layer->all_units(), added, gradients, scratch);
      layer->bias_gradient(delta, layer->all_units(), added, gradients);
    }
  }
}

template <class T>
MatrixView<T> Network<T>::below_of(const Edge& edge, View dx, index_t begin, index_t end,
                                   bool near) {
  const Source& source = edge.source;
  if (source.from_x()) {
    if (!dx) return {};
    return {dx.row(begin) + source.first, end - begin, source.columns, dx.stride};
  }
  const auto from = static_cast<std::size_t>(source.layer);
  return visited(from, static_cast<bool>(dx)) ? gradient_of(from, begin, end, near) : View();
}

template <class T>
template <class Write>
void Network<T>::pass_down(const Edge& edge, View below, index_t begin, bool near, Write&& write) {
  if (!edge.adds) return write(below);
  const View added = near ? workspace_.near_spare(below.rows, below.cols, below.stride)
                          : workspace_.spare(begin, begin + below.rows, below.cols);
  write(added);
  table_->elementwise.sum(below.rows, below.cols, below.data, below.stride, added.data,
                          added.stride, below.data, below.stride);
}

template <class T>
void Network<T>::pass_down_dense(std::size_t l, ConstView delta, index_t begin, index_t end,
                                 View dx, void* scratch) {
  const Edge& edge = plan_.edges[l].front();
  if (const View below = below_of(edge, dx, begin, end, false))
    pass_down(edge, below, begin, false,
              [&](View to) { input_gradient_dense(l, delta, to, scratch); });
}

template <class T>
void Network<T>::input_gradient_dense(std::size_t l, ConstView delta, View below, void* scratch) {
  const Dense<T>& layer = *layers_[l]->dense();
  if (has_transposed_)
    layer.input_gradient(workspace_.transposed(l), delta, below, scratch);
  else
    layer.input_gradient(parameters_->data(), delta, layer.all_inputs(), below, scratch);
}

// Layers that are not dense. layered.cc and small.cc use these functions, too.

static_assert(max_layers * sizeof(MatrixView<double>) <= thread_scratch_bytes);

template <class T>
const MatrixView<const T>* Network<T>::inputs_of(std::size_t l, ConstView x, index_t begin,
                                                 index_t end) {
  auto* const inputs = static_cast<ConstView*>(thread_scratch());
  for (std::size_t i = 0; i < plan_.edges[l].size(); ++i)
    new (inputs + i) ConstView(view_of(plan_.edges[l][i].source, x, begin, end));
  return inputs;
}

template <class T>
void Network<T>::forward_other(std::size_t l, ConstView x, index_t begin, index_t end, View a,
                               bool stop_at_z) {
  LayerRows<T> rows = rows_of(l, x, begin, end);
  rows.a = a;
  if (stop_at_z) return copy_rows(rows.x, a);
  layers_[l]->forward(pass_, parameters_->data(), rows);
}

template <class T>
void Network<T>::backward_other(std::size_t l, ConstView x, index_t begin, index_t end, bool from_z,
                                bool accumulate, T* gradients, View dx, bool near) {
  Layer<T>& layer = *layers_[l];
  if (layer.trainable && !from_z)
    layer.parameter_gradient(pass_, rows_of(l, x, begin, end), gradient_of(l, begin, end, near),
                             accumulate, gradients);
  input_gradient_other(l, x, begin, end, from_z, dx, near);
}

template <class T>
void Network<T>::input_gradient_other(std::size_t l, ConstView x, index_t begin, index_t end,
                                      bool from_z, View dx, bool near) {
  const Layer<T>& layer = *layers_[l];
  const ConstView g = gradient_of(l, begin, end, near);
  const LayerRows<T> rows = rows_of(l, x, begin, end);
  for (std::size_t i = 0; i < plan_.edges[l].size(); ++i) {
    const Edge& edge = plan_.edges[l][i];
    const View below = below_of(edge, dx, begin, end, near);
    if (!below) continue;
    pass_down(edge, below, begin, near, [&](View to) {
      if (from_z)
        copy_rows(g, to);
      else if (rows.inputs != nullptr)
        layer.input_gradient_of(i, rows, g, to);
      else
        layer.input_gradient(pass_, parameters_->data(), rows, g, to);
    });
  }
}

template <class T>
void Network<T>::forward_blocks(Executor& executor, ConstView x, View out, bool stop_at_z) {
  const index_t blocks = std::max(divide_up(x.rows, block_rows_), thread_blocks(x.rows));
  executor.run(static_cast<int>(blocks), forward_work(x.rows), [&](int i, void* scratch) {
    forward_rows(x, x.rows * i / blocks, x.rows * (i + 1) / blocks, out, stop_at_z, scratch);
  });
}

template <class T>
void Network<T>::transpose_weights(Executor& executor, index_t rows, bool first_layer_too) {
  has_transposed_ = rows > gemm_few_rows;
  if (!has_transposed_) return;
  workspace_.reserve_transposed(layers_);
  index_t elements = 0;
  int pieces = 0;
  const auto each_layer = [&](auto&& body) {
    for (std::size_t l = first_layer_too ? 0 : lowest_ + 1; l < layers_.size(); ++l)
      if (const Dense<T>* const layer = layers_[l]->dense())
        body(l, *layer, static_cast<int>(divide_up(layer->weight_count(), transposed_piece)));
  };
  each_layer([&](std::size_t, const Dense<T>& layer, int count) {
    elements += layer.weight_count();
    pieces += count;
  });
  if (pieces == 0) return;
  executor.run(pieces, element_work * static_cast<double>(elements), [&](int piece, void*) {
    each_layer([&](std::size_t l, const Dense<T>& layer, int count) {
      const index_t i = piece, inputs = layer.inputs();
      if (i >= 0 && i < count)
        layer.transpose_weight(parameters_->data(), {inputs * i / count, inputs * (i + 1) / count},
                               workspace_.transposed(l));
      piece -= count;
    });
  });
}

template <class T>
template <class Leaf>
int Network<T>::run_leaves(Executor& executor, index_t rows, int threads, Leaf&& leaf) {
  const int leaves = leaf_count(rows);
  workspace_.reserve_partials(leaves - 1, summed_count_);
  executor.run(
      leaves, 3 * forward_work(rows),
      [&](int i, void* scratch, int thread) {
        const index_t begin = rows * i / leaves, end = rows * (i + 1) / leaves;
        leaf(i, begin, end, leaf_gradient(i), scratch, thread);
      },
      threads);
  return leaves;
}

template <class T>
void Network<T>::sum_leaves(Executor& executor, int leaves, const Update<T>* update) {
  if (leaves == 1 && update == nullptr) return;
  const int pieces = static_cast<int>(divide_up(summed_count_, sum_piece));
  const double work = element_work * (leaves + 1) * static_cast<double>(summed_count_);
  executor.run(pieces, work, [&](int piece, void*) {
    const index_t first = piece * sum_piece, last = first + sum_piece;
    for (const Range& trained : stretches_) {
      const index_t begin = std::max(first, trained.begin),
                    count = std::min(last, trained.end) - begin;
      if (count <= 0) continue;
      add_pairwise(leaves, [&](int to, int from) {
        table_->add(count, leaf_gradient(from) + begin, leaf_gradient(to) + begin);
      });
      if (update != nullptr) update->apply(begin, count);
    }
  });
}

template <class T>
void Network<T>::backward_leaves(Executor& executor, ConstView x, View dx) {
  transpose_weights(executor, x.rows, static_cast<bool>(dx));
  const auto leaf = [&](int, index_t leaf_begin, index_t leaf_end, T* gradients, void* scratch,
                        int) {
    for_each_block(leaf_begin, leaf_end, block_rows_, [&](index_t begin, index_t end) {
      backward_rows(x, begin, end, false, begin > leaf_begin, gradients, dx, scratch);
    });
  };
  sum_leaves(executor, run_leaves(executor, x.rows, thread_count(), leaf), nullptr);
}

template <class T>
double Network<T>::train_block(ConstView x, index_t begin, index_t end,
                               const Objective<T>& objective, const Targets<T>& targets,
                               double scale, bool accumulate, T* gradients, void* scratch,
                               const Update<T>* descent, double* head_sums) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  forward_rows(x, begin, end, View(), from_z, scratch);
  const double loss = heads_.loss_rows(objective, workspace_.a(last, begin, end), targets, scale,
                                       workspace_.gradient(last, begin, end), head_sums);
  backward_rows(x, begin, end, from_z, accumulate, gradients, View(), scratch, descent);
  return loss;
}

template <class T>
double Network<T>::train_leaves(Executor& executor, ConstView x, const Objective<T>& objective,
                                const Targets<T>& targets, double scale, bool keep_outputs) {
  double loss[max_leaves] = {};
  transpose_weights(executor, x.rows, false);
  const std::size_t heads = objective.heads().size();
  if (heads > 0) heads_.sums().assign(heads * static_cast<std::size_t>(leaf_count(x.rows)), 0);
  const auto head_sums = [&](int i) {
    return heads_.sums().data() + static_cast<std::size_t>(i) * heads;
  };
  // The blocks of a thread lie in the workspace where its first one does, which its second-level
  // cache holds: those of wide layers would else be written to memory, one after the other. Other
  // layers want the rows' numbers, for random numbers, or all of their outputs.
  const int threads = std::min(thread_count(), leaf_count(x.rows));
  const index_t own_rows = x.rows / threads,
                most = std::min(block_rows_, divide_up(x.rows, leaf_count(x.rows)));
  const bool in_place = !keep_outputs && others_.empty() && activities_.empty() && most <= own_rows;
  const auto leaf = [&](int i, index_t leaf_begin, index_t leaf_end, T* gradients, void* scratch,
                        int thread) {
    for_each_block(leaf_begin, leaf_end, block_rows_, [&](index_t begin, index_t end) {
      const index_t place = in_place ? own_rows * thread : begin;
      // Its row `place` is row `begin` of x.
      const ConstView x_there(x.data + (begin - place) * x.stride, x.rows, x.cols, x.stride);
      loss[i] +=
          train_block(x_there, place, place + end - begin, objective, targets.slice(begin, end),
                      scale, begin > leaf_begin, gradients, scratch, nullptr, head_sums(i));
    });
  };
  const int leaves = run_leaves(executor, x.rows, threads, leaf);
  add_pairwise(leaves, [&](int to, int from) {
    loss[to] += loss[from];
    for (std::size_t h = 0; h < heads; ++h) head_sums(to)[h] += head_sums(from)[h];
  });
  return loss[0];
}

#define DENSECORE_INSTANTIATE(T, ...)                                                              \
  template index_t Network<T>::rows_of_block() const;                                              \
  template int Network<T>::leaf_count(index_t) const;                                              \
  template void Network<T>::forward_rows(MatrixView<const T>, index_t, index_t, MatrixView<T>,     \
                                         bool, void*);                                             \
  template void Network<T>::input_gradient_dense(std::size_t, MatrixView<const T>, MatrixView<T>,  \
                                                 void*);                                           \
  template void Network<T>::pass_down_dense(std::size_t, MatrixView<const T>, index_t, index_t,    \
                                            MatrixView<T>, void*);                                 \
  template MatrixView<T> Network<T>::below_of(const Edge&, MatrixView<T>, index_t, index_t, bool); \
  template const MatrixView<const T>* Network<T>::inputs_of(std::size_t, MatrixView<const T>,      \
                                                            index_t, index_t);                     \
  template void Network<T>::forward_other(std::size_t, MatrixView<const T>, index_t, index_t,      \
                                          MatrixView<T>, bool);                                    \
  template void Network<T>::backward_other(std::size_t, MatrixView<const T>, index_t, index_t,     \
                                           bool, bool, T*, MatrixView<T>, bool);                   \
  template void Network<T>::input_gradient_other(std::size_t, MatrixView<const T>, index_t,        \
                                                 index_t, bool, MatrixView<T>, bool);              \
  template void Network<T>::forward_blocks(Executor&, MatrixView<const T>, MatrixView<T>, bool);   \
  template void Network<T>::transpose_weights(Executor&, index_t, bool);                           \
  template void Network<T>::sum_leaves(Executor&, int, const Update<T>*);                          \
  template void Network<T>::backward_leaves(Executor&, MatrixView<const T>, MatrixView<T>);        \
  template double Network<T>::train_block(MatrixView<const T>, index_t, index_t,                   \
                                          const Objective<T>&, const Targets<T>&, double, bool,    \
                                          T*, void*, const Update<T>*, double*);                   \
  template double Network<T>::train_leaves(Executor&, MatrixView<const T>, const Objective<T>&,    \
                                           const Targets<T>&, double, bool);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
