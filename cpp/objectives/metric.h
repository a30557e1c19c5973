// Metrics: values over all rows of a pass, reported besides the loss. Sums are in double precision
// and in the order of the rows, so that the bits do not depend on the batch size or the number of
// threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "layers/layer.h"
#include "objectives/objective.h"

namespace densecore {

// A metric by name, with the options of all kinds; a kind reads those that it has.
struct MetricSpec {
  std::string name;
  bool weighted = false;  // whether rows count by their weights
  std::optional<double>
      threshold;                  // an output above it is a prediction; none: the row's largest is
  index_t top_k = 0;              // a row's k largest outputs are predictions; 0: no such rule
  index_t class_id = -1;          // the only output to be evaluated; -1: all
  std::string average = "micro";  // over the outputs: micro, macro, weighted
  std::string curve = "ROC";      // ROC, PR
  std::string link;  // the activation that makes probabilities of logits; empty: outputs are taken
};

// The names of all metrics but the losses, which are metrics by their own names.
std::vector<std::string> metric_names();

// The state of one metric during a pass: a sum, or all outputs for metrics that need them, such as
// a function of the user.
template <class T>
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void reset() = 0;
  // `targets` are in the loss's form; their weights are null when all rows count the same.
  virtual void add(MatrixView<const T> outputs, const Targets<T>& targets) = 0;
  virtual double result() const = 0;
  virtual std::unique_ptr<Accumulator> copy() const = 0;
};

template <class T, class Self>
class CopyableAccumulator : public Accumulator<T> {
 public:
  std::unique_ptr<Accumulator<T>> copy() const override {
    return std::make_unique<Self>(static_cast<const Self&>(*this));
  }
};

// The three kinds of metrics. Each function returns null for the name of another kind, and throws
// std::invalid_argument when the metric does not support class numbers (`labels`) or values.
template <class T>
std::unique_ptr<Accumulator<T>> mean_over_rows(const MetricSpec& spec, index_t outputs,
                                               bool labels);
template <class T>
std::unique_ptr<Accumulator<T>> class_counts(const MetricSpec& spec, index_t outputs, bool labels);
template <class T>
std::unique_ptr<Accumulator<T>> whole_pass(const MetricSpec& spec, index_t outputs, bool labels);
std::vector<std::string> names_of_means();
std::vector<std::string> names_of_counts();
std::vector<std::string> names_of_whole_pass();

[[noreturn]] void wrong_targets(const std::string& metric, bool labels);

template <class T>
class Metric {
 public:
  // Throws std::invalid_argument for an unknown name, or for a metric that does not support such
  // targets.
  Metric(const KernelTable<T>& table, const MetricSpec& spec, index_t outputs, bool labels);
  Metric(std::unique_ptr<Accumulator<T>> accumulator, bool weighted)
      : accumulator_(std::move(accumulator)), weighted_(weighted) {}

  Metric(const Metric& other)
      : accumulator_(other.accumulator_->copy()),
        weighted_(other.weighted_),
        link_(other.link_),
        head_(other.head_) {}
  Metric(Metric&&) noexcept = default;
  Metric& operator=(Metric&&) noexcept = default;

  void reset() { accumulator_->reset(); }
  // It is of this one of several outputs.
  void set_head(const Head<T>& head) { head_ = head; }
  void add(MatrixView<const T> outputs, Targets<T> targets) {
    if (head_) {
      outputs = head_->outputs(outputs);
      targets = head_->targets(targets);
    }
    if (!weighted_) targets.weight = nullptr;
    accumulator_->add(link_ ? probabilities(outputs) : outputs, targets);
  }
  double result() const { return accumulator_->result(); }

 private:
  MatrixView<const T> probabilities(MatrixView<const T> logits);

  std::unique_ptr<Accumulator<T>> accumulator_;
  bool weighted_;
  std::optional<ActivationFunction<T>> link_;
  std::optional<Head<T>> head_;
  AlignedBuffer<T> probabilities_;
};

template <class T>
double weight_of(const Targets<T>& targets, index_t row) {
  return targets.weight == nullptr ? 1 : static_cast<double>(targets.weight[row]);
}

template <class T>
index_t largest_of(const T* row, index_t count) {
  index_t best = 0;
  for (index_t j = 1; j < count; ++j)
    if (row[j] > row[best]) best = j;
  return best;
}

}  // namespace densecore
