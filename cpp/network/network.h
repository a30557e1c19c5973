// A graph of layers over one flat buffer of parameters and one of gradients.
//
// Determinism: forward results of a row depend on that row alone. Gradients sum over the batch in
// `leaves`, row ranges whose number depends on the network's and the batch's size only; leaves are
// added pairwise in a binary tree. Which thread computes a leaf or a block does not matter.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/executor.h"
#include "base/view.h"
#include "kernels/dispatch.h"
#include "layers/dense.h"
#include "layers/embedding.h"
#include "layers/rowwise.h"
#include "layers/spec.h"
#include "network/batch.h"
#include "network/gradient_plan.h"
#include "network/head_losses.h"
#include "network/row_layers.h"
#include "network/small_plan.h"
#include "network/tables.h"
#include "network/tape.h"
#include "network/workspace.h"
#include "objectives/objective.h"
#include "objectives/optimizer.h"

namespace densecore {

template <class T>
class PartGradients;
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
  // A network for prediction that shares the parameters. It has copies of the layers' states, and
  // no gradients.
  std::unique_ptr<Network> replica() const;

  const NetworkSpec& spec() const { return spec_; }
  index_t inputs() const { return spec_.inputs; }
  index_t outputs() const { return layers_.back()->units(); }
  const KernelTable<T>& table() const { return *table_; }
  const char* isa() const { return tables_->isa; }
  const Layers<T>& layers() const { return layers_; }
  const Graph& graph() const { return graph_; }
  // The arrays of parameters that training changes.
  const std::vector<ParameterBlock>& trained() const { return trained_; }
  bool penalized() const { return penalized_; }
  // Whether steps differ from array to array, by penalties or multipliers.
  bool array_steps() const { return array_steps_; }
  // The sum of the layers' penalties.
  double penalty() const;
  // The layers' penalties of their outputs in the last pass, over `rows` rows: the mean over these.
  double output_penalty(index_t rows);
  // When > 0, penalties are multiplied by penalty_weight / (weight of the batch). Set by the
  // trainer for one call, see FitOptions.
  double penalty_weight = 0;
  // The factor of the penalties for a batch of this weight.
  double penalty_factor(double weight) const {
    return penalty_weight > 0 && weight > 0 ? penalty_weight / weight : 1;
  }
  // Takes effect with the next step.
  void set_trainable(std::size_t layer, bool trainable);
  // Throws std::invalid_argument for a factor that is negative or NaN.
  void set_penalty(std::size_t layer, std::size_t array, Penalty penalty);
  void set_function(std::size_t layer, UserFunction<T> function);
  // The seed of the random numbers of dropout and noise.
  std::uint64_t seed = 0;
  // Number of open forward passes so far: each draws other random numbers.
  std::uint64_t open_passes = 0;
  index_t parameter_count() const { return parameter_count_; }
  // Shared with the NumPy views, which may outlive the network.
  const std::shared_ptr<AlignedBuffer<T>>& parameters() const { return parameters_; }
  const std::shared_ptr<AlignedBuffer<T>>& gradients() const { return gradients_; }
  double forward_work(index_t rows) const {
    return static_cast<double>(rows) * static_cast<double>(weights_used_);
  }

  // Throws std::invalid_argument for numbers in x that an embedding has no row for. All passes
  // check theirs.
  void check_numbers(MatrixView<const T> x) const {
    if (!embedding_tables_.empty()) embedding_tables_.check_numbers(x);
  }
  // Before an update by gradients that the caller may have written: rows of tables whose gradient
  // is not 0 count as used.
  void find_used_rows() {
    if (!embedding_tables_.empty()) embedding_tables_.find_used_rows(gradients_->data());
  }

  // out = f(x) for any number of rows.
  void predict(Executor& executor, MatrixView<const T> x, MatrixView<T> out);

  // The two passes of a step, for the user's own loops. `forward` keeps what `backward` needs.
  // `backward` takes the same x and writes the gradients (adds to them when `accumulate`), and
  // dC/dx unless `dx` is empty. With `training` dropout is active and moving averages are updated;
  // random numbers are those of training step `step`, or of this call alone when `step` is -1.
  void forward(Executor& executor, MatrixView<const T> x, MatrixView<T> out, bool training,
               std::int64_t step = -1);
  void backward(Executor& executor, MatrixView<const T> x, MatrixView<const T> grad_output,
                MatrixView<T> dx, bool accumulate = false);
  Tape<T> make_tape() const;
  // Swaps the network's current pass with the pass that the tape holds.
  void exchange(Tape<T>& tape) noexcept;

  // One training step: returns the loss of x before it, and updates the parameters by `optimizer`.
  // With `keep_gradients` the gradient buffer holds the gradients afterwards, and with
  // `keep_outputs` the workspace the outputs; without, a weight's gradient may never be stored, and
  // rows may take the place of others.
  LossSum train(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
                const Targets<T>& targets, OptimizerState<T>& optimizer, bool keep_gradients,
                bool keep_outputs = true);
  // The loss of x with the penalties, and its gradient in the gradient buffer; no parameter
  // changes. Random numbers are those of training step `number`.
  LossSum gradient(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
                   const Targets<T>& targets, std::uint64_t number);
  // Moving averages take the statistics of the last pass.
  void commit() {
    for (Layer<T>* const layer : others_) layer->commit(pass_);
  }
  // Whether a layer uses statistics of the batch in training.
  bool couples_rows() const { return couples_in_training_; }
  // The output of layer l in the last pass, which was over `rows` rows.
  MatrixView<const T> output_of(std::size_t l, index_t rows) { return workspace_.a(l, 0, rows); }
  // Whether `train_rows` can do batches of one row.
  bool trains_rows(const Objective<T>& objective, const Targets<T>& targets,
                   const OptimizerState<T>& optimizer) const;
  // Whether that is also the fastest way of a single step.
  bool trains_single_row(const Objective<T>& objective, const Targets<T>& targets,
                         const OptimizerState<T>& optimizer) const {
    return tiniest_ && optimizer.descends() && trains_rows(objective, targets, optimizer);
  }
  // Whether there is a shorter way for one row of `predict`, and that way; it changes nothing.
  bool predicts_rows() const { return !row_layers_.empty(); }
  void predict_one(const T* x, T* out) const;
  // Many steps of one row each: rows order[0 .. steps) of x, or the first `steps` rows when `order`
  // is null. `outputs` (steps, units), unless null, gets what the loss takes: `finish_outputs`
  // makes the outputs of it.
  void train_rows(const Objective<T>& objective, MatrixView<const T> x, const Targets<T>& targets,
                  const index_t* order, index_t steps, OptimizerState<T>& optimizer, LossSum& total,
                  T* outputs);
  // The arguments that steps of one row by an objective share, and whether they still hold.
  RowStep<T> row_step(const Objective<T>& objective, const OptimizerState<T>& optimizer);
  bool is_current(const RowStep<T>& step, const OptimizerState<T>& optimizer) const {
    return step.layers_version == layers_version_ &&
           step.settings_version == optimizer.settings()->version();
  }
  // Makes such a step, if it is the fastest way; returns its loss.
  double train_row(RowStep<T>& step, const T* x, const Targets<T>& targets,
                   OptimizerState<T>& optimizer);
  // The same as a step of `train`; `outputs` may be null.
  LossSum train_row(const Objective<T>& objective, MatrixView<const T> x, const Targets<T>& targets,
                    OptimizerState<T>& optimizer, T* outputs);
  // Whether `train_small` can do batches of so many rows.
  bool trains_small(index_t batch, const Objective<T>& objective,
                    const OptimizerState<T>& optimizer) const;
  // Steps of `batch` rows each (the last one of the rows that are left), as in `train`; returns the
  // sum of the last one. `observer` may be null.
  LossSum train_small(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
                      const Targets<T>& targets, index_t batch, OptimizerState<T>& optimizer,
                      StepObserver* observer);
  // The loss of x without a training step; x has at most `evaluation_rows` rows.
  static constexpr index_t evaluation_rows = 256;
  LossSum loss(Executor& executor, const Objective<T>& objective, MatrixView<const T> x,
               const Targets<T>& targets);
  // The loss of each head in the last call of `train`, `gradient` or `loss`.
  const std::vector<double>& head_losses() const { return heads_.losses(); }
  // The outputs of the last call of `train`, which has kept them, or `loss`.
  MatrixView<const T> outputs(const Objective<T>& objective, index_t rows);
  // Turns what the loss takes into the outputs: applies the last activation if the loss is fused
  // with it.
  void finish_outputs(const Objective<T>& objective, MatrixView<T> a) const;

  void reserve(index_t rows) { workspace_.reserve(*table_, layers_, plan_.places, rows); }

 private:
  friend class PartGradients<T>;
  friend class RowGradients<T>;
  // With `parameters` that exist already there are no gradients.
  Network(const KernelTables& tables, NetworkSpec spec,
          std::shared_ptr<AlignedBuffer<T>> parameters);

  using View = MatrixView<T>;
  using ConstView = MatrixView<const T>;

  // Networks of at most `chained_parameters` run leaf by leaf through all layers, so that a leaf's
  // activations stay in cache (chained.cc). Larger ones, and those with a layer that couples the
  // rows of the batch, run layer by layer, each product cut into blocks (layered.cc).
  bool chained() const { return summed_count_ <= chained_parameters && !couples_in_pass_; }
  static constexpr index_t chained_parameters = index_t{1} << 16;
  index_t rows_of_block() const;
  // Begins a pass: to be called before the functions below.
  void start(const Pass& pass);

  // Gradients of all rows, from dC/da of the last layer in the workspace.
  // `shared`: by threads, in one_leaf.cc.
  void backward_all(Executor& executor, ConstView x, View dx, bool shared);

  ConstView view_of(const Source& source, ConstView x, index_t begin, index_t end) {
    if (source.from_x())
      return {x.data + begin * x.stride + source.first, end - begin, source.columns, x.stride};
    return workspace_.a(static_cast<std::size_t>(source.layer), begin, end);
  }
  // The (first) input of layer l.
  ConstView input_of(std::size_t l, ConstView x, index_t begin, index_t end) {
    return view_of(input_[l], x, begin, end);
  }
  LayerRows<T> rows_of(std::size_t l, ConstView x, index_t begin, index_t end) {
    return {begin, input_of(l, x, begin, end), workspace_.kept(l, begin, end),
            workspace_.a(l, begin, end),
            layers_[l]->merges() ? inputs_of(l, x, begin, end) : nullptr};
  }
  // All inputs of a layer that merges, in the scratch memory of the calling thread.
  const ConstView* inputs_of(std::size_t l, ConstView x, index_t begin, index_t end);
  // Whether the backward pass gets to layer l: to those that are trained, or whose inputs depend on
  // one; to all for the gradient by x.
  bool visited(std::size_t l, bool to_x) const { return reaches_[l] || to_x; }
  // The gradients by a layer's outputs. `near`: see Workspace.
  View gradient_of(std::size_t l, index_t begin, index_t end, bool near) {
    return near ? workspace_.near_gradient(l, end) : workspace_.gradient(l, begin, end);
  }
  // Where the gradient by a source goes; empty where none is wanted.
  View below_of(const Edge& edge, View dx, index_t begin, index_t end, bool near);
  // write(view) gives a source's gradient: it goes to `below`, or is added to it.
  template <class Write>
  void pass_down(const Edge& edge, View below, index_t begin, bool near, Write&& write);
  // Where a dense layer's z is stored: in the workspace if the derivative needs it, else in `a`.
  View z_of(const Dense<T>& layer, std::size_t l, index_t begin, index_t end, View a) {
    return layer.function().needs_input() ? workspace_.kept(l, begin, end) : a;
  }
  // Some rows of a layer that is not dense. The gradients by its inputs go where `below_of` says.
  void forward_other(std::size_t l, ConstView x, index_t begin, index_t end, View a,
                     bool stop_at_z);
  void backward_other(std::size_t l, ConstView x, index_t begin, index_t end, bool from_z,
                      bool accumulate, T* gradients, View dx, bool near = false);
  void input_gradient_other(std::size_t l, ConstView x, index_t begin, index_t end, bool from_z,
                            View dx, bool near = false);
  // All rows of x through all layers. The last layer writes to `out` unless that is empty, and
  // leaves out its activation when `stop_at_z`. `kept`: keeps what `backward_all` needs.
  void forward_all(Executor& executor, ConstView x, View out, bool stop_at_z, bool kept);

  // Leaf by leaf (chained.cc).
  int leaf_count(index_t rows) const;
  static constexpr int max_leaves = 32;
  // A leaf has at most so many rows, in steps of little work the second number, until there are
  // `max_leaves`; leaves of larger batches have more.
  static constexpr index_t leaf_rows = 128, leaf_rows_of_little_work = 256;
  // Steps of fewer multiply-adds have larger leaves. Changing it would change the bits of sums, so
  // it is not derived from the thread pool's limits.
  static constexpr double small_work = 1 << 20;
  // Where leaf i's gradient is computed: leaf 0's in the buffer of the sum.
  T* leaf_gradient(int i) { return i == 0 ? gradients_->data() : workspace_.partial(i - 1); }
  // Adds leaf `from` to leaf `to`. Of arrays that are not trained a leaf's buffer may have what an
  // earlier batch left there.
  void add_leaf(int from, int to) {
    for (const Range& trained : stretches_)
      table_->add(trained.size(), leaf_gradient(from) + trained.begin,
                  leaf_gradient(to) + trained.begin);
  }
  void forward_blocks(Executor& executor, ConstView x, View out, bool stop_at_z);
  void forward_rows(ConstView x, index_t begin, index_t end, View out, bool stop_at_z,
                    void* scratch);
  // Gradients of rows [begin, end), from dC/da of the last layer in the workspace (or dC/dz, when
  // `from_z`). With `descent` these rows are the whole batch, and the parameters are updated at
  // once. With `gradients` null there are no gradients but those by the layers' inputs.
  void backward_rows(ConstView x, index_t begin, index_t end, bool from_z, bool accumulate,
                     T* gradients, View dx, void* scratch, const Update<T>* descent = nullptr);
  // With the transposed weights when there are some (`has_transposed_`).
  void input_gradient_dense(std::size_t l, ConstView delta, View below, void* scratch);
  // The same, written where `below_of` says, or nowhere.
  void pass_down_dense(std::size_t l, ConstView delta, index_t begin, index_t end, View dx,
                       void* scratch);
  // Transposes the weights for the input gradients, if the batch has enough rows to pay for it.
  void transpose_weights(Executor& executor, index_t rows, bool first_layer_too);
  // Calls leaf(number, begin, end, gradients, scratch, thread) for every leaf, the last one a
  // number below `threads`; returns how many leaves there are.
  template <class Leaf>
  int run_leaves(Executor& executor, index_t rows, int threads, Leaf&& leaf);
  // Sums the leaves' gradients into the gradient buffer and, with `update`, updates the parameters
  // while they are in cache.
  void sum_leaves(Executor& executor, int leaves, const Update<T>* update);
  void backward_leaves(Executor& executor, ConstView x, View dx);
  // A block, of whose rows the targets are, and all leaves, of `train`; each returns the sum of the
  // rows' losses.
  double train_block(ConstView x, index_t begin, index_t end, const Objective<T>& objective,
                     const Targets<T>& targets, double scale, bool accumulate, T* gradients,
                     void* scratch, const Update<T>* descent = nullptr,
                     double* head_sums = nullptr);
  double train_leaves(Executor& executor, ConstView x, const Objective<T>& objective,
                      const Targets<T>& targets, double scale, bool keep_outputs);

  // A step of one leaf shared by threads (one_leaf.cc), unless they have other things to do. The
  // bits are the same, for the sums over the rows remain one chain each.
  bool shares_leaf(index_t rows) const;
  // Into how many blocks the rows are cut for the sake of the threads.
  index_t thread_blocks(index_t rows) const;
  double train_leaf(Executor& executor, ConstView x, const Objective<T>& objective,
                    const Targets<T>& targets, double scale);
  // From dC/da of the last layer in the workspace (or dC/dz, when `from_z`); with `update` and
  // `descend` as in `backward_layers`.
  void backward_leaf(Executor& executor, ConstView x, bool from_z, View dx, const Update<T>* update,
                     bool descend);

  // A batch of few rows through narrow layers, stretches of which are one call forward and one back
  // (small.cc).
  bool small(index_t rows) const { return rows <= small_rows_ && !couples_in_pass_; }
  index_t rows_of_small() const;
  // Whether the leaves of a larger batch go that way, too.
  bool leaves_are_small(const Objective<T>& objective, index_t batch) const;
  // The gradient of such a batch, and with `update` the update; returns the sum of its losses.
  double gradient_by_leaves(Executor& executor, const LossArguments<T>& p, ConstView x, bool from_z,
                            double (*loss_of)(const LossArguments<T>&), const Update<T>* update);
  void prepare_small();
  // Where the kernels of small layers put the gradient by layer l's input; null for none.
  T* small_below(std::size_t l, bool to_x);
  void start_small(ConstView x, bool only_z);
  // `kept`: keeps what `backward_small` needs.
  void forward_small(ConstView x, View out, bool only_z, bool kept);
  // From dC/da of the last layer in workspace_.near_gradient (or dC/dz). With `cuts`, where x is
  // cut into leaves (as those of BatchPart), each leaf's gradient goes to its own buffer; only
  // layers without parameters, and dense ones, may be there then.
  void backward_small(ConstView x, bool from_z, const std::vector<index_t>* cuts = nullptr);
  // The same for `backward`, from dC/da there, with the gradient by x in `dx`.
  void backward_small(ConstView x, View dx);
  void backward_part(SmallPart<T>& part, const SmallLayer<T>* layers, ConstView x, bool from_z,
                     View dx, const std::vector<index_t>* cuts = nullptr);
  void backward_leaves(const SmallLayer<T>* layers, index_t count, index_t rows,
                       const std::vector<index_t>& cuts);

  // Layer by layer (layered.cc).
  void forward_layers(Executor& executor, ConstView x, View out, bool stop_at_z);
  void forward_layer(Executor& executor, const Dense<T>& layer, std::size_t l, ConstView x, View a,
                     bool stop_at_z);
  // From dC/da of the last layer in the workspace (or dC/dz, when `from_z`). With `update` each
  // block of weights is updated as soon as its gradient is complete; with `descend`, while it is
  // computed. `keep`: gradients of weights that are not, in the buffer of gradients.
  void backward_layers(Executor& executor, ConstView x, bool from_z, View dx,
                       const Update<T>* update, bool descend, bool keep = true);
  void backward_dense(Executor& executor, const Dense<T>& layer, std::size_t l, ConstView x,
                      View dx, const Update<T>* update, bool descend, bool keep);
  // All that is wanted of some weights of a dense layer, for few rows: the columns `inputs` of the
  // gradient by its input, then the weights' own gradient and their update.
  void backward_block(const Dense<T>& layer, std::size_t l, ConstView x, View dx, Range inputs,
                      const Update<T>& update, bool descend, bool keep, void* scratch);
  // Columns `inputs` of a layer's dX, for some rows of the batch; and dC/dz of the layer below from
  // it, if its activation works element by element.
  void input_gradient_block(const Dense<T>& layer, std::size_t l, View below, Range rows,
                            Range inputs, void* scratch);
  void delta_rows(Executor& executor, std::size_t l, index_t rows);
  // The gradient of a block of weights, and its update; of the biases with those of the first
  // inputs, `bias_rows` rows at a time.
  void block_gradient(const Dense<T>& layer, std::size_t l, ConstView x, Range inputs, Range units,
                      index_t bias_rows, const Update<T>* update, bool descend, void* scratch) {
    block_gradient(layer, l, x, {0, x.rows}, inputs, units, bias_rows, update, descend,
                   gradients_->data(), scratch);
  }
  // The same of some of the rows.
  void block_gradient(const Dense<T>& layer, std::size_t l, ConstView x, Range rows, Range inputs,
                      Range units, index_t bias_rows, const Update<T>* update, bool descend,
                      T* gradients, void* scratch);
  // Whether the derivative of layer l's activation can be applied to each block of its gradient.
  bool delta_at_once(std::size_t l) const;
  // The gradients of the parameters of a layer that is not dense, from all rows.
  void simple_gradient(std::size_t l, ConstView x);

  void set_loss_slots(const LossSum& sum) {
    T* const slots = gradients_->data() + parameter_count_;
    slots[0] = static_cast<T>(sum.weight);
    slots[1] = static_cast<T>(sum.loss);
  }
  // Before a backward pass that does not accumulate: forgets which rows of embedding tables the
  // last batch used.
  void begin_tables() {
    if (!embedding_tables_.empty()) embedding_tables_.begin(gradients_->data());
  }
  // After it, from the gradients by the embeddings' outputs; with `update` the rows are updated,
  // too.
  void end_tables(Executor& executor, ConstView x, bool near, const Update<T>* update = nullptr) {
    if (!embedding_tables_.empty())
      embedding_tables_.end(executor, x, workspace_, near, gradients_->data(), update);
  }

  // To be called when other layers are trained, or penalties have changed.
  void layers_changed();
  TinyTraining<T> tiny_training(const Objective<T>& objective) const;
  // The factors of dropout for single rows, for steps first, first + 1, ... of `train_rows`.
  void draw_factors(std::int64_t first, index_t steps);

  NetworkSpec spec_;
  Graph graph_;
  const KernelTables* tables_;
  const KernelTable<T>* table_;
  Layers<T> layers_;
  std::vector<ParameterBlock> trained_;
  std::vector<Range> stretches_;  // of parameters: those of trained_, neighbours together
  bool penalized_ = false, array_steps_ = false;
  // The first layer that is trained, where the backward pass ends.
  std::size_t lowest_ = 0;
  GradientPlan plan_;
  std::vector<Source> input_;            // of each layer the first one
  std::vector<char> reaches_;            // whether a layer, or one that it depends on, is trained
  std::vector<std::size_t> activities_;  // numbers of layers with a penalty of their outputs
  EmbeddingTables<T> embedding_tables_;
  HeadLosses<T> heads_;
  bool shared_ = false;            // whether layers share parameters
  std::vector<Layer<T>*> others_;  // layers that are not dense
  Pass pass_;
  bool couples_in_pass_ = false;      // whether a layer couples the rows of the batch in pass_
  bool couples_in_training_ = false;  // the same in training
  index_t parameter_count_ = 0;
  // Of parameters those that have a gradient of each leaf: all but tables, which follow.
  index_t summed_count_ = 0;
  index_t weights_used_ = 0;     // in a pass: the same, but those of several layers count for each
  bool has_transposed_ = false;  // whether the workspace has the transposed weights
  index_t block_rows_ = 0;       // at most, of a block in chained.cc
  index_t small_rows_ = 0;       // at most, of a batch in small.cc
  SmallPlan<T> small_;
  std::uint64_t layers_version_ = 0;
  AlignedBuffer<T> small_dx_;
  AlignedBuffer<T> small_transposed_;  // the transposed weights of small layers
  std::shared_ptr<AlignedBuffer<T>> parameters_, gradients_;
  Workspace<T> workspace_;
  std::vector<std::shared_ptr<AlignedBuffer<T>>> branches_sums_;  // see `PartGradients`
  // While parts of a batch go through the layers together: the rows that this process has.
  const SharedRows<T>* shared_rows_ = nullptr;
  AlignedBuffer<T> earlier_gradients_;  // the gradients before a `backward` that accumulates
  std::vector<RowLayer> row_layers_;    // empty when a layer is too wide for table.predict_row
  TinyLayers<T> tiny_;                  // empty when table.tiny_train does not take them
  bool tiniest_;                        // whether it is best for a single step, too
};

}  // namespace densecore
