// The check of many networks in the lanes of one kernel: each must have the bits of the level's
// general kernels. The hash is of what these give, so levels without lanes have it, too.
#pragma once

#include <cstring>
#include <vector>

#include "check.h"

namespace densecore::check {

// One network, trained by the general kernels of a level.
template <class T>
class SingleNetwork {
 public:
  SingleNetwork(const KernelTable<T>& table, const std::vector<RowLayer>& layers,
                std::vector<T> parameters)
      : table_(table),
        layers_(layers),
        parameters_(std::move(parameters)),
        gradients_(parameters_.size()),
        scratch_(gemm_scratch_bytes / sizeof(T) + 64),
        a_(layers.size(), std::vector<T>(lane_units + 64)),
        g_(layers.size() + 1, std::vector<T>(tiny_inputs + 64)) {
    for (auto& state : states_) state.resize(parameters_.size());
  }

  const std::vector<T>& parameters() const { return parameters_; }
  const std::vector<T>& state(int number) const { return states_[number]; }

  double step(const T* x, const T* y, const std::int32_t* label, const LossEntry<T>& loss,
              bool from_z, double scale, const OptimizerEntry<T>& rule, const double* scalars) {
    const std::size_t last = layers_.size() - 1;
    const auto input = [&](std::size_t l) { return l == 0 ? x : a_[l - 1].data(); };
    for (std::size_t l = 0; l <= last; ++l) {
      const RowLayer& s = layers_[l];
      const T* bias = s.bias < 0 ? nullptr : parameters_.data() + s.bias;
      table_.gemm({1, s.units, s.inputs, input(l), s.inputs, 1, parameters_.data() + s.weight,
                   s.units, 1, bias, false, a_[l].data(), s.units, aligned_scratch()});
      if (l < last || !from_z)
        table_.activations[s.activation].forward(1, s.units, a_[l].data(), s.units, a_[l].data(),
                                                 s.units, nullptr);
    }
    const index_t outputs = layers_[last].units;
    const double total = (from_z ? loss.fused : loss.plain)(
        {1, outputs, a_[last].data(), outputs, y, outputs, label, nullptr, scale,
         g_[last + 1].data(), outputs, parameters_of_loss_, loss.parameter_count});
    for (std::size_t l = last + 1; l-- > 0;) {
      const RowLayer& s = layers_[l];
      T* const g = g_[l + 1].data();
      if (l < last || !from_z)
        table_.activations[s.activation].backward(1, s.units, nullptr, s.units, a_[l].data(),
                                                  s.units, g, s.units, g, s.units, nullptr);
      table_.gemm({s.inputs, s.units, 1, input(l), 1, s.inputs, g, s.units, 1, nullptr, false,
                   gradients_.data() + s.weight, s.units, aligned_scratch()});
      if (s.bias >= 0) table_.column_sum(1, s.units, g, s.units, false, gradients_.data() + s.bias);
      if (l > 0)
        table_.gemm({1, s.inputs, s.units, g, s.units, 1, parameters_.data() + s.weight, 1, s.units,
                     nullptr, false, g_[l].data(), s.inputs, aligned_scratch()});
    }
    T* states[max_optimizer_states] = {states_[0].data(), states_[1].data()};
    rule.update(static_cast<index_t>(parameters_.size()), scalars, parameters_.data(),
                gradients_.data(), states);
    return total;
  }

 private:
  T* aligned_scratch() {
    const auto place = reinterpret_cast<std::uintptr_t>(scratch_.data());
    return scratch_.data() + (64 - place % 64) % 64 / sizeof(T);
  }

  const KernelTable<T>& table_;
  const std::vector<RowLayer>& layers_;
  std::vector<T> parameters_, gradients_, states_[lane_states], scratch_;
  std::vector<std::vector<T>> a_, g_;
  const double parameters_of_loss_[1] = {0};  // label_smoothing
};

template <class T>
void check_lanes(const Kernels<T>& kernels) {
  const KernelTable<T>& table = kernels.tested;
  constexpr index_t steps = 5, networks = 16;
  const struct {
    const char* name;
    const char* loss;
    LaneLoss form;
    bool from_z;
  } losses[] = {{"squared", "mean_squared_error", LaneLoss::squared, false},
                {"binary", "binary_crossentropy", LaneLoss::binary, true},
                {"categorical", "categorical_crossentropy", LaneLoss::categorical, true},
                {"sparse", "sparse_categorical_crossentropy", LaneLoss::sparse, true}};
  const std::vector<std::vector<index_t>> shapes = {{5, 4, 3, 2}, {1, 1}, {64, 16, 9}, {7, 13, 16}};
  for (const auto& tried : losses)
    for (const LaneUpdate update : {LaneUpdate::sgd, LaneUpdate::adam}) {
      const bool is_sgd = update == LaneUpdate::sgd;
      report(std::string("lanes.") + tried.name + (is_sgd ? ".sgd" : ".adam"), [&](Numbers& numbers,
                                                                                   Hash& hash) {
        const LossEntry<T>* loss = table.losses;
        while (std::strcmp(loss->name, tried.loss) != 0) ++loss;
        const OptimizerEntry<T>* rule = table.optimizers;
        while (std::strcmp(rule->name, is_sgd ? "sgd" : "adam") != 0) ++rule;
        for (const std::vector<index_t>& shape : shapes)
          for (const int activation : {0, 1, 2, 3}) {
            std::vector<RowLayer> layers;
            index_t count = 0;
            for (std::size_t l = 0; l + 1 < shape.size(); ++l) {
              const index_t in = shape[l], out = shape[l + 1];
              const bool bias = activation != 1 || l > 0;
              layers.push_back({in, out, count, bias ? count + in * out : -1, activation});
              count += (in + (bias ? 1 : 0)) * out;
            }
            describe("%td inputs, %td layers, activation %d", shape[0],
                     static_cast<index_t>(layers.size()), activation);
            const index_t inputs = shape.front(), outputs = shape.back();
            const index_t lanes = table.lane_train == nullptr ? networks : table.lanes;
            const std::uint64_t numbers_of_shape = numbers.bits();
            for (index_t first = 0; first < networks; first += lanes) {
              Guarded<T> parameters_(count * lanes), x_(steps * inputs * lanes);
              Guarded<T> y_(steps * outputs * lanes), scalars_(steps * 8 * lanes);
              Guarded<T> states_[2] = {Guarded<T>(count * lanes), Guarded<T>(count * lanes)};
              Guarded<std::int32_t> labels_(steps * lanes);
              Guarded<double> losses_(lanes);
              Guarded<T> scratch_(lane_scratch * lanes);
              // Of a network, whatever lane it is in.
              const std::uint64_t seed = numbers_of_shape;
              const auto at = [=](index_t i, index_t lane) {
                return Numbers(seed + static_cast<std::uint64_t>(i * networks + first + lane));
              };
              const auto number = [=](index_t i, index_t lane) { return at(i, lane).symmetric(); };
              const MatrixView<T> parameters = parameters_.fill(count, lanes, lanes, number);
              const MatrixView<T> x = x_.fill(steps * inputs, lanes, lanes, number);
              const MatrixView<T> y =
                  y_.fill(steps * outputs, lanes, lanes,
                          [=](index_t i, index_t lane) { return at(i, lane).positive(); });
              const MatrixView<std::int32_t> labels =
                  labels_.fill(steps, lanes, lanes, [=](index_t i, index_t lane) {
                    return at(i, lane).bits() % static_cast<std::uint64_t>(outputs);
                  });
              const MatrixView<T> scratch = scratch_.fill(1, lane_scratch * lanes, 0);
              MatrixView<T> states[2] = {states_[0].fill(count, lanes, lanes),
                                         states_[1].fill(count, lanes, lanes)};
              const MatrixView<double> total = losses_.fill(1, lanes, lanes);
              double scalars[steps][networks][max_optimizer_scalars] = {};
              for (index_t i = 0; i < steps; ++i)
                for (index_t lane = 0; lane < lanes; ++lane) {
                  const double given[] = {0.01 * static_cast<double>(first + lane + 1), 0.9, 0.999,
                                          1e-7};
                  rule->prepare(given, i + 1, scalars[i][lane]);
                }
              const MatrixView<T> scalar_lanes =
                  scalars_.fill(steps * 8, lanes, lanes,
                                [&](index_t i, index_t j) { return scalars[i / 8][j][i % 8]; });
              const bool sparse = tried.form == LaneLoss::sparse;
              const double share = loss->averaged ? 1.0 / static_cast<double>(outputs) : 1;
              std::vector<SingleNetwork<T>> alone;
              std::vector<double> alone_total(static_cast<std::size_t>(lanes));
              for (index_t lane = 0; lane < lanes; ++lane) {
                const auto column = [&](MatrixView<T> from, index_t begin, index_t n) {
                  std::vector<T> values(static_cast<std::size_t>(n));
                  for (index_t i = 0; i < n; ++i)
                    values[static_cast<std::size_t>(i)] = from.row(begin + i)[lane];
                  values.resize(values.size() + 64);  // may be loaded
                  return values;
                };
                std::vector<T> start = column(parameters, 0, count);
                start.resize(static_cast<std::size_t>(count));
                alone.emplace_back(table, layers, start);
                for (index_t i = 0; i < steps; ++i) {
                  const std::vector<T> row = column(x, i * inputs, inputs);
                  const std::vector<T> truth = column(y, i * outputs, outputs);
                  alone_total[static_cast<std::size_t>(lane)] +=
                      alone.back().step(row.data(), sparse ? nullptr : truth.data(),
                                        sparse ? labels.row(i) + lane : nullptr, *loss,
                                        tried.from_z, 1.0, *rule, scalars[i][lane]);
                }
                for (const T value : alone.back().parameters()) hash.add(value);
                hash.add(alone_total[static_cast<std::size_t>(lane)]);
              }
              if (table.lane_train == nullptr) continue;
              table.lane_train({layers.data(),
                                static_cast<int>(layers.size()),
                                parameters.data,
                                {states[0].data, states[1].data},
                                update,
                                scalar_lanes.data,
                                8 * lanes,
                                steps,
                                false,
                                x.data,
                                inputs * lanes,
                                sparse ? nullptr : y.data,
                                sparse ? 0 : outputs * lanes,
                                sparse ? labels.data : nullptr,
                                tried.form,
                                1.0,
                                share,
                                total.data,
                                scratch.data});
              parameters_.check_outside("parameters");
              losses_.check_outside("losses");
              scratch_.check_outside("scratch");
              for (index_t lane = 0; lane < lanes; ++lane) {
                const SingleNetwork<T>& wanted = alone[static_cast<std::size_t>(lane)];
                for (index_t i = 0; i < count; ++i) {
                  const auto place = static_cast<std::size_t>(i);
                  if (parameters.row(i)[lane] != wanted.parameters()[place])
                    fail("parameter %td of lane %td: found %.17g, expected %.17g", i, lane,
                         static_cast<double>(parameters.row(i)[lane]),
                         static_cast<double>(wanted.parameters()[place]));
                  for (int s = 0; s < rule->state_count; ++s)
                    if (states[s].row(i)[lane] != wanted.state(s)[place])
                      fail("state %d of parameter %td, lane %td differs", s, i, lane);
                }
                if (total.data[lane] != alone_total[static_cast<std::size_t>(lane)])
                  fail("loss of lane %td: found %.17g, expected %.17g", lane, total.data[lane],
                       alone_total[static_cast<std::size_t>(lane)]);
              }
            }
          }
      });
    }
}

}  // namespace densecore::check
