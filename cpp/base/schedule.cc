#include "base/schedule.h"

#include <utility>

#include "base/fork_lock.h"

namespace densecore {
namespace {

// How many numbers a call of a schedule gives, which may be a call of Python.
constexpr index_t at_once = 1024;

}  // namespace

void ScheduledNumber::set(Schedule schedule) {
  auto made = schedule ? std::make_shared<const Schedule>(std::move(schedule)) : nullptr;
  std::shared_ptr<const Numbers> none;
  {
    const ForkLock lock;
    given_.store(made != nullptr, std::memory_order_relaxed);
    std::swap(schedule_, made);
    std::swap(numbers_, none);
  }
  // The old schedule and its numbers are destroyed here, without the lock.
}

double ScheduledNumber::at(std::int64_t step, double& number) {
  if (!given()) return number;
  std::shared_ptr<const Schedule> schedule;
  std::shared_ptr<const Numbers> numbers;
  {
    const ForkLock lock;
    schedule = schedule_;
    numbers = numbers_;
  }
  if (schedule == nullptr) return number;
  if (numbers == nullptr || !numbers->has(step)) {
    std::vector<double> made(at_once);
    (*schedule)(step, at_once, made.data());
    numbers = std::make_shared<const Numbers>(Numbers{step, std::move(made)});
    const ForkLock lock;
    // Another thread may have set another schedule meanwhile, which then holds from the next step
    // on.
    if (schedule_ == schedule) numbers_ = numbers;
  }
  const double found = numbers->values[static_cast<std::size_t>(step - numbers->first)];
  const ForkLock lock;
  if (schedule_ == schedule) number = found;
  return found;
}

}  // namespace densecore
