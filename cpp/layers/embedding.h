// A table of rows: inputs are numbers of rows, the outputs these rows side by side.
#pragma once

#include <array>
#include <cstring>
#include <stdexcept>

#include "layers/layer.h"

namespace densecore {

// `n` elements; of the usual sizes of a table's rows without a call.
template <class T>
inline void copy_row(index_t n, const T* from, T* to) {
  if (n == 8)
    std::memcpy(to, from, 8 * sizeof(T));
  else if (n == 16)
    std::memcpy(to, from, 16 * sizeof(T));
  else if (n == 4)
    std::memcpy(to, from, 4 * sizeof(T));
  else
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
}

// Row number x of a table (categories, units) for each input x. Inputs are columns of the network's
// x: whole numbers below `categories`. With `missing` all other values stand for row 0.
//
// The gradient of a table is of the rows of the batch only. The network adds it up when the
// backward pass has ended (network/tables.cc): then it is in the order of the batch's rows,
// whatever the number of threads, and costs no memory for each leaf.
template <class T>
class Embedding : public Layer<T> {
 public:
  static constexpr char kind_name[] = "embedding";
  static constexpr index_t most_categories = index_t{1} << 24;  // exact in float32
  static constexpr auto numbers =
      std::to_array<LayerNumber>({whole_number("categories", 0, 1, most_categories),
                                  whole_number("units", 0, 1, max_width), flag("missing", false)});
  static constexpr bool is_table = true;
  static index_t units_of(const LayerSpec& spec, const Widths& inputs) {
    return inputs.front() * spec.whole_number("units");
  }
  static index_t parameter_count_of(const LayerSpec& spec, const Widths&) {
    return spec.whole_number("categories") * spec.whole_number("units");
  }

  Embedding(const LayerPlace<T>& place, const LayerSpec& spec);

  Embedding* table() override { return this; }
  index_t categories() const { return categories_; }
  // Columns of the table.
  index_t row_units() const { return row_units_; }
  // The number of the row that a value stands for; 0 for one that `check_numbers` refuses.
  index_t row_of(T value) const {
    if (!(value >= 0 && value < static_cast<T>(categories_))) return 0;
    const auto row = static_cast<index_t>(value);
    return static_cast<T>(row) == value ? row : 0;
  }
  // Throws std::invalid_argument for a value that stands for no row. `first`: the number of the
  // first column of x.
  void check_numbers(MatrixView<const T> x, index_t first) const;

  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  // Numbers have no gradient.
  void input_gradient(const Pass&, const T*, const LayerRows<T>&, MatrixView<const T>,
                      MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument("second derivatives: found an embedding, wanted none");
  }

 private:
  index_t categories_, row_units_;
  bool missing_;
};

}  // namespace densecore
