// The gradient of some rows of a batch, when several processes share its rows. The sum over all
// rows is a binary tree over leaves of the whole batch: a process adds up what lies in its own
// branch, the reduction between processes adds up the branches.
#include <algorithm>

#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {
namespace {

// A branch of the tree: leaves [begin, begin + size).
struct Branch {
  index_t begin, size;
  // Takes in the branch to its left, if both are the halves of one; the last of all in any case.
  bool joins(const Branch& left, bool last) {
    const bool halves = left.size == size && left.begin % (2 * size) == 0;
    if (!halves && !last) return false;
    *this = {left.begin, left.size + size};
    return true;
  }
};

// Adds up leaves [first, first + count) as far as they are whole branches, what is left from right
// to left: add(i, j) adds number j to number i, both counted from `first`. Number 0 is the result.
template <class Add>
void add_leaves(index_t first, index_t count, Add add) {
  std::vector<Branch> waiting;
  for (index_t i = 0; i < count; ++i) {
    Branch branch{first + i, 1};
    while (!waiting.empty()) {
      const index_t left = waiting.back().begin - first, right = branch.begin - first;
      if (!branch.joins(waiting.back(), i + 1 == count)) break;
      add(left, right);
      waiting.pop_back();
    }
    waiting.push_back(branch);
  }
}

}  // namespace

template <class T>
LossSum Network<T>::gradient_of_part(Executor& executor, const Objective<T>& objective, ConstView x,
                                     const Targets<T>& targets, std::uint64_t number,
                                     const BatchPart& part, View outputs) {
  LossSum sum;
  const auto leaves = static_cast<index_t>(part.cuts.size()) - 1;
  if (x.rows == 0) {
    std::fill_n(gradients_->data(), parameter_count_ + spare_slots, T(-0.0));
    return sum;
  }
  const std::size_t last = layers_.size() - 1;
  const double scale = objective.gradient_scale(part.weight);
  const bool from_z = objective.fused();
  sum.weight = objective.batch_weight(targets.weight, x.rows);
  start({true, seed, number, part.cuts.front()});
  std::vector<double> losses(static_cast<std::size_t>(leaves), 0.0);
  const auto begin_of = [&](index_t leaf) {
    return part.cuts[static_cast<std::size_t>(leaf)] - part.cuts.front();
  };
  if (leaves == 1 && small(x.rows)) {
    reserve(x.rows);
    forward_small(x, View(), from_z, true);
    losses[0] = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                               workspace_.near_gradient(last, x.rows));
    backward_small(x, from_z);
    if (outputs) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), outputs);
  } else if (chained()) {
    reserve(x.rows);
    transpose_weights(x.rows, false);
    workspace_.reserve_partials(static_cast<int>(leaves - 1), parameter_count_);
    const auto buffer = [&](index_t i) {
      return i == 0 ? gradients_->data() : workspace_.partial(static_cast<int>(i - 1));
    };
    executor.run(static_cast<int>(leaves), 3 * forward_work(x.rows), [&](int leaf, void* scratch) {
      const index_t first = begin_of(leaf), rows = begin_of(leaf + 1) - first;
      const index_t blocks = divide_up(rows, block_rows_);
      T* const to = buffer(leaf);
      if (rows == 0) std::fill_n(to, parameter_count_, T(-0.0));
      for (index_t b = 0; b < blocks; ++b)
        losses[static_cast<std::size_t>(leaf)] +=
            train_block(x, first + rows * b / blocks, first + rows * (b + 1) / blocks, objective,
                        targets, scale, b > 0, to, scratch);
    });
    if (outputs) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), outputs);
    add_leaves(part.leaf, leaves, [&](index_t to, index_t from) {
      table_->add(parameter_count_, buffer(from), buffer(to));
    });
  } else {
    // Leaf after leaf in the gradient buffer. The roots of the branches so far wait in the others:
    // of each size one at most.
    T* const gradients = gradients_->data();
    int most = 1;
    for (index_t count = 1; count < leaves; count *= 2) most += 2;
    workspace_.reserve_partials(most, parameter_count_);
    std::vector<Branch> waiting;
    const auto partial = [&] { return workspace_.partial(static_cast<int>(waiting.size()) - 1); };
    for (index_t leaf = 0; leaf < leaves; ++leaf) {
      const index_t first = begin_of(leaf), end = begin_of(leaf + 1), rows = end - first;
      if (rows == 0) {
        std::fill_n(gradients, parameter_count_, T(-0.0));
      } else {
        const ConstView leaf_x = x.slice(first, end);
        start({true, seed, number, part.cuts[static_cast<std::size_t>(leaf)]});
        reserve(rows);
        forward_layers(executor, leaf_x, View(), from_z);
        const View a = workspace_.a(last, 0, rows);
        losses[static_cast<std::size_t>(leaf)] =
            objective.rows(a, targets.slice(first, end), scale, workspace_.gradient(last, 0, rows));
        backward_layers(executor, leaf_x, from_z, View(), nullptr, false);
        if (outputs) copy_rows(ConstView(a), outputs.slice(first, end));
      }
      Branch branch{part.leaf + leaf, 1};
      while (!waiting.empty() && branch.joins(waiting.back(), leaf + 1 == leaves)) {
        table_->add(parameter_count_, partial(), gradients);
        waiting.pop_back();
      }
      waiting.push_back(branch);
      if (leaf + 1 < leaves) std::copy_n(gradients, parameter_count_, partial());
    }
  }
  if (outputs) finish_outputs(objective, outputs);
  add_leaves(part.leaf, leaves, [&](index_t to, index_t from) {
    losses[static_cast<std::size_t>(to)] += losses[static_cast<std::size_t>(from)];
  });
  sum.loss = losses[0];
  for (Layer<T>* const layer : others_) layer->commit(pass_);
  return sum;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                   \
  template LossSum Network<T>::gradient_of_part(Executor&, const Objective<T>&,         \
                                                MatrixView<const T>, const Targets<T>&, \
                                                std::uint64_t, const BatchPart&, MatrixView<T>);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
