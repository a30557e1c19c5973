// One process-wide pool of threads that run the independent tasks of one region together.
//
// Which thread runs a task never matters to the result: tasks are cut by the problem's shape, not
// by the number of threads, and write to places of their own.
#pragma once

#include <cstddef>

namespace densecore {

// Memory for intermediate results of the calling thread: thread_scratch_bytes, aligned to a cache
// line, made at the thread's first call (std::bad_alloc) and kept for the thread's life. Threads of
// the pool have theirs before they take a task.
constexpr std::size_t thread_scratch_bytes = (2320 + 256) * 1024;
void* thread_scratch();

// Upper limit of threads that a region uses, the caller included.
int thread_count();
// Throws std::invalid_argument unless 1 <= count <= 1024.
void set_thread_count(int count);

// For a forked child, which has the memory of the pool but none of its threads: it leaks the old
// pool, whose lock may be held for ever, and makes a new one when it needs one.
void forget_pool();

// The task's number, and the number of the thread that runs it (0 is the caller).
using TaskFunction = void (*)(void* context, int task, int thread);

// Runs tasks 0 .. tasks-1 and returns when all are done. Tasks must not throw. Runs everything in
// the caller when the pool is busy (a nested region, or another Python thread's), when only one
// thread is wanted, or when threads cannot be made. `brief`: a region of some ten microseconds,
// for which threads that sleep are left asleep unless such regions follow each other closely.
void run_tasks(int tasks, int max_threads, bool brief, TaskFunction function, void* context);

// Whether brief regions run in the caller for the moment, because the machine is busy.
bool threads_rest();

template <class Function>
void parallel_for(int tasks, int max_threads, Function&& function, bool brief = false) {
  auto call = [](void* context, int task, int thread) {
    (*static_cast<Function*>(context))(task, thread);
  };
  run_tasks(tasks, max_threads, brief, call, &function);
}

}  // namespace densecore
