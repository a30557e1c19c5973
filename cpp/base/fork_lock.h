// A lock that a forked child finds free.
#pragma once

#include <mutex>

namespace densecore {

// For short critical sections of objects that a forked child may go on to use. A mutex of an object
// could be held by another thread at the moment of the fork, and would then be held in the child
// for ever. There is one mutex for all, which the thread that forks takes before and gives back
// after, in parent and child. What it protects is therefore whole in the child, too.
//
// Code under it must neither wait for the GIL nor fork: a thread that forks has the GIL and waits
// for the lock.
class ForkLock {
 public:
  ForkLock() : lock_(mutex()) {}

 private:
  static std::mutex& mutex();

  std::lock_guard<std::mutex> lock_;
};

// Makes the process fork so. To be called before there are threads.
void prepare_for_forks();

}  // namespace densecore
