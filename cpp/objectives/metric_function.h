// A metric that is a function of the user, called once per pass with all rows.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "objectives/metric.h"

namespace densecore {

template <class T>
struct PassRows {
  index_t cols;                      // outputs, and columns of `values`
  std::vector<T> outputs, values;    // (rows, cols)
  std::vector<std::int32_t> labels;  // (rows,), instead of values
  std::vector<T> weights;            // (rows,), or empty
  index_t rows() const { return static_cast<index_t>(outputs.size()) / cols; }
};

template <class T>
class FunctionMetric : public CopyableAccumulator<T, FunctionMetric<T>> {
 public:
  using Function = std::function<double(const PassRows<T>&)>;
  FunctionMetric(Function function, index_t outputs) : function_(std::move(function)) {
    rows_.cols = outputs;
  }

  void reset() override {
    rows_.outputs.clear();
    rows_.values.clear();
    rows_.labels.clear();
    rows_.weights.clear();
  }
  void add(MatrixView<const T> a, const Targets<T>& y) override {
    for (index_t i = 0; i < a.rows; ++i) {
      rows_.outputs.insert(rows_.outputs.end(), a.row(i), a.row(i) + a.cols);
      if (y.labels != nullptr)
        rows_.labels.push_back(y.labels[i]);
      else
        rows_.values.insert(rows_.values.end(), y.values.row(i), y.values.row(i) + a.cols);
      if (y.weight != nullptr) rows_.weights.push_back(y.weight[i]);
    }
  }
  double result() const override { return function_(rows_); }

 private:
  Function function_;
  PassRows<T> rows_;
};

}  // namespace densecore
