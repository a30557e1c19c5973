// Every optimizer, and their list. This is the one place to add one: a structure here, its name in
// `Optimizers`, an oracle of the same name in python/densecore/reference/operations.py, and a class
// of keyword arguments in python/densecore/optimizers.py.
//
// `descent`: the update is p -= scalars[0] * g and nothing else, which a weight gradient can do by
// itself. `prepare` computes in double precision what all parameters share in a step; `update` sees
// one vector of parameters p, gradients g and states s.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/table.h"

namespace {

using densecore::OptimizerEntry;

// x^n for n >= 1 by squaring: the same bits on every platform, which pow does not promise.
inline double integer_power(double x, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) result *= x;
    x *= x;
  }
  return result;
}

// p -= learning_rate * g (the note's Eq. 29 and 30)
struct Sgd {
  static constexpr char name[] = "sgd";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.01, 0, unbounded, true},
  };
  static constexpr bool descent = true;
  static constexpr const char* const* states = nullptr;
  static constexpr int state_count = 0;
  static void prepare(const double* h, std::int64_t, double* scalars) { scalars[0] = h[0]; }
  template <class V>
  static V update(V p, V g, V*, const V* scalars) {
    return fnma(scalars[0], g, p);
  }
};

// Kingma & Ba, Adam: a method for stochastic optimization, 2015, algorithm 1. The two bias
// corrections are folded into the step's scalars:
//   p -= (learning_rate / (1 - b1^t)) m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
struct Adam {
  static constexpr char name[] = "adam";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.001, 0, unbounded, true},
      {"beta_1", 0.9, 0, 1, false},
      {"beta_2", 0.999, 0, 1, false},
      {"epsilon", 1e-7, 0, unbounded, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"m", "v"};
  static constexpr int state_count = 2;
  static void prepare(const double* h, std::int64_t step, double* scalars) {
    scalars[0] = h[0] / (1 - integer_power(h[1], step));
    scalars[1] = 1 / __builtin_sqrt(1 - integer_power(h[2], step));
    scalars[2] = h[3];
    scalars[3] = h[1];
    scalars[4] = 1 - h[1];
    scalars[5] = h[2];
    scalars[6] = 1 - h[2];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    s[0] = fma(scalars[3], s[0], scalars[4] * g);
    s[1] = fma(scalars[5], s[1], scalars[6] * (g * g));
    return p - scalars[0] * s[0] / fma(sqrt(s[1]), scalars[1], scalars[2]);
  }
};

using Optimizers = TypeList<Sgd, Adam>;

template <class Optimizer, class V>
void optimizer_update(index_t n, const double* scalars, typename V::T* parameter,
                      const typename V::T* gradient, typename V::T* const* state) {
  V shared[densecore::max_optimizer_scalars];
  for (int i = 0; i < densecore::max_optimizer_scalars; ++i)
    shared[i] = V::set(static_cast<typename V::T>(scalars[i]));
  for_each_vector<V>(n, [&](index_t j, auto part) {
    V s[Optimizer::state_count + 1];
    for (int i = 0; i < Optimizer::state_count; ++i) s[i] = part.load(state[i] + j);
    const V p = Optimizer::update(part.load(parameter + j), part.load(gradient + j), s, shared);
    part.store(p, parameter + j);
    for (int i = 0; i < Optimizer::state_count; ++i) part.store(s[i], state[i] + j);
  });
}

template <class V, class List>
struct OptimizerTable;
template <class V, class... Optimizer>
struct OptimizerTable<V, TypeList<Optimizer...>> {
  static constexpr int count = sizeof...(Optimizer);
  static constexpr OptimizerEntry<typename V::T> entries[] = {
      {Optimizer::name, Optimizer::hyperparameters,
       static_cast<int>(sizeof(Optimizer::hyperparameters) / sizeof(Hyperparameter)),
       Optimizer::descent, Optimizer::states, Optimizer::state_count, Optimizer::prepare,
       optimizer_update<Optimizer, V>}...};
};

}  // namespace
