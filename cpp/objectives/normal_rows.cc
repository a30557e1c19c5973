#include "objectives/normal_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/random.h"

namespace densecore {
namespace {

constexpr double log_2 = 0.69314718055994530942;
constexpr double half_log_2_pi = 0.91893853320467274178;
// Beyond these values of |log_scale|, the scale, its inverse or a squared deviation overflows.
constexpr double most_float = 80, most_double = 340;

// The sum of each row (rows,), its columns added in increasing order.
Numbers row_sums(const Numbers& x, index_t rows, index_t cols) {
  Numbers sums(static_cast<std::size_t>(rows));
  const double* next = x.data();
  for (double& sum : sums)
    for (index_t j = 0; j < cols; ++j) sum += *next++;
  return sums;
}

}  // namespace

NormalRows::NormalRows(const ArrayFunctions& functions, const Shape& shape, Numbers loc,
                       Numbers log_scale, double lowest, double highest)
    : functions_(functions),
      rows_(shape.rows),
      cols_(shape.cols),
      scale_rows_(shape.scale_rows),
      squashed_(shape.squashed),
      single_(shape.single),
      lowest_(lowest),
      largest_(1 - (shape.single ? 0x1p-24 : 0x1p-53)),
      loc_(std::move(loc)),
      log_scale_(std::move(log_scale)) {
  constexpr double finite = std::numeric_limits<double>::max();
  const double most = shape.single ? most_float : most_double;
  check_range("loc", loc_, cols_, -finite, finite, "finite numbers");
  check_range("log_scale", log_scale_, cols_, -finite, finite, "finite numbers");
  limited_.resize(log_scale_.size());
  for (std::size_t i = 0; i < log_scale_.size(); ++i) {
    double& s = log_scale_[i];
    limited_[i] = s < lowest || s > highest;
    s = std::clamp(s, lowest, highest);
  }
  check_range("log_scale", log_scale_, cols_, -most, most,
              shape.single ? "-80 to 80 (log_scale_bounds limit it)"
                           : "-340 to 340 (log_scale_bounds limit it)");
  scale_ = inverse_ = log_scale_;
  for (double& s : inverse_) s = -s;
  functions_.exp(scale_);
  functions_.exp(inverse_);
}

Numbers NormalRows::unlimited_log_scale() const {
  Numbers found = log_scale_;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (limited_[i] == 0) continue;
    const double end = found[i] == lowest_ ? -1 : 1;
    if (single_)
      found[i] = static_cast<double>(
          std::nextafter(static_cast<float>(found[i]), static_cast<float>(end * 3e38)));
    else
      found[i] = std::nextafter(found[i], end * std::numeric_limits<double>::max());
  }
  return found;
}

Numbers NormalRows::noise(std::uint64_t seed) const {
  Random random(seed, Stream::sample, 0);
  Numbers numbers(static_cast<std::size_t>(rows_ * cols_));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = random.normal(i);
  return numbers;
}

void NormalRows::squashing(const Numbers& u, Numbers* logarithm, Numbers* slope) const {
  // With t = exp(-2 |u|): 1 - tanh^2 u = 4 t / (1 + t)^2, which does not cancel.
  Numbers t(u.size());
  for (std::size_t i = 0; i < u.size(); ++i) t[i] = -2 * std::fabs(u[i]);
  functions_.exp(t);
  if (slope != nullptr) {
    slope->resize(u.size());
    for (std::size_t i = 0; i < u.size(); ++i) (*slope)[i] = 4 * t[i] / ((1 + t[i]) * (1 + t[i]));
  }
  if (logarithm == nullptr) return;
  functions_.log1p(t);
  logarithm->resize(u.size());
  for (std::size_t i = 0; i < u.size(); ++i) (*logarithm)[i] = 2 * (log_2 - std::fabs(u[i]) - t[i]);
}

Numbers NormalRows::drawn(const Numbers& noise) const {
  Numbers u(noise.size());
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j)
      u[at(i, j)] = loc_[at(i, j)] + scale_[scale_at(i, j)] * noise[at(i, j)];
  return u;
}

void NormalRows::sample(const Numbers& noise, Numbers& action, Numbers& log_prob) const {
  action = drawn(noise);
  Numbers terms(noise.size());
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j) {
      const double z = noise[at(i, j)];
      terms[at(i, j)] = -0.5 * (z * z) - log_scale_[scale_at(i, j)] - half_log_2_pi;
    }
  if (squashed_) {
    Numbers logarithm;
    squashing(action, &logarithm, nullptr);
    for (std::size_t i = 0; i < terms.size(); ++i) terms[i] -= logarithm[i];
    functions_.tanh(action);
  }
  log_prob = row_sums(terms, rows_, cols_);
}

NormalGradient NormalRows::empty_gradient() const {
  return {Numbers(loc_.size()), Numbers(log_scale_.size())};
}

void NormalRows::finish(NormalGradient& gradient) const {
  for (std::size_t i = 0; i < limited_.size(); ++i)
    if (limited_[i] != 0) gradient.log_scale[i] = 0;
}

NormalGradient NormalRows::sample_gradient(const Numbers& noise, const Numbers& by_action,
                                           const Numbers& by_log_prob) const {
  NormalGradient gradient = empty_gradient();
  Numbers u, slope;
  if (squashed_) {
    u = drawn(noise);
    squashing(u, nullptr, &slope);
    functions_.tanh(u);
  }
  for (index_t i = 0; i < rows_; ++i) {
    const double w = by_log_prob.empty() ? 0 : by_log_prob[static_cast<std::size_t>(i)];
    for (index_t j = 0; j < cols_; ++j) {
      // The sample's density is -noise^2 / 2 - log_scale - log(1 - tanh^2 u): the noise is given.
      double by_u = by_action.empty() ? 0 : by_action[at(i, j)];
      if (squashed_) by_u = by_u * slope[at(i, j)] + 2 * w * u[at(i, j)];
      gradient.loc[at(i, j)] = by_u;
      gradient.log_scale[scale_at(i, j)] += by_u * scale_[scale_at(i, j)] * noise[at(i, j)] - w;
    }
  }
  finish(gradient);
  return gradient;
}

Numbers NormalRows::before_squashing(const Numbers& action) const {
  if (!squashed_) return action;
  // atanh a = (log(1 + |a|) - log(1 - |a|)) / 2 with the sign of a
  Numbers plus(action.size()), minus(action.size());
  for (std::size_t i = 0; i < action.size(); ++i) {
    plus[i] = std::min(std::fabs(action[i]), largest_);
    minus[i] = -plus[i];
  }
  functions_.log1p(plus);
  functions_.log1p(minus);
  for (std::size_t i = 0; i < action.size(); ++i)
    plus[i] = std::copysign(0.5 * (plus[i] - minus[i]), action[i]);
  return plus;
}

Numbers NormalRows::log_prob(const Numbers& action) const {
  const Numbers u = before_squashing(action);
  Numbers terms(u.size()), logarithm;
  if (squashed_) squashing(u, &logarithm, nullptr);
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j) {
      const double z = (u[at(i, j)] - loc_[at(i, j)]) * inverse_[scale_at(i, j)];
      terms[at(i, j)] = -0.5 * (z * z) - log_scale_[scale_at(i, j)] - half_log_2_pi;
      if (squashed_) terms[at(i, j)] -= logarithm[at(i, j)];
    }
  return row_sums(terms, rows_, cols_);
}

NormalGradient NormalRows::log_prob_gradient(const Numbers& action, const Numbers& weight) const {
  const Numbers u = before_squashing(action);
  NormalGradient gradient = empty_gradient();
  for (index_t i = 0; i < rows_; ++i) {
    const double w = weight[static_cast<std::size_t>(i)];
    for (index_t j = 0; j < cols_; ++j) {
      const double inverse = inverse_[scale_at(i, j)];
      const double z = (u[at(i, j)] - loc_[at(i, j)]) * inverse;
      gradient.loc[at(i, j)] = w * z * inverse;
      gradient.log_scale[scale_at(i, j)] += w * (z * z - 1);
    }
  }
  finish(gradient);
  return gradient;
}

NormalRows::Expectations NormalRows::expectations(double loc, double scale) const {
  // Steps of z: a tenth, or what is 0.4 of u. The nearest pole of log(1 - tanh^2 u) is pi / 2 from
  // the real axis, so the error is about exp(-pi^2 / (0.4)).
  constexpr double widest = 8;
  const double step = std::max(std::min(0.1, 0.4 / scale), 0.004);
  const auto half = static_cast<index_t>(widest / step);
  Numbers weight(static_cast<std::size_t>(2 * half + 1)), t(weight.size());
  for (index_t k = -half; k <= half; ++k) {
    const double z = step * static_cast<double>(k);
    weight[static_cast<std::size_t>(k + half)] = -0.5 * (z * z);
    t[static_cast<std::size_t>(k + half)] = -2 * std::fabs(loc + scale * z);
  }
  functions_.exp(weight);
  functions_.exp(t);
  Numbers logarithm = t;
  functions_.log1p(logarithm);
  Expectations sums{0, 0, 0};
  double total = 0;
  for (index_t k = -half; k <= half; ++k) {
    const auto i = static_cast<std::size_t>(k + half);
    const double z = step * static_cast<double>(k), u = loc + scale * z, w = weight[i];
    const double slope = std::copysign(2 * (1 - t[i]) / (1 + t[i]), -u);
    total += w;
    sums.logarithm += w * (2 * (log_2 - std::fabs(u) - logarithm[i]));
    sums.slope += w * slope;
    sums.slope_z += w * slope * z;
  }
  return {sums.logarithm / total, sums.slope / total, sums.slope_z / total};
}

Numbers NormalRows::entropy() const {
  Numbers terms(loc_.size());
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j) {
      const std::size_t s = scale_at(i, j);
      terms[at(i, j)] = 0.5 + half_log_2_pi + log_scale_[s];
      if (squashed_) terms[at(i, j)] += expectations(loc_[at(i, j)], scale_[s]).logarithm;
    }
  return row_sums(terms, rows_, cols_);
}

NormalGradient NormalRows::entropy_gradient(const Numbers& weight) const {
  NormalGradient gradient = empty_gradient();
  for (index_t i = 0; i < rows_; ++i) {
    const double w = weight[static_cast<std::size_t>(i)];
    for (index_t j = 0; j < cols_; ++j) {
      const std::size_t s = scale_at(i, j);
      double by_log_scale = 1;
      if (squashed_) {
        const Expectations found = expectations(loc_[at(i, j)], scale_[s]);
        gradient.loc[at(i, j)] = w * found.slope;
        by_log_scale += scale_[s] * found.slope_z;
      }
      gradient.log_scale[s] += w * by_log_scale;
    }
  }
  finish(gradient);
  return gradient;
}

Numbers NormalRows::twice_log_ratio(const NormalRows& other) const {
  Numbers ratio(loc_.size());
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j)
      ratio[at(i, j)] = 2 * (log_scale_[scale_at(i, j)] - other.log_scale_[other.scale_at(i, j)]);
  return ratio;
}

Numbers NormalRows::divergence(const NormalRows& other) const {
  // d = the difference of the log scales: (exp(2 d) - 1 - 2 d + z^2) / 2
  Numbers terms = twice_log_ratio(other);
  Numbers ratio = terms;
  functions_.expm1(ratio);
  for (index_t i = 0; i < rows_; ++i)
    for (index_t j = 0; j < cols_; ++j) {
      const double z =
          (loc_[at(i, j)] - other.loc_[at(i, j)]) * other.inverse_[other.scale_at(i, j)];
      terms[at(i, j)] = 0.5 * ((ratio[at(i, j)] - terms[at(i, j)]) + z * z);
    }
  return row_sums(terms, rows_, cols_);
}

void NormalRows::divergence_gradient(const NormalRows& other, const Numbers& weight,
                                     NormalGradient& by_own, NormalGradient& by_other) const {
  by_own = empty_gradient();
  by_other = other.empty_gradient();
  Numbers ratio = twice_log_ratio(other);
  functions_.expm1(ratio);
  for (index_t i = 0; i < rows_; ++i) {
    const double w = weight[static_cast<std::size_t>(i)];
    for (index_t j = 0; j < cols_; ++j) {
      const double inverse = other.inverse_[other.scale_at(i, j)];
      const double z = (loc_[at(i, j)] - other.loc_[at(i, j)]) * inverse, r = ratio[at(i, j)];
      by_own.loc[at(i, j)] = w * z * inverse;
      by_own.log_scale[scale_at(i, j)] += w * r;
      by_other.loc[at(i, j)] = -(w * z * inverse);
      by_other.log_scale[other.scale_at(i, j)] -= w * (r + z * z);
    }
  }
  finish(by_own);
  other.finish(by_other);
}

void add(NormalGradient& sum, const NormalGradient& other) {
  add(sum.loc, other.loc);
  add(sum.log_scale, other.log_scale);
}

}  // namespace densecore
