// A fixed amount of training of one network, for tools/count_instructions.py to count.
//
//   training_steps NAME         trains the network of that name for 100 steps
//   training_steps              lists the names, each with the work that a step should be
//   training_steps --compiler   prints the compiler's family and major version
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "problem.h"

namespace {

using namespace densecore;

constexpr index_t steps = 100;

// `rows` are those of a batch.
struct Workload : check::Workload {
  std::string name;
  bool fit = false;  // in one call of `fit`; else as single steps
  std::string dtype = "float32";

  // In the time of a multiply-add; nothing for an extra, whose time should hardly show.
  double work() const {
    double sum = 0;
    const double batch = static_cast<double>(rows);
    for (std::size_t l = 1; l < widths.size(); ++l) {
      const double inputs = static_cast<double>(widths[l - 1]);
      const double units = static_cast<double>(widths[l]);
      sum += (l == 1 ? 4 : 6) * batch * inputs * units + 3 * inputs * units + 40 * batch * units;
    }
    return sum * (dtype == "float64" ? 2 : 1);
  }
};

// A network, and others that differ from it in one thing: tools/count_instructions.py fails where
// one of them takes far more instructions than its work says.
void add_neighbours(std::vector<Workload>& list) {
  Workload base = {
      {{12, 16, 2}, 2, "tanh", "linear", "mean_squared_error", "sgd"}, "12-16-2", true};
  const auto add = [&](const char* what, auto change) {
    Workload changed = base;
    changed.name += std::string("/") + what;
    change(changed);
    list.push_back(changed);
  };
  list.push_back(base);
  add("3_rows", [](Workload& w) { w.rows = 3; });
  add("4_rows", [](Workload& w) { w.rows = 4; });
  add("17_units", [](Workload& w) { w.widths[1] = 17; });
  add("13_inputs", [](Workload& w) { w.widths[0] = 13; });
  add("3_layers", [](Workload& w) { w.widths = {12, 16, 16, 2}; });
  for (const char* name : {"relu", "gelu", "silu", "elu", "selu"})
    add(name, [&](Workload& w) { w.hidden = name; });
  for (const char* name : {"huber", "mean_absolute_error"})
    add(name, [&](Workload& w) { w.loss = name; });
  add("classes", [](Workload& w) {
    w.last = "softmax";
    w.loss = "sparse_categorical_crossentropy";
  });
  for (const char* name : {"sgd_momentum", "adam", "rmsprop"})
    add(name, [&](Workload& w) { w.optimizer = name; });
  add("float64", [](Workload& w) { w.dtype = "float64"; });
  for (const char* extra : {"l2", "dropout", "clipnorm", "weights"})
    add(extra, [&](Workload& w) { w.extra = extra; });
}

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> list = [] {
    std::vector<Workload> made;
    const auto add = [&](const char* name, check::Workload workload) {
      made.push_back({std::move(workload), name});
    };
    const std::string classes = "sparse_categorical_crossentropy";
    add("5-4-3-2", {{5, 4, 3, 2}, 1, "sigmoid", "sigmoid", "mean_squared_error", "sgd"});
    add("17-64-64-6", {{17, 64, 64, 6}, 32, "tanh", "linear", "mean_squared_error", "sgd"});
    add("64-128-10", {{64, 128, 10}, 32, "relu", "softmax", classes, "adam"});
    add("784-128-10", {{784, 128, 10}, 32, "relu", "softmax", classes, "adam"});
    add_neighbours(made);
    return made;
  }();
  return list;
}

}  // namespace

// Only what happens in here is counted: not the start of a program, which differs between systems.
// It has C's linkage and is never inlined, so that its name is known.
extern "C" [[gnu::noinline]] void densecore_measured_steps(void (*train)(void*), void* context) {
  train(context);
}

namespace {

struct Silent : EpochObserver {
  void epoch_begin() override {}
  bool epoch_end(const EpochResult&) override { return true; }
};

template <class T>
void train(const Workload& workload) {
  set_thread_count(1);
  check::Workload whole = workload;
  if (workload.fit) whole.rows *= steps;
  check::Problem<T> problem(whole);
  Trainer<T>& trainer = problem.trainer;
  const Data<T>& data = problem.data.batch;
  Executor executor;
  Silent silent;
  auto measured = [&] {
    if (workload.fit)
      trainer.fit(executor, data, nullptr, {1, workload.rows, false}, silent);
    else
      for (index_t step = 0; step < steps; ++step) trainer.train_on_batch(executor, data);
  };
  // What is allocated at first is not counted.
  if (workload.fit)
    measured();
  else
    trainer.train_on_batch(executor, data);
  densecore_measured_steps([](void* body) { (*static_cast<decltype(measured)*>(body))(); },
                           &measured);
  std::printf("%s %s %.9g\n", workload.name.c_str(), problem.network->isa(),
              trainer.evaluate(executor, data, workload.rows)[0]);
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
  for (const Workload& workload : workloads()) {
    if (argc < 2) std::printf("%s %.0f\n", workload.name.c_str(), workload.work());
    if (argc < 2 || workload.name != argv[1]) continue;
    try {
      workload.dtype == "float64" ? train<double>(workload) : train<float>(workload);
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
