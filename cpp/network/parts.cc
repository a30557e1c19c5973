// The gradient of some rows of a batch, when several processes share its rows. The sum over all
// rows is a binary tree over leaves of the whole batch: a process adds up what lies in its own
// branch, the reduction between processes adds up the branches.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

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

// One buffer in the place of another, for the life of the object.
template <class T>
class Exchanged {
 public:
  using Buffer = std::shared_ptr<AlignedBuffer<T>>;
  Exchanged(Buffer& one, Buffer& other) : one_(one), other_(other) { one_.swap(other_); }
  ~Exchanged() { one_.swap(other_); }
  Exchanged(const Exchanged&) = delete;
  Exchanged& operator=(const Exchanged&) = delete;

 private:
  Buffer &one_, &other_;
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
  const char* const found = objective.has_heads()        ? "a loss for each of several outputs"
                            : !embedding_tables_.empty() ? "an embedding"
                            : !activities_.empty()       ? "a penalty of a layer's outputs"
                                                         : nullptr;
  if (found != nullptr)
    throw std::invalid_argument("a batch that several processes share: found " +
                                std::string(found) + ", wanted none");
  begin_heads();
  LossSum sum;
  const auto leaves = static_cast<index_t>(part.cuts.size()) - 1;
  if (x.rows == 0) {
    neutral_gradient();
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
    workspace_.slopes = true;
    transpose_weights(executor, x.rows, false);
    workspace_.reserve_partials(static_cast<int>(leaves - 1), summed_count_);
    executor.run(static_cast<int>(leaves), 3 * forward_work(x.rows), [&](int leaf, void* scratch) {
      const index_t first = begin_of(leaf), rows = begin_of(leaf + 1) - first;
      const index_t blocks = divide_up(rows, block_rows_);
      T* const to = leaf_gradient(leaf);
      if (rows == 0) std::fill_n(to, summed_count_, T(-0.0));
      for (index_t b = 0; b < blocks; ++b)
        losses[static_cast<std::size_t>(leaf)] +=
            train_block(x, first + rows * b / blocks, first + rows * (b + 1) / blocks, objective,
                        targets, scale, b > 0, to, scratch);
    });
    if (outputs) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), outputs);
    add_leaves(part.leaf, leaves, [&](index_t to, index_t from) {
      add_leaf(static_cast<int>(from), static_cast<int>(to));
    });
  } else {
    // Leaf after leaf: the roots of the branches so far wait in the gradient buffer and in others,
    // of each size one at most. The next leaf is computed in the next buffer, which takes the
    // gradient buffer's place meanwhile: to copy would cost as much as to add.
    std::vector<Branch> waiting;
    const auto buffer = [&](std::size_t place) -> std::shared_ptr<AlignedBuffer<T>>& {
      return place == 0 ? gradients_ : branches_sums_[place - 1];
    };
    for (index_t leaf = 0; leaf < leaves; ++leaf) {
      const index_t first = begin_of(leaf), end = begin_of(leaf + 1), rows = end - first;
      if (branches_sums_.size() < waiting.size())
        branches_sums_.push_back(std::make_shared<AlignedBuffer<T>>(gradients_->size()));
      {
        const Exchanged<T> in_place(gradients_, buffer(waiting.size()));
        if (rows == 0) {
          std::fill_n(gradients_->data(), parameter_count_, T(-0.0));
        } else {
          const ConstView leaf_x = x.slice(first, end);
          start({true, seed, number, part.cuts[static_cast<std::size_t>(leaf)]});
          reserve(rows);
          workspace_.slopes = true;
          forward_layers(executor, leaf_x, View(), from_z);
          const View a = workspace_.a(last, 0, rows);
          losses[static_cast<std::size_t>(leaf)] = objective.rows(
              a, targets.slice(first, end), scale, workspace_.gradient(last, 0, rows));
          backward_layers(executor, leaf_x, from_z, View(), nullptr, false);
          if (outputs) copy_rows(ConstView(a), outputs.slice(first, end));
        }
      }
      Branch branch{part.leaf + leaf, 1};
      while (!waiting.empty() && branch.joins(waiting.back(), leaf + 1 == leaves)) {
        const T* const right = buffer(waiting.size())->data();
        waiting.pop_back();
        T* const left = buffer(waiting.size())->data();
        const index_t tasks = divide_up(parameter_count_, index_t{1} << 15);
        executor.run(static_cast<int>(tasks), 2.0 * static_cast<double>(parameter_count_),
                     [&](int task, void*) {
                       const index_t from = parameter_count_ * task / tasks;
                       table_->add(parameter_count_ * (task + 1) / tasks - from, right + from,
                                   left + from);
                     });
      }
      waiting.push_back(branch);
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
