#include "base/cpu_features.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace densecore {
namespace {

#if defined(__linux__)
// Processors granted by `cpu.max` ("quota period" or "max period") of this process's control
// group, or 0 when there is no limit. Version 1 groups state the two numbers in two files.
int quota_processors() {
  long long quota = 0, period = 0;
  std::string group = "/";
  if (std::FILE* file = std::fopen("/proc/self/cgroup", "r")) {
    char line[4096];
    while (std::fgets(line, sizeof line, file) != nullptr)
      if (std::strncmp(line, "0::", 3) == 0) {
        group.assign(line + 3);
        while (!group.empty() && (group.back() == '\n' || group.back() == '\r')) group.pop_back();
      }
    std::fclose(file);
  }
  int granted = 0;
  const auto limit = [&granted](long long q, long long p) {
    if (q <= 0 || p <= 0) return;
    // Rounded down: with one thread more than the quota allows, the system would stop the whole
    // group in every period.
    const int processors = static_cast<int>(std::max<long long>(1, q / p));
    granted = granted == 0 ? processors : std::min(granted, processors);
  };
  // Every ancestor may set a limit; inside a container the own group often appears as the root.
  std::string path = "/sys/fs/cgroup" + (group == "/" ? std::string() : group);
  const std::size_t root = std::strlen("/sys/fs/cgroup");
  for (;;) {
    if (std::FILE* file = std::fopen((path + "/cpu.max").c_str(), "r")) {
      if (std::fscanf(file, "%lld %lld", &quota, &period) == 2) limit(quota, period);
      std::fclose(file);
    }
    if (path.size() <= root) break;
    path.resize(path.rfind('/'));
  }
  quota = period = 0;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r")) {
    if (std::fscanf(file, "%lld", &quota) != 1) quota = 0;
    std::fclose(file);
  }
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r")) {
    if (std::fscanf(file, "%lld", &period) != 1) period = 0;
    std::fclose(file);
  }
  limit(quota, period);
  return granted;
}
#endif

}  // namespace

bool cpu_supports(const char* isa) {
  if (std::strcmp(isa, "scalar") == 0) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(isa, "sse2") == 0) return true;
  if (std::strcmp(isa, "avx2") == 0)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (std::strcmp(isa, "avx512") == 0)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
  if (std::strcmp(isa, "neon") == 0) return true;
#endif
  return false;
}

int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (const int quota = quota_processors(); quota > 0) count = std::min(count, quota);
#endif
  return std::max(count, 1);
}

}  // namespace densecore
