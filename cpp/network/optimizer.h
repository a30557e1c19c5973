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

  void update(Executor& executor, T* parameters, const T* gradients);

 private:
  const OptimizerEntry<T>* entry_;
  std::shared_ptr<OptimizerSettings> settings_;
  std::shared_ptr<AlignedBuffer<T>> states_;
  index_t parameters_;
};

}  // namespace densecore
