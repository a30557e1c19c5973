// A number that changes from step to step, by a function that may be the user's.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/view.h"

namespace densecore {

// The numbers of steps first, first + 1, ... (counted from 0). May throw.
using Schedule = std::function<void(std::int64_t first, index_t count, double* numbers)>;

// Shared by the networks that use it; a step of another thread may be in progress when it changes.
class ScheduledNumber {
 public:
  ScheduledNumber() = default;
  explicit ScheduledNumber(Schedule schedule) { set(std::move(schedule)); }

  // An empty schedule removes the present one.
  void set(Schedule schedule);
  bool given() const { return given_.load(std::memory_order_relaxed); }
  // The number of a step, which `number` becomes; without a schedule `number` itself. To be called
  // in a thread that may wait for the GIL, so not from the tasks of a parallel region.
  double at(std::int64_t step, double& number);

 private:
  // Those of the steps from `first` on.
  struct Numbers {
    std::int64_t first;
    std::vector<double> values;
    // A NaN is one that the schedule could not give beforehand: it is asked again at its step.
    bool has(std::int64_t step) const {
      if (step < first || step - first >= static_cast<std::int64_t>(values.size())) return false;
      return !std::isnan(values[static_cast<std::size_t>(step - first)]);
    }
  };
  // ForkLock protects the two pointers. It is not held during a call of the schedule, which may
  // wait for the GIL: a thread that holds the GIL may wait for the lock to set another schedule.
  std::atomic<bool> given_{false};
  std::shared_ptr<const Schedule> schedule_;
  std::shared_ptr<const Numbers> numbers_;
};

}  // namespace densecore
