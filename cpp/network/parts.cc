// The gradient of some rows of a batch, when several processes share its rows. The sum over all
// rows is a binary tree over leaves of the whole batch: a process adds up what lies in its own
// branch, the reduction between processes adds up the branches.
#include <algorithm>
#include <memory>

#include "base/branches.h"
#include "base/dtypes.h"
#include "network/network.h"

namespace densecore {
namespace {

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

// A pointer has a value for the life of the object, and is null then.
template <class T>
class Lent {
 public:
  Lent(const T*& place, const T& value) : place_(place) { place_ = &value; }
  ~Lent() { place_ = nullptr; }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

 private:
  const T*& place_;
};

// An update of 2^15 numbers is enough for a task.
constexpr index_t numbers_of_task = index_t{1} << 15;

}  // namespace

// For each leaf the sums of its losses: one for each head, and last the penalties of layers'
// outputs if there are such.
template <class T>
struct Network<T>::PartSums {
  index_t leaves, heads, columns;
  double scale;
  std::vector<double> sums;

  PartSums(const Network& network, const Objective<T>& objective, const BatchPart<T>& part)
      : leaves(static_cast<index_t>(part.cuts.size()) - 1),
        heads(std::max<index_t>(1, static_cast<index_t>(objective.heads().size()))),
        columns(static_cast<index_t>(network.sums_of_part(objective))),
        scale(objective.gradient_scale(part.batch.weights.front())),
        sums(static_cast<std::size_t>(leaves * columns), 0.0) {}
  double* of(index_t leaf) { return sums.data() + leaf * columns; }
};

template <class T>
std::vector<double> Network<T>::gradient_of_part(Executor& executor, const Objective<T>& objective,
                                                 ConstView x, const Targets<T>& targets,
                                                 std::uint64_t number, const BatchPart<T>& part,
                                                 View outputs) {
  PartSums sums(*this, objective, part);
  begin_tables();
  start({true, seed, number, part.cuts.front(), part.batch.rows});
  workspace_.slopes = true;
  if (objective.has_heads())
    begin_heads(objective, part.batch.weights);
  else
    begin_heads();
  embedding_tables_.reserve_rows(x.rows);
  if (couples_in_pass_) {
    part_by_layers(executor, objective, x, targets, part, outputs, sums);
  } else if (x.rows == 0) {
    neutral_gradient();
  } else if (chained()) {
    part_by_blocks(executor, objective, x, targets, part, outputs, sums);
  } else {
    part_by_leaves(executor, objective, x, targets, part, outputs, sums);
  }
  if (outputs) finish_outputs(objective, outputs);
  add_leaves(part.leaf, sums.leaves, [&](index_t to, index_t from) {
    for (index_t k = 0; k < sums.columns; ++k) sums.of(to)[k] += sums.of(from)[k];
  });
  sums.sums.resize(static_cast<std::size_t>(sums.columns));
  return std::move(sums.sums);
}

template <class T>
void Network<T>::part_by_blocks(Executor& executor, const Objective<T>& objective, ConstView x,
                                const Targets<T>& targets, const BatchPart<T>& part, View outputs,
                                PartSums& sums) {
  const std::size_t last = layers_.size() - 1;
  const bool near = sums.leaves == 1 && small(x.rows);
  const auto begin_of = [&](index_t leaf) {
    return part.cuts[static_cast<std::size_t>(leaf)] - part.cuts.front();
  };
  // Leaves of few rows go through the network one after another, as small batches do: of a few
  // thousand multiply-adds the calls of a chain's blocks take as long as the arithmetic.
  const bool leaves_near = sums.leaves > 1 && small(x.rows) && others_.empty() &&
                           activities_.empty() && embedding_tables_.empty() && !outputs &&
                           !objective.has_heads() && 3 * forward_work(x.rows) < small_work;
  reserve(x.rows);
  // With heads the sums are added to; the single sum is what the function returns.
  const auto add_loss = [&](index_t leaf, double loss) {
    if (!objective.has_heads()) sums.of(leaf)[0] += loss;
  };
  if (near) {
    forward_small(x, View(), objective.fused(), true);
    add_loss(0, loss_rows(objective, workspace_.a(last, 0, x.rows), targets, sums.scale,
                          workspace_.near_gradient(last, x.rows), sums.of(0)));
    backward_small(x, objective.fused());
  } else if (leaves_near) {
    workspace_.reserve_partials(static_cast<int>(sums.leaves - 1), summed_count_);
    // From the last to the first, whose gradient stays where it is made.
    for (index_t leaf = sums.leaves; leaf-- > 0;) {
      const index_t first = begin_of(leaf), end = begin_of(leaf + 1);
      T* const to = leaf_gradient(static_cast<int>(leaf));
      if (first == end) {
        std::fill_n(to, summed_count_, T(-0.0));
        continue;
      }
      const ConstView leaf_x = x.slice(first, end);
      forward_small(leaf_x, View(), objective.fused(), true);
      add_loss(leaf,
               loss_rows(objective, workspace_.a(last, 0, end - first), targets.slice(first, end),
                         sums.scale, workspace_.near_gradient(last, end - first), sums.of(leaf)));
      backward_small(leaf_x, objective.fused());
      if (leaf > 0) std::copy_n(gradients_->data(), summed_count_, to);
    }
    add_leaves(part.leaf, sums.leaves, [&](index_t to, index_t from) {
      add_leaf(static_cast<int>(from), static_cast<int>(to));
    });
  } else {
    transpose_weights(executor, x.rows, false);
    workspace_.reserve_partials(static_cast<int>(sums.leaves - 1), summed_count_);
    executor.run(
        static_cast<int>(sums.leaves), 3 * forward_work(x.rows), [&](int leaf, void* scratch) {
          const index_t first = begin_of(leaf), rows = begin_of(leaf + 1) - first;
          const index_t blocks = divide_up(rows, block_rows_);
          T* const to = leaf_gradient(leaf);
          if (rows == 0) std::fill_n(to, summed_count_, T(-0.0));
          for (index_t b = 0; b < blocks; ++b)
            add_loss(leaf, train_block(x, first + rows * b / blocks,
                                       first + rows * (b + 1) / blocks, objective, targets,
                                       sums.scale, b > 0, to, scratch, nullptr, sums.of(leaf)));
        });
    add_leaves(part.leaf, sums.leaves, [&](index_t to, index_t from) {
      add_leaf(static_cast<int>(from), static_cast<int>(to));
    });
  }
  for (index_t leaf = 0; leaf < sums.leaves && !activities_.empty(); ++leaf)
    for (const std::size_t l : activities_)
      sums.of(leaf)[sums.heads] +=
          layers_[l]->output_penalty(workspace_.a(l, begin_of(leaf), begin_of(leaf + 1)));
  embedding_tables_.keep_rows(x, workspace_, 0, x.rows, 0, near);
  if (outputs) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), outputs);
}

template <class T>
void Network<T>::part_by_leaves(Executor& executor, const Objective<T>& objective, ConstView x,
                                const Targets<T>& targets, const BatchPart<T>& part, View outputs,
                                PartSums& sums) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  // The roots of the branches so far wait in the gradient buffer and in others, of each size one at
  // most. The next leaf is computed in the next buffer, which takes the gradient buffer's place
  // meanwhile: to copy would cost as much as to add.
  std::vector<Branch> waiting;
  const auto buffer = [&](std::size_t place) -> std::shared_ptr<AlignedBuffer<T>>& {
    return place == 0 ? gradients_ : branches_sums_[place - 1];
  };
  for (index_t leaf = 0; leaf < sums.leaves; ++leaf) {
    const auto at = static_cast<std::size_t>(leaf);
    const index_t first = part.cuts[at] - part.cuts.front();
    const index_t end = part.cuts[at + 1] - part.cuts.front(), rows = end - first;
    if (branches_sums_.size() < waiting.size())
      branches_sums_.push_back(std::make_shared<AlignedBuffer<T>>(gradients_->size()));
    {
      const Exchanged<T> in_place(gradients_, buffer(waiting.size()));
      if (rows == 0) {
        std::fill_n(gradients_->data(), summed_count_, T(-0.0));
      } else {
        const ConstView leaf_x = x.slice(first, end);
        start({true, seed, pass_.number, part.cuts[at], part.batch.rows});
        reserve(rows);
        forward_layers(executor, leaf_x, View(), from_z);
        const View a = workspace_.a(last, 0, rows);
        const double loss = loss_rows(objective, a, targets.slice(first, end), sums.scale,
                                      workspace_.gradient(last, 0, rows), sums.of(leaf));
        if (!objective.has_heads()) sums.of(leaf)[0] = loss;
        for (const std::size_t l : activities_)
          sums.of(leaf)[sums.heads] += layers_[l]->output_penalty(workspace_.a(l, 0, rows));
        backward_layers(executor, leaf_x, from_z, View(), nullptr, false);
        embedding_tables_.keep_rows(leaf_x, workspace_, 0, rows, first, false);
        if (outputs) copy_rows(ConstView(a), outputs.slice(first, end));
      }
    }
    Branch branch{part.leaf + leaf, 1};
    while (!waiting.empty() && branch.joins(waiting.back(), leaf + 1 == sums.leaves)) {
      const T* const right = buffer(waiting.size())->data();
      waiting.pop_back();
      T* const left = buffer(waiting.size())->data();
      const index_t tasks = divide_up(summed_count_, numbers_of_task);
      executor.run(
          static_cast<int>(tasks), 2.0 * static_cast<double>(summed_count_), [&](int task, void*) {
            const index_t from = summed_count_ * task / tasks;
            table_->add(summed_count_ * (task + 1) / tasks - from, right + from, left + from);
          });
    }
    waiting.push_back(branch);
  }
}

template <class T>
void Network<T>::part_by_layers(Executor& executor, const Objective<T>& objective, ConstView x,
                                const Targets<T>& targets, const BatchPart<T>& part, View outputs,
                                PartSums& sums) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  workspace_.reserve_partials(static_cast<int>(sums.leaves - 1), summed_count_);
  const auto gradients = [this](index_t i) { return leaf_gradient(static_cast<int>(i)); };
  const SharedRows<T> shared{part.cuts, part.leaf, part.batch.rows, part.add_up, gradients};
  const Lent<SharedRows<T>> lent(shared_rows_, shared);
  for (index_t leaf = 0; leaf < sums.leaves; ++leaf)
    if (shared.rows_of(leaf).size() == 0) std::fill_n(gradients(leaf), summed_count_, T(-0.0));
  reserve(std::max<index_t>(1, x.rows));
  forward_layers(executor, x, View(), from_z);
  for (index_t leaf = 0; leaf < sums.leaves; ++leaf) {
    const Range r = shared.rows_of(leaf);
    if (r.size() == 0) continue;
    const double loss =
        loss_rows(objective, workspace_.a(last, r.begin, r.end), targets.slice(r.begin, r.end),
                  sums.scale, workspace_.gradient(last, r.begin, r.end), sums.of(leaf));
    if (!objective.has_heads()) sums.of(leaf)[0] = loss;
    for (const std::size_t l : activities_)
      sums.of(leaf)[sums.heads] += layers_[l]->output_penalty(workspace_.a(l, r.begin, r.end));
  }
  if (outputs) copy_rows(ConstView(workspace_.a(last, 0, x.rows)), outputs);
  backward_layers(executor, x, from_z, View(), nullptr, false);
  embedding_tables_.keep_rows(x, workspace_, 0, x.rows, 0, false);
  add_leaves(part.leaf, sums.leaves, [&](index_t to, index_t from) {
    add_leaf(static_cast<int>(from), static_cast<int>(to));
  });
}

template <class T>
LossSum Network<T>::sum_of_parts(const Objective<T>& objective, const WholeBatch& batch,
                                 const std::vector<double>& sums) {
  const std::size_t heads = objective.heads().size();
  LossSum sum;
  if (heads == 0) {
    sum = {sums.front(), batch.weights.front()};
  } else {
    begin_heads(objective, batch.weights);
    std::copy_n(sums.begin(), heads, head_sums_.begin());
    sum = {end_heads(objective, batch.rows, 0), static_cast<double>(batch.rows)};
  }
  if (!activities_.empty() && batch.rows > 0)
    sum.loss += sums.back() / static_cast<double>(batch.rows) * objective.divisor(sum.weight);
  return sum;
}

template <class T>
std::vector<index_t> Network<T>::sums_of_pass() const {
  std::vector<index_t> found;
  const Pass training{true};
  for (const auto& layer : layers_)
    if (layer->couples_rows(training))
      for (const index_t count : layer->sums_of_pass().begin) found.push_back(count);
  for (std::size_t l = layers_.size(); l-- > lowest_;)
    if (layers_[l]->couples_rows(training) && visited(l, false))
      for (const index_t count : layers_[l]->sums_of_pass().gradient) found.push_back(count);
  return found;
}

#define DENSECORE_INSTANTIATE(T, ...)                                                        \
  template std::vector<double> Network<T>::gradient_of_part(                                 \
      Executor&, const Objective<T>&, MatrixView<const T>, const Targets<T>&, std::uint64_t, \
      const BatchPart<T>&, MatrixView<T>);                                                   \
  template LossSum Network<T>::sum_of_parts(const Objective<T>&, const WholeBatch&,          \
                                            const std::vector<double>&);                     \
  template std::vector<index_t> Network<T>::sums_of_pass() const;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
