#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/aligned_buffer.h"
#include "base/cpu_features.h"
#include "base/region_record.h"
#include "base/usual_floats.h"

namespace densecore {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int max_thread_count = 1024;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A thread that waits spins this long before it sleeps: longer than the gap between the regions
// of one training step, far shorter than a scheduler's time slice. One that slept comes 10 to 60
// microseconds late.
constexpr auto spin_time = std::chrono::microseconds(100);

// Spins until `done` or until the time is up; returns whether it is done.
template <class Condition>
bool spin(Condition done) {
  const auto end = Clock::now() + spin_time;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (Clock::now() < end);
  return false;
}

// While it holds, brief regions run in the caller alone. On a busy machine the system stops a
// thread in the middle of a task for some milliseconds, as much as hundreds of brief regions save,
// or a woken thread comes too late. A pause that follows another one soon is twice as long.
class Pause {
 public:
  bool holds(Clock::time_point now) const {
    return now.time_since_epoch().count() < end_.load(std::memory_order_relaxed);
  }
  void begin(Clock::time_point now) {
    const Clock::rep time = now.time_since_epoch().count();
    length_ = time - end_.load(std::memory_order_relaxed) > longest.count()
                  ? shortest
                  : std::min(2 * length_, longest);
    end_.store(time + length_.count(), std::memory_order_relaxed);
  }

 private:
  static constexpr Clock::duration shortest = std::chrono::milliseconds(50),
                                   longest = std::chrono::seconds(2);
  Clock::duration length_ = shortest;
  std::atomic<Clock::rep> end_{std::numeric_limits<Clock::rep>::min() / 2};
};

// After so many brief regions in a row to which no other thread came, a pause begins.
constexpr int alone_too_often = 8;

class ThreadPool {
 public:
  bool rests() const { return pause_.holds(Clock::now()); }

  // True when the region ran; false when the caller had better run it: the pool is in use, or
  // asleep and not worth waking.
  bool run(int tasks, int threads, bool brief, TaskFunction function, void* context) {
    std::unique_lock<std::mutex> lock(busy_, std::try_to_lock);
    if (!lock.owns_lock()) return false;
    if (brief) {
      const Clock::time_point now = Clock::now();
      if (pause_.holds(now)) return false;
      // To wake a thread takes about as long as such a region. In a loop of them it pays once.
      if (sleepers_.load(std::memory_order_relaxed) > 0 &&
          now - std::exchange(last_brief_, now) > spin_time)
        return false;
    }
    grow(threads - 1);
    function_ = function;
    context_ = context;
    wanted_ = threads - 1;
    share(tasks, threads);
    // Opens the gate: from here on a worker may enter.
    const std::uint64_t generation =
        (gate_.load(std::memory_order_relaxed) >> generation_shift) + 1;
    gate_.store(generation << generation_shift, std::memory_order_release);
    // Sequentially consistent with the sleeper's increment: either it sees the new generation
    // before it sleeps, or we see that it sleeps.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_relaxed) > 0) gate_.notify_all();
    work(0);
    // Closes the gate: a worker that wakes up late finds it closed and is not waited for.
    gate_.fetch_or(closed, std::memory_order_acq_rel);
    const auto empty = [this] { return (gate_.load(std::memory_order_acquire) & inside) == 0; };
    bool late = false;
    while (!spin(empty)) {
      late = true;
      std::this_thread::yield();
    }
    if (brief) judge(late, generation);
    return true;
  }

 private:
  // gate_ = generation << 16 | closed flag | number of workers inside.
  static constexpr int generation_shift = 16;
  static constexpr std::uint64_t closed = 1u << 15;
  static constexpr std::uint64_t inside = closed - 1;

  void grow(int workers) {
    while (static_cast<int>(threads_.size()) < workers) {
      try {
        const int number = static_cast<int>(threads_.size()) + 1;
        threads_.emplace_back([this, number] { loop(number); });
        // Never joined: destructors of static objects run after fork, at interpreter exit and
        // under the Windows loader lock, where joining hangs.
        threads_.back().detach();
      } catch (const std::system_error&) {
        return;  // the system gives no more threads: regions run with the present ones
      }
    }
  }

  // After a brief region: begins a pause if the other threads came late, or too often not at all.
  void judge(bool late, std::uint64_t generation) {
    alone_ = helped_.load(std::memory_order_relaxed) == generation ? 0 : alone_ + 1;
    if (!late && alone_ < alone_too_often) return;
    alone_ = 0;
    pause_.begin(Clock::now());
  }

  // Tasks [next, end), of which one thread takes the first.
  struct alignas(64) Share {
    std::atomic<int> next{0};
    int end = 0;
  };

  // A thread has the same share of the tasks in every region of as many: what it wrote in the last
  // one, and in the last step, is still in its own cache.
  void share(int tasks, int threads) {
    if (threads > room_) {
      shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(threads));
      room_ = threads;
    }
    share_count_ = threads;
    for (std::int64_t i = 0; i < threads; ++i) {
      shares_[static_cast<std::size_t>(i)].next.store(static_cast<int>(tasks * i / threads),
                                                      std::memory_order_relaxed);
      shares_[static_cast<std::size_t>(i)].end = static_cast<int>(tasks * (i + 1) / threads);
    }
  }

  // Its own share, then the remaining tasks of threads that are late or slow.
  void work(int thread) {
    for (int i = 0; i < share_count_; ++i) {
      Share& share = shares_[static_cast<std::size_t>((thread + i) % share_count_)];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end) break;
        function_(context_, task, thread);
      }
    }
  }

  void loop(int number) {
    const UsualFloats floats;  // not those of the thread that made this one
    try {
      thread_scratch();
    } catch (const std::bad_alloc&) {
      return;  // regions run with the threads that could be had
    }
    std::uint64_t seen = 0;
    for (;;) {
      const auto changed = [this, seen] {
        return gate_.load(std::memory_order_acquire) >> generation_shift != seen;
      };
      if (!spin(changed)) {
        sleepers_.fetch_add(1, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        std::uint64_t gate = gate_.load(std::memory_order_acquire);
        while (gate >> generation_shift == seen) {
          gate_.wait(gate, std::memory_order_acquire);
          gate = gate_.load(std::memory_order_acquire);
        }
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      std::uint64_t gate = gate_.load(std::memory_order_acquire);
      seen = gate >> generation_shift;
      // Enter, unless the region is over already.
      bool entered = false;
      while ((gate & closed) == 0 && gate >> generation_shift == seen) {
        if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel)) {
          entered = true;
          break;
        }
      }
      if (!entered) continue;
      if (number <= wanted_) {
        helped_.store(seen, std::memory_order_relaxed);
        work(number);
      }
      gate_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex busy_;
  std::vector<std::thread> threads_;
  TaskFunction function_ = nullptr;
  void* context_ = nullptr;
  int wanted_ = 0;
  Clock::time_point last_brief_;
  Pause pause_;
  int alone_ = 0;
  std::atomic<std::uint64_t> helped_{0};  // the last region to which another thread came
  std::unique_ptr<Share[]> shares_;
  int room_ = 0, share_count_ = 0;
  // Initially closed, so that a new worker does not enter before the first region.
  alignas(64) std::atomic<std::uint64_t> gate_{closed};
  alignas(64) std::atomic<int> sleepers_{0};
};

std::atomic<ThreadPool*> current_pool{nullptr};

ThreadPool& pool() {
  ThreadPool* existing = current_pool.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  auto* made = new ThreadPool;
  if (current_pool.compare_exchange_strong(existing, made)) return *made;
  delete made;  // another thread was first; this one has started nothing yet
  return *existing;
}

// The value of an environment variable as a thread count, or 0 when it is not a positive number.
// OMP_NUM_THREADS may be a list of nesting levels, "4,2": the first counts.
int from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return 0;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || (*end != '\0' && *end != ',') || value < 1) return 0;
  return static_cast<int>(std::min<long>(value, max_thread_count));
}

int default_thread_count() {
  for (const char* name : {"DENSECORE_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const int count = from_environment(name); count > 0) return count;
  return std::min(usable_processors(), max_thread_count);
}

std::atomic<int> wanted_threads{0};  // 0: not decided yet

}  // namespace

void forget_pool() { current_pool.store(nullptr); }

void* thread_scratch() {
  thread_local AlignedBuffer<char> buffer;
  if (buffer.data() == nullptr) buffer = AlignedBuffer<char>(thread_scratch_bytes);
  return buffer.data();
}

bool threads_rest() {
  if (recording_regions()) return false;
  const ThreadPool* const existing = current_pool.load(std::memory_order_acquire);
  return existing != nullptr && existing->rests();
}

int thread_count() {
  int count = wanted_threads.load(std::memory_order_relaxed);
  if (count == 0) {
    count = default_thread_count();
    wanted_threads.store(count, std::memory_order_relaxed);
  }
  return count;
}

void set_thread_count(int count) {
  if (count < 1 || count > max_thread_count)
    throw std::invalid_argument("number of threads: found " + std::to_string(count) +
                                ", wanted 1 to " + std::to_string(max_thread_count));
  wanted_threads.store(count, std::memory_order_relaxed);
}

void run_tasks(int tasks, int max_threads, bool brief, TaskFunction function, void* context) {
  const int threads = std::min({tasks, max_threads, thread_count()});
  if (threads > 1 && recording_regions()) return run_recorded(tasks, threads, function, context);
  if (threads > 1 && pool().run(tasks, threads, brief, function, context)) return;
  for (int task = 0; task < tasks; ++task) function(context, task, 0);
}

}  // namespace densecore
