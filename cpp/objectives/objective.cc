#include "objectives/objective.h"

#include <algorithm>
#include <utility>

#include "base/dtypes.h"
#include "layers/lookup.h"

namespace densecore {

namespace {

// Whether the loss's function of logits is used: on the input of the last activation where that is
// the loss's link, or on outputs that are logits.
template <class T>
bool takes_logits(const LossEntry<T>& loss, const std::string& last_activation, bool from_logits) {
  if (!from_logits) return loss.link != nullptr && last_activation == loss.link;
  if (loss.link == nullptr)
    throw std::invalid_argument("from_logits: the loss '" + std::string(loss.name) +
                                "' has no form for logits");
  return true;
}

}  // namespace

template <class T>
index_t target_columns(const LossEntry<T>& loss, index_t outputs, std::size_t parameters) {
  index_t share = 1;
  if (loss.targets == TargetKind::quantiles) share = static_cast<index_t>(parameters);
  if (loss.targets == TargetKind::pairs) share = 2;
  if (outputs % share != 0)
    throw std::invalid_argument("loss '" + std::string(loss.name) + "': found " +
                                std::to_string(outputs) + " outputs, wanted " +
                                std::to_string(share) + " for each target");
  return outputs / share;
}

template <class T>
std::vector<double> loss_parameters(const LossEntry<T>& loss, const std::vector<double>& given) {
  if (loss.targets != TargetKind::quantiles || given.empty())
    return resolved_parameters(loss.name, loss.parameters, loss.parameter_count, given);
  for (const double value : given) check_hyperparameter(loss.name, loss.parameters[0], value);
  return given;
}

template <class T>
Objective<T>::Objective(const KernelTable<T>& table, const std::string& loss, Reduction reduction,
                        const std::string& last_activation, index_t outputs, bool from_logits,
                        const std::vector<double>& parameters)
    : loss_(&find_loss(table, loss)),
      reduction_(reduction),
      logits_(takes_logits(*loss_, last_activation, from_logits)),
      fused_(logits_ && (!from_logits || last_activation == "linear")),
      parameters_(loss_parameters(*loss_, parameters)),
      target_columns_(densecore::target_columns(*loss_, outputs, parameters_.size())),
      terms_(!loss_->averaged || reduction != Reduction::sum_over_outputs ? 1
             : loss_->targets == TargetKind::pairs ? static_cast<double>(target_columns_)
                                                   : static_cast<double>(outputs)) {}

template <class T>
Objective<T>::Objective(std::vector<Head<T>> heads)
    : loss_(nullptr),
      reduction_(Reduction::sum_over_batch_size),
      logits_(false),
      fused_(false),
      target_columns_(0),
      heads_(std::move(heads)),
      label_arrays_(0),
      terms_(1) {
  for (const Head<T>& head : heads_) {
    left_out_.push_back(head.objective != nullptr && head.objective->fused());
    target_columns_ = std::max(target_columns_, head.target + head.target_columns);
    label_arrays_ = std::max(label_arrays_, head.labels + 1);
  }
}

template <class T>
Targets<T> Head<T>::targets(const Targets<T>& all) const {
  Targets<T> own;
  if (labels < 0)
    own.values = {all.values.data + target, all.values.rows, target_columns, all.values.stride};
  else
    own.labels = all.labels + labels * all.label_distance;
  if (all.weight != nullptr) own.weight = all.weight + number * all.weight_distance;
  return own;
}

template <class T>
void Objective<T>::head_weights(const Targets<T>& targets, index_t rows,
                                std::vector<double>& weights) const {
  weights.clear();
  for (const Head<T>& head : heads_) {
    const T* const weight = targets.weight == nullptr
                                ? nullptr
                                : targets.weight + head.number * targets.weight_distance;
    weights.push_back(head.objective == nullptr ? 0 : head.objective->batch_weight(weight, rows));
  }
}

template <class T>
void Objective<T>::head_factors(const std::vector<double>& weights, std::vector<double>& plain,
                                std::vector<double>& weighted) const {
  plain.resize(heads_.size());
  weighted.resize(heads_.size());
  for (std::size_t h = 0; h < heads_.size(); ++h) {
    const Head<T>& head = heads_[h];
    plain[h] = head.objective == nullptr ? 0 : head.objective->gradient_scale(weights[h]);
    weighted[h] = head.weight * plain[h];
  }
}

template <class T>
void Objective<T>::head_rows(MatrixView<const T> output, const Targets<T>& targets,
                             const double* factors, MatrixView<T> gradient, double* sums) const {
  for (std::size_t h = 0; h < heads_.size(); ++h) {
    const Head<T>& head = heads_[h];
    MatrixView<T> g;
    if (gradient) g = {gradient.data + head.first, gradient.rows, head.columns, gradient.stride};
    if (head.objective != nullptr) {
      sums[h] += head.objective->rows(head.outputs(output), head.targets(targets), factors[h], g);
    } else if (g) {
      for (index_t i = 0; i < g.rows; ++i) std::fill_n(g.row(i), g.cols, T(0));
    }
  }
}

template <class T>
double Objective<T>::weight_sum(const T* weight, index_t rows) {
  if (weight == nullptr) return static_cast<double>(rows);
  double sum = 0;
  for (index_t i = 0; i < rows; ++i) sum += static_cast<double>(weight[i]);
  return sum;
}

template <class T>
double Objective<T>::batch_weight(const T* weight, index_t rows) const {
  if (reduction_ == Reduction::mean_with_sample_weight) return weight_sum(weight, rows);
  return static_cast<double>(rows);
}

template <class T>
bool Objective<T>::depends_on_batches(bool weighted) const {
  if (has_heads())
    return std::any_of(heads_.begin(), heads_.end(), [&](const Head<T>& head) {
      return head.objective != nullptr && head.objective->depends_on_batches(weighted);
    });
  if (reduction_ == Reduction::mean_with_sample_weight) return weighted;
  return reduction_ != Reduction::sum_over_batch_size;
}

template <class T>
double Objective<T>::gradient_scale(double batch_weight) const {
  if (adds_up()) return terms_;
  return batch_weight == 0 ? 0 : 1 / batch_weight;
}

template <class T>
double Objective<T>::divisor(double batch_weight) const {
  if (adds_up()) return 1 / terms_;
  return batch_weight == 0 ? 1 : batch_weight;
}

template <class T>
LossArguments<T> Objective<T>::arguments(MatrixView<const T> output, const Targets<T>& targets,
                                         double scale, MatrixView<T> gradient) const {
  return {output.rows,
          output.cols,
          output.data,
          output.stride,
          targets.values.data,
          targets.values.stride,
          targets.labels,
          targets.weight,
          scale,
          gradient.data,
          gradient.stride,
          parameters_.data(),
          static_cast<int>(parameters_.size())};
}

template <class T>
void loss_of_rows(double (*loss)(const LossArguments<T>&), LossArguments<T> p, double* out) {
  const index_t rows = p.rows;
  p.rows = 1;
  for (index_t i = 0; i < rows; ++i) {
    out[i] = p.cols == 0 ? 0 : loss(p);
    p.output += p.ld_output;
    if (p.values != nullptr) p.values += p.ld_values;
    if (p.labels != nullptr) ++p.labels;
  }
}

#define DENSECORE_INSTANTIATE(T, ...)                                                            \
  template index_t target_columns(const LossEntry<T>&, index_t, std::size_t);                    \
  template std::vector<double> loss_parameters(const LossEntry<T>&, const std::vector<double>&); \
  template void loss_of_rows(double (*)(const LossArguments<T>&), LossArguments<T>, double*);    \
  template struct Head<T>;                                                                       \
  template class Objective<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
