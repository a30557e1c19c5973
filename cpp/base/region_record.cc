#include "base/region_record.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

namespace densecore {
namespace {

std::atomic<bool> recording{false};
std::mutex mutex;
std::vector<RegionRecord> records;

}  // namespace

void record_regions(bool on) { recording.store(on); }

bool recording_regions() { return recording.load(std::memory_order_relaxed); }

std::vector<RegionRecord> take_region_records() {
  const std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(records, {});
}

void run_recorded(int tasks, int threads, void (*function)(void* context, int task, int thread),
                  void* context) {
  using Clock = std::chrono::steady_clock;
  RegionRecord record{threads, {}};
  record.seconds.reserve(static_cast<std::size_t>(tasks));
  for (int task = 0; task < tasks; ++task) {
    const auto start = Clock::now();
    function(context, task, 0);
    record.seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  const std::lock_guard<std::mutex> lock(mutex);
  records.push_back(std::move(record));
}

}  // namespace densecore
