// How parallel regions would run on more processors than there are: each region's tasks run in the
// caller, one after another, and their times are kept. What a machine with as many processors would
// make of them is benchmarks/many_threads.py's to compute.
#pragma once

#include <vector>

namespace densecore {

struct RegionRecord {
  int threads;                  // that it may use
  std::vector<double> seconds;  // of each task
};

// From here on (`on`), or no more. Regions that began before end as they are.
void record_regions(bool on);
// Those since then; they are forgotten.
std::vector<RegionRecord> take_region_records();

bool recording_regions();
// Runs the tasks as run_tasks would (base/thread_pool.h), which asks for it.
void run_recorded(int tasks, int threads, void (*function)(void* context, int task, int thread),
                  void* context);

}  // namespace densecore
