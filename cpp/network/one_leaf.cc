// A step of a small network with a batch of one leaf, shared by threads: blocks of its rows go
// forward through all layers, then back, then blocks of weights get their gradients from all rows.
// That is three regions, however many layers there are, and each row and weight stays with its
// thread.
#include <algorithm>

#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {
namespace {

// A step of fewer multiply-adds is not worth three regions.
constexpr double shared_work = 1e6;
// Fewer rows or weights are not worth a task.
constexpr index_t least_rows = 12, least_inputs = 24, least_weights = 2048;

index_t pieces_of(index_t inputs, index_t weights) {
  return std::clamp<index_t>(weights / least_weights, 1, divide_up(inputs, least_inputs));
}

}  // namespace

template <class T>
bool Network<T>::shares_leaf(index_t rows) const {
  // Sums of other layers' parameters are cut where the blocks of a leaf are.
  const auto sums = [](const Layer<T>* layer) { return layer->parameter_count() > 0; };
  return thread_count() > 1 && 3 * forward_work(rows) >= shared_work && chained() &&
         rows >= 2 * least_rows && leaf_count(rows) == 1 && !shared_ &&
         std::none_of(others_.begin(), others_.end(), sums) && !threads_rest();
}

template <class T>
index_t Network<T>::thread_blocks(index_t rows) const {
  if (forward_work(rows) < Executor::parallel_work) return 1;
  return std::clamp<index_t>(thread_count(), 1, divide_up(rows, least_rows));
}

template <class T>
double Network<T>::train_leaf(Executor& executor, ConstView x, const Objective<T>& objective,
                              const Targets<T>& targets, double scale) {
  const std::size_t last = layers_.size() - 1;
  forward_blocks(executor, x, View(), objective.fused());
  double loss = 0;
  // In the blocks of `train_leaves`, for the sum of losses depends on them.
  for_each_block(0, x.rows, block_rows_, [&](index_t begin, index_t end) {
    loss += heads_.loss_rows(objective, workspace_.a(last, begin, end), targets.slice(begin, end),
                             scale, workspace_.gradient(last, begin, end), heads_.sums().data());
  });
  return loss;
}

template <class T>
void Network<T>::backward_leaf(Executor& executor, ConstView x, bool from_z, View dx,
                               const Update<T>* update, bool descend) {
  transpose_weights(executor, x.rows, static_cast<bool>(dx));
  const index_t blocks = thread_blocks(x.rows);
  executor.run(static_cast<int>(blocks), forward_work(x.rows), [&](int i, void* scratch) {
    backward_rows(x, x.rows * i / blocks, x.rows * (i + 1) / blocks, from_z, false, nullptr, dx,
                  scratch);
  });
  const auto each_layer = [&](auto&& body) {
    for (std::size_t l = lowest_; l < layers_.size(); ++l)
      if (const Dense<T>* const layer = layers_[l]->dense(); layer != nullptr && layer->trainable)
        body(l, *layer, pieces_of(layer->inputs(), layer->weight_count()));
  };
  index_t pieces = 0;
  each_layer([&](std::size_t, const Dense<T>&, index_t count) { pieces += count; });
  executor.run(static_cast<int>(pieces), forward_work(x.rows), [&](int piece, void* scratch) {
    index_t i = piece;
    each_layer([&](std::size_t l, const Dense<T>& layer, index_t count) {
      const index_t inputs = layer.inputs();
      if (i >= 0 && i < count)
        block_gradient(layer, l, x, {inputs * i / count, inputs * (i + 1) / count},
                       layer.all_units(), block_rows_, update, descend, scratch);
      i -= count;
    });
  });
}

#define DENSECORE_INSTANTIATE(T, ...)                                                          \
  template bool Network<T>::shares_leaf(index_t) const;                                        \
  template index_t Network<T>::thread_blocks(index_t) const;                                   \
  template double Network<T>::train_leaf(Executor&, MatrixView<const T>, const Objective<T>&,  \
                                         const Targets<T>&, double);                           \
  template void Network<T>::backward_leaf(Executor&, MatrixView<const T>, bool, MatrixView<T>, \
                                          const Update<T>*, bool);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
