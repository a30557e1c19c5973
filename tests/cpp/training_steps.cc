// A fixed amount of training of one network, for tools/count_instructions.py to count.
//
//   training_steps NAME     trains the network of that name for 100 steps; without a name lists
//   them training_steps --compiler     prints the compiler's family and major version
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
  const char* name;
  std::vector<index_t> widths;
  index_t batch;
  const char *hidden, *last, *loss, *optimizer;
};

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> list = {
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

void train(const Workload& workload) {
  set_thread_count(1);
  NetworkSpec spec;
  spec.inputs = workload.widths.front();
  for (std::size_t l = 1; l < workload.widths.size(); ++l) {
    LayerSpec layer(find_layer_kind("dense"));
    layer.entry("units") = static_cast<double>(workload.widths[l]);
    layer.activation.name = l + 1 == workload.widths.size() ? workload.last : workload.hidden;
    spec.layers.push_back(layer);
  }
  auto network = std::make_shared<Network<float>>(active_kernels(), spec);
  std::uint64_t tensor = 0;
  for (const auto& layer : network->layers())
    initialize<float>("glorot_uniform", {}, layer->inputs(), layer->units(), 1, tensor++,
                      layer->inputs() * layer->units(),
                      network->parameters()->data() + layer->parameter_offset());
  const Objective<float> objective(network->table(), workload.loss, Reduction::mean,
                                   spec.last_activation(), spec.outputs());
  Trainer<float> trainer(network, objective,
                         std::make_shared<OptimizerSettings>(workload.optimizer), {}, 0);

  Random random(2, Stream::initializer, 0);
  const index_t rows = workload.batch, outputs = spec.outputs();
  std::vector<float> x(static_cast<std::size_t>(rows * spec.inputs));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random.normal(i));
  std::vector<float> values(static_cast<std::size_t>(rows * outputs));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(random.uniform(i));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<std::int32_t>(i) % static_cast<std::int32_t>(outputs);
  Data<float> batch;
  batch.x = {x.data(), rows, spec.inputs};
  if (objective.sparse())
    batch.targets.labels = labels.data();
  else
    batch.targets.values = MatrixView<const float>(values.data(), rows, outputs);
  Executor executor;
  trainer.train_on_batch(executor, batch);  // allocates
  densecore_measured_steps(&trainer, &batch);
  std::printf("%s %s %.9g\n", workload.name, network->isa(),
              trainer.train_on_batch(executor, batch));
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
    if (argc < 2) std::printf("%s\n", workload.name);
    if (argc < 2 || std::strcmp(argv[1], workload.name) != 0) continue;
    try {
      train(workload);
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
