// What every layer is to the network: rows in, rows out, its place among the parameters, and the
// gradients on the way back. Dense layers (dense.h) go other ways through the network, which cut
// their products into blocks; all others are called row range by row range.
#pragma once

#include <cstdint>
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

// What a pass over a batch is for. Dropout masks are functions of (seed, number, layer, row).
struct Pass {
  bool training = false;
  std::uint64_t seed = 0, number = 0;
};

// Some rows of a batch at one layer. `kept` is what the layer keeps for the way back.
template <class T>
struct LayerRows {
  index_t begin;  // number of the first one in the batch
  MatrixView<const T> x;
  MatrixView<T> kept, a;
};

// An array of parameters, by its place in the flat buffer.
struct ParameterBlock {
  const char* name;
  index_t offset, rows, cols;  // rows 0: a vector
  Penalty penalty;
  index_t size() const { return (rows == 0 ? 1 : rows) * cols; }
};

// An array that training changes, but not by a gradient (a moving average).
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
  // Columns j .. j + cols of a = f(z) and of dz = g f'(z); a may be z itself, and dz g. In here
  // because a step of a small network waits for every call and every view that is passed on.
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

 private:
  const ActivationEntry<T>* entry_;
  std::vector<double> parameters_;
};

template <class T>
class Layer {
 public:
  Layer(const KernelTable<T>& table, index_t inputs, index_t units, index_t offset)
      : table_(&table), inputs_(inputs), units_(units), offset_(offset) {}
  virtual ~Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  index_t inputs() const { return inputs_; }
  index_t units() const { return units_; }
  const std::vector<ParameterBlock>& parameters() const { return parameters_; }
  const std::vector<StateBlock<T>>& states() const { return states_; }
  index_t parameter_offset() const { return offset_; }
  index_t parameter_count() const { return count_; }
  virtual const Dense<T>* dense() const { return nullptr; }
  // The function that it ends with, if that may be left to the loss.
  virtual const ActivationFunction<T>* activation() const { return nullptr; }
  // Elements that it keeps of each row besides its output.
  virtual index_t kept() const { return 0; }
  // Whether an output depends on all rows of the batch: its calls then get the whole batch.
  virtual bool couples_rows(const Pass&) const { return false; }
  // The layer below whose output it takes besides its input, -1 for the network's input.
  virtual index_t from() const { return no_layer; }
  static constexpr index_t no_layer = -2;

  // Of its array of parameters number `array`.
  void set_penalty(std::size_t array, Penalty penalty) { parameters_.at(array).penalty = penalty; }

  bool trainable = true;

  // Before the rows of a pass, with the whole batch.
  virtual void begin(const Pass&, const T* /*parameters*/, MatrixView<const T> /*x*/) {}
  virtual void forward(const Pass& pass, const T* parameters, const LayerRows<T>& rows) const = 0;
  // Adds to the layer's part of `gradients` (or sets it, unless `accumulate`) what these rows
  // contribute, from g = dC/da. Comes before `input_gradient` of the same rows.
  virtual void parameter_gradient(const Pass&, const LayerRows<T>&, MatrixView<const T> /*g*/,
                                  bool /*accumulate*/, T* /*gradients*/) {}
  // dx = dC/dx, which is not g.
  virtual void input_gradient(const Pass& pass, const T* parameters, const LayerRows<T>& rows,
                              MatrixView<const T> g, MatrixView<T> dx) const = 0;
  // What `begin` leaves for the way back, besides what is kept of each row: its elements, and
  // another pass's in its place.
  virtual index_t kept_of_pass() const { return 0; }
  virtual void exchange(AlignedBuffer<T>&) noexcept {}
  // After a training step or an open forward pass: moving averages take what `begin` has seen.
  virtual void commit(const Pass&) {}

 protected:
  void add_parameters(const char* name, index_t rows, index_t cols, Penalty penalty) {
    parameters_.push_back({name, offset_ + count_, rows, cols, penalty});
    count_ += parameters_.back().size();
  }
  // Starts at `value`.
  std::shared_ptr<AlignedBuffer<T>> add_state(const char* name, T value);

  const KernelTable<T>* table_;

 private:
  index_t inputs_, units_, offset_, count_ = 0;
  std::vector<ParameterBlock> parameters_;
  std::vector<StateBlock<T>> states_;
};

template <class T>
void copy_rows(MatrixView<const T> from, MatrixView<T> to);

}  // namespace densecore
