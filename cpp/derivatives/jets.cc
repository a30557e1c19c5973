#include "derivatives/jets.h"

#include <algorithm>
#include <cmath>

#include "base/dtypes.h"
#include "base/pairwise.h"

namespace densecore {
namespace {

constexpr index_t jet_rows = 64, leaf_rows = 128;
// Each leaf needs memory for a gradient.
constexpr int max_leaves = 32, few_leaves = 4;
constexpr index_t few_parameters = index_t{1} << 16;

int leaf_count(index_t rows, index_t parameters) {
  const int most = parameters <= few_parameters ? max_leaves : few_leaves;
  int count = 1;
  while (count < most && divide_up(rows, count) > leaf_rows) count *= 2;
  return count;
}

template <class T>
ActivationDerivatives<T> derivatives_of(const std::string& name) {
  const auto found = find_activation_derivatives<T>(name);
  if (found != nullptr) return found;
  std::string known = "softmax";
  for (const std::string& other : activations_with_derivatives()) known += ", " + other;
  throw std::invalid_argument("activation: found '" + name +
                              "', wanted one with second derivatives: " + known);
}

}  // namespace

template <class T>
typename Jets<T>::Views Jets<T>::views(Buffers& buffers, index_t cols, Range rows) const {
  Views found;
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order_); ++k)
    found[k] = {buffers[k].data() + rows.begin * cols, rows.size(), cols};
  return found;
}

template <class T>
typename Jets<T>::Views Jets<T>::inputs_of(std::size_t l, Range rows) {
  Views found = views(arrays_[l], cols_[l], rows);
  if (l == 0)
    for (int k = input_order_ + 1; k <= order_; ++k) found[static_cast<std::size_t>(k)] = {};
  return found;
}

// The gradient of layer l's input. A block's rows have their own memory, the same for all layers.
template <class T>
typename Jets<T>::Views Jets<T>::gradient(std::size_t l, Range rows) {
  Views found;
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order_); ++k)
    found[k] = {gradient_[stack_ ? l % 2 : l][k].data() + rows.begin * widest_, rows.size(),
                cols_[l]};
  return found;
}

template <class T>
typename Jets<T>::Views Jets<T>::taken(const Source& source, Range rows) {
  return rules::columns(inputs_of(static_cast<std::size_t>(source.layer + 1), rows), source.first,
                        source.columns);
}

template <class T>
typename Jets<T>::Views Jets<T>::gradient_of(const Source& source, Range rows) {
  return rules::columns(gradient(static_cast<std::size_t>(source.layer + 1), rows), source.first,
                        source.columns);
}

template <class T>
void Jets<T>::merge(const Step& step, Range rows, const Views& a) {
  if (step.rule.kind == JetKind::sum) rules::clear(order_, a);
  index_t first = 0;
  for (std::size_t i = 0; i < step.sources.size(); ++i) {
    const Source& source = step.sources[i];
    const Views x = taken(source, rows);
    if (step.rule.kind == JetKind::sum)
      rules::add(order_, x, a, step.rule.factor.empty() ? T(1) : step.rule.factor[i]);
    else
      rules::copy(order_, x, rules::columns(a, first, source.columns));
    first += source.columns;
  }
}

template <class T>
void Jets<T>::merge_back(const Step& step, int order, Range rows, const Views& g) {
  index_t first = 0;
  for (std::size_t i = 0; i < step.sources.size(); ++i) {
    const Source& source = step.sources[i];
    const Views below = gradient_of(source, rows);
    if (step.rule.kind == JetKind::sum)
      rules::add(order, g, below, step.rule.factor.empty() ? T(1) : step.rule.factor[i]);
    else
      rules::add(order, rules::columns(g, first, source.columns), below);
    first += source.columns;
  }
}

template <class T>
MatrixView<const T> Jets<T>::output(int k) const {
  return {arrays_.back()[static_cast<std::size_t>(k)].data(), rows_, cols_.back()};
}

template <class T>
typename Jets<T>::Step Jets<T>::step_of(const Network<T>& network, std::size_t l,
                                        bool stop_at_z) const {
  const Layer<T>& layer = *network.layers()[l];
  Step step;
  step.layer = &layer;
  step.rule = layer.jet_rule();
  step.sources = network.graph().sources[l];
  if (step.rule.kind == JetKind::sum)
    for (const Source& source : step.sources)
      if (source.layer + 1 != static_cast<index_t>(l))
        step.from = static_cast<std::size_t>(source.layer + 1);
  if (layer.activation() != nullptr) {
    const bool left_out = stop_at_z && l + 1 == network.layers().size();
    if (left_out || layer.activation()->identity()) {
      if (step.rule.kind == JetKind::function) step.rule.kind = JetKind::copy;
      return step;
    }
    step.function = layer.activation();
    const std::string name = step.function->entry().name;
    if (name != "softmax") step.derivatives = derivatives_of<T>(name);
  }
  const T *const parameters = network.parameters()->data(), *const tangent = tangent_.empty()
                                                                                 ? nullptr
                                                                                 : tangent_.data();
  if (step.rule.gamma >= 0) {
    step.scale.gamma = parameters + step.rule.gamma;
    if (tangent != nullptr) step.scale.gamma1 = tangent + step.rule.gamma;
  }
  if (step.rule.beta >= 0) {
    step.scale.beta = parameters + step.rule.beta;
    if (tangent != nullptr) step.scale.beta1 = tangent + step.rule.beta;
  }
  return step;
}

template <class T>
void Jets<T>::prepare(const Network<T>& network, index_t rows, bool stop_at_z) {
  const std::size_t count = network.layers().size();
  stack_ = network.graph().stack;
  std::vector<Step> steps;
  for (std::size_t l = 0; l < count; ++l) {
    steps.push_back(step_of(network, l, stop_at_z));
    if (steps.back().rule.kind == JetKind::sum)
      for (const Source& source : steps.back().sources)
        if (source.columns != steps.back().layer->units())
          throw std::invalid_argument(
              "second derivatives: found a sum of inputs of different widths, wanted one width");
  }
  lowest_ = count;
  cols_.assign(1, network.inputs());
  for (std::size_t l = 0; l < count; ++l) {
    cols_.push_back(steps[l].layer->units());
    if (steps[l].layer->trainable && steps[l].layer->parameter_count() > 0)
      lowest_ = std::min(lowest_, l);
    // Reuses the memory of the pass before.
    if (l < steps_.size()) {
      steps[l].z = std::move(steps_[l].z);
      steps[l].slope = std::move(steps_[l].slope);
    }
  }
  // In a graph earlier layers may lead to one that is trained.
  if (!stack_) lowest_ = 0;
  widest_ = *std::max_element(cols_.begin(), cols_.end());
  steps_ = std::move(steps);
  arrays_.resize(count + 1);
  for (std::size_t l = 0; l <= count; ++l)
    for (std::size_t k = 0; k <= static_cast<std::size_t>(order_); ++k) {
      reserve(arrays_[l][k], rows * cols_[l]);
      if (l == count) continue;
      Step& step = steps_[l];
      if (step.function != nullptr || step.normalizes() || step.rule.kind == JetKind::sum)
        reserve(step.z[k], rows * cols_[l + 1]);
      if (step.derivatives != nullptr) reserve(step.slope[k], rows * cols_[l + 1]);
    }
}

template <class T>
void Jets<T>::forward(Executor& executor, const Network<T>& network, int order,
                      MatrixView<const T> x, MatrixView<const T> direction, const T* tangent,
                      bool stop_at_z) {
  if (order < 1 || order > max_order)
    throw std::invalid_argument("order: found " + std::to_string(order) + ", wanted 1 or 2");
  rows_ = no_pass;
  order_ = order;
  tangent_.clear();
  if (tangent != nullptr) {
    tangent_.assign(tangent, tangent + network.parameter_count());
    for (const auto& layer : network.layers())
      if (!layer->trainable)
        std::fill_n(tangent_.data() + layer->parameter_offset(), layer->parameter_count(), T(0));
  }
  prepare(network, x.rows, stop_at_z);
  // Products skip derivatives that are zero; the rules of other layers read the zeros.
  bool written = steps_[0].rule.kind != JetKind::product;
  for (const Step& step : steps_)
    written = written || (step.rule.kind == JetKind::sum && step.from == 0);
  for (const Step& step : steps_)
    for (const Source& source : step.sources)
      written = written || (!stack_ && source.from_x() && step.rule.kind != JetKind::product);
  input_order_ = written ? order : direction ? 1 : 0;
  const index_t size = x.rows * x.cols;
  for (std::size_t k = 1; k <= static_cast<std::size_t>(order); ++k)
    std::fill_n(arrays_[0][k].data(), size, T(0));
  copy_rows(x, MatrixView<T>(arrays_[0][0].data(), x.rows, x.cols));
  if (direction) copy_rows(direction, MatrixView<T>(arrays_[0][1].data(), x.rows, x.cols));
  executor.run(static_cast<int>(divide_up(x.rows, jet_rows)),
               (order + 1) * network.forward_work(x.rows), [&](int i, void* scratch) {
                 const index_t begin = i * jet_rows;
                 forward_rows(network, {begin, std::min(begin + jet_rows, x.rows)}, scratch);
               });
  rows_ = x.rows;
}

template <class T>
void Jets<T>::affine(const Network<T>& network, const Step& step, const Views& x, const Views& z,
                     void* scratch) const {
  const Dense<T>& layer = *step.layer->dense();
  const KernelTable<T>& table = network.table();
  const index_t rows = z[0].rows, units = layer.units(), inputs = layer.inputs();
  const auto bias_of = [&](const T* p) {
    return layer.use_bias() ? p + layer.bias_offset() : nullptr;
  };
  // c = a W + bias, or c += a W, with the weights of a flat vector.
  const auto multiply = [&](const MatrixView<T>& a, const T* flat, const T* bias, bool accumulate,
                            const MatrixView<T>& c) {
    table.gemm({rows, units, inputs, a.data, a.stride, 1, flat + layer.weight_offset(), units, 1,
                bias, accumulate, c.data, c.stride, static_cast<T*>(scratch)});
  };
  const T *const parameters = network.parameters()->data(), *const tangent = tangent_.data();
  multiply(x[0], parameters, bias_of(parameters), false, z[0]);
  for (std::size_t k = 1; k <= static_cast<std::size_t>(order_); ++k) {
    bool begun = false;
    if (!tangent_.empty() && x[k - 1]) {
      // (x W)_k = x_k W + k x_(k-1) W_1, as W moves along a straight line.
      multiply(x[k - 1], tangent, k == 1 ? bias_of(tangent) : nullptr, false, z[k]);
      if (k == 2) multiply(x[k - 1], tangent, nullptr, true, z[k]);
      begun = true;
    }
    if (x[k])
      multiply(x[k], parameters, nullptr, begun, z[k]);
    else if (!begun)
      std::fill_n(z[k].data, rows * units, T(0));
  }
}

template <class T>
void Jets<T>::forward_rows(const Network<T>& network, Range rows, void* scratch) {
  for (std::size_t l = 0; l < steps_.size(); ++l) {
    Step& step = steps_[l];
    const index_t units = cols_[l + 1];
    const Views x = stack_ ? inputs_of(l, rows) : taken(step.sources.front(), rows);
    const Views a = views(arrays_[l + 1], units, rows);
    const Views z = step.function == nullptr ? a : views(step.z, units, rows);
    switch (step.rule.kind) {
      case JetKind::product:
        affine(network, step, x, z, scratch);
        break;
      case JetKind::function:
      case JetKind::copy:
        rules::copy(order_, x, z);
        break;
      case JetKind::beside:
      case JetKind::sum:
        if (!stack_ || step.rule.kind == JetKind::beside) {
          merge(step, rows, a);
          break;
        }
        rules::copy(order_, x, a);
        rules::add(order_, inputs_of(step.from, rows), a);
        break;
      case JetKind::columns:
      case JetKind::rows: {
        const Views normalized = views(step.z, units, rows);
        if (step.rule.kind == JetKind::columns)
          rules::normalize_columns(order_, step.rule.mean.data(), step.rule.factor.data(), x,
                                   normalized);
        else
          rules::normalize_rows(order_, step.rule.row, step.rule.groups, x, normalized);
        rules::scale(order_, step.scale, normalized, a);
      }
    }
    if (step.function == nullptr) continue;
    step.function->forward(z[0], a[0]);
    if (step.derivatives == nullptr) {
      rules::softmax(order_, z, a);
      continue;
    }
    const Views slope = views(step.slope, units, rows);
    step.derivatives(network.table(), step.function->entry(), rows.size() * units, z[0].data,
                     a[0].data, step.function->parameters(), slope[0].data, slope[1].data,
                     slope[2].data);
    rules::function(order_, slope, z, a);
  }
}

template <class T>
void Jets<T>::backward_affine(const Network<T>& network, const Step& step, int order,
                              const Views& x, const Views& g, const Views& below, bool added,
                              T* gradients, void* scratch) const {
  const Dense<T>& layer = *step.layer->dense();
  const KernelTable<T>& table = network.table();
  const index_t rows = g[0].rows, units = layer.units(), inputs = layer.inputs();
  const auto last = static_cast<std::size_t>(order);
  if (layer.trainable) {
    for (std::size_t k = 0; k <= last; ++k)
      if (x[k])
        table.gemm({inputs, units, rows, x[k].data, 1, x[k].stride, g[k].data, g[k].stride, 1,
                    nullptr, true, gradients + layer.weight_offset(), units,
                    static_cast<T*>(scratch)});
    if (layer.use_bias())
      table.column_sum(rows, units, g[0].data, g[0].stride, true, gradients + layer.bias_offset());
  }
  if (!below[0]) return;
  const auto multiply = [&](const MatrixView<T>& a, const T* flat, bool accumulate,
                            const MatrixView<T>& c) {
    table.gemm({rows, inputs, units, a.data, a.stride, 1, flat + layer.weight_offset(), 1, units,
                nullptr, accumulate, c.data, c.stride, static_cast<T*>(scratch)});
  };
  for (std::size_t k = 0; k <= last; ++k) {
    multiply(g[k], network.parameters()->data(), added, below[k]);
    if (tangent_.empty() || k == last) continue;
    for (std::size_t i = 0; i <= k; ++i) multiply(g[k + 1], tangent_.data(), true, below[k]);
  }
}

template <class T>
void Jets<T>::backward_rows(const Network<T>& network, int order, Range rows, T* gradients,
                            MatrixView<T> dx, void* scratch) {
  const std::size_t end_layer = dx ? 0 : lowest_;
  for (std::size_t l = 0; l < steps_.size() && !stack_; ++l) rules::clear(order, gradient(l, rows));
  for (std::size_t l = steps_.size(); l-- > end_layer;) {
    Step& step = steps_[l];
    const index_t units = cols_[l + 1];
    const bool goes_on = l > end_layer || dx;
    const Source& source = step.sources.front();
    const Views x = stack_ ? inputs_of(l, rows) : taken(source, rows), g = gradient(l + 1, rows);
    const Views below = !stack_ ? gradient_of(source, rows) : goes_on ? gradient(l, rows) : Views();
    if (step.function != nullptr) {
      const Views z = views(step.z, units, rows);
      if (step.derivatives == nullptr)
        rules::softmax_back(order, z, views(arrays_[l + 1], units, rows), g);
      else
        rules::function_back(order, views(step.slope, units, rows), z, g);
    }
    if (step.rule.kind == JetKind::product) {
      backward_affine(network, step, order, x, g, below, !stack_, gradients, scratch);
    } else if (step.rule.kind == JetKind::beside || (step.rule.kind == JetKind::sum && !stack_)) {
      merge_back(step, order, rows, g);
    } else {
      const JetRule<T>& rule = step.rule;
      if (rule.kind == JetKind::sum) rules::copy(order, g, views(step.z, units, rows));
      if (step.normalizes()) {
        const bool trained = step.layer->trainable;
        rules::scale_back(order, step.scale, views(step.z, units, rows), g,
                          trained && rule.gamma >= 0 ? gradients + rule.gamma : nullptr,
                          trained && rule.beta >= 0 ? gradients + rule.beta : nullptr);
        if (rule.kind == JetKind::columns)
          rules::normalize_columns_back(order, rule.factor.data(), g);
        else
          rules::normalize_rows_back(order, order_, rule.row, rule.groups, x, g);
      }
      if (!stack_)
        rules::add(order, g, below);
      else if (goes_on)
        rules::copy(order, g, below);
    }
    if (!goes_on || !stack_) continue;
    for (Step& other : steps_)
      if (other.rule.kind == JetKind::sum && other.from == l)
        rules::add(order, views(other.z, cols_[l], rows), below);
  }
  if (dx) copy_rows(MatrixView<const T>(gradient(0, rows)[0]), dx.slice(rows.begin, rows.end));
}

template <class T>
void Jets<T>::backward(Executor& executor, const Network<T>& network, const ConstViews& grad,
                       T* gradients, MatrixView<T> dx) {
  int order = 0;
  for (int k = 1; k <= order_; ++k)
    if (grad[static_cast<std::size_t>(k)]) order = k;
  gradient_.resize(stack_ ? 2 : steps_.size() + 1);
  for (std::size_t k = 0; k <= static_cast<std::size_t>(order_); ++k)
    for (Buffers& buffers : gradient_) reserve(buffers[k], rows_ * widest_);
  const index_t count = network.parameter_count();
  const int leaves = leaf_count(rows_, count);
  reserve(partials_, (leaves - 1) * count);
  const auto buffer = [&](int i) {
    return i == 0 ? gradients : partials_.data() + (i - 1) * count;
  };
  executor.run(leaves, 3 * (order + 1) * network.forward_work(rows_), [&](int i, void* scratch) {
    std::fill_n(buffer(i), count, T(0));
    const index_t leaf_end = rows_ * (i + 1) / leaves;
    for (index_t begin = rows_ * i / leaves; begin < leaf_end; begin += jet_rows) {
      const Range rows{begin, std::min(begin + jet_rows, leaf_end)};
      const Views g = gradient(steps_.size(), rows);
      for (std::size_t k = 0; k <= static_cast<std::size_t>(order); ++k)
        if (grad[k])
          copy_rows(grad[k].slice(rows.begin, rows.end), g[k]);
        else
          std::fill_n(g[k].data, g[k].rows * g[k].cols, T(0));
      backward_rows(network, order, rows, buffer(i), dx, scratch);
    }
  });
  add_pairwise(leaves,
               [&](int to, int from) { network.table().add(count, buffer(from), buffer(to)); });
}

#define DENSECORE_INSTANTIATE(T, ...) template class Jets<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
