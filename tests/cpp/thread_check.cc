// Everything that threads do at once, for ThreadSanitizer: `nox -s threads`.
//
// The thread pool with regions from several threads, trainings of separate networks that share it,
// one frozen network in many threads, an ensemble on the pool, and a fork in the middle. Results
// are those of one thread, to the bit. Prints a line for each part; status 1 at a difference.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>

#include "base/fork_lock.h"
#include "network/frozen.h"
#include "problem.h"
#include "training/ensemble.h"

namespace {

using namespace densecore;
using check::Problem;
using check::Workload;

constexpr int threads = 4;

// Large enough to be cut into tasks, and one whose steps run in the caller.
const Workload large = {
    {100, 257, 131, 5}, 700, "relu", "softmax", "sparse_categorical_crossentropy", "adam"};
const Workload small = {{17, 64, 6}, 40, "tanh", "linear", "mean_squared_error", "sgd"};

void in_threads(const std::function<void(int)>& body) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back(body, i);
  for (std::thread& thread : running) thread.join();
}

bool report(const char* what, bool right) {
  std::printf("%-30s %s\n", what, right ? "right" : "WRONG");
  return right;
}

bool regions() {
  std::atomic<bool> right{true};
  in_threads([&](int) {
    for (int repeat = 0; repeat < 200; ++repeat) {
      std::vector<int> done(37);
      parallel_for(
          37, 37, [&](int task, int) { done[static_cast<std::size_t>(task)] += task; },
          repeat % 2 == 0);
      for (int task = 0; task < 37; ++task)
        if (done[static_cast<std::size_t>(task)] != task) right = false;
    }
  });
  return right;
}

template <class T>
std::vector<T> trained(const Workload& workload, int steps) {
  Problem<T> problem(workload);
  Executor executor;
  problem.trainer.train_on_batch(executor, problem.data.batch, steps);
  const T* const p = problem.network->parameters()->data();
  return {p, p + problem.network->parameter_count()};
}

bool trainings() {
  bool right = true;
  for (const Workload* workload : {&large, &small}) {
    set_thread_count(1);
    const auto expected = trained<float>(*workload, 5);
    set_thread_count(3);
    std::vector<std::vector<float>> found(threads);
    in_threads([&](int i) { found[static_cast<std::size_t>(i)] = trained<float>(*workload, 5); });
    for (const auto& one : found) right = right && one == expected;
  }
  return right;
}

bool frozen() {
  const Problem<float> problem(large);
  auto network = std::make_unique<Network<float>>(active_kernels(), check::spec_of(large));
  check::initialize_weights(*network);
  Frozen<float> shared(std::move(network));
  const index_t outputs = large.widths.back();
  const auto predict = [&](std::vector<float>& out) {
    out.resize(static_cast<std::size_t>(large.rows * outputs));
    Executor executor;
    Frozen<float>::Place place(shared);
    place.network().predict(executor, problem.data.batch.x, {out.data(), large.rows, outputs});
  };
  std::vector<float> expected;
  predict(expected);
  std::vector<std::vector<float>> found(threads);
  in_threads([&](int i) {
    for (int repeat = 0; repeat < 10; ++repeat) predict(found[static_cast<std::size_t>(i)]);
  });
  for (const auto& one : found)
    if (one != expected) return false;
  return true;
}

std::vector<float> ensemble_trained(const Workload& workload, index_t batch_size) {
  Problem<float> problem(workload);
  constexpr index_t members = 20;
  Ensemble<float> ensemble(active_kernels(), check::spec_of(workload), members);
  const index_t count = problem.network->parameter_count();
  for (index_t m = 0; m < members; ++m)
    std::copy_n(problem.network->parameters()->data(), count,
                ensemble.parameters()->data() + m * count);
  std::vector<std::shared_ptr<OptimizerSettings>> settings;
  for (index_t m = 0; m < members; ++m)
    settings.push_back(std::make_shared<OptimizerSettings>(workload.optimizer));
  ensemble.compile(problem.objective, settings, {});
  FitOptions options;
  options.epochs = 2;
  options.batch_size = batch_size;
  std::vector<double> numbers(2 * members);
  EnsembleData<float> data;
  data.list.push_back({problem.data.batch});
  ensemble.fit(nullptr, data, nullptr, options, {numbers.data(), 1, members}, nullptr);
  const float* const p = ensemble.parameters()->data();
  return {p, p + members * count};
}

bool ensembles() {
  bool right = true;
  for (const index_t batch_size : {1, 20}) {
    set_thread_count(1);
    const auto expected = ensemble_trained(small, batch_size);
    set_thread_count(4);
    right = right && ensemble_trained(small, batch_size) == expected;
  }
  return right;
}

bool fork_in_the_middle() {
  set_thread_count(3);
  const auto expected = trained<float>(large, 3);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) trained<float>(large, 1);
  });
  bool right = true;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const pid_t child = fork();
    if (child == 0) {
#ifdef __SANITIZE_THREAD__
      // ThreadSanitizer ends a child that starts threads whose numbers the parent's had.
      set_thread_count(1);
#endif
      _exit(trained<float>(large, 3) == expected ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    right = right && status == 0;
  }
  stop = true;
  other.join();
  return right;
}

}  // namespace

int main() {
  prepare_for_forks();
  set_thread_count(3);
  bool right = report("regions of the pool", regions());
  right = report("trainings at once", trainings()) && right;
  right = report("one frozen network", frozen()) && right;
  right = report("an ensemble", ensembles()) && right;
  right = report("a fork in the middle", fork_in_the_middle()) && right;
  return right ? 0 : 1;
}
