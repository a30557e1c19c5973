// Layers that normalise: each column over the batch, each row over its columns, or each column by
// fixed numbers.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "layers/layer.h"

namespace densecore {

// gamma and beta, or constant ones and zeros in their place.
template <class T>
class ScaleAndCenter : public Layer<T> {
 public:
  static constexpr auto numbers = std::to_array<LayerNumber>(
      {{"epsilon", 1e-3, 0, 1e30}, flag("scale", true), flag("center", true)});
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
    return (spec.flag("scale") + spec.flag("center")) * inputs.front();
  }

  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override {
    add_gradients(rows.kept, g, 0, accumulate, gradients);
  }

 protected:
  // With the arrays that the specification asks for, or with those of these names (null: none).
  ScaleAndCenter(const LayerPlace<T>& place, const LayerSpec& spec)
      : ScaleAndCenter(place, spec, spec.flag("scale") ? "gamma" : nullptr,
                       spec.flag("center") ? "beta" : nullptr) {}
  // The row may be several vectors, `steps`, which have the same gamma and beta.
  ScaleAndCenter(const LayerPlace<T>& place, const LayerSpec& spec, const char* gamma,
                 const char* beta, index_t steps = 1);

  const T* gamma(const T* parameters) const {
    return scale_ ? parameters + this->parameters()[0].offset : ones_.data();
  }
  const T* beta(const T* parameters) const {
    return center_ ? parameters + this->parameters().back().offset : zeros_.data();
  }
  const T* zeros() const { return zeros_.data(); }
  const T* ones() const { return ones_.data(); }
  // The gradients of gamma and beta for some columns, the first of which is `column`.
  void add_gradients(MatrixView<const T> normalized, MatrixView<const T> g, index_t column,
                     bool accumulate, T* gradients) const;
  // A rule of this kind, with the offsets of gamma and beta.
  JetRule<T> jet_rule_of(JetKind kind) const;
  bool scale_, center_;

 private:
  AlignedBuffer<T> ones_, zeros_;
};

// y = gamma n + beta, where n is the row, each of its groups of columns normalised by `rule`.
template <class T>
class RowNormalization : public ScaleAndCenter<T> {
 public:
  // The normalised columns of a row, then for each group 1 / deviation.
  index_t kept() const override { return this->units() + groups_; }
  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void parameter_gradient(const Pass&, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override;

 protected:
  RowNormalization(const LayerPlace<T>& place, const LayerSpec& spec, const RowRule& rule,
                   index_t groups = 1)
      : ScaleAndCenter<T>(place, spec), rule_(rule), groups_(groups) {}
  RowNormalization(const LayerPlace<T>& place, const LayerSpec& spec, const RowRule& rule,
                   const char* gamma, const char* beta)
      : ScaleAndCenter<T>(place, spec, gamma, beta), rule_(rule), groups_(1) {}

 private:
  RowRule rule_;
  index_t groups_;
};

// Ba, Kiros & Hinton, Layer normalization, 2016: y = gamma (x - mean) / sqrt(variance + epsilon)
// + beta, with the mean and the variance of the row.
template <class T>
class LayerNormalization : public RowNormalization<T> {
 public:
  static constexpr char kind_name[] = "layer_normalization";

  LayerNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
      : RowNormalization<T>(
            place, spec,
            RowRule{spec.number("epsilon"), static_cast<double>(place.inputs.front()), true}) {}
};

// Zhang & Sennrich, Root mean square layer normalization, 2019: y = scale x / sqrt(mean of x^2 +
// epsilon).
template <class T>
class RmsNormalization : public RowNormalization<T> {
 public:
  static constexpr char kind_name[] = "rms_normalization";
  static constexpr auto numbers = std::to_array<LayerNumber>({{"epsilon", 1e-6, 0, 1e30}});
  static index_t parameter_count_of(const LayerSpec&, const Widths& inputs) {
    return inputs.front();
  }

  RmsNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
      : RowNormalization<T>(
            place, spec,
            RowRule{spec.number("epsilon"), static_cast<double>(place.inputs.front()), false},
            "scale", nullptr) {}
};

// Wu & He, Group normalization, 2018: layer normalisation of each of `groups` equal parts of the
// row.
template <class T>
class GroupNormalization : public RowNormalization<T> {
 public:
  static constexpr char kind_name[] = "group_normalization";
  static constexpr auto numbers =
      std::to_array<LayerNumber>({{"epsilon", 1e-3, 0, 1e30},
                                  flag("scale", true),
                                  flag("center", true),
                                  whole_number("groups", 32, 1, max_width)});
  static void check(const LayerSpec& spec, const Widths& inputs);

  GroupNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
      : RowNormalization<T>(
            place, spec,
            RowRule{spec.number("epsilon"),
                    static_cast<double>(place.inputs.front()) / spec.number("groups"), true},
            spec.whole_number("groups")) {}
};

// y = x / |x|; 1e-70 is added to |x|^2, so that a row of zeros gives 0. Keras
// divides by at least 1e-12 instead, so that smaller rows stay smaller than 1 there.
template <class T>
class UnitNormalization : public RowNormalization<T> {
 public:
  static constexpr char kind_name[] = "unit_normalization";
  static constexpr std::array<LayerNumber, 0> numbers{};
  static index_t parameter_count_of(const LayerSpec&, const Widths&) { return 0; }

  UnitNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
      : RowNormalization<T>(place, spec, RowRule{.epsilon = 1e-70, .count = 1, .centered = false},
                            nullptr, nullptr) {}
};

// Ioffe & Szegedy, Batch normalization, 2015: as above with the mean and variance of the column,
// over the batch in training, else their moving averages. A layer that is not trainable uses the
// latter in training too, as in Keras. Sample weights do not count here, as in Keras. A row may be
// several vectors, one after another (`steps`): then each of them counts as a row.
template <class T>
class BatchNormalization : public ScaleAndCenter<T> {
 public:
  static constexpr char kind_name[] = "batch_normalization";
  static constexpr auto numbers =
      std::to_array<LayerNumber>({{"epsilon", 1e-3, 0, 1e30},
                                  flag("scale", true),
                                  flag("center", true),
                                  {"momentum", 0.99, 0, 1},
                                  whole_number("steps", 1, 1, max_width)});
  static index_t parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
    return ScaleAndCenter<T>::parameter_count_of(spec, inputs) / spec.whole_number("steps");
  }
  static void check(const LayerSpec& spec, const Widths& inputs);

  BatchNormalization(const LayerPlace<T>& place, const LayerSpec& spec);

  index_t kept() const override { return this->units(); }  // the normalised row
  bool couples_rows(const Pass& pass) const override { return by_batch(pass); }
  void begin(const Pass& pass, const T* parameters, MatrixView<const T> x) override;
  void forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const override;
  void parameter_gradient(const Pass& pass, const LayerRows<T>& rows, MatrixView<const T> g,
                          bool accumulate, T* gradients) override;
  void input_gradient(const Pass& pass, const T* parameters, const LayerRows<T>& rows,
                      MatrixView<const T> g, MatrixView<T> dx) const override;
  void commit(const Pass& pass) override;
  index_t kept_of_pass() const override { return this->units(); }
  void exchange(AlignedBuffer<T>& other) noexcept override { std::swap(factor_, other); }
  JetRule<T> jet_rule() const override;
  // The mean, then the variance around it; the sums of g and of g * normalised at once.
  void begin_shared(const Pass& pass, const T* parameters, MatrixView<const T> x,
                    const SharedRows<T>& shared) override;
  void gradient_shared(const Pass& pass, const LayerRows<T>& rows, MatrixView<const T> g,
                       bool accumulate, const SharedRows<T>& shared) override;
  typename Layer<T>::SumsOfPass sums_of_pass() const override {
    return {{this->units(), this->units()}, {2 * this->units()}};
  }

 private:
  bool by_batch(const Pass& pass) const { return pass.training && this->trainable; }
  // From the mean and the variance of the pass.
  void find_factors(const T* parameters);
  // Adds sums of the columns of all vectors of a row up, in those of the first one.
  void fold(T* sums) const;
  // Copies the statistics of the first vector's columns to those of the others.
  void repeat(T* values) const;
  // gamma and beta of all columns.
  const T* gammas(const T* parameters) const {
    return steps_ == 1 ? this->gamma(parameters) : gammas_.data();
  }
  const T* betas(const T* parameters) const {
    return steps_ == 1 ? this->beta(parameters) : betas_.data();
  }
  // The gradients of gamma and beta, of all columns.
  void take_gradients(const T* gamma, const T* beta, bool accumulate, T* gradients) const;

  double epsilon_, momentum_;
  index_t steps_, features_;  // vectors of a row, and columns of each
  std::shared_ptr<AlignedBuffer<T>> moving_mean_, moving_variance_;  // in the first features_
  // Of several vectors: gamma and beta of all columns, as of the last pass.
  AlignedBuffer<T> gammas_, betas_;
  // Forward: mean, variance, 1 / deviation, gamma / deviation. Backward: means of g
  // and of g * normalised.
  AlignedBuffer<T> mean_, variance_, inverse_, factor_, mean_g_, mean_gn_, sums_, leaf_sums_;
};

// y = (x - mean) / max(sqrt(variance), epsilon) with given numbers, or with `invert` the inverse:
// y = x * max(sqrt(variance), epsilon) + mean.
template <class T>
class FixedNormalization : public Layer<T> {
 public:
  static constexpr char kind_name[] = "normalization";
  static constexpr auto numbers =
      std::to_array<LayerNumber>({{"epsilon", 1e-3, 0, 1e30}, flag("invert", false)});

  FixedNormalization(const LayerPlace<T>& place, const LayerSpec& spec);

  void begin(const Pass&, const T*, MatrixView<const T>) override;
  void forward(const Pass&, const T*, const LayerRows<T>& rows) const override;
  void input_gradient(const Pass&, const T*, const LayerRows<T>& rows, MatrixView<const T> g,
                      MatrixView<T> dx) const override;
  JetRule<T> jet_rule() const override;

 private:
  double epsilon_;
  bool invert_;
  std::shared_ptr<AlignedBuffer<T>> mean_, variance_;
  AlignedBuffer<T> factor_, before_, after_, ones_;
};

}  // namespace densecore
