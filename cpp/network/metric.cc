#include "network/metric.h"

#include <cmath>
#include <stdexcept>

namespace densecore {
namespace {

template <class T>
index_t largest(const T* row, index_t count) {
  index_t best = 0;
  for (index_t j = 1; j < count; ++j)
    if (row[j] > row[best]) best = j;
  return best;
}

// Each returns the sum over the rows of a value per row.
template <class T>
double binary_accuracy(MatrixView<const T> a, const Targets<T>& y) {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i) {
    index_t right = 0;
    for (index_t j = 0; j < a.cols; ++j)
      right += (a.row(i)[j] > T(0.5)) == (y.values.row(i)[j] > T(0.5));
    sum += static_cast<double>(right) / static_cast<double>(a.cols);
  }
  return sum;
}

template <class T>
double categorical_accuracy(MatrixView<const T> a, const Targets<T>& y) {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i)
    sum += largest(a.row(i), a.cols) == largest(y.values.row(i), a.cols);
  return sum;
}

template <class T>
double sparse_categorical_accuracy(MatrixView<const T> a, const Targets<T>& y) {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i) sum += largest(a.row(i), a.cols) == y.labels[i];
  return sum;
}

template <class T>
double mean_squared_error(MatrixView<const T> a, const Targets<T>& y) {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i) {
    double row = 0;
    for (index_t j = 0; j < a.cols; ++j) {
      const double difference =
          static_cast<double>(a.row(i)[j]) - static_cast<double>(y.values.row(i)[j]);
      row += difference * difference;
    }
    sum += row / static_cast<double>(a.cols);
  }
  return sum;
}

template <class T>
double mean_absolute_error(MatrixView<const T> a, const Targets<T>& y) {
  double sum = 0;
  for (index_t i = 0; i < a.rows; ++i) {
    double row = 0;
    for (index_t j = 0; j < a.cols; ++j)
      row += std::fabs(static_cast<double>(a.row(i)[j]) - static_cast<double>(y.values.row(i)[j]));
    sum += row / static_cast<double>(a.cols);
  }
  return sum;
}

template <class T>
struct Entry {
  const char* name;
  bool labels;
  double (*function)(MatrixView<const T>, const Targets<T>&);
};

template <class T>
constexpr Entry<T> entries[] = {
    {"binary_accuracy", false, binary_accuracy<T>},
    {"categorical_accuracy", false, categorical_accuracy<T>},
    {"sparse_categorical_accuracy", true, sparse_categorical_accuracy<T>},
    {"mean_squared_error", false, mean_squared_error<T>},
    {"mean_absolute_error", false, mean_absolute_error<T>},
};

}  // namespace

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const auto& entry : entries<double>) names.emplace_back(entry.name);
  return names;
}

template <class T>
Metric<T>::Metric(const std::string& name, bool labels) : name_(name), function_(nullptr) {
  std::string known;
  for (const Entry<T>& entry : entries<T>) {
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
    if (name != entry.name) continue;
    if (entry.labels != labels)
      throw std::invalid_argument(
          "metric '" + name + "' wants " + (entry.labels ? "class numbers" : "a value per output") +
          " as targets; the loss wants " + (labels ? "class numbers" : "a value per output"));
    function_ = entry.function;
  }
  if (function_ == nullptr)
    throw std::invalid_argument("unknown metric '" + name + "'; known: " + known);
}

template <class T>
void Metric<T>::add(MatrixView<const T> outputs, const Targets<T>& targets) {
  sum_ += function_(outputs, targets);
  count_ += static_cast<double>(outputs.rows);
}

template class Metric<float>;
template class Metric<double>;

}  // namespace densecore
