#include "network/parts.h"

#include <memory>

#include "base/branches.h"
#include "base/dtypes.h"

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

template <class T>
struct PartGradients<T>::Call {
  Executor& executor;
  const Objective<T>& objective;
  MatrixView<const T> x;
  const Targets<T>& targets;
  std::uint64_t number;
  const BatchPart<T>& part;
  MatrixView<T> outputs;
  index_t leaves, heads, columns;
  double scale;
  // (leaves, columns): of each leaf the sum of each head's losses, then the penalties of layers'
  // outputs if there are any.
  std::vector<double> sums;

  double* of(index_t leaf) { return sums.data() + leaf * columns; }
  // The first row of a leaf, by its number in x.
  index_t begin(index_t leaf) const {
    return part.cuts[static_cast<std::size_t>(leaf)] - part.cuts.front();
  }
  // With heads the losses are added to the sums already; one loss is a return value.
  void add_loss(index_t leaf, double loss) {
    if (!objective.has_heads()) of(leaf)[0] += loss;
  }
};

template <class T>
std::vector<double> PartGradients<T>::gradient(Executor& executor, const Objective<T>& objective,
                                               MatrixView<const T> x, const Targets<T>& targets,
                                               std::uint64_t number, const BatchPart<T>& part,
                                               MatrixView<T> outputs) {
  Network<T>& n = network_;
  const auto leaves = static_cast<index_t>(part.cuts.size()) - 1;
  const auto columns = static_cast<index_t>(sum_count(objective));
  Call call{executor,
            objective,
            x,
            targets,
            number,
            part,
            outputs,
            leaves,
            std::max<index_t>(1, static_cast<index_t>(objective.heads().size())),
            columns,
            objective.gradient_scale(part.batch.weights.front()),
            std::vector<double>(static_cast<std::size_t>(leaves * columns), 0.0)};
  n.begin_tables();
  n.start({true, n.seed, number, part.cuts.front(), part.batch.rows});
  n.workspace_.slopes = true;
  if (objective.has_heads())
    n.heads_.begin(objective, part.batch.weights);
  else
    n.heads_.begin();
  n.embedding_tables_.reserve_rows(x.rows);
  if (n.couples_in_pass_) {
    by_layers(call);
  } else if (x.rows == 0) {
    neutral_gradient();
  } else if (n.chained()) {
    by_blocks(call);
  } else {
    by_leaves(call);
  }
  if (outputs) n.finish_outputs(objective, outputs);
  add_leaves(part.leaf, leaves, [&](index_t to, index_t from) {
    for (index_t k = 0; k < columns; ++k) call.of(to)[k] += call.of(from)[k];
  });
  call.sums.resize(static_cast<std::size_t>(columns));
  return std::move(call.sums);
}

template <class T>
void PartGradients<T>::neutral_gradient() {
  Network<T>& n = network_;
  n.begin_tables();
  std::fill_n(n.gradients_->data(), n.summed_count_, T(-0.0));
  std::fill_n(n.gradients_->data() + n.parameter_count_, Network<T>::spare_slots, T(-0.0));
}

template <class T>
void PartGradients<T>::add_output_penalties(Call& call, index_t leaf, index_t begin, index_t end) {
  for (const std::size_t l : network_.activities_)
    call.of(leaf)[call.heads] +=
        network_.layers_[l]->output_penalty(network_.workspace_.a(l, begin, end));
}

template <class T>
void PartGradients<T>::by_blocks(Call& call) {
  Network<T>& n = network_;
  const Objective<T>& objective = call.objective;
  const MatrixView<const T> x = call.x;
  const std::size_t last = n.layers_.size() - 1;
  // Of a few thousand multiply-adds the calls of a chain's blocks take as long as the arithmetic.
  // Several leaves of so few rows go through the network together, and part where gradients of
  // parameters are summed.
  const bool leaves_near = n.small(x.rows) && n.others_.empty() && n.activities_.empty() &&
                           n.embedding_tables_.empty() && !call.outputs && !objective.has_heads() &&
                           3 * n.forward_work(x.rows) < Network<T>::small_work;
  const bool near = call.leaves == 1 ? n.small(x.rows) : leaves_near;
  n.reserve(x.rows);
  if (near) {
    if (call.leaves > 1)
      n.workspace_.reserve_partials(static_cast<int>(call.leaves - 1), n.summed_count_);
    n.forward_small(x, MatrixView<T>(), objective.fused(), true);
    const MatrixView<T> a = n.workspace_.a(last, 0, x.rows);
    const MatrixView<T> gradient = n.workspace_.near_gradient(last, x.rows);
    for (index_t leaf = 0; leaf < call.leaves; ++leaf) {
      const index_t first = call.begin(leaf), end = call.begin(leaf + 1);
      if (first == end)
        std::fill_n(n.leaf_gradient(static_cast<int>(leaf)), n.summed_count_, T(-0.0));
      else
        call.add_loss(
            leaf, n.heads_.loss_rows(objective, a.slice(first, end), call.targets.slice(first, end),
                                     call.scale, gradient.slice(first, end), call.of(leaf)));
    }
    n.backward_small(x, objective.fused(), call.leaves > 1 ? &call.part.cuts : nullptr);
  } else {
    n.transpose_weights(call.executor, x.rows, false);
    n.workspace_.reserve_partials(static_cast<int>(call.leaves - 1), n.summed_count_);
    call.executor.run(
        static_cast<int>(call.leaves), 3 * n.forward_work(x.rows), [&](int leaf, void* scratch) {
          const index_t first = call.begin(leaf), rows = call.begin(leaf + 1) - first;
          const index_t blocks = divide_up(rows, n.block_rows_);
          T* const to = n.leaf_gradient(leaf);
          if (rows == 0) std::fill_n(to, n.summed_count_, T(-0.0));
          for (index_t b = 0; b < blocks; ++b) {
            const index_t begin = first + rows * b / blocks, end = first + rows * (b + 1) / blocks;
            call.add_loss(leaf,
                          n.train_block(x, begin, end, objective, call.targets.slice(begin, end),
                                        call.scale, b > 0, to, scratch, nullptr, call.of(leaf)));
          }
        });
  }
  if (call.leaves > 1)
    add_leaves(call.part.leaf, call.leaves, [&](index_t to, index_t from) {
      n.add_leaf(static_cast<int>(from), static_cast<int>(to));
    });
  for (index_t leaf = 0; leaf < call.leaves; ++leaf)
    add_output_penalties(call, leaf, call.begin(leaf), call.begin(leaf + 1));
  n.embedding_tables_.keep_rows(x, n.workspace_, 0, x.rows, 0, near);
  if (call.outputs) copy_rows(MatrixView<const T>(n.workspace_.a(last, 0, x.rows)), call.outputs);
}

template <class T>
void PartGradients<T>::by_leaves(Call& call) {
  Network<T>& n = network_;
  const Objective<T>& objective = call.objective;
  const BatchPart<T>& part = call.part;
  const std::size_t last = n.layers_.size() - 1;
  const bool from_z = objective.fused();
  // The roots of the branches so far wait in the gradient buffer and in others, of each size one at
  // most. The next leaf is computed in the next buffer, which takes the gradient buffer's place
  // meanwhile: to copy would cost as much as to add.
  WaitingBranches waiting;
  const auto buffer = [&](std::size_t place) -> std::shared_ptr<AlignedBuffer<T>>& {
    return place == 0 ? n.gradients_ : n.branches_sums_[place - 1];
  };
  for (index_t leaf = 0; leaf < call.leaves; ++leaf) {
    const index_t first = call.begin(leaf), end = call.begin(leaf + 1), rows = end - first;
    if (n.branches_sums_.size() < waiting.size())
      n.branches_sums_.push_back(std::make_shared<AlignedBuffer<T>>(n.gradients_->size()));
    {
      const Exchanged<T> in_place(n.gradients_, buffer(waiting.size()));
      if (rows == 0) {
        std::fill_n(n.gradients_->data(), n.summed_count_, T(-0.0));
      } else {
        const MatrixView<const T> leaf_x = call.x.slice(first, end);
        n.start({true, n.seed, call.number, part.cuts[static_cast<std::size_t>(leaf)],
                 part.batch.rows});
        n.reserve(rows);
        n.forward_layers(call.executor, leaf_x, MatrixView<T>(), from_z);
        const MatrixView<T> a = n.workspace_.a(last, 0, rows);
        call.add_loss(leaf,
                      n.heads_.loss_rows(objective, a, call.targets.slice(first, end), call.scale,
                                         n.workspace_.gradient(last, 0, rows), call.of(leaf)));
        add_output_penalties(call, leaf, 0, rows);
        n.backward_layers(call.executor, leaf_x, from_z, MatrixView<T>(), nullptr, false);
        n.embedding_tables_.keep_rows(leaf_x, n.workspace_, 0, rows, first, false);
        if (call.outputs) copy_rows(MatrixView<const T>(a), call.outputs.slice(first, end));
      }
    }
    Branch branch{part.leaf + leaf, 1};
    while (!waiting.empty() && branch.joins(waiting.back(), leaf + 1 == call.leaves)) {
      const T* const right = buffer(waiting.size())->data();
      waiting.pop_back();
      T* const left = buffer(waiting.size())->data();
      const index_t count = n.summed_count_, tasks = divide_up(count, numbers_of_task);
      call.executor.run(
          static_cast<int>(tasks), 2.0 * static_cast<double>(count), [&](int task, void*) {
            const index_t from = count * task / tasks;
            n.table_->add(count * (task + 1) / tasks - from, right + from, left + from);
          });
    }
    waiting.push_back(branch);
  }
}

template <class T>
void PartGradients<T>::by_layers(Call& call) {
  Network<T>& n = network_;
  const Objective<T>& objective = call.objective;
  const BatchPart<T>& part = call.part;
  const MatrixView<const T> x = call.x;
  const std::size_t last = n.layers_.size() - 1;
  const bool from_z = objective.fused();
  n.workspace_.reserve_partials(static_cast<int>(call.leaves - 1), n.summed_count_);
  const auto gradients = [&n](index_t i) { return n.leaf_gradient(static_cast<int>(i)); };
  const SharedRows<T> shared{part.cuts, part.leaf, part.batch.rows, part.add_up, gradients};
  const Lent<SharedRows<T>> lent(n.shared_rows_, shared);
  for (index_t leaf = 0; leaf < call.leaves; ++leaf)
    if (shared.rows_of(leaf).size() == 0) std::fill_n(gradients(leaf), n.summed_count_, T(-0.0));
  n.reserve(std::max<index_t>(1, x.rows));
  n.forward_layers(call.executor, x, MatrixView<T>(), from_z);
  for (index_t leaf = 0; leaf < call.leaves; ++leaf) {
    const Range r = shared.rows_of(leaf);
    if (r.size() == 0) continue;
    call.add_loss(leaf,
                  n.heads_.loss_rows(objective, n.workspace_.a(last, r.begin, r.end),
                                     call.targets.slice(r.begin, r.end), call.scale,
                                     n.workspace_.gradient(last, r.begin, r.end), call.of(leaf)));
    add_output_penalties(call, leaf, r.begin, r.end);
  }
  if (call.outputs) copy_rows(MatrixView<const T>(n.workspace_.a(last, 0, x.rows)), call.outputs);
  n.backward_layers(call.executor, x, from_z, MatrixView<T>(), nullptr, false);
  n.embedding_tables_.keep_rows(x, n.workspace_, 0, x.rows, 0, false);
  add_leaves(part.leaf, call.leaves, [&](index_t to, index_t from) {
    n.add_leaf(static_cast<int>(from), static_cast<int>(to));
  });
}

template <class T>
std::size_t PartGradients<T>::sum_count(const Objective<T>& objective) const {
  const std::size_t heads = std::max<std::size_t>(1, objective.heads().size());
  return heads + (network_.activities_.empty() ? 0 : 1);
}

template <class T>
LossSum PartGradients<T>::sum(const Objective<T>& objective, const WholeBatch& batch,
                              const std::vector<double>& sums) {
  const std::size_t heads = objective.heads().size();
  LossSum sum;
  if (heads == 0) {
    sum = {sums.front(), batch.weights.front()};
  } else {
    network_.heads_.begin(objective, batch.weights);
    std::copy_n(sums.begin(), heads, network_.heads_.sums().begin());
    sum = {network_.heads_.end(objective, batch.rows, 0), static_cast<double>(batch.rows)};
  }
  if (!network_.activities_.empty() && batch.rows > 0)
    sum.loss += sums.back() / static_cast<double>(batch.rows) * objective.divisor(sum.weight);
  return sum;
}

template <class T>
std::vector<index_t> PartGradients<T>::sums_of_pass() const {
  const Network<T>& n = network_;
  std::vector<index_t> found;
  const Pass training{true};
  for (const auto& layer : n.layers_)
    if (layer->couples_rows(training))
      for (const index_t count : layer->sums_of_pass().begin) found.push_back(count);
  for (std::size_t l = n.layers_.size(); l-- > n.lowest_;)
    if (n.layers_[l]->couples_rows(training) && n.visited(l, false))
      for (const index_t count : n.layers_[l]->sums_of_pass().gradient) found.push_back(count);
  return found;
}

template <class T>
index_t PartGradients<T>::leaves(index_t rows) const {
  const bool whole = network_.summed_count_ > Network<T>::chained_parameters;
  return whole || network_.couples_rows() ? 0 : network_.leaf_count(rows);
}

template <class T>
void PartGradients<T>::add_table_rows(MatrixView<const T> rows) {
  network_.begin_tables();
  network_.embedding_tables_.add_rows(rows, network_.gradients_->data());
}

#define DENSECORE_INSTANTIATE(T, ...) template class PartGradients<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
