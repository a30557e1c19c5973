// A network of dense layers, its trainer and random data, for the programs of the long checks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "layers/initializer.h"
#include "layers/kinds.h"
#include "training/trainer.h"

namespace densecore::check {

struct Workload {
  std::vector<index_t> widths;  // inputs, hidden units, outputs
  index_t rows;
  std::string hidden, last, loss, optimizer;
  std::string extra = "";  // or l2, dropout, clipnorm, weights
};

inline NetworkSpec spec_of(const Workload& workload) {
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

inline std::shared_ptr<OptimizerSettings> optimizer_of(const Workload& workload) {
  auto settings = std::make_shared<OptimizerSettings>(workload.optimizer);
  if (workload.extra == "clipnorm") {
    GradientSteps wanted;
    wanted.global_clipnorm = 1;
    settings->set_gradient_steps(wanted);
  }
  return settings;
}

template <class T>
void initialize_weights(Network<T>& network) {
  std::uint64_t tensor = 0;
  for (const auto& layer : network.layers())
    if (layer->dense() != nullptr)
      initialize<T>("glorot_uniform", {}, layer->inputs(), layer->units(), 1, tensor++,
                    layer->inputs() * layer->units(),
                    network.parameters()->data() + layer->parameter_offset());
}

// Inputs (rows, inputs), and targets (rows, outputs) or class numbers (rows,).
template <class T>
struct RandomData {
  RandomData(const Workload& workload, bool sparse) {
    Random random(2, Stream::initializer, 0);
    const index_t rows = workload.rows, inputs = workload.widths.front(),
                  outputs = workload.widths.back();
    x.resize(static_cast<std::size_t>(rows * inputs));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.normal(i));
    values.resize(static_cast<std::size_t>(rows * outputs));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.uniform(i));
    labels.resize(static_cast<std::size_t>(rows));
    for (std::size_t i = 0; i < labels.size(); ++i)
      labels[i] = static_cast<std::int32_t>(i) % static_cast<std::int32_t>(outputs);
    batch.x = {x.data(), rows, inputs};
    if (sparse)
      batch.targets.labels = labels.data();
    else
      batch.targets.values = MatrixView<const T>(values.data(), rows, outputs);
    if (workload.extra == "weights") {
      weight.assign(static_cast<std::size_t>(rows), T(1));
      batch.targets.weight = weight.data();
    }
  }
  RandomData(const RandomData&) = delete;
  RandomData& operator=(const RandomData&) = delete;

  std::vector<T> x, values, weight;
  std::vector<std::int32_t> labels;
  Data<T> batch;
};

template <class T>
struct Problem {
  explicit Problem(const Workload& workload)
      : network(std::make_shared<Network<T>>(active_kernels(), spec_of(workload))),
        objective(network->table(), workload.loss, Reduction::sum_over_batch_size,
                  network->spec().last_activation(), network->spec().outputs()),
        trainer(network, objective, optimizer_of(workload), {}, 0),
        data(workload, objective.sparse()) {
    initialize_weights(*network);
  }

  std::shared_ptr<Network<T>> network;
  Objective<T> objective;
  Trainer<T> trainer;
  RandomData<T> data;
};

}  // namespace densecore::check
