// The interface of a layer: rows in, rows out, its place among the parameters, and the gradients of
// the backward pass. The network cuts the products of dense layers (dense.h) into blocks itself; it
// calls all other layers range of rows by range of rows.
//
// A kind of layer is a class template over the dtype, listed in kinds.cc. Besides virtual functions
// it redefines the static members of Layer whose defaults do not suit its row of the table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/view.h"
#include "kernels/table.h"
#include "layers/spec.h"

namespace densecore {

template <class T>
class Dense;
template <class T>
class Embedding;

// Training or prediction. Random numbers are functions of (seed, number of the pass, layer, row).
struct Pass {
  bool training = false;
  std::uint64_t seed = 0, number = 0;
  index_t first = 0;  // of a part of a batch: the number of its first row in the batch
  // Rows of the batch, over which penalties of outputs are means; 0 in a pass without a loss.
  index_t rows = 0;
};

// Some rows of a batch at one layer. `kept` is what the layer keeps for the backward pass.
template <class T>
struct LayerRows {
  index_t begin;  // number of the first one in the batch
  MatrixView<const T> x;
  MatrixView<T> kept, a;
  const MatrixView<const T>* inputs = nullptr;  // of a layer that merges: all of them
};

// Replaces numbers by their sum over the processes that share a batch.
template <class T>
using AddUp = std::function<void(T* values, index_t count)>;

// The rows of a batch that one of several processes has: leaf number `leaf` of the whole batch's
// tree and those that follow it, cut at `cuts`, of `rows` in all.
template <class T>
struct SharedRows {
  const std::vector<index_t>& cuts;
  index_t leaf, rows;
  const AddUp<T>& add_up;
  // The buffer of gradients of leaf i, counted from this process's first one.
  std::function<T*(index_t)> gradients;

  index_t leaves() const { return static_cast<index_t>(cuts.size()) - 1; }
  // The rows of leaf i, counted from this process's first row.
  Range rows_of(index_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return {cuts[at] - cuts.front(), cuts[at + 1] - cuts.front()};
  }
};

// The rows of a table that have a gradient. It is 0 in all other rows, unless a step writes to
// them, too (a penalty, a sum over batches, an optimizer's direction).
struct UsedRows {
  std::vector<index_t> rows;
  bool others_are_zero = true;
};

// An array of parameters, by its place in the flat buffer.
struct ParameterBlock {
  const char* name;
  index_t offset, rows, cols;  // rows 0: a vector
  Penalty penalty;
  Multipliers multipliers;
  UsedRows* used = nullptr;  // of a table
  // To be called by a step that writes gradients of all rows.
  void writes_all_rows() const {
    if (used != nullptr) used->others_are_zero = false;
  }
  index_t size() const { return (rows == 0 ? 1 : rows) * cols; }
};

// An array that training changes without a gradient: a moving average.
template <class T>
struct StateBlock {
  const char* name;
  std::shared_ptr<AlignedBuffer<T>> values;
};

// An element-wise or row-wise function with its parameters.
template <class T>
class ActivationFunction {
 public:
  // Throws std::invalid_argument for an unknown name or parameters out of range.
  ActivationFunction(const KernelTable<T>& table, const ActivationSpec& spec);

  const ActivationEntry<T>& entry() const { return *entry_; }
  const double* parameters() const { return parameters_.data(); }
  bool needs_input() const { return entry_->needs_input; }
  bool row_wise() const { return entry_->row_wise; }
  bool identity() const { return entry_->identity; }
  // Columns j .. j + cols of a = f(z) and of dz = g f'(z); a may be z itself, and dz may be g.
  // Defined here to be inlined: in a step of a small network each call and each view passed counts.
  void forward(MatrixView<const T> z, MatrixView<T> a, index_t j, index_t cols) const {
    if (entry_->identity && z.data == a.data) return;
    entry_->forward(z.rows, cols, z.data + j, z.stride, a.data + j, a.stride, parameters_.data());
  }
  void backward(MatrixView<const T> z, MatrixView<const T> a, MatrixView<const T> g,
                MatrixView<T> dz, index_t j, index_t cols) const {
    if (entry_->identity && g.data == dz.data) return;
    entry_->backward(g.rows, cols, z.data + j, z.stride, a.data + j, a.stride, g.data + j, g.stride,
                     dz.data + j, dz.stride, parameters_.data());
  }
  void forward(MatrixView<const T> z, MatrixView<T> a) const { forward(z, a, 0, z.cols); }
  // Whether f'(z) may take the place of z: the backward pass is then a multiplication.
  bool has_slope() const { return entry_->activate_and_derive[0] != nullptr; }
  // a = f(z) and z = f'(z), both for little more than one of them. Rows have room for whole
  // vectors, and j is a multiple of a vector's length.
  void forward_and_derive(MatrixView<T> z, MatrixView<T> a, index_t j, index_t cols) const;

 private:
  const ActivationEntry<T>* entry_;
  index_t lanes_, short_lanes_;
  std::vector<double> parameters_;
};

// Where a layer stands in its network.
template <class T>
struct LayerPlace {
  const KernelTable<T>& table;
  const Widths& inputs;  // columns of each of its inputs
  index_t offset;        // of its parameters in the flat buffer
  index_t number;        // among the network's layers
  // The states of the layer whose parameters it shares; null: it has its own.
  const std::vector<StateBlock<T>>* states = nullptr;
};

// The rules by which derivatives along a line pass through a layer, and the numbers that a rule
// needs besides the layer's parameters. derivatives/jets.cc applies them.
enum class JetKind {
  product,   // x W + b, then the activation: Dense
  function,  // the activation
  copy,      // a = x
  sum,       // a = the inputs' sum, each times its factor (1 without factors)
  beside,    // a = the inputs side by side
  columns,   // a = gamma (x - mean) factor + beta, with mean and factor of each column
  rows,      // a = gamma n + beta, with n each row's groups of columns normalised
};
template <class T>
struct JetRule {
  JetKind kind = JetKind::copy;
  std::vector<T> mean{}, factor{};  // columns; of a sum the inputs' factors
  RowRule row{};                    // rows: of each group
  index_t groups = 1;               // rows
  index_t gamma = -1, beta = -1;    // offsets in the flat buffer; -1: no such array
};

template <class T>
class Layer {
 public:
  // The defaults of a kind's row in the table (see LayerKind); every kind has a `kind_name`.
  static constexpr std::array<LayerNumber, 0> numbers{};
  static constexpr bool has_activation = false, has_function = false;
  static constexpr bool is_table = false, is_last = false, is_sum = false;
  static constexpr const char *transposes = nullptr, *scheduled = nullptr;
  static constexpr index_t least_inputs = 1, most_inputs = 1;
  static index_t units_of(const LayerSpec&, const Widths& inputs) { return inputs.front(); }
  static index_t parameter_count_of(const LayerSpec&, const Widths& /*inputs*/) { return 0; }
  static void check(const LayerSpec&, const Widths& /*inputs*/) {}
  static bool is_identity(const LayerSpec&) { return false; }

  Layer(const LayerPlace<T>& place, const LayerSpec& spec)
      : trainable(spec.trainable),
        table_(&place.table),
        inputs_(place.inputs.front()),
        units_(spec.kind->units(spec, place.inputs)),
        offset_(place.offset),
        number_(place.number),
        shared_states_(place.states) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // Columns of its (first) input.
  index_t inputs() const { return inputs_; }
  index_t units() const { return units_; }
  const std::vector<ParameterBlock>& parameters() const { return parameters_; }
  const std::vector<StateBlock<T>>& states() const { return states_; }
  index_t parameter_offset() const { return offset_; }
  index_t parameter_count() const { return count_; }
  virtual const Dense<T>* dense() const { return nullptr; }
  virtual Embedding<T>* table() { return nullptr; }
  // The function at its end, when the loss may compute that instead.
  virtual const ActivationFunction<T>* activation() const { return nullptr; }
  // Number of elements that it keeps for each row besides its output.
  virtual index_t kept() const { return 0; }
  // Whether an output depends on all rows of the batch: calls then get the whole batch.
  virtual bool couples_rows(const Pass&) const { return false; }
  // Whether it may have several inputs: then `rows.inputs` is set, and `input_gradient_of` is
  // called for each of them.
  virtual bool merges() const { return false; }

  // Sets the penalty of its array of parameters number `array`.
  void set_penalty(std::size_t array, Penalty penalty) { parameters_.at(array).penalty = penalty; }

  bool trainable;

  // Called first, in the thread that makes the pass.
  virtual void prepare(const Pass&) {}
  // Called before the rows of a pass, with the whole batch.
  virtual void begin(const Pass&, const T* /*parameters*/, MatrixView<const T> /*x*/) {}
  virtual void forward(const Pass& pass, const T* parameters, const LayerRows<T>& rows) const = 0;
  // The contribution of these rows to the gradients of the layer's parameters, from g = dC/da:
  // added to its part of `gradients` when `accumulate`, else written there. Called before
  // `input_gradient` for the same rows.
  virtual void parameter_gradient(const Pass&, const LayerRows<T>&, MatrixView<const T> /*g*/,
                                  bool /*accumulate*/, T* /*gradients*/) {}
  // `begin` and `parameter_gradient` of a layer that couples rows, when several processes share the
  // batch: x and g are the rows of this process, the statistics are over the rows of all.
  // `sums_of_pass` says how many numbers each of the two adds up over the processes, sum by sum.
  virtual void begin_shared(const Pass&, const T* /*parameters*/, MatrixView<const T> /*x*/,
                            const SharedRows<T>&) {}
  virtual void gradient_shared(const Pass&, const LayerRows<T>&, MatrixView<const T> /*g*/,
                               bool /*accumulate*/, const SharedRows<T>&) {}
  struct SumsOfPass {
    std::vector<index_t> begin, gradient;
  };
  virtual SumsOfPass sums_of_pass() const { return {}; }
  // dx = dC/dx; dx and g do not overlap.
  virtual void input_gradient(const Pass& pass, const T* parameters, const LayerRows<T>& rows,
                              MatrixView<const T> g, MatrixView<T> dx) const = 0;
  // The same by input number i of a layer that merges.
  virtual void input_gradient_of(std::size_t /*i*/, const LayerRows<T>&, MatrixView<const T> /*g*/,
                                 MatrixView<T> /*dx*/) const {}
  // The penalty of outputs, summed over their rows: the network divides it by their number.
  virtual double output_penalty(MatrixView<const T> /*a*/) const { return 0; }
  // The memory that `begin` leaves for the backward pass, besides that of each row: the number of
  // its elements, and an exchange of them for those of another pass.
  virtual index_t kept_of_pass() const { return 0; }
  virtual void exchange(AlignedBuffer<T>&) noexcept {}
  // After a training step or an open forward pass: moving averages take what `begin` has seen.
  virtual void commit(const Pass&) {}
  // The random numbers that the layer uses for a row of a training pass, into out (units,). Throws
  // std::invalid_argument for a layer without any.
  virtual void random_numbers(const Pass& pass, index_t row, T* out) const;
  // The same for rows 0, 1, ... into out (rows, units).
  void random_rows(const Pass& pass, MatrixView<T> out) const {
    for (index_t i = 0; i < out.rows; ++i) random_numbers(pass, i, out.row(i));
  }
  // Throws std::invalid_argument for a layer whose second derivatives are not known.
  virtual JetRule<T> jet_rule() const = 0;

 protected:
  // `place`: the index of the array's penalty and multipliers in the specification.
  void add_parameters(const char* name, index_t rows, index_t cols, const LayerSpec& spec,
                      std::size_t place) {
    const Penalty penalty = place < std::size(spec.penalties) ? spec.penalties[place] : Penalty{};
    parameters_.push_back({name, offset_ + count_, rows, cols, penalty, spec.multipliers[place]});
    count_ += parameters_.back().size();
  }
  // Starts at `value`.
  std::shared_ptr<AlignedBuffer<T>> add_state(const char* name, T value);

  index_t number() const { return number_; }

  const KernelTable<T>* table_;

 private:
  index_t inputs_, units_, offset_, number_, count_ = 0;
  std::vector<ParameterBlock> parameters_;
  std::vector<StateBlock<T>> states_;
  const std::vector<StateBlock<T>>* shared_states_;  // during construction only
};

template <class T>
void copy_rows(MatrixView<const T> from, MatrixView<T> to);

}  // namespace densecore
