// A column cut into bins, each with an output that grows from 0 to 1 across it.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>

#include "layers/layer.h"

namespace densecore {

// Gorishniy, Rubachev & Babenko, On embeddings for numerical features, 2022: each of the first
// `columns` columns becomes `bins` outputs (x - lower) / (upper - lower), in [0, 1]; that of the
// first bin goes on below 0 and that of the last one above 1 unless `clip`. A bin of no width gives
// 0. The other columns follow as they are. The bins' ends are states, as long as the outputs.
template <class T>
class PiecewiseLinear : public Layer<T> {
 public:
  static constexpr char kind_name[] = "piecewise_linear";
  // columns 0: all of them
  static constexpr auto numbers =
      std::to_array<LayerNumber>({whole_number("columns", 0, 0, max_width),
                                  whole_number("bins", 16, 1, 1 << 12), flag("clip", false)});
  static index_t units_of(const LayerSpec& spec, const Widths& inputs) {
    return inputs.front() + columns_of(spec, inputs) * (spec.whole_number("bins") - 1);
  }
  static void check(const LayerSpec& spec, const Widths& inputs);

  PiecewiseLinear(const LayerPlace<T>& place, const LayerSpec& spec);

  void begin(const Pass&, const T*, MatrixView<const T>) override;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'piecewise_linear', of which only the first derivatives are known");
  }

 private:
  static index_t columns_of(const LayerSpec& spec, const Widths& inputs) {
    const index_t columns = spec.whole_number("columns");
    return columns == 0 ? inputs.front() : columns;
  }

  index_t columns_, bins_;
  bool clip_;
  std::shared_ptr<AlignedBuffer<T>> lower_, upper_;
  // Of each bin: 1 / (upper - lower), and where its output begins to grow and ends.
  AlignedBuffer<T> factor_, begin_, end_;
};

}  // namespace densecore
