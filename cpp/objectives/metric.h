// What is reported besides the loss: over all rows of a pass, in double precision and in the order
// of the rows, so the same bits come out for any batch size and number of threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "layers/layer.h"
#include "objectives/objective.h"

namespace densecore {

// What is computed. Every kind reads those of the options that mean something to it.
struct MetricSpec {
  std::string name;
  bool weighted = false;            // rows count by their weights, else all the same
  std::optional<double> threshold;  // an output above it says yes; none: the largest of the row
  index_t top_k = 0;                // how many of a row's outputs say yes; 0: as the threshold says
  index_t class_id = -1;            // the one output that counts; -1: all
  std::string average = "micro";    // of the outputs: micro, macro, weighted
  std::string curve = "ROC";        // ROC, PR
  std::string link;  // the activation that makes probabilities of logits; empty: outputs are taken
};

// Every metric that is not also a loss, by name. Losses are metrics by their own names.
std::vector<std::string> metric_names();

// One kind of sum. Whoever wants all outputs of a pass, such as a function of the user's, derives
// from it as well.
template <class T>
class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void reset() = 0;
  // `targets` are those that the loss wants; their weights are null when rows count the same.
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

// The three kinds. Each returns null for a name that is not its own, and throws
// std::invalid_argument when class numbers (`labels`), or values, do not suit the metric.
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
  // Throws std::invalid_argument for an unknown name, or one that does not suit the targets.
  Metric(const KernelTable<T>& table, const MetricSpec& spec, index_t outputs, bool labels);
  Metric(std::unique_ptr<Accumulator<T>> accumulator, bool weighted)
      : accumulator_(std::move(accumulator)), weighted_(weighted) {}

  Metric(const Metric& other)
      : accumulator_(other.accumulator_->copy()), weighted_(other.weighted_), link_(other.link_) {}
  Metric(Metric&&) noexcept = default;
  Metric& operator=(Metric&&) noexcept = default;

  void reset() { accumulator_->reset(); }
  void add(MatrixView<const T> outputs, Targets<T> targets) {
    if (!weighted_) targets.weight = nullptr;
    accumulator_->add(link_ ? probabilities(outputs) : outputs, targets);
  }
  double result() const { return accumulator_->result(); }

 private:
  MatrixView<const T> probabilities(MatrixView<const T> logits);

  std::unique_ptr<Accumulator<T>> accumulator_;
  bool weighted_;
  std::optional<ActivationFunction<T>> link_;
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
