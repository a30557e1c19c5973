// Layers without parameters: a function of each row by itself.
#pragma once

#include <functional>

#include "layers/layer.h"

namespace densecore {

// a = f(x)
template <class T>
class ActivationLayer : public Layer<T> {
 public:
  ActivationLayer(const KernelTable<T>& table, index_t inputs, const LayerSpec& spec,
                  index_t offset)
      : Layer<T>(table, inputs, inputs, offset), function_(table, spec.activation) {}

  const ActivationFunction<T>* activation() const override { return &function_; }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    function_.forward(rows.x, rows.a);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    function_.backward(rows.x, rows.a, g, dx, 0, g.cols);
  }

 private:
  ActivationFunction<T> function_;
};

// In training, an input becomes 0 with probability `rate`; the others grow by 1 / (1 - rate), so
// that their expectation stays (Srivastava et al., Dropout, JMLR 2014, inverted). Masks come from
// 16 random bits each: the rate is met to 2^-16, and the factor is that of the rate as it is met.
template <class T>
class Dropout : public Layer<T> {
 public:
  Dropout(const KernelTable<T>& table, index_t inputs, const LayerSpec& spec, index_t offset,
          index_t number);

  index_t kept() const override { return this->units(); }  // the factors
  void forward(const Pass& pass, const T*, const LayerRows<T>& rows) const override;
  void input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override;

  // The factors of a row, 0 or 1 / (1 - rate), into out (units,).
  void factors(const Pass& pass, index_t row, T* out) const;

 private:
  index_t number_;
  std::uint32_t threshold_;  // of 2^16: the share that is kept
};

// A function of the user's own, called with whole batches from the thread that trains. The slow
// path: a call of Python costs more than most layers.
template <class T>
struct UserFunction {
  std::function<void(MatrixView<const T> x, MatrixView<T> a)> forward;
  std::function<void(MatrixView<const T> x, MatrixView<const T> a, MatrixView<T> out)> derivative;
};

template <class T>
class FunctionLayer : public Layer<T> {
 public:
  FunctionLayer(const KernelTable<T>& table, index_t inputs, const LayerSpec&, index_t offset)
      : Layer<T>(table, inputs, inputs, offset) {}

  bool couples_rows(const Pass&) const override { return true; }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    function.forward(rows.x, rows.a);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    function.derivative(rows.x, rows.a, dx);
    this->table_->normalization.multiply(g.rows, g.cols, g.data, g.stride, dx.data, dx.stride,
                                         dx.data, dx.stride);
  }

  UserFunction<T> function;
};

// The end of a residual block: a = x + the output of an earlier layer.
template <class T>
class AddLayer : public Layer<T> {
 public:
  AddLayer(const KernelTable<T>& table, index_t inputs, const LayerSpec& spec, index_t offset)
      : Layer<T>(table, inputs, inputs, offset), from_(spec.from) {}

  index_t from() const override { return from_; }
  // On the way out the other summand, on the way back the gradient for it.
  index_t kept() const override { return this->units(); }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    this->table_->normalization.sum(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride,
                                    rows.kept.data, rows.kept.stride, rows.a.data, rows.a.stride);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    copy_rows(g, rows.kept);
    copy_rows(g, dx);
  }

 private:
  index_t from_;
};

}  // namespace densecore
