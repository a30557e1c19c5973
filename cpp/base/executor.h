// Runs the independent parts of a computation on the thread pool, and notices a wish to stop.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <type_traits>

#include "base/thread_pool.h"

namespace densecore {

// Thrown out of a computation that was asked to stop. Parameters are as of the last whole step.
struct Interrupted {};

// Asked from the calling thread only, at most every 50 ms: it may be as slow as taking the GIL.
class Interrupt {
 public:
  virtual ~Interrupt() = default;
  virtual bool requested() noexcept = 0;
};

class Executor {
 public:
  using Clock = std::chrono::steady_clock;

  // `interval`: between two questions, at least.
  explicit Executor(Interrupt* interrupt = nullptr,
                    Clock::duration interval = std::chrono::milliseconds(50))
      : interrupt_(interrupt), interval_(interval) {
    if (interrupt != nullptr) next_question_ = Clock::now() + interval_;
  }

  // In multiply-adds, a million of which are about 25 microseconds on one core: less runs in the
  // caller, and a thread gets no less than half of it. Measured with two threads against one.
  static constexpr double parallel_work = 1 << 18;
  // Less than this is too brief a region to wake threads for.
  static constexpr double waking_work = 1 << 22;

  // Scratch memory of the calling thread, as `run` gives it to tasks.
  void* scratch() const { return scratch_; }

  // task(number, scratch) for 0 .. tasks-1, in any order, together `work` multiply-adds; `scratch`
  // is the running thread's own. Small work runs in the caller: waking a thread costs more than it
  // saves. A task may take the thread's number besides, which is below `most_threads`.
  template <class Task>
  void run(int tasks, double work, Task&& each,
           int most_threads = std::numeric_limits<int>::max()) {
    const auto task = [&](int i, void* scratch, int thread) {
      if constexpr (std::is_invocable_v<Task, int, void*, int>)
        each(i, scratch, thread);
      else
        each(i, scratch);
    };
    const int most = std::min(tasks, most_threads);
    const int threads = work < parallel_work
                            ? 1
                            : static_cast<int>(std::min<double>(most, 2 * work / parallel_work));
    const double share = work / tasks;
    if (threads == 1 || tasks == 1) {
      for (int i = 0; i < tasks; ++i) {
        task(i, scratch_, 0);
        if (asked_to_stop(share)) throw Interrupted{};
      }
      return;
    }
    std::atomic<bool> stop{false};
    parallel_for(
        tasks, threads,
        [&](int i, int thread) {
          if (stop.load(std::memory_order_relaxed)) return;
          task(i, thread == 0 ? scratch_ : thread_scratch(), thread);
          if (thread == 0 && asked_to_stop(share)) stop.store(true, std::memory_order_relaxed);
        },
        work < waking_work);
    if (stop.load()) throw Interrupted{};
  }

  // For a sequence of steps too small for `run`: counts their work, and looks at the clock once
  // enough has gathered. Throws Interrupted.
  void check(double work) {
    if (asked_to_stop(work)) throw Interrupted{};
  }

 private:
  // Reading the clock costs 25 ns: not after every step of 100 ns.
  static constexpr double clock_work = 1 << 18;

  bool asked_to_stop(double work) {
    if (interrupt_ == nullptr) return false;
    // The constant stands for what every call costs, so that tiny steps get there too.
    gathered_ += work + 4096;
    if (gathered_ < clock_work) return false;
    gathered_ = 0;
    const auto now = Clock::now();
    if (now < next_question_) return false;
    const bool stop = interrupt_->requested();
    next_question_ = Clock::now() + interval_;
    return stop;
  }

  Interrupt* interrupt_;
  Clock::duration interval_;
  void* scratch_ = thread_scratch();
  Clock::time_point next_question_;
  double gathered_ = 0;
};

}  // namespace densecore
