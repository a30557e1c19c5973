#include "objectives/metric.h"

#include <stdexcept>

#include "base/dtypes.h"
#include "layers/lookup.h"

namespace densecore {
namespace {

// The mean of a loss of the kernel table, computed from the outputs.
template <class T>
class LossMean : public CopyableAccumulator<T, LossMean<T>> {
 public:
  LossMean(const LossEntry<T>& loss, bool labels) : loss_(loss) {
    if ((loss.targets == TargetKind::labels) != labels) wrong_targets(loss.name, labels);
    for (int i = 0; i < loss.parameter_count; ++i)
      parameters_.push_back(loss.parameters[i].initial);
  }
  void reset() override { sum_ = weight_ = 0; }
  void add(MatrixView<const T> outputs, const Targets<T>& targets) override {
    LossArguments<T> p{};
    p.rows = outputs.rows;
    p.cols = outputs.cols;
    p.output = outputs.data;
    p.ld_output = outputs.stride;
    p.values = targets.values.data;
    p.ld_values = targets.values.stride;
    p.labels = targets.labels;
    p.weight = targets.weight;
    p.parameters = parameters_.data();
    p.parameter_count = static_cast<int>(parameters_.size());
    sum_ += loss_.plain(p);
    weight_ += Objective<T>::weight_sum(targets.weight, outputs.rows);
  }
  double result() const override { return weight_ == 0 ? 0 : sum_ / weight_; }

 private:
  const LossEntry<T>& loss_;
  std::vector<double> parameters_;  // the initial ones
  double sum_ = 0, weight_ = 0;
};

template <class T>
const LossEntry<T>* loss_named(const KernelTable<T>& table, const std::string& name) {
  for (int i = 0; i < table.loss_count; ++i)
    if (name == table.losses[i].name) return &table.losses[i];
  return nullptr;
}

template <class T>
std::unique_ptr<Accumulator<T>> accumulator_of(const KernelTable<T>& table, const MetricSpec& spec,
                                               index_t outputs, bool labels) {
  if (spec.class_id >= outputs)
    throw std::invalid_argument("metric '" + spec.name + "': class_id: found " +
                                std::to_string(spec.class_id) + ", wanted 0 to " +
                                std::to_string(outputs - 1) + ", one per output");
  if (auto found = mean_over_rows<T>(spec, outputs, labels)) return found;
  if (auto found = class_counts<T>(spec, outputs, labels)) return found;
  if (auto found = whole_pass<T>(spec, outputs, labels)) return found;
  if (const LossEntry<T>* loss = loss_named(table, spec.name)) {
    if (loss->targets != TargetKind::labels && loss->targets != TargetKind::values)
      throw std::invalid_argument("metric '" + spec.name +
                                  "': found a loss with several outputs per target, which can be "
                                  "the loss, but no metric");
    return std::make_unique<LossMean<T>>(*loss, labels);
  }
  std::string known;
  for (const std::string& name : metric_names()) known += name + ", ";
  throw std::invalid_argument("unknown metric '" + spec.name + "'; known: " + known +
                              "and the losses");
}

}  // namespace

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const auto& part : {names_of_means(), names_of_counts(), names_of_whole_pass()})
    names.insert(names.end(), part.begin(), part.end());
  return names;
}

void wrong_targets(const std::string& metric, bool labels) {
  throw std::invalid_argument(
      "metric '" + metric + "' wants " + (labels ? "a value per output" : "class numbers") +
      " as targets; found " + (labels ? "class numbers" : "a value per output") +
      ", which is what the loss wants");
}

template <class T>
Metric<T>::Metric(const KernelTable<T>& table, const MetricSpec& spec, index_t outputs, bool labels)
    : accumulator_(accumulator_of(table, spec, outputs, labels)), weighted_(spec.weighted) {
  if (!spec.link.empty()) link_.emplace(table, ActivationSpec{spec.link, {}});
}

template <class T>
MatrixView<const T> Metric<T>::probabilities(MatrixView<const T> logits) {
  reserve(probabilities_, logits.rows * logits.cols);
  const MatrixView<T> to(probabilities_.data(), logits.rows, logits.cols);
  link_->forward(logits, to);
  return to;
}

#define DENSECORE_INSTANTIATE(T, ...) template class Metric<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
