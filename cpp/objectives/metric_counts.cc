// Metrics of confusion counts. Several outputs are as many binary problems (one against the rest);
// class numbers count as one-hot rows.
#include <cmath>
#include <stdexcept>

#include "base/dtypes.h"
#include "objectives/metric.h"

namespace densecore {
namespace {

// The confusion matrix of one class, in weights of rows.
struct Counts {
  double cells[2][2] = {{0, 0}, {0, 0}};  // [predicted][true]

  double true_positives() const { return cells[1][1]; }
  double false_positives() const { return cells[1][0]; }
  double false_negatives() const { return cells[0][1]; }
  double true_negatives() const { return cells[0][0]; }
  double predicted() const { return cells[1][0] + cells[1][1]; }
  double truth() const { return cells[0][1] + cells[1][1]; }
  void add(const Counts& other) {
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) cells[i][j] += other.cells[i][j];
  }
};

// 0 / 0 is 0, as in Keras.
double ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

double precision(const Counts& c) { return ratio(c.true_positives(), c.predicted()); }
double recall(const Counts& c) { return ratio(c.true_positives(), c.truth()); }
double specificity(const Counts& c) {
  return ratio(c.true_negatives(), c.true_negatives() + c.false_positives());
}
double f1(const Counts& c) { return ratio(2 * c.true_positives(), c.predicted() + c.truth()); }
double true_positives(const Counts& c) { return c.true_positives(); }
double false_positives(const Counts& c) { return c.false_positives(); }
double true_negatives(const Counts& c) { return c.true_negatives(); }
double false_negatives(const Counts& c) { return c.false_negatives(); }

using Classes = std::vector<Counts>;

// The mean recall of the classes that occur.
double balanced_accuracy(const Classes& classes) {
  double sum = 0, occurring = 0;
  for (const Counts& c : classes) {
    if (c.truth() == 0) continue;
    sum += recall(c);
    occurring += 1;
  }
  return ratio(sum, occurring);
}

// The mean intersection over union of the classes that occur or are predicted (Jaccard, 1901).
double mean_iou(const Classes& classes) {
  double sum = 0, occurring = 0;
  for (const Counts& c : classes) {
    const double together = c.predicted() + c.truth() - c.true_positives();
    if (together == 0) continue;
    sum += c.true_positives() / together;
    occurring += 1;
  }
  return ratio(sum, occurring);
}

// Gorodkin's R_K (Comput. Biol. Chem. 28, 2004), which for two classes is Matthews's phi.
double matthews_correlation(const Classes& classes) {
  double right = 0, predicted_true = 0, predicted_squares = 0, true_squares = 0, rows = 0;
  for (const Counts& c : classes) {
    right += c.true_positives();
    rows += c.truth();
    predicted_true += c.predicted() * c.truth();
    predicted_squares += c.predicted() * c.predicted();
    true_squares += c.truth() * c.truth();
  }
  const double square = rows * rows;
  return ratio(right * rows - predicted_true,
               std::sqrt((square - predicted_squares) * (square - true_squares)));
}

struct CountMetric {
  const char* name;
  double (*of_counts)(const Counts&);    // from the counts of one class, or of all together
  double (*of_classes)(const Classes&);  // from one predicted class per row
};

constexpr CountMetric count_metrics[] = {
    {"precision", precision, nullptr},
    {"recall", recall, nullptr},
    {"f1_score", f1, nullptr},
    {"specificity", specificity, nullptr},
    {"true_positives", true_positives, nullptr},
    {"true_negatives", true_negatives, nullptr},
    {"false_positives", false_positives, nullptr},
    {"false_negatives", false_negatives, nullptr},
    {"balanced_accuracy", nullptr, balanced_accuracy},
    {"matthews_corrcoef", nullptr, matthews_correlation},
    {"one_hot_mean_io_u", nullptr, mean_iou},
};

template <class T>
class ClassCounts : public CopyableAccumulator<T, ClassCounts<T>> {
 public:
  ClassCounts(const CountMetric& entry, const MetricSpec& spec, index_t outputs)
      : entry_(entry), spec_(spec) {
    // One output decides between two classes.
    const index_t classes = entry.of_classes != nullptr && outputs == 1 ? 2 : outputs;
    classes_.resize(static_cast<std::size_t>(classes));
  }

  void reset() override {
    for (Counts& c : classes_) c = Counts();
  }

  void add(MatrixView<const T> a, const Targets<T>& y) override {
    const bool decision = entry_.of_classes != nullptr;
    const bool one_class = decision || (!spec_.threshold && spec_.top_k == 0 && a.cols > 1);
    for (index_t i = 0; i < a.rows; ++i) {
      const double weight = weight_of(y, i);
      const T* row = a.row(i);
      const bool labelled = y.labels != nullptr;
      const T* truth = labelled ? nullptr : y.values.row(i);
      const index_t predicted_class = one_class ? class_of(row, a.cols, threshold()) : -1;
      const index_t true_class = labelled   ? y.labels[i]
                                 : decision ? class_of(truth, a.cols, 0.5)
                                            : -1;
      for (std::size_t k = 0; k < classes_.size(); ++k) {
        const auto c = static_cast<index_t>(k);
        const bool predicted = one_class ? c == predicted_class : predicts(row, a.cols, c);
        const bool is_true = labelled || decision ? c == true_class : truth[c] > T(0.5);
        classes_[k].cells[predicted][is_true] += weight;
      }
    }
  }

  double result() const override {
    if (entry_.of_classes != nullptr) return entry_.of_classes(classes_);
    if (spec_.class_id >= 0)
      return entry_.of_counts(classes_[static_cast<std::size_t>(spec_.class_id)]);
    if (spec_.average == "micro") {
      Counts all;
      for (const Counts& c : classes_) all.add(c);
      return entry_.of_counts(all);
    }
    double sum = 0, weights = 0;
    for (const Counts& c : classes_) {
      const double weight = spec_.average == "weighted" ? c.truth() : 1;
      sum += weight * entry_.of_counts(c);
      weights += weight;
    }
    return ratio(sum, weights);
  }

 private:
  double threshold() const { return spec_.threshold.value_or(0.5); }

  static index_t class_of(const T* row, index_t outputs, double threshold) {
    if (outputs > 1) return largest_of(row, outputs);
    return static_cast<double>(row[0]) > threshold ? 1 : 0;
  }

  bool predicts(const T* row, index_t outputs, index_t c) const {
    if (spec_.top_k > 0) {
      index_t before = 0;  // among equal outputs the first ones count as larger
      for (index_t j = 0; j < outputs; ++j)
        before += row[j] > row[c] || (row[j] == row[c] && j < c);
      if (std::isnan(row[c]) || before >= spec_.top_k) return false;
      if (!spec_.threshold) return true;
    }
    return static_cast<double>(row[c]) > threshold();
  }

  const CountMetric& entry_;
  MetricSpec spec_;
  Classes classes_;
};

}  // namespace

std::vector<std::string> names_of_counts() {
  std::vector<std::string> names;
  for (const auto& entry : count_metrics) names.emplace_back(entry.name);
  return names;
}

template <class T>
std::unique_ptr<Accumulator<T>> class_counts(const MetricSpec& spec, index_t outputs, bool) {
  for (const CountMetric& entry : count_metrics) {
    if (spec.name != entry.name) continue;
    if (spec.average != "micro" && spec.average != "macro" && spec.average != "weighted")
      throw std::invalid_argument("metric '" + spec.name + "': unknown average '" + spec.average +
                                  "'; known: micro, macro, weighted");
    return std::make_unique<ClassCounts<T>>(entry, spec, outputs);
  }
  return nullptr;
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template std::unique_ptr<Accumulator<T>> class_counts(const MetricSpec&, index_t, bool);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
