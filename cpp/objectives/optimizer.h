// The settings of an optimizer, which the user may change at any time, and its state for one
// network.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/executor.h"
#include "base/schedule.h"
#include "kernels/table.h"
#include "layers/layer.h"

namespace densecore {

// The steps around the update that all optimizers share, with Keras's names; 0 turns a step off.
struct GradientSteps {
  double weight_decay = 0;     // parameters *= 1 - learning_rate * weight_decay, before the update
  double clipvalue = 0;        // limits each element to -clipvalue .. clipvalue
  double clipnorm = 0;         // limits the norm of each array's gradient
  double global_clipnorm = 0;  // limits the norm of the whole gradient
  std::int64_t accumulation = 1;  // an update is made of the mean gradient of so many batches
  double ema_momentum = 0;        // momentum of the moving average of the parameters
  bool ema = false;
  std::int64_t ema_overwrite = 0;  // after so many updates the parameters become their average
  bool decay_scheduled = false;    // whether weight_decay is that of the last step only

  bool wants_whole_gradient() const {
    return clipvalue != 0 || clipnorm != 0 || global_clipnorm != 0 || accumulation > 1;
  }
  bool any() const { return wants_whole_gradient() || weight_decay != 0 || decay_scheduled || ema; }
};

// The values of an optimizer's hyperparameters in its order; further elements are 0.
using HyperparameterValues = std::array<double, 8>;

// Name and hyperparameters. Shared between the Python object and the networks that use it, so that
// a changed learning rate holds from the next step on; a step of another thread may be in progress.
class OptimizerSettings {
 public:
  // Throws std::invalid_argument for an unknown name.
  explicit OptimizerSettings(const std::string& name);

  const std::string& name() const { return name_; }
  const std::vector<Hyperparameter>& hyperparameters() const { return hyperparameters_; }
  double get(const std::string& hyperparameter) const;
  // Throws std::invalid_argument for an unknown hyperparameter or a value out of its range.
  void set(const std::string& hyperparameter, double value);

  const double* hyperparameter_values() const { return values_.data(); }
  const GradientSteps& gradient_steps() const { return gradient_steps_; }
  // Throws std::invalid_argument for values out of range.
  void set_gradient_steps(const GradientSteps& steps);
  // Another number after each change of them; no two objects have the same.
  std::uint64_t version() const { return version_; }
  // An empty schedule removes the present one: the learning rate is then the hyperparameter.
  void set_schedule(Schedule schedule) { rate_.set(std::move(schedule)); }
  bool scheduled() const { return rate_.given(); }
  // The same of the weight decay.
  void set_decay_schedule(Schedule schedule);
  // The hyperparameters of step number `step` (from 0), as OptimizerEntry::prepare wants them.
  HyperparameterValues values(std::int64_t step);
  double weight_decay(std::int64_t step) { return decay_.at(step, gradient_steps_.weight_decay); }

 private:
  std::size_t index_of(const std::string& hyperparameter) const;

  std::string name_;
  std::vector<Hyperparameter> hyperparameters_;
  HyperparameterValues values_{};
  GradientSteps gradient_steps_;
  std::uint64_t version_ = 0;
  ScheduledNumber rate_, decay_;
};

std::vector<std::string> optimizer_names();
// Names of the arrays that an optimizer keeps per parameter. Throws for an unknown name.
std::vector<std::string> optimizer_state_names(const OptimizerSettings& settings);

// The update of one step. It may be applied to parts of the parameters in any order, and from any
// thread.
template <class T>
struct Update {
  const KernelTable<T>* table;
  const OptimizerEntry<T>* entry;
  double scalars[max_optimizer_scalars];
  T* parameters;
  const T* gradients;
  T* states[max_optimizer_states];
  double decay = 1;  // the parameters are multiplied with this first
  T* average = nullptr;
  double momentum = 0;

  // For optimizers with `descent` only.
  T rate() const { return static_cast<T>(scalars[0]); }

  // Updates the used rows (of `units`) of a table at `begin`: the others, and their states, stay
  // as they are. Without an average, which would need all. Takes the thread's scratch memory.
  void apply_rows(index_t begin, index_t units, const UsedRows& used) const;
  void apply(index_t begin, index_t count) const { apply(begin, count, gradients + begin); }
  // With the gradients `gradient` (count).
  void apply(index_t begin, index_t count, const T* gradient) const {
    T* state[max_optimizer_states];
    for (int i = 0; i < entry->state_count; ++i) state[i] = states[i] + begin;
    if (decay != 1) table->gradients.scale(count, decay, parameters + begin);
    entry->update(count, scalars, parameters + begin, gradient, state);
    if (average != nullptr)
      table->gradients.average(count, momentum, parameters + begin, average + begin);
  }
};

// The state arrays lie one after another in one buffer, each as long as the parameters: the
// optimizer's own, then the sum of gradients and the average of parameters, where these are used.
template <class T>
class OptimizerState {
 public:
  // The average starts at `parameters` (count).
  OptimizerState(const KernelTable<T>& table, std::shared_ptr<OptimizerSettings> settings,
                 const T* parameters, index_t count);

  const OptimizerEntry<T>& entry() const { return *entry_; }
  const std::shared_ptr<OptimizerSettings>& settings() const { return settings_; }
  const std::shared_ptr<AlignedBuffer<T>>& states() const { return states_; }
  // Whether the update of a parameter needs the gradients of all parameters.
  bool wants_whole_gradient() const {
    return entry_->array_step != ArrayStep::none ||
           settings_->gradient_steps().wants_whole_gradient();
  }
  // Whether a step is p -= rate * g and nothing else, which the kernel of the weight gradient can
  // do.
  bool descends() const { return entry_->descent && !settings_->gradient_steps().any(); }
  // Whether a step is the update and nothing else, at one learning rate.
  bool plain() const { return !settings_->gradient_steps().any() && !settings_->scheduled(); }
  // Whether the kernel of single rows can make its steps: nothing is kept from batch to batch but
  // the rule's own arrays.
  bool by_rows() const {
    return entry_->array_step == ArrayStep::none && accumulation_ == 1 && !ema_ &&
           settings_->gradient_steps().accumulation == 1 && !settings_->gradient_steps().ema &&
           !settings_->gradient_steps().decay_scheduled;
  }

  std::int64_t steps = 0;  // batches trained on so far

  // Counts a step and returns its update, which the caller must apply to all trained parameters.
  Update<T> next_update(T* parameters, const T* gradients) {
    Update<T> update = make_update(parameters, gradients);
    advance(update);
    return update;
  }
  // Counts a step that is p -= rate * g, and returns its rate.
  double next_rate() {
    const double rate = settings_->scheduled() ? settings_->values(steps)[0]
                                               : settings_->hyperparameter_values()[0];
    ++steps;
    return rate;
  }
  // `next_update` in two parts: the arguments that all steps share, and those of the next step.
  Update<T> make_update(T* parameters, const T* gradients);
  void advance(Update<T>& update);
  // Whether of a table with used rows only those are updated: not with an average, which needs all
  // parameters, nor with several batches' gradients, which are of more rows.
  bool updates_used_rows(const ParameterBlock& block) const {
    return block.used != nullptr && !block.penalty.any() && !ema_ && accumulation_ == 1 &&
           entry_->array_step == ArrayStep::none;
  }
  // Whether a step is the update and nothing else, by any schedule.
  bool simple() const {
    return entry_->array_step == ArrayStep::none && !settings_->gradient_steps().any();
  }
  // The same step for an array with a rate or decay of its own.
  Update<T> update_of(const Update<T>& update, const Multipliers& multipliers) const;
  // Counts `count` steps `by_rows`, and writes the learning rate of each; returns their update, all
  // but the penalties. What it points to lives as long as the settings.
  TinyUpdate<T> next_rows(index_t count, double* rates);
  // A whole step for the arrays `trained`. Penalties are multiplied by `penalty_factor`; 0: there
  // are none. Afterwards the gradients are those after accumulation and clipping.
  void update(Executor& executor, T* parameters, T* gradients,
              const std::vector<ParameterBlock>& trained, double penalty_factor = 1);
  // At the end of training the parameters become their average, as in Keras.
  void finish(T* parameters, const std::vector<ParameterBlock>& trained);

 private:
  // Scalars and decay of step `number` (from 0), with these hyperparameters.
  void prepare(std::int64_t number, HyperparameterValues values, const Multipliers& multipliers,
               Update<T>& update) const;
  // To be called after the update of all parameters.
  void finish_step(Executor& executor, double work, T* parameters,
                   const std::vector<ParameterBlock>& trained);
  // Returns whether the gradients of enough batches are summed up.
  bool accumulate(T* gradients, const std::vector<ParameterBlock>& trained);
  void clip(T* gradients, const std::vector<ParameterBlock>& trained) const;
  static void apply(const Update<T>& update, index_t first, index_t last);
  T* extra(int number) { return states_->data() + (entry_->state_count + number) * count_; }

  const KernelTable<T>* table_;
  const OptimizerEntry<T>* entry_;
  std::shared_ptr<OptimizerSettings> settings_;
  // The settings at the time of compilation. They must not change, as the arrays are made for them.
  std::int64_t accumulation_;
  bool ema_;
  std::shared_ptr<AlignedBuffer<T>> states_;
  index_t count_;
};

// Adds the gradients of the penalties of the arrays `trained`, times `factor`, to theirs.
template <class T>
void add_penalties(const GradientKernels<T>& kernels, const std::vector<ParameterBlock>& trained,
                   double factor, const T* parameters, T* gradients);

// The step of one array, for optimizers whose step of a kernel or a bias depends on all of it
// (array_step.cc). Its gradient becomes the direction of the step.
template <class T>
void step_of_array(const Update<T>& update, const ParameterBlock& block, T* gradients);

}  // namespace densecore
