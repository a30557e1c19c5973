#include "layers/normalization.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "base/branches.h"
#include "base/dtypes.h"
#include "base/pairwise.h"

namespace densecore {
namespace {

// A column's sum is made of chunks of so many rows, whose sums are added pairwise.
constexpr index_t chunk_rows = 64;

// out = the sum of all chunks; sum(begin, end, to) writes the sum of one.
template <class T, class Sum>
void add_chunks(const KernelTable<T>& table, index_t rows, index_t cols, AlignedBuffer<T>& sums,
                T* out, Sum sum) {
  const index_t chunks = divide_up(rows, chunk_rows);
  reserve(sums, chunks * cols);
  for (index_t c = 0; c < chunks; ++c)
    sum(c * chunk_rows, std::min((c + 1) * chunk_rows, rows), sums.data() + c * cols);
  add_pairwise(chunks, [&](index_t to, index_t from) {
    table.add(cols, sums.data() + from * cols, sums.data() + to * cols);
  });
  std::copy_n(sums.data(), cols, out);
}

// The same of each leaf of a batch that processes share: leaf i's sum goes to out + i * distance.
template <class T, class Sum>
void sum_leaves(const KernelTable<T>& table, const SharedRows<T>& shared, index_t cols,
                index_t distance, AlignedBuffer<T>& sums, T* out, Sum sum) {
  for (index_t i = 0; i < shared.leaves(); ++i, out += distance) {
    const Range leaf = shared.rows_of(i);
    if (leaf.size() == 0)
      std::fill_n(out, cols, T(-0.0));
    else
      add_chunks(table, leaf.size(), cols, sums, out, [&](index_t begin, index_t end, T* to) {
        sum(leaf.begin + begin, leaf.begin + end, to);
      });
  }
}

// Adds up rows of `sums`, one for each leaf, over all leaves of all processes, into the first one.
template <class T>
void add_leaves_up(const KernelTable<T>& table, const SharedRows<T>& shared, index_t cols,
                   T* sums) {
  add_leaves(shared.leaf, shared.leaves(), [&](index_t to, index_t from) {
    table.add(cols, sums + from * cols, sums + to * cols);
  });
  shared.add_up(sums, cols);
}

template <class T>
void divide(T* x, index_t n, index_t count) {
  for (index_t j = 0; j < n; ++j) x[j] /= static_cast<T>(count);
}

template <class T>
AlignedBuffer<T> constant(index_t size, T value) {
  AlignedBuffer<T> buffer(static_cast<std::size_t>(size));
  std::fill_n(buffer.data(), size, value);
  return buffer;
}

// Columns of a group of so many, with `more` columns between two groups.
template <class View>
View part(const View& view, index_t group, index_t cols, index_t more = 0) {
  return {view.data + group * (cols + more), view.rows, cols, view.stride};
}

}  // namespace

template <class T>
ScaleAndCenter<T>::ScaleAndCenter(const LayerPlace<T>& place, const LayerSpec& spec,
                                  const char* gamma, const char* beta, index_t steps)
    : Layer<T>(place, spec),
      scale_(gamma != nullptr),
      center_(beta != nullptr),
      ones_(constant<T>(this->units(), 1)),
      zeros_(constant<T>(this->units(), 0)) {
  if (scale_) this->add_parameters(gamma, 0, this->units() / steps, spec, 0);
  if (center_) this->add_parameters(beta, 0, this->units() / steps, spec, 1);
}

template <class T>
void ScaleAndCenter<T>::add_gradients(MatrixView<const T> normalized, MatrixView<const T> g,
                                      index_t column, bool accumulate, T* gradients) const {
  if (scale_)
    this->table_->normalization.column_product_sum(
        g.rows, g.cols, g.data, g.stride, normalized.data, normalized.stride, accumulate,
        gradients + this->parameters()[0].offset + column);
  if (center_)
    this->table_->column_sum(g.rows, g.cols, g.data, g.stride, accumulate,
                             gradients + this->parameters().back().offset + column);
}

template <class T>
JetRule<T> ScaleAndCenter<T>::jet_rule_of(JetKind kind) const {
  JetRule<T> rule{kind};
  if (scale_) rule.gamma = this->parameters().front().offset;
  if (center_) rule.beta = this->parameters().back().offset;
  return rule;
}

template <class T>
void RowNormalization<T>::forward(const Pass&, const T* parameters,
                                  const LayerRows<T>& rows) const {
  const index_t cols = this->units() / groups_;
  for (index_t group = 0; group < groups_; ++group) {
    const MatrixView<const T> x = part(rows.x, group, cols);
    const MatrixView<T> kept = part(rows.kept, group, cols, 1), a = part(rows.a, group, cols);
    this->table_->normalization.rows(
        x.rows, cols, rule_, x.data, x.stride, this->gamma(parameters) + group * cols,
        this->beta(parameters) + group * cols, kept.data, kept.stride, a.data, a.stride);
  }
}

template <class T>
void RowNormalization<T>::parameter_gradient(const Pass&, const LayerRows<T>& rows,
                                             MatrixView<const T> g, bool accumulate, T* gradients) {
  const index_t cols = this->units() / groups_;
  for (index_t group = 0; group < groups_; ++group)
    this->add_gradients(part(rows.kept, group, cols, 1), part(g, group, cols), group * cols,
                        accumulate, gradients);
}

template <class T>
void RowNormalization<T>::input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                                         MatrixView<const T> g, MatrixView<T> dx) const {
  const index_t cols = this->units() / groups_;
  for (index_t group = 0; group < groups_; ++group) {
    const MatrixView<const T> from = part(g, group, cols);
    const MatrixView<T> kept = part(rows.kept, group, cols, 1), to = part(dx, group, cols);
    this->table_->normalization.rows_gradient(from.rows, cols, rule_, from.data, from.stride,
                                              this->gamma(parameters) + group * cols, kept.data,
                                              kept.stride, to.data, to.stride);
  }
}

template <class T>
JetRule<T> RowNormalization<T>::jet_rule() const {
  JetRule<T> rule = this->jet_rule_of(JetKind::rows);
  rule.row = rule_;
  rule.groups = groups_;
  return rule;
}

template <class T>
void GroupNormalization<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t groups = spec.whole_number("groups"), width = inputs.front();
  if (width % groups != 0)
    throw std::invalid_argument("found " + std::to_string(width) + " units in " +
                                std::to_string(groups) + " groups, wanted groups of equal size");
}

template <class T>
void BatchNormalization<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t steps = spec.whole_number("steps"), width = inputs.front();
  if (width % steps != 0)
    throw std::invalid_argument("found " + std::to_string(width) + " units in " +
                                std::to_string(steps) + " vectors, wanted vectors of equal size");
}

template <class T>
BatchNormalization<T>::BatchNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
    : ScaleAndCenter<T>(place, spec, spec.flag("scale") ? "gamma" : nullptr,
                        spec.flag("center") ? "beta" : nullptr, spec.whole_number("steps")),
      epsilon_(spec.number("epsilon")),
      momentum_(spec.number("momentum")),
      steps_(spec.whole_number("steps")),
      features_(this->units() / steps_),
      moving_mean_(this->add_state("moving_mean", 0)),
      moving_variance_(this->add_state("moving_variance", 1)),
      gammas_(constant<T>(steps_ == 1 ? 0 : this->units(), 1)),
      betas_(constant<T>(steps_ == 1 ? 0 : this->units(), 0)) {
  for (AlignedBuffer<T>* buffer : {&mean_, &variance_, &inverse_, &factor_, &mean_g_, &mean_gn_})
    *buffer = constant<T>(this->units(), 0);
}

template <class T>
void BatchNormalization<T>::begin(const Pass& pass, const T* parameters, MatrixView<const T> x) {
  const index_t cols = this->units();
  const KernelTable<T>& table = *this->table_;
  if (by_batch(pass)) {
    add_chunks(table, x.rows, cols, sums_, mean_.data(), [&](index_t begin, index_t end, T* out) {
      table.column_sum(end - begin, cols, x.row(begin), x.stride, false, out);
    });
    fold(mean_.data());
    divide(mean_.data(), features_, x.rows * steps_);
    repeat(mean_.data());
    add_chunks(table, x.rows, cols, sums_, variance_.data(),
               [&](index_t begin, index_t end, T* out) {
                 table.normalization.column_squares(end - begin, cols, x.row(begin), x.stride,
                                                    mean_.data(), out);
               });
    fold(variance_.data());
    divide(variance_.data(), features_, x.rows * steps_);
  } else {
    std::copy_n(moving_mean_->data(), features_, mean_.data());
    std::copy_n(moving_variance_->data(), features_, variance_.data());
    repeat(mean_.data());
  }
  repeat(variance_.data());
  find_factors(parameters);
}

template <class T>
void BatchNormalization<T>::fold(T* sums) const {
  for (index_t step = 1; step < steps_; ++step)
    this->table_->add(features_, sums + step * features_, sums);
}

template <class T>
void BatchNormalization<T>::repeat(T* values) const {
  for (index_t step = 1; step < steps_; ++step)
    std::copy_n(values, features_, values + step * features_);
}

template <class T>
void BatchNormalization<T>::find_factors(const T* parameters) {
  if (steps_ > 1) {
    std::copy_n(this->gamma(parameters), features_, gammas_.data());
    std::copy_n(this->beta(parameters), features_, betas_.data());
    repeat(gammas_.data());
    repeat(betas_.data());
  }
  const T* const gamma = gammas(parameters);
  for (index_t j = 0; j < this->units(); ++j) {
    inverse_.data()[j] =
        static_cast<T>(1 / std::sqrt(static_cast<double>(variance_.data()[j]) + epsilon_));
    factor_.data()[j] = gamma[j] * inverse_.data()[j];
  }
}

template <class T>
void BatchNormalization<T>::forward(const Pass&, const T* parameters,
                                    const LayerRows<T>& rows) const {
  this->table_->normalization.columns(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride,
                                      mean_.data(), inverse_.data(), gammas(parameters),
                                      betas(parameters), rows.kept.data, rows.kept.stride,
                                      rows.a.data, rows.a.stride);
}

template <class T>
void BatchNormalization<T>::parameter_gradient(const Pass& pass, const LayerRows<T>& rows,
                                               MatrixView<const T> g, bool accumulate,
                                               T* gradients) {
  if (!by_batch(pass)) {
    for (index_t step = 0; this->trainable && step < steps_; ++step)
      this->add_gradients(part(rows.kept, step, features_), part(g, step, features_), 0,
                          accumulate || step > 0, gradients);
    return;
  }
  // The whole batch at once: the gradient of the input needs these sums, too.
  const KernelTable<T>& table = *this->table_;
  add_chunks(table, g.rows, g.cols, sums_, mean_g_.data(), [&](index_t begin, index_t end, T* out) {
    table.column_sum(end - begin, g.cols, g.row(begin), g.stride, false, out);
  });
  add_chunks(
      table, g.rows, g.cols, sums_, mean_gn_.data(), [&](index_t begin, index_t end, T* out) {
        table.normalization.column_product_sum(end - begin, g.cols, g.row(begin), g.stride,
                                               rows.kept.row(begin), rows.kept.stride, false, out);
      });
  for (AlignedBuffer<T>* sums : {&mean_g_, &mean_gn_}) fold(sums->data());
  take_gradients(mean_gn_.data(), mean_g_.data(), accumulate, gradients);
  for (AlignedBuffer<T>* sums : {&mean_g_, &mean_gn_}) {
    divide(sums->data(), features_, g.rows * steps_);
    repeat(sums->data());
  }
}

template <class T>
void BatchNormalization<T>::take_gradients(const T* gamma, const T* beta, bool accumulate,
                                           T* gradients) const {
  const auto take = [&](const T* from, index_t offset) {
    if (accumulate)
      this->table_->add(features_, from, gradients + offset);
    else
      std::copy_n(from, features_, gradients + offset);
  };
  if (this->scale_) take(gamma, this->parameters().front().offset);
  if (this->center_) take(beta, this->parameters().back().offset);
}

template <class T>
void BatchNormalization<T>::begin_shared(const Pass&, const T* parameters, MatrixView<const T> x,
                                         const SharedRows<T>& shared) {
  const index_t cols = this->units();
  const KernelTable<T>& table = *this->table_;
  const auto mean_of = [&](AlignedBuffer<T>& out, auto&& sum) {
    reserve(leaf_sums_, shared.leaves() * cols);
    sum_leaves(table, shared, cols, cols, sums_, leaf_sums_.data(), sum);
    add_leaves_up(table, shared, cols, leaf_sums_.data());
    std::copy_n(leaf_sums_.data(), cols, out.data());
    fold(out.data());
    divide(out.data(), features_, shared.rows * steps_);
    repeat(out.data());
  };
  mean_of(mean_, [&](index_t begin, index_t end, T* out) {
    table.column_sum(end - begin, cols, x.row(begin), x.stride, false, out);
  });
  mean_of(variance_, [&](index_t begin, index_t end, T* out) {
    table.normalization.column_squares(end - begin, cols, x.row(begin), x.stride, mean_.data(),
                                       out);
  });
  find_factors(parameters);
}

template <class T>
void BatchNormalization<T>::gradient_shared(const Pass&, const LayerRows<T>& rows,
                                            MatrixView<const T> g, bool accumulate,
                                            const SharedRows<T>& shared) {
  const index_t cols = this->units();
  const KernelTable<T>& table = *this->table_;
  reserve(leaf_sums_, shared.leaves() * 2 * cols);
  T* const sums = leaf_sums_.data();
  sum_leaves(table, shared, cols, 2 * cols, sums_, sums, [&](index_t begin, index_t end, T* out) {
    table.column_sum(end - begin, cols, g.row(begin), g.stride, false, out);
  });
  sum_leaves(
      table, shared, cols, 2 * cols, sums_, sums + cols, [&](index_t begin, index_t end, T* out) {
        table.normalization.column_product_sum(end - begin, cols, g.row(begin), g.stride,
                                               rows.kept.row(begin), rows.kept.stride, false, out);
      });
  for (index_t i = 0; i < 2 * shared.leaves(); ++i) fold(sums + i * cols);
  for (index_t i = 0; i < shared.leaves(); ++i)
    take_gradients(sums + (2 * i + 1) * cols, sums + 2 * i * cols, accumulate, shared.gradients(i));
  add_leaves_up(table, shared, 2 * cols, sums);
  std::copy_n(sums, cols, mean_g_.data());
  std::copy_n(sums + cols, cols, mean_gn_.data());
  for (AlignedBuffer<T>* found : {&mean_g_, &mean_gn_}) {
    divide(found->data(), features_, shared.rows * steps_);
    repeat(found->data());
  }
}

template <class T>
void BatchNormalization<T>::input_gradient(const Pass& pass, const T*, const LayerRows<T>& rows,
                                           MatrixView<const T> g, MatrixView<T> dx) const {
  const bool batch = by_batch(pass);
  this->table_->normalization.columns_gradient(
      g.rows, g.cols, g.data, g.stride, rows.kept.data, rows.kept.stride, factor_.data(),
      batch ? mean_g_.data() : this->zeros(), batch ? mean_gn_.data() : this->zeros(), dx.data,
      dx.stride);
}

template <class T>
void BatchNormalization<T>::commit(const Pass& pass) {
  if (!by_batch(pass)) return;
  const auto average = this->table_->gradients.average;
  average(features_, momentum_, mean_.data(), moving_mean_->data());
  average(features_, momentum_, variance_.data(), moving_variance_->data());
}

template <class T>
JetRule<T> BatchNormalization<T>::jet_rule() const {
  if (steps_ > 1)
    throw std::invalid_argument(
        "batch_normalization: found rows of several vectors, wanted rows of one: derivatives of "
        "others are not known");
  JetRule<T> rule = this->jet_rule_of(JetKind::columns);
  for (index_t j = 0; j < this->units(); ++j) {
    rule.mean.push_back(moving_mean_->data()[j]);
    const double variance = static_cast<double>(moving_variance_->data()[j]);
    rule.factor.push_back(static_cast<T>(1 / std::sqrt(variance + epsilon_)));
  }
  return rule;
}

template <class T>
FixedNormalization<T>::FixedNormalization(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      epsilon_(spec.number("epsilon")),
      invert_(spec.flag("invert")),
      mean_(this->add_state("mean", 0)),
      variance_(this->add_state("variance", 1)),
      factor_(constant<T>(this->units(), 1)),
      before_(constant<T>(this->units(), 0)),
      after_(constant<T>(this->units(), 0)),
      ones_(constant<T>(this->units(), 1)) {}

template <class T>
void FixedNormalization<T>::begin(const Pass&, const T*, MatrixView<const T>) {
  // At each pass, as the user may have written to the states.
  for (index_t j = 0; j < this->units(); ++j) {
    const double deviation =
        std::max(std::sqrt(static_cast<double>(variance_->data()[j])), epsilon_);
    factor_.data()[j] = static_cast<T>(invert_ ? deviation : 1 / deviation);
    (invert_ ? after_ : before_).data()[j] = mean_->data()[j];
  }
}

template <class T>
void FixedNormalization<T>::forward(const Pass&, const T*, const LayerRows<T>& rows) const {
  this->table_->normalization.columns(rows.x.rows, rows.x.cols, rows.x.data, rows.x.stride,
                                      before_.data(), factor_.data(), ones_.data(), after_.data(),
                                      nullptr, 0, rows.a.data, rows.a.stride);
}

template <class T>
void FixedNormalization<T>::input_gradient(const Pass&, const T*, const LayerRows<T>& rows,
                                           MatrixView<const T> g, MatrixView<T> dx) const {
  // dx = g * factor, whatever the rows were.
  for (index_t i = 0; i < rows.x.rows; ++i)
    this->table_->elementwise.multiply(1, g.cols, g.row(i), g.stride, factor_.data(), g.cols,
                                       dx.row(i), dx.stride);
}

template <class T>
JetRule<T> FixedNormalization<T>::jet_rule() const {
  JetRule<T> rule{JetKind::columns};
  for (index_t j = 0; j < this->units(); ++j) {
    double mean = static_cast<double>(mean_->data()[j]);
    double deviation = std::max(std::sqrt(static_cast<double>(variance_->data()[j])), epsilon_);
    // x deviation + mean, as (x - m) / d.
    if (invert_) deviation = 1 / deviation, mean *= -deviation;
    rule.mean.push_back(static_cast<T>(mean));
    rule.factor.push_back(static_cast<T>(1 / deviation));
  }
  return rule;
}

#define DENSECORE_INSTANTIATE(T, ...)   \
  template class ScaleAndCenter<T>;     \
  template class RowNormalization<T>;   \
  template class GroupNormalization<T>; \
  template class BatchNormalization<T>; \
  template class FixedNormalization<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
