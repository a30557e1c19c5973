#include "network/network.h"

#include <algorithm>

namespace densecore {
namespace {

// Rows of one block of work: a leaf's chain runs block by block, so that the activations of a block
// stay in the first-level cache from the forward to the backward pass.
constexpr index_t block_rows = 64;
// A leaf of the batch's reduction has at most `leaf_rows` rows unless there are `max_leaves`.
constexpr index_t leaf_rows = 128;
constexpr int max_leaves = 32;
// Large layers: at most this many row blocks, because each reads all the weights once more.
constexpr index_t max_row_blocks = 8;
// Rows of a weight gradient that make one task.
constexpr index_t gradient_rows = 64;

index_t divide_up(index_t a, index_t b) { return (a + b - 1) / b; }

}  // namespace

template <class T>
Network<T>::Network(const KernelTables& tables, NetworkSpec spec)
    : spec_(std::move(spec)), isa_(tables.isa), table_(&table_of<T>(tables)) {
  spec_.check();
  index_t inputs = spec_.inputs;
  for (const DenseSpec& layer : spec_.layers) {
    layers_.emplace_back(*table_, inputs, layer, parameter_count_);
    parameter_count_ += layers_.back().parameter_count();
    inputs = layer.units;
  }
  const auto count = static_cast<std::size_t>(parameter_count_);
  parameters_ = std::make_shared<AlignedBuffer<T>>(count);
  gradients_ = std::make_shared<AlignedBuffer<T>>(count + spare_slots);
}

template <class T>
double Network<T>::forward_work(index_t rows) const {
  return static_cast<double>(rows) * static_cast<double>(parameter_count_);
}

template <class T>
int Network<T>::leaf_count(index_t rows) const {
  if (!chained()) return 1;
  int count = 1;
  while (count < max_leaves && divide_up(rows, count) > leaf_rows) count *= 2;
  return count;
}

template <class T>
void Network<T>::forward_rows(ConstView x, index_t begin, index_t end, View out, bool stop_at_z) {
  const std::size_t last = layers_.size() - 1;
  for (std::size_t l = 0; l <= last; ++l) {
    const Dense<T>& layer = layers_[l];
    const ConstView input = input_of(l, x, begin, end);
    const View a = l == last && out ? out.slice(begin, end) : workspace_.a(l, begin, end);
    if (l == last && stop_at_z)
      layer.affine(parameters_->data(), input, a);
    else
      layer.forward(parameters_->data(), input,
                    layer.activation().needs_input ? workspace_.z(l, begin, end) : a, a);
  }
}

template <class T>
void Network<T>::backward_rows(ConstView x, index_t begin, index_t end, bool from_z,
                               bool accumulate, T* gradients, View dx) {
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const Dense<T>& layer = layers_[l];
    const View delta = workspace_.gradient(l, begin, end);
    if (!(from_z && l + 1 == layers_.size()))
      layer.delta(workspace_.z(l, begin, end), workspace_.a(l, begin, end), delta);
    layer.weight_gradient(input_of(l, x, begin, end), delta, 0, layer.inputs(), accumulate,
                          gradients);
    if (l > 0)
      layer.input_gradient(workspace_.transposed(l), delta, workspace_.gradient(l - 1, begin, end));
    else if (dx)
      layer.input_gradient(workspace_.transposed(l), delta, dx.slice(begin, end));
  }
}

template <class T>
void Network<T>::forward_blocks(Executor& executor, ConstView x, View out, bool stop_at_z) {
  const index_t block =
      chained() ? block_rows : std::max(block_rows, divide_up(x.rows, max_row_blocks));
  executor.run(static_cast<int>(divide_up(x.rows, block)), forward_work(x.rows), [&](int i) {
    const index_t begin = i * block;
    forward_rows(x, begin, std::min(begin + block, x.rows), out, stop_at_z);
  });
}

template <class T>
void Network<T>::backward_layers(Executor& executor, ConstView x, bool from_z, View dx) {
  const index_t rows = x.rows;
  const index_t block = std::max(block_rows, divide_up(rows, max_row_blocks));
  const int row_tasks = static_cast<int>(divide_up(rows, block));
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const Dense<T>& layer = layers_[l];
    const double work = static_cast<double>(rows) * static_cast<double>(layer.weight_count());
    const bool wanted = l > 0 || dx;
    // The rows' delta, and at once the gradient that the layer below starts from.
    executor.run(row_tasks, wanted ? work : 0, [&](int i) {
      const index_t begin = i * block, end = std::min(begin + block, rows);
      const View delta = workspace_.gradient(l, begin, end);
      if (!(from_z && l + 1 == layers_.size()))
        layer.delta(workspace_.z(l, begin, end), workspace_.a(l, begin, end), delta);
      if (wanted)
        layer.input_gradient(workspace_.transposed(l), delta,
                             l > 0 ? workspace_.gradient(l - 1, begin, end) : dx.slice(begin, end));
    });
    const ConstView input = input_of(l, x, 0, rows);
    const ConstView delta = workspace_.gradient(l, 0, rows);
    executor.run(static_cast<int>(divide_up(layer.inputs(), gradient_rows)), work, [&](int i) {
      const index_t first = i * gradient_rows;
      layer.weight_gradient(input, delta, first, std::min(first + gradient_rows, layer.inputs()),
                            false, gradients_->data());
    });
  }
}

template <class T>
void Network<T>::transpose_weights(Executor& executor, bool first_layer_too) {
  workspace_.reserve_transposed(layers_);
  for (std::size_t l = first_layer_too ? 0 : 1; l < layers_.size(); ++l) {
    const Dense<T>& layer = layers_[l];
    const index_t block = std::max<index_t>(gradient_rows, divide_up(layer.inputs(), 64));
    executor.run(static_cast<int>(divide_up(layer.inputs(), block)),
                 static_cast<double>(layer.weight_count()), [&](int i) {
                   const index_t first = i * block;
                   layer.transpose_weight(parameters_->data(), first,
                                          std::min(first + block, layer.inputs()),
                                          workspace_.transposed(l));
                 });
  }
}

template <class T>
template <class Leaf>
void Network<T>::run_leaves(Executor& executor, index_t rows, Leaf&& leaf) {
  const int leaves = leaf_count(rows);
  workspace_.reserve_partials(leaves - 1, parameter_count_);
  // Leaf 0 is computed where the sum will be.
  const auto buffer = [&](int i) {
    return i == 0 ? gradients_->data() : workspace_.partial(i - 1);
  };
  executor.run(leaves, 3 * forward_work(rows), [&](int i) {
    const index_t begin = rows * i / leaves, end = rows * (i + 1) / leaves;
    leaf(i, begin, end, buffer(i));
  });
  for (int distance = 1; distance < leaves; distance *= 2) {
    const int pairs = leaves / (2 * distance);
    executor.run(pairs, static_cast<double>(parameter_count_) * pairs, [&](int i) {
      table_->add(parameter_count_, buffer((2 * i + 1) * distance), buffer(2 * i * distance));
    });
  }
}

template <class T>
void Network<T>::predict(Executor& executor, ConstView x, View out) {
  // A task's rows use rows of the workspace of their own.
  constexpr index_t chunk = 16 * block_rows;
  reserve(std::min(x.rows, chunk));
  for (index_t begin = 0; begin < x.rows; begin += chunk) {
    const index_t end = std::min(begin + chunk, x.rows);
    forward_blocks(executor, x.slice(begin, end), out.slice(begin, end), false);
  }
}

template <class T>
void Network<T>::forward(Executor& executor, ConstView x, View out) {
  reserve(x.rows);
  forward_blocks(executor, x, View(), false);
  const ConstView a = workspace_.a(layers_.size() - 1, 0, x.rows);
  for (index_t i = 0; i < x.rows; ++i) std::copy(a.row(i), a.row(i) + a.cols, out.row(i));
}

template <class T>
void Network<T>::backward(Executor& executor, ConstView x, ConstView grad_output, View dx) {
  transpose_weights(executor, static_cast<bool>(dx));
  const View g = workspace_.gradient(layers_.size() - 1, 0, x.rows);
  for (index_t i = 0; i < x.rows; ++i)
    std::copy(grad_output.row(i), grad_output.row(i) + grad_output.cols, g.row(i));
  if (!chained()) {
    backward_layers(executor, x, false, dx);
    return;
  }
  run_leaves(executor, x.rows, [&](int, index_t leaf_begin, index_t leaf_end, T* gradients) {
    for (index_t begin = leaf_begin; begin < leaf_end; begin += block_rows)
      backward_rows(x, begin, std::min(begin + block_rows, leaf_end), false, begin > leaf_begin,
                    gradients, dx);
  });
}

template <class T>
LossSum Network<T>::loss_and_gradients(Executor& executor, const Objective<T>& objective,
                                       ConstView x, const Targets<T>& targets) {
  const std::size_t last = layers_.size() - 1;
  const bool from_z = objective.fused();
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  const double scale = objective.gradient_scale(sum.weight);
  reserve(x.rows);
  transpose_weights(executor, false);
  if (chained()) {
    double leaf_loss[max_leaves] = {};
    run_leaves(executor, x.rows, [&](int i, index_t leaf_begin, index_t leaf_end, T* gradients) {
      for (index_t begin = leaf_begin; begin < leaf_end; begin += block_rows) {
        const index_t end = std::min(begin + block_rows, leaf_end);
        forward_rows(x, begin, end, View(), from_z);
        leaf_loss[i] += objective.rows(workspace_.a(last, begin, end), targets.slice(begin, end),
                                       scale, workspace_.gradient(last, begin, end));
        backward_rows(x, begin, end, from_z, begin > leaf_begin, gradients, View());
      }
    });
    const int leaves = leaf_count(x.rows);
    for (int distance = 1; distance < leaves; distance *= 2)
      for (int i = 0; i + distance < leaves; i += 2 * distance)
        leaf_loss[i] += leaf_loss[i + distance];
    sum.loss = leaf_loss[0];
  } else {
    forward_blocks(executor, x, View(), from_z);
    sum.loss = objective.rows(workspace_.a(last, 0, x.rows), targets, scale,
                              workspace_.gradient(last, 0, x.rows));
    backward_layers(executor, x, from_z, View());
  }
  T* slots = gradients_->data() + parameter_count_;
  slots[0] = static_cast<T>(sum.weight);
  slots[1] = static_cast<T>(sum.loss);
  return sum;
}

template <class T>
LossSum Network<T>::loss(Executor& executor, const Objective<T>& objective, ConstView x,
                         const Targets<T>& targets) {
  reserve(x.rows);
  forward_blocks(executor, x, View(), objective.fused());
  LossSum sum;
  sum.weight = Objective<T>::weight_sum(targets.weight, x.rows);
  sum.loss =
      objective.rows(workspace_.a(layers_.size() - 1, 0, x.rows), targets, 1, MatrixView<T>());
  return sum;
}

template <class T>
MatrixView<const T> Network<T>::outputs(const Objective<T>& objective, index_t rows) {
  const std::size_t last = layers_.size() - 1;
  const View a = workspace_.a(last, 0, rows);
  if (objective.fused())
    layers_[last].activation().forward(rows, a.cols, a.data, a.stride, a.data, a.stride);
  return a;
}

template class Network<float>;
template class Network<double>;

}  // namespace densecore
