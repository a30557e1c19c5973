// Metrics that are the mean over the rows of a value per row, which often is a mean over the
// outputs.
#include <algorithm>
#include <cmath>

#include "base/dtypes.h"
#include "objectives/metric.h"

namespace densecore {
namespace {

// Keras's epsilon: the least divisor, and the least argument of a logarithm.
constexpr double epsilon = 1e-7;

template <class T, class Function>
double mean_of(const T* a, const T* y, index_t n, Function&& function) {
  double sum = 0;
  for (index_t j = 0; j < n; ++j)
    sum += function(static_cast<double>(a[j]), static_cast<double>(y[j]));
  return sum / static_cast<double>(n);
}

// Whether output c is among the k largest, that is, fewer than k are larger. A NaN never is.
template <class T>
bool in_top(const T* a, index_t c, index_t n, index_t k) {
  if (std::isnan(a[c])) return false;
  index_t larger = 0;
  for (index_t j = 0; j < n; ++j) larger += a[j] > a[c];
  return larger < k;
}

template <class T>
double equality(const T* a, const T* y, index_t n, const MetricSpec&) {
  return mean_of(a, y, n, [](double p, double t) { return p == t ? 1.0 : 0.0; });
}
template <class T>
double binary_accuracy(const T* a, const T* y, index_t n, const MetricSpec& spec) {
  const double threshold = spec.threshold.value_or(0.5);
  return mean_of(a, y, n,
                 [=](double p, double t) { return (p > threshold) == (t > 0.5) ? 1.0 : 0.0; });
}
template <class T>
double categorical_accuracy(const T* a, const T* y, index_t n, const MetricSpec&) {
  return largest_of(a, n) == largest_of(y, n);
}
template <class T>
double label_accuracy(const T* a, std::int32_t label, index_t n, const MetricSpec&) {
  return largest_of(a, n) == label;
}
template <class T>
double top_k_accuracy(const T* a, const T* y, index_t n, const MetricSpec& spec) {
  return in_top(a, largest_of(y, n), n, spec.top_k);
}
template <class T>
double label_top_k_accuracy(const T* a, std::int32_t label, index_t n, const MetricSpec& spec) {
  return in_top(a, label, n, spec.top_k);
}

template <class T>
double squared_error(const T* a, const T* y, index_t n, const MetricSpec&) {
  return mean_of(a, y, n, [](double p, double t) { return (p - t) * (p - t); });
}
template <class T>
double absolute_error(const T* a, const T* y, index_t n, const MetricSpec&) {
  return mean_of(a, y, n, [](double p, double t) { return std::fabs(p - t); });
}
template <class T>
double absolute_percentage_error(const T* a, const T* y, index_t n, const MetricSpec&) {
  return 100 * mean_of(a, y, n, [](double p, double t) {
           return std::fabs(p - t) / std::max(std::fabs(t), epsilon);
         });
}
template <class T>
double squared_logarithmic_error(const T* a, const T* y, index_t n, const MetricSpec&) {
  return mean_of(a, y, n, [](double p, double t) {
    const double d = std::log1p(std::max(p, epsilon)) - std::log1p(std::max(t, epsilon));
    return d * d;
  });
}
template <class T>
double cosine_similarity(const T* a, const T* y, index_t n, const MetricSpec&) {
  double product = 0, a_squares = 0, y_squares = 0;
  for (index_t j = 0; j < n; ++j) {
    const double p = static_cast<double>(a[j]), t = static_cast<double>(y[j]);
    product += p * t;
    a_squares += p * p;
    y_squares += t * t;
  }
  return product /
         (std::max(std::sqrt(a_squares), epsilon) * std::max(std::sqrt(y_squares), epsilon));
}

double square_root(double mean) { return std::sqrt(mean); }

template <class T>
struct Entry {
  const char* name;
  // The value of a row from its outputs and its targets, which are values or a class number; null
  // for targets that the metric does not support.
  double (*of_values)(const T* a, const T* y, index_t n, const MetricSpec& spec);
  double (*of_label)(const T* a, std::int32_t label, index_t n, const MetricSpec& spec);
  double (*of_mean)(double mean);  // the result from the mean; null: the mean itself
};

template <class T>
constexpr Entry<T> entries[] = {
    {"accuracy", equality<T>, nullptr, nullptr},
    {"binary_accuracy", binary_accuracy<T>, nullptr, nullptr},
    {"categorical_accuracy", categorical_accuracy<T>, label_accuracy<T>, nullptr},
    {"sparse_categorical_accuracy", nullptr, label_accuracy<T>, nullptr},
    {"top_k_categorical_accuracy", top_k_accuracy<T>, label_top_k_accuracy<T>, nullptr},
    {"sparse_top_k_categorical_accuracy", nullptr, label_top_k_accuracy<T>, nullptr},
    {"mean_squared_error", squared_error<T>, nullptr, nullptr},
    {"root_mean_squared_error", squared_error<T>, nullptr, square_root},
    {"mean_absolute_error", absolute_error<T>, nullptr, nullptr},
    {"mean_absolute_percentage_error", absolute_percentage_error<T>, nullptr, nullptr},
    {"mean_squared_logarithmic_error", squared_logarithmic_error<T>, nullptr, nullptr},
    {"cosine_similarity", cosine_similarity<T>, nullptr, nullptr},
};

template <class T>
class RowMean : public CopyableAccumulator<T, RowMean<T>> {
 public:
  RowMean(const Entry<T>& entry, const MetricSpec& spec) : entry_(entry), spec_(spec) {}
  void reset() override { sum_ = weight_ = 0; }
  void add(MatrixView<const T> a, const Targets<T>& y) override {
    for (index_t i = 0; i < a.rows; ++i) {
      const double weight = weight_of(y, i);
      sum_ +=
          weight * (y.labels == nullptr ? entry_.of_values(a.row(i), y.values.row(i), a.cols, spec_)
                                        : entry_.of_label(a.row(i), y.labels[i], a.cols, spec_));
      weight_ += weight;
    }
  }
  double result() const override {
    const double mean = weight_ == 0 ? 0 : sum_ / weight_;
    return entry_.of_mean == nullptr ? mean : entry_.of_mean(mean);
  }

 private:
  const Entry<T>& entry_;
  MetricSpec spec_;
  double sum_ = 0, weight_ = 0;
};

}  // namespace

std::vector<std::string> names_of_means() {
  std::vector<std::string> names;
  for (const auto& entry : entries<double>) names.emplace_back(entry.name);
  return names;
}

template <class T>
std::unique_ptr<Accumulator<T>> mean_over_rows(const MetricSpec& spec, index_t, bool labels) {
  for (const Entry<T>& entry : entries<T>) {
    if (spec.name != entry.name) continue;
    if ((labels && entry.of_label == nullptr) || (!labels && entry.of_values == nullptr))
      wrong_targets(spec.name, labels);
    return std::make_unique<RowMean<T>>(entry, spec);
  }
  return nullptr;
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template std::unique_ptr<Accumulator<T>> mean_over_rows(const MetricSpec&, index_t, bool);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
