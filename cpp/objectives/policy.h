// Objectives of reinforcement learning that are functions of a few numbers per row: of the
// log-densities of actions, and of the values of states and actions.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "objectives/array_functions.h"

namespace densecore {

// A batch's objective, and the measures of how far the policy has moved.
struct PolicyLoss {
  double loss = 0;
  double divergence = 0;  // of the policy that acted from this one, estimated from the actions
  double clipped = 0;     // the share of rows whose ratio is out of the range
  double entropy = std::numeric_limits<double>::quiet_NaN();  // the mean, if it has a bonus
};

// Of a head (NormalRows, CategoricalRows) with at least one row, for given actions: the mean over
// rows of -min(ratio gain, clip(ratio, 1 - clip, 1 + clip) gain), with ratio = exp(log_prob -
// before) (Schulman et al., arXiv 1707.06347), or without `before` of -log_prob gain (Williams,
// 1992); less `bonus` times the mean entropy. `gradient` becomes its derivatives by the head's
// parameters.
template <class Head, class Actions, class Gradient>
PolicyLoss policy_loss(const Head& head, const Actions& actions, const Numbers* before,
                       const Numbers& gain, double clip, double bonus, Gradient& gradient);

// The mean over rows of the loss of the chosen action's value: the square of its error from the
// target, halved, or with a finite `delta` that of Huber. `gradient` (rows, cols) becomes its
// derivatives, `errors` (rows,) value - target.
double action_value_loss(const Numbers& values, index_t cols,
                         const std::vector<std::int32_t>& actions, const Numbers& targets,
                         const Numbers& weight, double delta, Numbers& gradient, Numbers& errors);

// Of (steps, runs): A[t] = d[t] + discount lambda A[t + 1], d[t] = r[t] + discount v[t + 1] - v[t]
// (Schulman et al., arXiv 1506.02438). An episode that ended with step t (`terminated`) has no
// value after it; one that was cut there (`truncated`) has, but its advantages end. `values` are
// (steps + 1, runs); `after_cut` (steps, runs), or empty, holds the values of the states that
// episodes were cut in.
Numbers advantages(index_t runs, const Numbers& rewards, const Numbers& values,
                   const std::vector<char>& terminated, const std::vector<char>& truncated,
                   const Numbers& after_cut, double discount, double lambda);

}  // namespace densecore
