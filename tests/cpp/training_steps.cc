// A fixed amount of training of one network, for tools/count_instructions.py to count.
//
//   training_steps NAME          trains the network of that name for 100 steps; without, lists them
//   training_steps --compiler    prints the compiler's family and major version
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include "base/thread_pool.h"
#include "problem.h"

namespace {

using namespace densecore;
using check::Problem;
using check::Workload;

const std::map<std::string, Workload>& workloads() {
  static const char* const sparse = "sparse_categorical_crossentropy";
  static const std::map<std::string, Workload> list = {
      {"5-4-3-2", {{5, 4, 3, 2}, 1, "sigmoid", "sigmoid", "mean_squared_error", "sgd"}},
      {"17-64-64-6", {{17, 64, 64, 6}, 32, "tanh", "linear", "mean_squared_error", "sgd"}},
      {"64-128-10", {{64, 128, 10}, 32, "relu", "softmax", sparse, "adam"}},
      {"784-128-10", {{784, 128, 10}, 32, "relu", "softmax", sparse, "adam"}},
  };
  return list;
}

}  // namespace

// Only what happens in here is counted: not the start of a program, which differs between systems.
// It has C's linkage and is never inlined, so that its name is known.
extern "C" [[gnu::noinline]] void densecore_measured_steps(void* trainer, void* batch) {
  Executor executor;
  for (int step = 0; step < 100; ++step)
    static_cast<Trainer<float>*>(trainer)->train_on_batch(executor,
                                                          *static_cast<Data<float>*>(batch));
}

namespace {

void train(const std::string& name, const Workload& workload) {
  set_thread_count(1);
  Problem<float> problem(workload);
  Executor executor;
  problem.trainer.train_on_batch(executor, problem.data.batch);  // allocates
  densecore_measured_steps(&problem.trainer, &problem.data.batch);
  std::printf("%s %s %.9g\n", name.c_str(), problem.network->isa(),
              problem.trainer.train_on_batch(executor, problem.data.batch));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--compiler") == 0) {
#if defined(__clang__)
    std::printf("clang-%d\n", __clang_major__);
#else
    std::printf("gcc-%d\n", __GNUC__);
#endif
    return 0;
  }
  for (const auto& [name, workload] : workloads()) {
    if (argc < 2) std::printf("%s\n", name.c_str());
    if (argc < 2 || argv[1] != name) continue;
    try {
      train(name, workload);
      return 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "training_steps: %s\n", error.what());
      return 1;
    }
  }
  if (argc < 2) return 0;
  std::fprintf(stderr, "training_steps: unknown network '%s'\n", argv[1]);
  return 1;
}
