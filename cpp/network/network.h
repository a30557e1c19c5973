// A stack of layers over one flat buffer of parameters and one of gradients.
//
// Determinism: forward results of a row depend on that row alone. Gradients sum over the batch in
// `leaves`, row ranges whose number depends on the network's and the batch's size only; leaves are
// added pairwise in a binary tree. Which thread computes a leaf or a block does not matter.
#pragma once

#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/executor.h"
#include "base/view.h"
#include "kernels/dispatch.h"
#include "layers/dense.h"
#include "layers/rowwise.h"
#include "layers/spec.h"
#include "network/tape.h"
#include "network/workspace.h"
#include "objectives/objective.h"
#include "objectives/optimizer.h"

namespace densecore {

// The layers as the kernels for single rows want them; empty when they cannot do them
// (single_rows.cc).
template <class T>
std::vector<RowLayer> row_layers_of(const KernelTable<T>& table, const Layers<T>& layers);
template <class T>
bool fits_tiny(const KernelTable<T>& table, const std::vector<RowLayer>& layers);

// A sum over rows that is not yet divided by its weight.
struct LossSum {
  double loss = 0;
  double weight = 0;
};

template <class T>
class RowGradients;

template <class T>
class Network {
 public:
  // The gradient buffer ends in four more slots, so that a data-parallel engine needs one reduction
  // per step: what the sum of the batch's losses is divided by, that sum, error, stop.
  static constexpr index_t spare_slots = 4;

  // Throws std::invalid_argument for a bad specification. Parameters start at zero.
  Network(const KernelTables& tables, NetworkSpec spec);
  // Another one for prediction, with the same parameters, copies of the layers' states, and no
  // gradients.
  std::unique_ptr<Network> replica() const;

  const NetworkSpec& spec() const { return spec_; }
  index_t inputs() const { return spec_.inputs; }
  index_t outputs() const { return layers_.back()->units(); }
  const KernelTable<T>& table() const { return *table_; }
  const char* isa() const { return tables_->isa; }
  const Layers<T>& layers() const { return layers_; }
  // The arrays of parameters that training changes.
  const std::vector<ParameterBlock>& trained() const { return trained_; }
  bool penalized() const { return penalized_; }
  // The sum of the layers' penalties.
  double penalty() const;
  // When not 0, penalties are meant for batches of this weight, and grow for lighter ones: in the
  // sum over a batch, which its weight divides, they count the same for all (scikit-learn's rule).
  double penalty_weight = 0;
  // From the next step on.
  void set_trainable(std::size_t layer, bool trainable);
  // Throws std::invalid_argument for a negative factor or one that is no number.
  void set_penalty(std::size_t layer, std::size_t array, Penalty penalty);
  void set_function(std::size_t layer, UserFunction<T> function);
  // The seed of dropout masks.
  std::uint64_t seed = 0;
  // Open forward passes so far: each has masks of its own.
  std::uint64_t open_passes = 0;
  index_t parameter_count() const { return parameter_count_; }
  // Shared with the NumPy views, which may outlive the network.
  const std::shared_ptr<AlignedBuffer<T>>& parameters() const { return parameters_; }
  const std::shared_ptr<AlignedBuffer<T>>& gradients() const { return gradients_; }
  double forward_work(index_t rows) const {
    return static_cast<double>(rows) * static_cast<double>(parameter_count_);
  }

  // out = f(x) for any number of rows.
  void predict(Executor& executor, MatrixView<const T> x, MatrixView<T> out);

  // Open steps. `forward` keeps what `backward` needs; `backward` wants the same x, fills the
  // gradients (or adds to them: `accumulate`), and dC/dx when `dx` is not empty. With `training`
  // units drop out, and moving averages move; dropout masks are those of training step `step`, or
  // of this call's own (-1).
  void forward(Executor& executor, MatrixView<const T> x, MatrixView<T> out, bool training,
               std::int64_t step = -1);
  void backward(Executor& executor, MatrixView<const T> x, MatrixView<const T> grad_output,
                MatrixView<T> dx, bool accumulate = false);
  Tape<T> make_tape() const;
  // Puts a pass in the place of another, which the tape then holds.
  void exchange(Tape<T>& tape) noexcept;

  // One step of training: the loss of x before it, and the parameters updated by `optimizer`. The
  // gradients are left in the gradient buffer, if they are to be kept: else that of a weight may
  // never be more than a number in a register.
  LossSum train(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
                const Targets<T>& targets, OptimizerState<T>& optimizer, bool keep_gradients);
  // The loss of x, with its penalties, and its gradient in the gradient buffer; no parameter
  // changes. `number` is the step's that dropout masks follow.
  LossSum gradient(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
                   const Targets<T>& targets, std::uint64_t number);
  // Of the last pass over `rows` rows: what layer l put out.
  MatrixView<const T> output_of(std::size_t l, index_t rows) { return workspace_.a(l, 0, rows); }
  // Whether `train_rows` can do batches of one row.
  bool trains_rows(const Objective<T>& objective, const Targets<T>& targets,
                   const OptimizerState<T>& optimizer) const;
  // One row of `predict`, when `predicts_rows`; changes nothing.
  bool predicts_rows() const { return !row_layers_.empty(); }
  void predict_one(const T* x, T* out) const;
  // Many steps of one row each: rows order[0 .. steps) of x (the first `steps` rows when null).
  // `outputs` (steps, units), when given, gets what the loss was taken of: see `finish_outputs`.
  void train_rows(const Objective<T>& objective, MatrixView<const T> x, const Targets<T>& targets,
                  const index_t* order, index_t steps, OptimizerState<T>& optimizer, LossSum& total,
                  T* outputs);
  // One such step, as `train` does it; `outputs` may be null.
  LossSum train_row(const Objective<T>& objective, MatrixView<const T> x, const Targets<T>& targets,
                    OptimizerState<T>& optimizer, T* outputs);
  // The loss of x alone; x has at most `evaluation_rows` rows.
  static constexpr index_t evaluation_rows = 256;
  LossSum loss(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
               const Targets<T>& targets);
  // The outputs of the rows of the last call of `train` or `loss`.
  MatrixView<const T> outputs(const Objective<T>& objective, index_t rows);
  // What a loss was taken of (z, when it is fused with the activation) becomes the outputs.
  void finish_outputs(const Objective<T>& objective, MatrixView<T> a) const;

  void reserve(index_t rows) { workspace_.reserve(layers_, rows); }

 private:
  friend class RowGradients<T>;
  // With parameters that exist already; without gradients then.
  Network(const KernelTables& tables, NetworkSpec spec,
          std::shared_ptr<AlignedBuffer<T>> parameters);

  using View = MatrixView<T>;
  using ConstView = MatrixView<const T>;

  // Small networks run their whole chain leaf by leaf, so that a leaf's activations stay in cache
  // (chained.cc); the others layer by layer, each product cut into blocks (layered.cc), and those
  // with a layer that couples the rows of the batch, too.
  bool chained() const { return parameter_count_ <= chained_parameters && !coupled_; }
  static constexpr index_t chained_parameters = index_t{1} << 16;
  index_t rows_of_block() const;
  // What the following calls are for.
  void start(const Pass& pass);

  // Gradients of all rows, from dC/da of the last layer in the workspace.
  void backward_all(Executor& executor, ConstView x, View dx);

  ConstView input_of(std::size_t l, ConstView x, index_t begin, index_t end) {
    return l == 0 ? x.slice(begin, end) : ConstView(workspace_.a(l - 1, begin, end));
  }
  LayerRows<T> rows_of(std::size_t l, ConstView x, index_t begin, index_t end) {
    return {begin, input_of(l, x, begin, end), workspace_.kept(l, begin, end),
            workspace_.a(l, begin, end)};
  }
  // Where a dense layer's z goes: its place in the workspace if the derivative needs it, else `a`.
  View z_of(const Dense<T>& layer, std::size_t l, index_t begin, index_t end, View a) {
    return layer.function().needs_input() ? workspace_.kept(l, begin, end) : a;
  }
  // A layer that is not dense, on some rows.
  void forward_simple(std::size_t l, ConstView x, index_t begin, index_t end, View a,
                      bool stop_at_z);
  void backward_simple(std::size_t l, ConstView x, index_t begin, index_t end, bool from_z,
                       bool accumulate, T* gradients, View below);
  void input_gradient_simple(std::size_t l, ConstView x, index_t begin, index_t end, bool from_z,
                             View below);
  // Adds to `below`, the gradient of layer l's input, what additions above took from there.
  void add_branches(std::size_t l, index_t begin, index_t end, View below);
  // All rows of x through all layers. The last one writes to `out`, when given, and stops at z when
  // `stop_at_z`.
  void forward_all(Executor& executor, ConstView x, View out, bool stop_at_z);

  // Chained.
  int leaf_count(index_t rows) const;
  void forward_blocks(Executor& executor, ConstView x, View out, bool stop_at_z);
  void forward_rows(ConstView x, index_t begin, index_t end, View out, bool stop_at_z,
                    void* scratch);
  // Gradients of rows [begin, end), from dC/da of the last layer in the workspace (or dC/dz). With
  // `descent` these rows are the whole batch, and the parameters take the step at once.
  void backward_rows(ConstView x, index_t begin, index_t end, bool from_z, bool accumulate,
                     T* gradients, View dx, void* scratch, const Update<T>* descent = nullptr);
  // By the weights as they are, or as they were when they were transposed.
  void input_gradient_dense(std::size_t l, ConstView delta, View below, void* scratch);
  // For the input gradients of a batch of so many rows, when it has enough of them.
  void transpose_weights(index_t rows, bool first_layer_too);
  // leaf(number, begin, end, gradients, scratch) for every leaf, then their sum into the gradient
  // buffer.
  template <class Leaf>
  void run_leaves(Executor& executor, index_t rows, Leaf&& leaf);
  void backward_leaves(Executor& executor, ConstView x, View dx);
  // The three parts of `train`; each returns the sum of the rows' losses.
  double train_block(ConstView x, index_t begin, index_t end, const Objective<T>& objective,
                     const Targets<T>& targets, double scale, bool accumulate, T* gradients,
                     void* scratch, const Update<T>* descent = nullptr);
  double train_leaves(Executor& executor, ConstView x, const Objective<T>& objective,
                      const Targets<T>& targets, double scale);

  // Layer by layer.
  void forward_layers(Executor& executor, ConstView x, View out, bool stop_at_z);
  void forward_layer(Executor& executor, const Dense<T>& layer, std::size_t l, ConstView x, View a,
                     bool stop_at_z);
  // From dC/da of the last layer in the workspace (or dC/dz). With `update` each block of weights
  // is updated once its gradient is complete, and with `descend` as it is computed.
  void backward_layers(Executor& executor, ConstView x, bool from_z, View dx,
                       const Update<T>* update, bool descend);
  void backward_dense(Executor& executor, const Dense<T>& layer, std::size_t l, ConstView x,
                      View dx, const Update<T>* update, bool descend);
  void delta_rows(Executor& executor, std::size_t l, index_t rows);
  // Whether the derivative of layer l's activation can be applied as its gradient is computed.
  bool delta_at_once(std::size_t l) const;

  void set_loss_slots(const LossSum& sum) {
    T* const slots = gradients_->data() + parameter_count_;
    slots[0] = static_cast<T>(sum.weight);
    slots[1] = static_cast<T>(sum.loss);
  }
  void layers_changed();
  // What the penalties of a batch are multiplied with.
  double penalty_factor(double weight) const {
    return penalty_weight > 0 && weight > 0 ? penalty_weight / weight : 1;
  }

  NetworkSpec spec_;
  const KernelTables* tables_;
  const KernelTable<T>* table_;
  Layers<T> layers_;
  std::vector<ParameterBlock> trained_;
  bool penalized_ = false;
  // Number of the first layer that is trained: the way back ends there.
  std::size_t lowest_ = 0;
  // Of each layer, the additions that take its input.
  std::vector<std::vector<std::size_t>> branches_;
  bool plain_ = true;  // dense layers only
  Pass pass_;
  bool coupled_ = false;  // of pass_
  index_t parameter_count_ = 0;
  bool transposed_ = false;  // whether the workspace has the transposed weights
  index_t block_rows_ = 0;   // of one block of work of a chain, at most
  std::shared_ptr<AlignedBuffer<T>> parameters_, gradients_;
  Workspace<T> workspace_;
  AlignedBuffer<T> gathered_;         // gradients that others are added to
  std::vector<RowLayer> row_layers_;  // empty when a layer is too wide for table.predict_row
  bool tiny_;                         // whether table.tiny_train takes them, too
};

}  // namespace densecore
