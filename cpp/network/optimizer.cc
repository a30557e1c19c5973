#include "network/optimizer.h"

#include <algorithm>
#include <stdexcept>

#include "base/view.h"
#include "kernels/dispatch.h"
#include "network/lookup.h"

namespace densecore {

OptimizerSettings::OptimizerSettings(const std::string& name) : name_(name) {
  // Names and hyperparameters are the same in every table.
  const auto& entry = find_optimizer(*active_kernels().f64, name);
  for (int i = 0; i < entry.hyperparameter_count; ++i) {
    hyperparameters_.push_back(entry.hyperparameters[i]);
    values_.push_back(entry.hyperparameters[i].initial);
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

std::vector<std::string> optimizer_names() {
  const KernelTable<double>& table = *active_kernels().f64;
  std::vector<std::string> names;
  for (int i = 0; i < table.optimizer_count; ++i) names.emplace_back(table.optimizers[i].name);
  return names;
}

std::vector<std::string> optimizer_state_names(const std::string& name) {
  const auto& entry = find_optimizer(*active_kernels().f64, name);
  return {entry.states, entry.states + entry.state_count};
}

template <class T>
OptimizerState<T>::OptimizerState(const KernelTable<T>& table,
                                  std::shared_ptr<OptimizerSettings> settings, index_t parameters)
    : entry_(&find_optimizer(table, settings->name())),
      settings_(std::move(settings)),
      states_(std::make_shared<AlignedBuffer<T>>(
          static_cast<std::size_t>(parameters * entry_->state_count))),
      parameters_(parameters) {
  for (int i = 0; i < entry_->state_count; ++i) {
    T* state = states_->data() + i * parameters_;
    std::fill(state, state + parameters_,
              static_cast<T>(entry_->initial_state(settings_->values(), i)));
  }
}

template <class T>
Update<T> OptimizerState<T>::next_update(T* parameters, const T* gradients) {
  Update<T> update{entry_, {}, parameters, gradients, {}};
  entry_->prepare(settings_->values(), ++steps, update.scalars);
  for (int i = 0; i < entry_->state_count; ++i)
    update.states[i] = states_->data() + i * parameters_;
  return update;
}

template <class T>
void OptimizerState<T>::update(Executor& executor, T* parameters, const T* gradients) {
  const Update<T> update = next_update(parameters, gradients);
  // An element costs about as much as eight multiply-adds, mostly in memory traffic.
  const double work = 8.0 * static_cast<double>(parameters_);
  constexpr index_t chunk = 1 << 15;
  const int tasks = static_cast<int>(divide_up(parameters_, chunk));
  if (tasks == 1) {
    update.apply(0, parameters_);
  } else {
    // The update is the one part of a step that must not be left half done, hence an executor of
    // its own, which nobody interrupts.
    Executor uninterrupted;
    uninterrupted.run(tasks, work, [&](int number, void*) {
      const index_t begin = number * chunk;
      update.apply(begin, std::min(begin + chunk, parameters_) - begin);
    });
  }
  executor.check(work);
}

template class OptimizerState<float>;
template class OptimizerState<double>;

}  // namespace densecore
