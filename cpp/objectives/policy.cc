#include "objectives/policy.h"

#include <algorithm>
#include <cmath>

#include "objectives/categorical_rows.h"
#include "objectives/normal_rows.h"

namespace densecore {
namespace {

// Both: `slope` becomes the derivatives by log_prob.
PolicyLoss clipped_surrogate(const ArrayFunctions& functions, const Numbers& log_prob,
                             const Numbers& before, const Numbers& gain, double clip,
                             Numbers& slope) {
  const std::size_t rows = log_prob.size();
  const double share = 1.0 / static_cast<double>(std::max<std::size_t>(rows, 1));
  Numbers difference(rows);
  for (std::size_t i = 0; i < rows; ++i) difference[i] = log_prob[i] - before[i];
  Numbers ratio = difference;
  functions.exp(ratio);
  PolicyLoss sums;
  slope.assign(rows, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    const double limited = std::clamp(ratio[i], 1 - clip, 1 + clip);
    const double free = ratio[i] * gain[i], bound = limited * gain[i];
    sums.loss -= std::min(free, bound);
    if (free <= bound) slope[i] = -(free * share);
    sums.clipped += limited != ratio[i] ? 1 : 0;
    sums.divergence += (ratio[i] - 1) - difference[i];
  }
  return {sums.loss * share, sums.divergence * share, sums.clipped * share};
}

PolicyLoss policy_gradient(const Numbers& log_prob, const Numbers& gain, Numbers& slope) {
  const std::size_t rows = log_prob.size();
  const double share = 1.0 / static_cast<double>(std::max<std::size_t>(rows, 1));
  slope.resize(rows);
  double loss = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    loss -= log_prob[i] * gain[i];
    slope[i] = -(gain[i] * share);
  }
  return {loss * share, 0, 0};
}

}  // namespace

template <class Head, class Actions, class Gradient>
PolicyLoss policy_loss(const Head& head, const Actions& actions, const Numbers* before,
                       const Numbers& gain, double clip, double bonus, Gradient& gradient) {
  Numbers slope;
  const Numbers now = head.log_prob(actions);
  PolicyLoss found = before == nullptr
                         ? policy_gradient(now, gain, slope)
                         : clipped_surrogate(head.functions(), now, *before, gain, clip, slope);
  gradient = head.log_prob_gradient(actions, slope);
  if (bonus == 0) return found;
  found.entropy = mean_of(head.entropy());
  found.loss -= bonus * found.entropy;
  add(gradient,
      head.entropy_gradient(Numbers(now.size(), -bonus / static_cast<double>(now.size()))));
  return found;
}

template PolicyLoss policy_loss(const NormalRows&, const Numbers&, const Numbers*, const Numbers&,
                                double, double, NormalGradient&);
template PolicyLoss policy_loss(const CategoricalRows&, const std::vector<std::int32_t>&,
                                const Numbers*, const Numbers&, double, double, Numbers&);

double action_value_loss(const Numbers& values, index_t cols,
                         const std::vector<std::int32_t>& actions, const Numbers& targets,
                         const Numbers& weight, double delta, Numbers& gradient, Numbers& errors) {
  const std::size_t rows = targets.size();
  const double share = 1.0 / static_cast<double>(std::max<std::size_t>(rows, 1));
  gradient.assign(values.size(), 0);
  errors.resize(rows);
  double loss = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const auto place = i * static_cast<std::size_t>(cols) + static_cast<std::size_t>(actions[i]);
    const double error = values[place] - targets[i], size = std::fabs(error);
    const double w = weight.empty() ? 1 : weight[i];
    errors[i] = error;
    loss += w * (size <= delta ? 0.5 * (error * error) : delta * (size - 0.5 * delta));
    gradient[place] = w * (std::clamp(error, -delta, delta) * share);
  }
  return loss * share;
}

Numbers advantages(index_t runs, const Numbers& rewards, const Numbers& values,
                   const std::vector<char>& terminated, const std::vector<char>& truncated,
                   const Numbers& after_cut, double discount, double lambda) {
  const auto width = static_cast<std::size_t>(runs);
  Numbers found(rewards.size()), ahead(width);
  for (std::size_t i = rewards.size(); i-- > 0;) {
    const std::size_t run = i % width;
    const bool ended = terminated[i] != 0, cut = truncated[i] != 0;
    const double next = cut && !after_cut.empty() ? after_cut[i] : values[i + width];
    const double surprise = rewards[i] + (ended ? 0 : discount * next) - values[i];
    ahead[run] = surprise + (ended || cut ? 0 : discount * lambda * ahead[run]);
    found[i] = ahead[run];
  }
  return found;
}

}  // namespace densecore
