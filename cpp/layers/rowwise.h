// Layers without parameters, most of them functions of each row by itself.
#pragma once

#include <array>
#include <functional>
#include <stdexcept>
#include <vector>

#include "layers/layer.h"

namespace densecore {

// a = f(x)
template <class T>
class ActivationLayer : public Layer<T> {
 public:
  static constexpr char kind_name[] = "activation";
  static constexpr bool has_activation = true;
  static bool is_identity(const LayerSpec& spec) { return spec.activation.name == "linear"; }

  ActivationLayer(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), function_(place.table, spec.activation) {}

  const ActivationFunction<T>* activation() const override { return &function_; }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    function_.forward(rows.x, rows.a);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    function_.backward(rows.x, rows.a, g, dx, 0, g.cols);
  }
  JetRule<T> jet_rule() const override { return {JetKind::function}; }

 private:
  ActivationFunction<T> function_;
};

// In training, an input becomes 0 with probability `rate`; the others are multiplied by
// 1 / (1 - rate), so that the expectation does not change (Srivastava et al., Dropout, JMLR 2014,
// inverted). A mask's element takes 16 random bits: the rate is rounded to 2^-16, and the factor
// follows from the rounded rate. A row of several vectors, one after another, has one mask for all
// of them (Tompson et al., Efficient object localization using convolutional networks, CVPR 2015).
template <class T>
class Dropout : public Layer<T> {
 public:
  static constexpr char kind_name[] = "dropout";
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {{"rate", 0, 0, 1, true}, whole_number("vectors", 1, 1, max_width)});
  static void check(const LayerSpec& spec, const Widths& inputs);
  static bool is_identity(const LayerSpec&) { return true; }
  static constexpr const char* scheduled = "rate";

  Dropout(const LayerPlace<T>& place, const LayerSpec& spec);

  index_t kept() const override { return this->units(); }  // the factors
  void prepare(const Pass& pass) override {
    if (pass.training) kept_of_2_16_ = kept_in(pass);
  }
  void forward(const Pass& pass, const T*, const LayerRows<T>& rows) const override;
  void input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override;

  // The factors of a row, 0 or 1 / (1 - rate).
  void random_numbers(const Pass& pass, index_t row, T* out) const override;
  JetRule<T> jet_rule() const override { return {JetKind::copy}; }

 private:
  // The same of some rows, of which this is the first, where so many of 2^16 are kept.
  void factors(const Pass& pass, index_t row, std::uint32_t kept_of_2_16, MatrixView<T> out) const;
  // The share that is kept in a pass. That of an open pass, which is no training step, is that of
  // the first step.
  std::uint32_t kept_in(const Pass& pass) const;

  double rate_;
  std::shared_ptr<ScheduledNumber> schedule_;
  std::uint32_t kept_of_2_16_;  // of the present pass
  index_t vectors_;
};

// In training, normal noise of deviation `stddev` is added.
template <class T>
class GaussianNoise : public Layer<T> {
 public:
  static constexpr char kind_name[] = "gaussian_noise";
  static constexpr auto numbers = std::to_array<LayerNumber>({{"stddev", 0, 0, 1e30}});
  static bool is_identity(const LayerSpec&) { return true; }

  GaussianNoise(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), deviation_(spec.number("stddev")) {}

  void forward(const Pass& pass, const T*, const LayerRows<T>& rows) const override;
  void input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    copy_rows(g, dx);
  }
  // The noise of a row.
  void random_numbers(const Pass& pass, index_t row, T* out) const override;
  JetRule<T> jet_rule() const override { return {JetKind::copy}; }

 private:
  double deviation_;
};

// a = x. The loss of a batch has l1 sum |a| + l2 sum a^2 + linear sum a, over its rows, added to
// it: their mean over the rows, or with `whole` their sum.
template <class T>
class ActivityRegularization : public Layer<T> {
 public:
  static constexpr char kind_name[] = "activity_regularization";
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {{"l1", 0, 0, 1e30}, {"l2", 0, 0, 1e30}, {"linear", 0, -1e30, 1e30}, flag("whole", false)});
  static bool is_identity(const LayerSpec&) { return true; }

  ActivityRegularization(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec),
        l1_(spec.number("l1")),
        l2_(spec.number("l2")),
        linear_(spec.number("linear")),
        whole_(spec.flag("whole")) {}

  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    copy_rows(rows.x, rows.a);
  }
  void input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override;
  double output_penalty(MatrixView<const T> a) const override;
  JetRule<T> jet_rule() const override { return {JetKind::copy}; }

 private:
  double l1_, l2_, linear_;
  bool whole_;
};

// Columns first .. first + count - 1 of its input.
template <class T>
class Columns : public Layer<T> {
 public:
  static constexpr char kind_name[] = "columns";
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {whole_number("first", 0, 0, max_width), whole_number("count", 1, 1, max_width)});
  static index_t units_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("count");
  }
  static void check(const LayerSpec& spec, const Widths& inputs);

  Columns(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), first_(spec.whole_number("first")) {}

  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    copy_rows({rows.x.data + first_, rows.x.rows, this->units(), rows.x.stride}, rows.a);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T> g,
                      MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'columns', of which only the first derivatives are known");
  }

 private:
  index_t first_;
};

// A function of the user, called with whole batches in the thread that trains. It is slow: a call
// of Python costs more than most layers.
template <class T>
struct UserFunction {
  std::function<void(MatrixView<const T> x, MatrixView<T> a)> forward;
  // Of a function of single elements: da/dx, from x and a. Of one of whole batches: dC/dx, from x
  // and dC/da.
  std::function<void(MatrixView<const T> x, MatrixView<const T> other, MatrixView<T> out)>
      derivative;
};

template <class T>
class FunctionLayer : public Layer<T> {
 public:
  static constexpr char kind_name[] = "function";
  // Of a function of whole batches the elements of a row that it makes; 0: one of single elements.
  static constexpr auto numbers =
      std::to_array<LayerNumber>({whole_number("units", 0, 0, max_width)});
  static index_t units_of(const LayerSpec& spec, const Widths& inputs) {
    const index_t units = spec.whole_number("units");
    return units == 0 ? inputs.front() : units;
  }

  FunctionLayer(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), whole_(spec.whole_number("units") != 0) {}

  bool couples_rows(const Pass&) const override { return true; }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    function.forward(rows.x, rows.a);
  }
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    if (whole_) return function.derivative(rows.x, g, dx);
    function.derivative(rows.x, rows.a, dx);
    this->table_->elementwise.multiply(g.rows, g.cols, g.data, g.stride, dx.data, dx.stride,
                                       dx.data, dx.stride);
  }
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "activation: found a Python function, of which only the first derivative is known; wanted "
        "one of the core's");
  }

  UserFunction<T> function;

 private:
  bool whole_;
};

}  // namespace densecore
