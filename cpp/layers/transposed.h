// The kernel of a dense layer, transposed: A = X W^T, for decoders whose weights are the encoder's.
#pragma once

#include <array>
#include <stdexcept>

#include "layers/layer.h"

namespace densecore {

// It has no parameters of its own: W (units, inputs) and, without a use for it here, its bias are
// those of an earlier dense layer, which it must share.
template <class T>
class TransposedDense : public Layer<T> {
 public:
  static constexpr char kind_name[] = "transposed_dense";
  static constexpr const char* transposes = "dense";
  // `use_bias`: whether the dense layer has one.
  static constexpr auto numbers =
      std::to_array<LayerNumber>({whole_number("units", 0, 1, max_width), flag("use_bias", true)});
  static index_t units_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("units");
  }
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
    return inputs.front() * (spec.whole_number("units") + (spec.flag("use_bias") ? 1 : 0));
  }

  TransposedDense(const LayerPlace<T>& place, const LayerSpec& spec);

  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'transposed_dense', of which only the first derivatives are known");
  }
};

}  // namespace densecore
