#include "objectives/optimizer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "base/dtypes.h"
#include "base/view.h"
#include "kernels/dispatch.h"
#include "layers/embedding.h"
#include "layers/lookup.h"

namespace densecore {
namespace {

void check_number(const char* name, double value, bool valid, const char* wanted) {
  if (valid) return;
  std::ostringstream text;
  text << name << ": found " << value << ", wanted " << wanted;
  throw std::invalid_argument(text.str());
}

std::uint64_t new_version() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

OptimizerSettings::OptimizerSettings(const std::string& name)
    : name_(name), version_(new_version()) {
  // Names and hyperparameters are the same in every table.
  const auto& entry = find_optimizer(*active_kernels().f64, name);
  for (int i = 0; i < entry.hyperparameter_count; ++i) {
    hyperparameters_.push_back(entry.hyperparameters[i]);
    values_.at(static_cast<std::size_t>(i)) = entry.hyperparameters[i].initial;
  }
}

std::size_t OptimizerSettings::index_of(const std::string& hyperparameter) const {
  std::string known;
  for (std::size_t i = 0; i < hyperparameters_.size(); ++i) {
    if (hyperparameter == hyperparameters_[i].name) return i;
    known += (i == 0 ? "" : ", ") + std::string(hyperparameters_[i].name);
  }
  throw std::invalid_argument("unknown hyperparameter '" + hyperparameter + "' of optimizer '" +
                              name_ + "'; known: " + known);
}

double OptimizerSettings::get(const std::string& hyperparameter) const {
  return values_[index_of(hyperparameter)];
}

void OptimizerSettings::set(const std::string& hyperparameter, double value) {
  const std::size_t i = index_of(hyperparameter);
  check_hyperparameter(name_, hyperparameters_[i], value);
  values_[i] = value;
}

void OptimizerSettings::set_gradient_steps(const GradientSteps& steps) {
  const auto not_negative = [](const char* name, double value) {
    check_number(name, value, std::isfinite(value) && value >= 0, "a finite number >= 0");
  };
  not_negative("weight_decay", steps.weight_decay);
  not_negative("clipvalue", steps.clipvalue);
  not_negative("clipnorm", steps.clipnorm);
  not_negative("global_clipnorm", steps.global_clipnorm);
  check_number("gradient_accumulation_steps", static_cast<double>(steps.accumulation),
               steps.accumulation >= 1, "an integer >= 1");
  check_number("ema_momentum", steps.ema_momentum,
               steps.ema_momentum >= 0 && steps.ema_momentum <= 1, "0 <= ema_momentum <= 1");
  check_number("ema_overwrite_frequency", static_cast<double>(steps.ema_overwrite),
               steps.ema_overwrite >= 0, "an integer >= 1, or None");
  gradient_steps_ = steps;
  gradient_steps_.decay_scheduled = decay_.given();
  version_ = new_version();
}

void OptimizerSettings::set_decay_schedule(Schedule schedule) {
  decay_.set(std::move(schedule));
  gradient_steps_.decay_scheduled = decay_.given();
  version_ = new_version();
}

HyperparameterValues OptimizerSettings::values(std::int64_t step) {
  HyperparameterValues found = values_;
  // The first hyperparameter of every optimizer.
  if (scheduled()) found[0] = rate_.at(step, values_[0]);
  return found;
}

std::vector<std::string> optimizer_names() {
  const KernelTable<double>& table = *active_kernels().f64;
  std::vector<std::string> names;
  for (int i = 0; i < table.optimizer_count; ++i) names.emplace_back(table.optimizers[i].name);
  return names;
}

std::vector<std::string> optimizer_state_names(const OptimizerSettings& settings) {
  const auto& entry = find_optimizer(*active_kernels().f64, settings.name());
  std::vector<std::string> names(entry.states, entry.states + entry.state_count);
  if (settings.gradient_steps().accumulation > 1) names.emplace_back("gradient_sum");
  if (settings.gradient_steps().ema) names.emplace_back("average");
  return names;
}

template <class T>
void Update<T>::apply_rows(index_t begin, index_t units, const UsedRows& used) const {
  // Rows of few elements are gathered: a call for each would cost more than its elements.
  constexpr index_t wide = 64, at_once = 4096;
  static_assert((max_optimizer_states + 2) * at_once * sizeof(T) <= thread_scratch_bytes);
  if (units >= wide) {
    for (const index_t row : used.rows) apply(begin + row * units, units);
    return;
  }
  T* const near[2] = {static_cast<T*>(thread_scratch()),
                      static_cast<T*>(thread_scratch()) + at_once};
  T* state[max_optimizer_states];
  for (int i = 0; i < entry->state_count; ++i) state[i] = near[1] + (i + 1) * at_once;
  const auto most = static_cast<std::size_t>(at_once / units);
  for (std::size_t first = 0; first < used.rows.size(); first += most) {
    const std::size_t rows = std::min(most, used.rows.size() - first);
    const auto each = [&](auto&& copy) {
      for (std::size_t r = 0; r < rows; ++r)
        copy(begin + used.rows[first + r] * units, static_cast<index_t>(r) * units);
    };
    each([&](index_t far, index_t at) {
      copy_row(units, parameters + far, near[0] + at);
      copy_row(units, gradients + far, near[1] + at);
      for (int i = 0; i < entry->state_count; ++i) copy_row(units, states[i] + far, state[i] + at);
    });
    const index_t count = static_cast<index_t>(rows) * units;
    if (decay != 1) table->gradients.scale(count, decay, near[0]);
    entry->update(count, scalars, near[0], near[1], state);
    each([&](index_t far, index_t at) {
      copy_row(units, near[0] + at, parameters + far);
      for (int i = 0; i < entry->state_count; ++i) copy_row(units, state[i] + at, states[i] + far);
    });
  }
}

template <class T>
OptimizerState<T>::OptimizerState(const KernelTable<T>& table,
                                  std::shared_ptr<OptimizerSettings> settings, const T* parameters,
                                  index_t count)
    : table_(&table),
      entry_(&find_optimizer(table, settings->name())),
      settings_(std::move(settings)),
      accumulation_(settings_->gradient_steps().accumulation),
      ema_(settings_->gradient_steps().ema),
      states_(std::make_shared<AlignedBuffer<T>>(static_cast<std::size_t>(count) *
                                                 optimizer_state_names(*settings_).size())),
      count_(count) {
  if (ema_) std::copy_n(parameters, count, extra(accumulation_ > 1 ? 1 : 0));
  for (int i = 0; i < entry_->state_count; ++i)
    std::fill_n(states_->data() + i * count_, count_,
                static_cast<T>(entry_->initial_state(settings_->hyperparameter_values(), i)));
}

template <class T>
Update<T> OptimizerState<T>::make_update(T* parameters, const T* gradients) {
  Update<T> update{table_, entry_, {}, parameters, gradients, {}};
  for (int i = 0; i < entry_->state_count; ++i) update.states[i] = states_->data() + i * count_;
  if (ema_) {
    update.average = extra(accumulation_ > 1 ? 1 : 0);
  }
  return update;
}

template <class T>
void OptimizerState<T>::advance(Update<T>& update) {
  // Others than at the compilation, where weights have been loaded since.
  if (ema_ && steps / accumulation_ == 0) std::copy_n(update.parameters, count_, update.average);
  if (settings_->scheduled() || settings_->gradient_steps().any()) {
    prepare(steps, settings_->values(steps), {}, update);
  } else {
    entry_->prepare(settings_->hyperparameter_values(), steps / accumulation_ + 1, update.scalars);
    update.decay = 1;
  }
  ++steps;
}

template <class T>
void OptimizerState<T>::prepare(std::int64_t number, HyperparameterValues values,
                                const Multipliers& multipliers, Update<T>& update) const {
  values[0] *= multipliers.rate;
  const std::int64_t before = number / accumulation_;
  entry_->prepare(values.data(), before + 1, update.scalars);
  // As in Keras the average starts at what the first update makes of the parameters.
  update.momentum = before > 0 ? settings_->gradient_steps().ema_momentum : 0;
  // A product with 1 leaves all bits.
  update.decay = 1 - values[0] * (multipliers.decay * settings_->weight_decay(number));
}

template <class T>
Update<T> OptimizerState<T>::update_of(const Update<T>& update,
                                       const Multipliers& multipliers) const {
  Update<T> own = update;
  if (multipliers.any()) prepare(steps - 1, settings_->values(steps - 1), multipliers, own);
  return own;
}

template <class T>
TinyUpdate<T> OptimizerState<T>::next_rows(index_t count, double* rates) {
  const GradientSteps& wanted = settings_->gradient_steps();
  // Asked first: another thread may replace the schedule meanwhile.
  const bool scheduled = settings_->scheduled();
  const double rate = settings_->values(steps)[0];
  for (index_t i = 0; i < count; ++i)
    rates[i] = scheduled && i > 0 ? settings_->values(steps + i)[0] : rate;
  TinyUpdate<T> update{};
  update.rule = entry_;
  update.hyperparameters = settings_->hyperparameter_values();
  update.first = steps + 1;
  for (int i = 0; i < entry_->state_count; ++i) update.states[i] = states_->data() + i * count_;
  update.weight_decay = wanted.weight_decay;
  update.clipvalue = wanted.clipvalue;
  update.clipnorm = wanted.clipnorm;
  update.global_clipnorm = wanted.global_clipnorm;
  steps += count;
  return update;
}

template <class T>
void add_penalties(const GradientKernels<T>& kernels, const std::vector<ParameterBlock>& trained,
                   double factor, const T* parameters, T* gradients) {
  for (const ParameterBlock& block : trained)
    if (block.penalty.any()) {
      kernels.add_penalty(block.size(), parameters + block.offset, factor * block.penalty.l1,
                          factor * block.penalty.l2, gradients + block.offset);
      block.writes_all_rows();
    }
}

template <class T>
bool OptimizerState<T>::accumulate(T* gradients, const std::vector<ParameterBlock>& trained) {
  T* const sum = extra(0);
  const bool complete = (steps + 1) % accumulation_ == 0;
  for (const ParameterBlock& block : trained) {
    T *const g = gradients + block.offset, *const s = sum + block.offset;
    table_->add(block.size(), g, s);
    if (!complete) continue;
    std::copy_n(s, block.size(), g);
    block.writes_all_rows();
    table_->gradients.scale(block.size(), 1 / static_cast<double>(accumulation_), g);
    std::fill_n(s, block.size(), T(0));
  }
  if (!complete) ++steps;
  return complete;
}

// As in Keras, only one of them is applied: clipnorm, else global_clipnorm, else clipvalue.
template <class T>
void OptimizerState<T>::clip(T* gradients, const std::vector<ParameterBlock>& trained) const {
  const GradientKernels<T>& kernels = table_->gradients;
  const GradientSteps& wanted = settings_->gradient_steps();
  const auto shorten = [&](const ParameterBlock& block, double squares, double length) {
    if (squares > length * length)
      kernels.scale(block.size(), length / std::sqrt(squares), gradients + block.offset);
  };
  if (wanted.clipnorm != 0) {
    for (const ParameterBlock& block : trained)
      shorten(block, kernels.sum_of_squares(block.size(), gradients + block.offset),
              wanted.clipnorm);
  } else if (wanted.global_clipnorm != 0) {
    double squares = 0;
    for (const ParameterBlock& block : trained)
      squares += kernels.sum_of_squares(block.size(), gradients + block.offset);
    for (const ParameterBlock& block : trained) shorten(block, squares, wanted.global_clipnorm);
  } else if (wanted.clipvalue != 0) {
    for (const ParameterBlock& block : trained)
      kernels.clip(block.size(), wanted.clipvalue, gradients + block.offset);
  }
}

template <class T>
void OptimizerState<T>::update(Executor& executor, T* parameters, T* gradients,
                               const std::vector<ParameterBlock>& trained, double penalty_factor) {
  // An element costs about as much as eight multiply-adds, mostly in memory traffic.
  const double work = 8.0 * static_cast<double>(count_);
  // May throw: before any change.
  if (settings_->scheduled()) settings_->values(steps);
  settings_->weight_decay(steps);
  if (penalty_factor != 0)
    add_penalties(table_->gradients, trained, penalty_factor, parameters, gradients);
  if (wants_whole_gradient()) {
    if (accumulation_ > 1 && !accumulate(gradients, trained)) return executor.check(work);
    clip(gradients, trained);
  }
  const Update<T> update = next_update(parameters, gradients);
  if (entry_->array_step != ArrayStep::none) {
    for (const ParameterBlock& block : trained)
      step_of_array(update_of(update, block.multipliers), block, gradients);
    return finish_step(executor, work, parameters, trained);
  }
  for (std::size_t b = 0; b < trained.size();) {
    if (updates_used_rows(trained[b])) {
      update_of(update, trained[b].multipliers)
          .apply_rows(trained[b].offset, trained[b].cols, *trained[b].used);
      ++b;
      continue;
    }
    // Adjacent arrays of the same rates are updated together.
    const index_t first = trained[b].offset;
    const Multipliers& multipliers = trained[b].multipliers;
    index_t last = first + trained[b].size();
    for (++b; b < trained.size() && trained[b].offset == last &&
              trained[b].multipliers == multipliers && !updates_used_rows(trained[b]);
         ++b)
      last += trained[b].size();
    apply(update_of(update, multipliers), first, last);
  }
  finish_step(executor, work, parameters, trained);
}

template <class T>
void OptimizerState<T>::finish_step(Executor& executor, double work, T* parameters,
                                    const std::vector<ParameterBlock>& trained) {
  const std::int64_t overwrite = settings_->gradient_steps().ema_overwrite;
  if (overwrite > 0 && (steps / accumulation_) % overwrite == 0) finish(parameters, trained);
  executor.check(work);
}

template <class T>
void OptimizerState<T>::apply(const Update<T>& update, index_t first, index_t last) {
  constexpr index_t chunk = 1 << 15;
  if (last - first <= chunk) return update.apply(first, last - first);
  // With an executor that cannot be interrupted, as an update must not be left half done.
  Executor uninterrupted;
  const int tasks = static_cast<int>(divide_up(last - first, chunk));
  uninterrupted.run(tasks, 8.0 * static_cast<double>(last - first), [&](int number, void*) {
    const index_t begin = first + number * chunk;
    update.apply(begin, std::min(begin + chunk, last) - begin);
  });
}

template <class T>
void OptimizerState<T>::finish(T* parameters, const std::vector<ParameterBlock>& trained) {
  if (!ema_) return;
  const T* const average = extra(accumulation_ > 1 ? 1 : 0);
  for (const ParameterBlock& block : trained)
    std::copy_n(average + block.offset, block.size(), parameters + block.offset);
}

#define DENSECORE_INSTANTIATE(T, ...)                                                        \
  template struct Update<T>;                                                                 \
  template class OptimizerState<T>;                                                          \
  template void add_penalties(const GradientKernels<T>&, const std::vector<ParameterBlock>&, \
                              double, const T*, T*);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
