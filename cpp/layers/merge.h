// Layers of several inputs: they make one row of a row of each.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "layers/layer.h"

namespace densecore {

template <class T>
class MergeLayer : public Layer<T> {
 public:
  static constexpr index_t most_inputs = max_layers;

  MergeLayer(const LayerPlace<T>& place, const LayerSpec& spec)
      : Layer<T>(place, spec), name_(spec.kind->name), widths_(place.inputs) {}

  bool merges() const override { return true; }
  // Never called: `input_gradient_of` is.
  void input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T>,
                      MatrixView<T>) const override {}
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "second derivatives: found a layer of kind '" + std::string(name_) +
        "', wanted of those that merge concatenate, add, subtract, average");
  }

 protected:
  std::size_t count() const { return widths_.size(); }
  index_t width(std::size_t i) const { return widths_[i]; }

 private:
  const char* name_;
  Widths widths_;
};

// Side by side.
template <class T>
class Concatenate : public MergeLayer<T> {
 public:
  static constexpr char kind_name[] = "concatenate";
  static index_t units_of(const LayerSpec&, const Widths& inputs);

  Concatenate(const LayerPlace<T>& place, const LayerSpec& spec);

  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override { return {JetKind::beside}; }

 protected:
  // The columns of input number i.
  template <class U>
  MatrixView<U> columns(std::size_t i, MatrixView<U> all) const {
    return {all.data + first_[i], all.rows, this->width(i), all.stride};
  }

 private:
  std::vector<index_t> first_;
};

// The end of a model with several outputs: side by side, with a function applied to each. Where the
// loss of an output is computed together with its function, training leaves that out.
template <class T>
class Heads : public Concatenate<T> {
 public:
  static constexpr char kind_name[] = "heads";
  static constexpr bool is_last = true;
  static void check(const LayerSpec& spec, const Widths& inputs);

  Heads(const LayerPlace<T>& place, const LayerSpec& spec);

  // Which functions are left out (null: none), in this and all later calls.
  void leave_out(const std::vector<char>* which) { left_out_ = which; }
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override { return MergeLayer<T>::jet_rule(); }
  // Applies those that were left out.
  void finish(const std::vector<char>& left_out, MatrixView<T> a) const;

 private:
  bool copies(std::size_t i) const {
    return functions_[i].identity() || (left_out_ != nullptr && (*left_out_)[i] != 0);
  }

  std::vector<ActivationFunction<T>> functions_;
  const std::vector<char>* left_out_ = nullptr;
};

// Element by element. An input of one column counts for all columns (Keras's broadcasting).
template <class T>
class Elementwise : public MergeLayer<T> {
 public:
  static index_t units_of(const LayerSpec&, const Widths& inputs);
  static void check(const LayerSpec&, const Widths& inputs);

  using MergeLayer<T>::MergeLayer;

 protected:
  // dx = g, or the sum of a row's g for an input of one column.
  void pass_on(MatrixView<const T> g, MatrixView<T> dx) const;
};

template <class T>
class Add : public Elementwise<T> {
 public:
  static constexpr char kind_name[] = "add";
  static constexpr bool is_sum = true;
  using Elementwise<T>::Elementwise;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t, const LayerRows<T>&, MatrixView<const T> g,
                         MatrixView<T> dx) const override {
    this->pass_on(g, dx);
  }
  JetRule<T> jet_rule() const override { return {JetKind::sum}; }
};

// The first input. The others are computed for their penalties (ActivityRegularization), which have
// gradients though no output depends on them.
template <class T>
class First : public MergeLayer<T> {
 public:
  static constexpr char kind_name[] = "first";
  static constexpr index_t least_inputs = 2;
  using MergeLayer<T>::MergeLayer;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override {
    copy_rows(rows.inputs[0], rows.a);
  }
  void input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
};

template <class T>
class Average : public Add<T> {
 public:
  static constexpr char kind_name[] = "average";
  static constexpr bool is_sum = false;
  using Add<T>::Add;
  void forward(const Pass& pass, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    JetRule<T> rule{JetKind::sum};
    rule.factor.assign(this->count(), 1 / static_cast<T>(this->count()));
    return rule;
  }
};

template <class T>
class Subtract : public Elementwise<T> {
 public:
  static constexpr char kind_name[] = "subtract";
  static constexpr index_t least_inputs = 2, most_inputs = 2;
  using Elementwise<T>::Elementwise;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>&, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    JetRule<T> rule{JetKind::sum};
    rule.factor = {T(1), T(-1)};
    return rule;
  }
};

template <class T>
class Multiply : public Elementwise<T> {
 public:
  static constexpr char kind_name[] = "multiply";
  using Elementwise<T>::Elementwise;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                         MatrixView<T> dx) const override;
};

// The largest or smallest input. The gradient goes to the first of equal ones.
template <class T>
class Extremum : public Elementwise<T> {
 public:
  Extremum(const LayerPlace<T>& place, const LayerSpec& spec, bool largest)
      : Elementwise<T>(place, spec), largest_(largest) {}
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                         MatrixView<T> dx) const override;

 private:
  bool largest_;
};
template <class T>
class Maximum : public Extremum<T> {
 public:
  static constexpr char kind_name[] = "maximum";
  Maximum(const LayerPlace<T>& place, const LayerSpec& spec) : Extremum<T>(place, spec, true) {}
};
template <class T>
class Minimum : public Extremum<T> {
 public:
  static constexpr char kind_name[] = "minimum";
  Minimum(const LayerPlace<T>& place, const LayerSpec& spec) : Extremum<T>(place, spec, false) {}
};

// a[p][q] = sum over k of x[p][k] y[q][k], where a row of x is a matrix (first_rows, k), or
// (k, first_rows) when it is `first_across`, and so is one of y.
template <class T>
class Dot : public MergeLayer<T> {
 public:
  static constexpr char kind_name[] = "dot";
  static constexpr index_t least_inputs = 2, most_inputs = 2;
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {whole_number("first_rows", 1, 1, max_width), whole_number("second_rows", 1, 1, max_width),
       flag("first_across", false), flag("second_across", false)});
  static index_t units_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("first_rows") * spec.whole_number("second_rows");
  }
  static void check(const LayerSpec& spec, const Widths& inputs);

  Dot(const LayerPlace<T>& place, const LayerSpec& spec);

  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient_of(std::size_t i, const LayerRows<T>& rows, MatrixView<const T> g,
                         MatrixView<T> dx) const override;

 private:
  // Where element (row, k) of an input is: data[row * step + k * along].
  struct Side {
    index_t rows, step, along;
  };
  Side sides_[2];
  index_t terms_;
};

}  // namespace densecore
