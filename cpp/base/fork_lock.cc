#include "base/fork_lock.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "base/thread_pool.h"

namespace densecore {

std::mutex& ForkLock::mutex() {
  // Never destroyed: threads may run on while the process ends.
  static auto* const of_all = new std::mutex;
  return *of_all;
}

#if defined(__unix__) || defined(__APPLE__)
namespace {

ForkLock* held = nullptr;  // by the thread that forks

void before_fork() { held = new ForkLock; }
void after_fork_in_parent() {
  delete held;
  held = nullptr;
}
void after_fork_in_child() {
  after_fork_in_parent();
  forget_pool();
}

}  // namespace

void prepare_for_forks() {
  // Once: a second registration would take the lock twice.
  static const int failed = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  static_cast<void>(failed);
}
#else
void prepare_for_forks() {}
#endif

}  // namespace densecore
