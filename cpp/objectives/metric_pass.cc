// Metrics that are not a mean over rows: areas under a curve, which need all outputs sorted, and
// the coefficient of determination, which needs the mean of the targets.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/dtypes.h"
#include "objectives/metric.h"

namespace densecore {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

// The area under the ROC curve by the trapezoidal rule, or the average precision, with every
// distinct score as a threshold: exact, where Keras takes 200 thresholds. Of several outputs it is
// the mean over those for which it is defined: a ROC curve needs positive and negative rows, a
// precision-recall curve positive ones.
template <class T>
class AreaUnderCurve : public CopyableAccumulator<T, AreaUnderCurve<T>> {
 public:
  AreaUnderCurve(bool roc, index_t outputs) : roc_(roc), outputs_(outputs) {}

  void reset() override {
    scores_.clear();
    positive_.clear();
    labels_.clear();
    weights_.clear();
  }

  void add(MatrixView<const T> a, const Targets<T>& y) override {
    for (index_t i = 0; i < a.rows; ++i) {
      scores_.insert(scores_.end(), a.row(i), a.row(i) + a.cols);
      weights_.push_back(weight_of(y, i));
      if (y.labels != nullptr)
        labels_.push_back(y.labels[i]);
      else
        for (index_t j = 0; j < a.cols; ++j) positive_.push_back(y.values.row(i)[j] > T(0.5));
    }
  }

  double result() const override {
    double sum = 0, defined = 0;
    for (index_t c = 0; c < outputs_; ++c) {
      const double area = area_of(c);
      if (std::isnan(area)) continue;
      sum += area;
      defined += 1;
    }
    return defined == 0 ? undefined : sum / defined;
  }

 private:
  bool is_positive(std::size_t row, index_t c) const {
    return labels_.empty() ? positive_[row * static_cast<std::size_t>(outputs_) +
                                       static_cast<std::size_t>(c)] != 0
                           : labels_[row] == c;
  }

  double area_of(index_t c) const {
    struct Score {
      T score;
      std::size_t row;
    };
    std::vector<Score> sorted(weights_.size());
    double positives = 0, negatives = 0;
    for (std::size_t row = 0; row < sorted.size(); ++row) {
      sorted[row] = {
          scores_[row * static_cast<std::size_t>(outputs_) + static_cast<std::size_t>(c)], row};
      if (std::isnan(sorted[row].score)) return undefined;  // a NaN has no place in the order
      (is_positive(row, c) ? positives : negatives) += weights_[row];
    }
    if (positives == 0 || (roc_ && negatives == 0)) return undefined;
    // Equal scores are sorted by row, so that sums have the same order on every machine.
    std::sort(sorted.begin(), sorted.end(), [](const Score& left, const Score& right) {
      return left.score > right.score || (left.score == right.score && left.row < right.row);
    });
    double area = 0, found = 0, wrong = 0;
    for (std::size_t i = 0; i < sorted.size();) {
      const double found_before = found, wrong_before = wrong;
      const T score = sorted[i].score;
      for (; i < sorted.size() && sorted[i].score == score; ++i)
        (is_positive(sorted[i].row, c) ? found : wrong) += weights_[sorted[i].row];
      if (roc_)
        area += (wrong - wrong_before) * (found + found_before) / 2;
      else if (found > found_before)
        area += (found - found_before) * found / (found + wrong);
    }
    return roc_ ? area / (positives * negatives) : area / positives;
  }

  bool roc_;
  index_t outputs_;
  std::vector<T> scores_;             // (rows, outputs)
  std::vector<char> positive_;        // the same, or
  std::vector<std::int32_t> labels_;  // (rows,)
  std::vector<double> weights_;       // (rows,)
};

// The mean over the outputs of 1 - sum (y - a)^2 / sum (y - mean)^2. An output whose targets are
// all equal counts 1 if it predicts them exactly and 0 otherwise, as in scikit-learn.
template <class T>
class Determination : public CopyableAccumulator<T, Determination<T>> {
 public:
  explicit Determination(index_t outputs) : columns_(static_cast<std::size_t>(outputs)) {}

  void reset() override {
    weight_ = 0;
    for (Column& column : columns_) column = Column();
  }

  void add(MatrixView<const T> a, const Targets<T>& y) override {
    for (index_t i = 0; i < a.rows; ++i) {
      const double weight = weight_of(y, i);
      if (weight == 0) continue;
      weight_ += weight;
      for (index_t j = 0; j < a.cols; ++j) {
        Column& column = columns_[static_cast<std::size_t>(j)];
        const double truth = static_cast<double>(y.values.row(i)[j]);
        const double error = truth - static_cast<double>(a.row(i)[j]);
        column.residual += weight * error * error;
        // Welford's update: sums of squares would cancel for targets with a large mean.
        const double difference = truth - column.mean;
        column.mean += difference * (weight / weight_);
        column.variation += weight * difference * (truth - column.mean);
      }
    }
  }

  double result() const override {
    if (weight_ == 0) return 0;
    double sum = 0;
    for (const Column& column : columns_) {
      if (column.variation != 0)
        sum += 1 - column.residual / column.variation;
      else
        sum += column.residual == 0 ? 1 : 0;
    }
    return sum / static_cast<double>(columns_.size());
  }

 private:
  struct Column {
    double mean = 0, variation = 0, residual = 0;
  };
  std::vector<Column> columns_;
  double weight_ = 0;
};

}  // namespace

std::vector<std::string> names_of_whole_pass() { return {"auc", "r2_score"}; }

template <class T>
std::unique_ptr<Accumulator<T>> whole_pass(const MetricSpec& spec, index_t outputs, bool labels) {
  if (spec.name == "r2_score") {
    if (labels) wrong_targets(spec.name, labels);
    return std::make_unique<Determination<T>>(outputs);
  }
  if (spec.name != "auc") return nullptr;
  if (spec.curve != "ROC" && spec.curve != "PR")
    throw std::invalid_argument("metric 'auc': unknown curve '" + spec.curve + "'; known: ROC, PR");
  return std::make_unique<AreaUnderCurve<T>>(spec.curve == "ROC", outputs);
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template std::unique_ptr<Accumulator<T>> whole_pass(const MetricSpec&, index_t, bool);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
