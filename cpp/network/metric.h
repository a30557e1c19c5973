// What is reported besides the loss: means over rows, unweighted, in double precision.
#pragma once

#include <string>
#include <vector>

#include "network/objective.h"

namespace densecore {

// Every metric name: the one list that error texts and tests come from.
std::vector<std::string> metric_names();

// Throws std::invalid_argument for an unknown name, or one that does not suit the targets.
template <class T>
class Metric {
 public:
  Metric(const std::string& name, bool labels);

  const std::string& name() const { return name_; }
  void reset() { sum_ = count_ = 0; }
  void add(MatrixView<const T> outputs, const Targets<T>& targets);
  double result() const { return count_ == 0 ? 0 : sum_ / count_; }

 private:
  using Function = double (*)(MatrixView<const T>, const Targets<T>&);

  std::string name_;
  Function function_;
  double sum_ = 0, count_ = 0;
};

}  // namespace densecore
