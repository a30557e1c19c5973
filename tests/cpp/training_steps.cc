// A fixed amount of training of one network, for tools/count_instructions.py to count.
//
//   training_steps NAME         trains the network of that name for 100 steps
//   training_steps              lists the names, each with the work that a step should be
//   training_steps --compiler   prints the compiler's family and major version
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "layers/initializer.h"
#include "layers/kinds.h"
#include "training/trainer.h"

namespace {

using namespace densecore;

struct Workload {
  std::string name;
  std::vector<index_t> widths;
  index_t batch;
  std::string hidden, last, loss, optimizer;
  bool fit = false;  // in one call of `fit`; else as single steps
  std::string dtype = "float32", extra = "";

  // In the time of a multiply-add; nothing for an extra, whose time should hardly show.
  double work() const {
    double sum = 0;
    const double rows = static_cast<double>(batch);
    for (std::size_t l = 1; l < widths.size(); ++l) {
      const double inputs = static_cast<double>(widths[l - 1]);
      const double units = static_cast<double>(widths[l]);
      sum += (l == 1 ? 4 : 6) * rows * inputs * units + 3 * inputs * units + 40 * rows * units;
    }
    return sum * (dtype == "float64" ? 2 : 1);
  }
};

// A network, and others that differ from it in one thing: tools/count_instructions.py fails where
// one of them takes far more instructions than its work says.
void add_neighbours(std::vector<Workload>& list) {
  Workload base = {"12-16-2", {12, 16, 2}, 2, "tanh", "linear", "mean_squared_error", "sgd", true};
  const auto add = [&](const char* what, auto change) {
    Workload changed = base;
    changed.name += std::string("/") + what;
    change(changed);
    list.push_back(changed);
  };
  list.push_back(base);
  add("3_rows", [](Workload& w) { w.batch = 3; });
  add("4_rows", [](Workload& w) { w.batch = 4; });
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
    std::vector<Workload> made = {
        {"5-4-3-2", {5, 4, 3, 2}, 1, "sigmoid", "sigmoid", "mean_squared_error", "sgd"},
        {"17-64-64-6", {17, 64, 64, 6}, 32, "tanh", "linear", "mean_squared_error", "sgd"},
        {"64-128-10",
         {64, 128, 10},
         32,
         "relu",
         "softmax",
         "sparse_categorical_crossentropy",
         "adam"},
        {"784-128-10",
         {784, 128, 10},
         32,
         "relu",
         "softmax",
         "sparse_categorical_crossentropy",
         "adam"},
    };
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
std::vector<T> normal_numbers(index_t count) {
  Random random(2, Stream::initializer, 0);
  std::vector<T> numbers(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<T>(random.normal(i));
  return numbers;
}

NetworkSpec spec_of(const Workload& workload) {
  NetworkSpec spec;
  spec.inputs = workload.widths.front();
  for (std::size_t l = 1; l < workload.widths.size(); ++l) {
    const bool last = l + 1 == workload.widths.size();
    LayerSpec layer(find_layer_kind("dense"));
    layer.entry("units") = static_cast<double>(workload.widths[l]);
    layer.activation.name = last ? workload.last : workload.hidden;
    if (!last && workload.extra == "l2") layer.penalties[0].l2 = 0.01;
    spec.layers.push_back(layer);
    if (last || workload.extra != "dropout") continue;
    spec.layers.emplace_back(find_layer_kind("dropout"));
    spec.layers.back().entry("rate") = 0.1;
  }
  return spec;
}

template <class T>
void train(const Workload& workload) {
  set_thread_count(1);
  constexpr index_t steps = 100;
  const NetworkSpec spec = spec_of(workload);
  auto network = std::make_shared<Network<T>>(active_kernels(), spec);
  std::uint64_t tensor = 0;
  for (const auto& layer : network->layers())
    if (layer->dense() != nullptr)
      initialize<T>("glorot_uniform", {}, layer->inputs(), layer->units(), 1, tensor++,
                    layer->inputs() * layer->units(),
                    network->parameters()->data() + layer->parameter_offset());
  const Objective<T> objective(network->table(), workload.loss, Reduction::sum_over_batch_size,
                               spec.last_activation(), spec.outputs());
  auto settings = std::make_shared<OptimizerSettings>(workload.optimizer);
  if (workload.extra == "clipnorm") {
    GradientSteps wanted;
    wanted.global_clipnorm = 1;
    settings->set_gradient_steps(wanted);
  }
  Trainer<T> trainer(network, objective, settings, {}, 0);

  const index_t rows = workload.batch * (workload.fit ? steps : 1), outputs = spec.outputs();
  const std::vector<T> x = normal_numbers<T>(rows * spec.inputs);
  const std::vector<T> values = normal_numbers<T>(rows * outputs);
  const std::vector<T> weight(static_cast<std::size_t>(rows), T(1));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<std::int32_t>(i) % static_cast<std::int32_t>(outputs);
  Data<T> data;
  data.x = {x.data(), rows, spec.inputs};
  if (objective.sparse())
    data.targets.labels = labels.data();
  else
    data.targets.values = MatrixView<const T>(values.data(), rows, outputs);
  if (workload.extra == "weights") data.targets.weight = weight.data();
  Executor executor;
  Silent silent;
  auto measured = [&] {
    if (workload.fit)
      return trainer.fit(executor, data, nullptr, {1, workload.batch, false}, silent);
    for (index_t step = 0; step < steps; ++step) trainer.train_on_batch(executor, data);
  };
  // What is allocated at first is not counted.
  if (workload.fit)
    measured();
  else
    trainer.train_on_batch(executor, data);
  densecore_measured_steps([](void* body) { (*static_cast<decltype(measured)*>(body))(); },
                           &measured);
  std::printf("%s %s %.9g\n", workload.name.c_str(), network->isa(),
              trainer.evaluate(executor, data, workload.batch)[0]);
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
