// Layers that give a network's inputs a better form: a factor of each, and periodic functions.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "layers/normalization.h"

namespace densecore {

// a = s x, with a factor s of each column.
template <class T>
class Scale : public ScaleAndCenter<T> {
 public:
  static constexpr char kind_name[] = "scale";
  static constexpr std::array<LayerNumber, 0> numbers{};
  static index_t parameter_count_of(const LayerSpec&, const Widths& inputs) { return inputs.front(); }

  Scale(const LayerPlace<T>& place, const LayerSpec& spec)
      : ScaleAndCenter<T>(place, spec, "scale", nullptr) {}

  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override {
    multiply(parameters, rows.x, rows.a);
  }
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override {
    this->add_gradients(rows.x, g, 0, accumulate, gradients);
  }
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>&, MatrixView<const T> g,
                      MatrixView<T> dx) const override {
    multiply(parameters, g, dx);
  }
  JetRule<T> jet_rule() const override {
    JetRule<T> rule = this->jet_rule_of(JetKind::columns);
    rule.mean.assign(static_cast<std::size_t>(this->units()), T(0));
    rule.factor.assign(static_cast<std::size_t>(this->units()), T(1));
    return rule;
  }

 private:
  void multiply(const T* parameters, MatrixView<const T> x, MatrixView<T> out) const {
    this->table_->normalization.columns(x.rows, x.cols, x.data, x.stride, this->zeros(),
                                        this->gamma(parameters), this->ones(), this->zeros(),
                                        nullptr, 0, out.data, out.stride);
  }
};

// Holzmueller, Grinsztajn & Steinwart, Better by default, 2024 (PBLD, after Gorishniy, Rubachev &
// Babenko, On embeddings for numerical features, 2022): each of the first `columns` columns becomes
// `units` outputs, itself and sums of cosines (see PeriodicKernels); the other columns follow as
// they are.
template <class T>
class PeriodicEmbedding : public Layer<T> {
 public:
  static constexpr char kind_name[] = "periodic_embedding";
  // columns 0: all of them
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {whole_number("columns", 0, 0, max_width), whole_number("units", 4, 2, 1 << 12),
       whole_number("frequencies", 16, 1, 1 << 12)});
  static index_t units_of(const LayerSpec& spec, const Widths& inputs) {
    return inputs.front() + shape_of(spec, inputs).columns * (spec.whole_number("units") - 1);
  }
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
    const PeriodicShape shape = shape_of(spec, inputs);
    return shape.columns * (shape.frequencies * (shape.units + 1) + shape.units - 1);
  }
  static void check(const LayerSpec& spec, const Widths& inputs);

  PeriodicEmbedding(const LayerPlace<T>& place, const LayerSpec& spec);

  index_t kept() const override { return 2 * shape_.columns * shape_.frequencies; }
  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void begin(const Pass&, const T* parameters, MatrixView<const T>) override {
    trained_ = parameters;
  }
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override {
    throw std::invalid_argument(
        "found a layer of kind 'periodic_embedding', of which only the first derivatives are "
        "known");
  }

 private:
  static PeriodicShape shape_of(const LayerSpec& spec, const Widths& inputs) {
    const index_t columns = spec.whole_number("columns");
    return {columns == 0 ? inputs.front() : columns, spec.whole_number("frequencies"),
            spec.whole_number("units")};
  }
  template <class P>
  std::array<P*, 4> arrays(P* flat) const {
    std::array<P*, 4> found;
    for (std::size_t i = 0; i < found.size(); ++i) found[i] = flat + this->parameters()[i].offset;
    return found;
  }

  PeriodicShape shape_;
  const T* trained_ = nullptr;  // the parameters of the pass
};

}  // namespace densecore
