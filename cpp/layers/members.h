// Dense layers of several members side by side, which share their kernel or have one each.
#pragma once

#include <array>
#include <stdexcept>

#include "layers/layer.h"

namespace densecore {

// A row has a vector of inputs for each member, one after another, or with `one_input` one vector
// that all take; its output has a vector of `units` for each. Member i computes
//   a = s_i (W^T (r_i x)) + b_i
// (BatchEnsemble: Wen, Tran & Ba, 2020; TabM: Gorishniy, Kotelnikov & Babenko, 2024). Without
// `shared_kernel` W is W_i, without the scales r and s are 1, with `shared_bias` b_i is b.
// Parameters: W (inputs, units), or (members inputs, units); b; r (members, inputs); s.
//
// Each member's product is one of as many rows as the batch: X's columns of a member are a matrix
// by their stride, so nothing is put in another order.
template <class T>
class MemberDense : public Layer<T> {
 public:
  static constexpr char kind_name[] = "member_dense";
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {whole_number("members", 1, 1, max_width), whole_number("units", 1, 1, max_width),
       flag("one_input", false), flag("shared_kernel", true), flag("use_bias", true),
       flag("shared_bias", false), flag("input_scale", true), flag("output_scale", true)});
  static index_t units_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("members") * spec.whole_number("units");
  }
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs);
  static void check(const LayerSpec& spec, const Widths& inputs);

  MemberDense(const LayerPlace<T>& place, const LayerSpec& spec);

  index_t kept() const override;
  void begin(const Pass&, const T* parameters, MatrixView<const T>) override {
    trained_ = parameters;
  }
  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'member_dense', of which only the first derivatives are known");
  }

 private:
  static index_t inputs_of(const LayerSpec& spec, const Widths& inputs) {
    return spec.flag("one_input") ? inputs.front() : inputs.front() / spec.whole_number("members");
  }
  // Parts of a row of `kept`, where they are used: r x, and W^T r x; then the gradients by the
  // latter and by the former.
  index_t product_at() const { return input_scale_ < 0 ? 0 : members_ * width_; }
  index_t delta_at() const { return product_at() + (output_scale_ < 0 ? 0 : members_ * size_); }
  index_t below_at() const { return delta_at() + (output_scale_ < 0 ? 0 : members_ * size_); }

  static MatrixView<T> part(MatrixView<T> all, index_t first, index_t columns) {
    return {all.data + first, all.rows, columns, all.stride};
  }
  static MatrixView<const T> part(MatrixView<const T> all, index_t first, index_t columns) {
    return {all.data + first, all.rows, columns, all.stride};
  }
  MatrixView<const T> input_of(const LayerRows<T>& rows, index_t member) const {
    return part(rows.x, one_input_ ? 0 : member * width_, width_);
  }
  const T* kernel_of(const T* parameters, index_t member) const {
    return parameters + this->parameter_offset() + (shared_kernel_ ? 0 : member * width_ * size_);
  }
  // out = x times a factor of each column.
  void scale(MatrixView<const T> x, const T* factors, MatrixView<T> out) const;
  // The gradient by a member's product: g itself without output scales.
  MatrixView<const T> delta_of(const T* parameters, const LayerRows<T>& rows, MatrixView<const T> g,
                               index_t member) const;
  // out = delta W^T.
  void below(const T* parameters, MatrixView<const T> delta, index_t member,
             MatrixView<T> out) const;

  index_t members_, width_, size_;  // width_: inputs of a member, size_: its units
  bool one_input_, shared_kernel_, shared_bias_;
  index_t bias_ = -1, input_scale_ = -1, output_scale_ = -1;  // offsets; -1: no such array
  AlignedBuffer<T> ones_, zeros_;
  const T* trained_ = nullptr;  // the parameters of the pass
};

}  // namespace densecore
