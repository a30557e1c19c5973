// Every optimizer. One is added as a structure in optimizer_adaptive.h, with its name in the list
// at that header's end, an oracle of the same name in python/densecore/reference/optimizers.py, and
// a class of keyword arguments in python/densecore/optimizers/rules.py. Variants that a
// hyperparameter chooses (a momentum of 0 or not) are entries of their own, so that each is one
// pass over the arrays it needs.
//
// `descent`: the update is p -= scalars[0] * g and nothing else, which a weight gradient can do by
// itself. `prepare` computes in double precision what all parameters share in a step; `update` sees
// one vector of parameters p, gradients g and states s.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/math.h"
#include "kernels/optimizer_adaptive.h"
#include "kernels/table.h"

namespace {

using densecore::OptimizerEntry;

// p -= learning_rate * g (the note's Eq. 29 and 30)
struct Sgd {
  static constexpr char name[] = "sgd";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.01, 0, unbounded, false},
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

// v = momentum v - learning_rate g; p += v, or Nesterov's p += momentum v - learning_rate g
// (Sutskever, Martens, Dahl & Hinton, 2013), as Keras writes them.
template <bool nesterov>
struct SgdMomentum {
  static constexpr const char* name = nesterov ? "sgd_nesterov" : "sgd_momentum";
  static constexpr Hyperparameter hyperparameters[] = {
      {"learning_rate", 0.01, 0, unbounded, false},
      {"momentum", 0.9, 0, 1, true},
  };
  static constexpr bool descent = false;
  static constexpr const char* states[] = {"velocity"};
  static constexpr int state_count = 1;
  static void prepare(const double* h, std::int64_t, double* scalars) {
    scalars[0] = h[0];
    scalars[1] = h[1];
  }
  template <class V>
  static V update(V p, V g, V* s, const V* scalars) {
    const V step = scalars[0] * g;
    s[0] = fma(scalars[1], s[0], V::set(0) - step);
    return nesterov ? p + fma(scalars[1], s[0], V::set(0) - step) : p + s[0];
  }
};

using Optimizers = Joined<TypeList<Sgd, SgdMomentum<false>, SgdMomentum<true>>, AdaptiveOptimizers>;

// A state as it is kept. `never_negative` of an optimizer has a bit for each such state.
template <class Optimizer, class V>
inline V kept_state(V state, int number) {
  if constexpr (requires { Optimizer::never_negative; })
    if (Optimizer::never_negative >> number & 1) return positive_without_subnormals(state);
  return without_subnormals(state);
}

template <class Optimizer, class V>
void optimizer_update(index_t n, const double* scalars, typename V::T* parameter,
                      const typename V::T* gradient, typename V::T* const* state) {
  V shared[densecore::max_optimizer_scalars];
  for (int i = 0; i < densecore::max_optimizer_scalars; ++i)
    shared[i] = V::set(static_cast<typename V::T>(scalars[i]));
  const auto body = [&](index_t j, auto part) {
    V s[Optimizer::state_count + 1];
    for (int i = 0; i < Optimizer::state_count; ++i) s[i] = part.load(state[i] + j);
    const V p = Optimizer::update(part.load(parameter + j), part.load(gradient + j), s, shared);
    part.store(without_subnormals(p), parameter + j);
#pragma GCC unroll 3
    for (int i = 0; i < Optimizer::state_count; ++i)
      part.store(kept_state<Optimizer>(s[i], i), state[i] + j);
  };
  index_t done = 0;
  if constexpr (Optimizer::descent)  // so short that the loop would be half of it
    for (; done + 4 * V::width <= n; done += 4 * V::width)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) body(done + v * V::width, Whole<V>{});
  for_each_vector<V>(n - done, [&](index_t j, auto part) { body(done + j, part); });
}

// The optimizer whose update is used, when only the scalars differ.
template <class Optimizer>
struct UpdateOf {
  using type = Optimizer;
};
template <class Optimizer>
requires requires { typename Optimizer::Update; }
struct UpdateOf<Optimizer> {
  using type = typename Optimizer::Update;
};

template <class Optimizer>
constexpr int hyperparameter_count() {
  if constexpr (requires { Optimizer::hyperparameter_count; })
    return Optimizer::hyperparameter_count;
  else
    return sizeof(Optimizer::hyperparameters) / sizeof(Hyperparameter);
}

template <class Optimizer>
double initial_state(const double* hyperparameters, int state) {
  if constexpr (requires { Optimizer::initial_state; })
    return Optimizer::initial_state(hyperparameters, state);
  return 0;
}

template <class Optimizer>
constexpr densecore::ArrayStep array_step_of() {
  if constexpr (requires { Optimizer::array_step; }) return Optimizer::array_step;
  return densecore::ArrayStep::none;
}

template <class V, class List>
struct OptimizerTable;
template <class V, class... Optimizer>
struct OptimizerTable<V, TypeList<Optimizer...>> {
  static constexpr int count = sizeof...(Optimizer);
  static constexpr OptimizerEntry<typename V::T> entries[] = {
      {Optimizer::name, Optimizer::hyperparameters, hyperparameter_count<Optimizer>(),
       Optimizer::descent, Optimizer::states, Optimizer::state_count, initial_state<Optimizer>,
       Optimizer::prepare, optimizer_update<typename UpdateOf<Optimizer>::type, V>,
       array_step_of<Optimizer>()}...};
};

}  // namespace
