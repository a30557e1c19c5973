// Rows of actions whose columns are independent normal numbers, or the tanh of such ones: the head
// of a policy with continuous actions, with the gradients by the network's outputs.
#pragma once

#include <cstdint>

#include "objectives/array_functions.h"

namespace densecore {

// Derivatives of a cost by the means (rows, cols) and by the logarithms of the standard deviations,
// (rows, cols) or, where all rows share them, (1, cols).
struct NormalGradient {
  Numbers loc, log_scale;
};
void add(NormalGradient& sum, const NormalGradient& other);

// u = loc + exp(log_scale) noise; the action is u, or tanh u when `squashed`. A number of a row
// (log_prob, entropy, divergence) is the sum over its columns. log_scale is limited to lowest ..
// highest, and has no derivative beyond.
class NormalRows {
 public:
  struct Shape {
    index_t rows, cols;
    index_t scale_rows;  // of log_scale: `rows`, or 1 for all
    bool squashed;
    bool single;  // the caller's numbers are float32
  };
  // Throws std::invalid_argument for numbers that are not finite, or a scale whose inverse is not.
  NormalRows(const ArrayFunctions& functions, const Shape& shape, Numbers loc, Numbers log_scale,
             double lowest, double highest);

  const ArrayFunctions& functions() const { return functions_; }
  index_t rows() const { return rows_; }
  index_t cols() const { return cols_; }
  bool squashed() const { return squashed_; }
  const Numbers& loc() const { return loc_; }
  // Within its limits.
  const Numbers& log_scale() const { return log_scale_; }
  // A log_scale of which the same head is made: where it was limited, the number of the caller's
  // dtype on the outer side of the limit.
  Numbers unlimited_log_scale() const;

  // Standard normal numbers (rows, cols), which follow from the seed.
  Numbers noise(std::uint64_t seed) const;
  // Actions and the logarithms of their densities, from the noise that they are made of: exact for
  // a squashed action, too, where the action itself has lost what made it differ from 1.
  void sample(const Numbers& noise, Numbers& action, Numbers& log_prob) const;
  // The gradient of a cost, by `by_action` (rows, cols) and `by_log_prob` (rows,) of the sample's
  // own density; either may be empty.
  NormalGradient sample_gradient(const Numbers& noise, const Numbers& by_action,
                                 const Numbers& by_log_prob) const;

  // Log-densities of actions. A squashed one of +-1 counts as the number of its dtype next to it.
  Numbers log_prob(const Numbers& action) const;
  NormalGradient log_prob_gradient(const Numbers& action, const Numbers& weight) const;
  // The squashed distribution's is an integral: the trapezoidal rule, which converges exponentially
  // here.
  Numbers entropy() const;
  NormalGradient entropy_gradient(const Numbers& weight) const;
  // Kullback and Leibler's, of this one from the other; tanh does not change it.
  Numbers divergence(const NormalRows& other) const;
  void divergence_gradient(const NormalRows& other, const Numbers& weight, NormalGradient& by_own,
                           NormalGradient& by_other) const;

 private:
  std::size_t scale_at(index_t i, index_t j) const {
    return static_cast<std::size_t>((scale_rows_ == 1 ? 0 : i) * cols_ + j);
  }
  std::size_t at(index_t i, index_t j) const { return static_cast<std::size_t>(i * cols_ + j); }
  NormalGradient empty_gradient() const;
  // loc + scale noise.
  Numbers drawn(const Numbers& noise) const;
  // 2 (log_scale - the other's), element by element of loc.
  Numbers twice_log_ratio(const NormalRows& other) const;
  // Sets log_scale's derivative to 0 where log_scale was limited.
  void finish(NormalGradient& gradient) const;
  // The normal numbers that actions are made of.
  Numbers before_squashing(const Numbers& action) const;
  // log(1 - tanh^2 u), and 1 - tanh^2 u.
  void squashing(const Numbers& u, Numbers* logarithm, Numbers* slope) const;
  // For one element of a squashed distribution: E log(1 - tanh^2 u), and that of the derivative by
  // u, -2 tanh u, without and with a factor z = (u - loc) / scale.
  struct Expectations {
    double logarithm, slope, slope_z;
  };
  Expectations expectations(double loc, double scale) const;

  ArrayFunctions functions_;
  index_t rows_, cols_, scale_rows_;
  bool squashed_, single_;
  double lowest_;   // limit of log_scale
  double largest_;  // the number of the caller's dtype below 1
  Numbers loc_, log_scale_, scale_, inverse_;
  std::vector<char> limited_;  // where log_scale was beyond its limits
};

}  // namespace densecore
