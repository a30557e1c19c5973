// An optimizer's settings, which the user may change at any time, and its state in one network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/table.h"
#include "network/executor.h"

namespace densecore {

// Name and hyperparameters. Shared between the Python object and the networks that use it, so that
// a changed learning rate holds from the next step on.
class OptimizerSettings {
 public:
  // Throws std::invalid_argument for an unknown name.
  explicit OptimizerSettings(const std::string& name);

  const std::string& name() const { return name_; }
  const std::vector<Hyperparameter>& hyperparameters() const { return hyperparameters_; }
  const double* values() const { return values_.data(); }
  double get(const std::string& hyperparameter) const;
  // Throws std::invalid_argument for an unknown hyperparameter or a value out of its range.
  void set(const std::string& hyperparameter, double value);

 private:
  std::size_t index_of(const std::string& hyperparameter) const;

  std::string name_;
  std::vector<Hyperparameter> hyperparameters_;
  std::vector<double> values_;
};

std::vector<std::string> optimizer_names();
// Names of the arrays that an optimizer keeps per parameter. Throws for an unknown name.
std::vector<std::string> optimizer_state_names(const std::string& name);

// One step's update, of any part of the parameters, in any order and from any thread.
template <class T>
struct Update {
  const OptimizerEntry<T>* entry;
  double scalars[max_optimizer_scalars];
  T* parameters;
  const T* gradients;
  T* states[max_optimizer_states];

  // Of an optimizer whose entry says `descent`.
  T rate() const { return static_cast<T>(scalars[0]); }

  void apply(index_t begin, index_t count) const {
    T* state[max_optimizer_states];
    for (int i = 0; i < entry->state_count; ++i) state[i] = states[i] + begin;
    entry->update(count, scalars, parameters + begin, gradients + begin, state);
  }
};

// The state arrays lie one after another in one buffer, each as long as the parameters.
template <class T>
class OptimizerState {
 public:
  OptimizerState(const KernelTable<T>& table, std::shared_ptr<OptimizerSettings> settings,
                 index_t parameters);

  const OptimizerEntry<T>& entry() const { return *entry_; }
  const std::shared_ptr<OptimizerSettings>& settings() const { return settings_; }
  const std::shared_ptr<AlignedBuffer<T>>& states() const { return states_; }

  std::int64_t steps = 0;  // updates made so far

  // Counts a step, and says how its parameters are to be updated. The step must then be completed.
  Update<T> next_update(T* parameters, const T* gradients);
  // A whole step.
  void update(Executor& executor, T* parameters, const T* gradients);

 private:
  const OptimizerEntry<T>* entry_;
  std::shared_ptr<OptimizerSettings> settings_;
  std::shared_ptr<AlignedBuffer<T>> states_;
  index_t parameters_;
};

}  // namespace densecore
